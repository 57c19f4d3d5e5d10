// Package template makes of a few parameters all that a trunk or a country's number plan needs. Templates are data: each is a JSON file in
// the folder data, and there is no code for any one of them.
//
// A template creates resources in order. In their bodies "${name}" stands for a parameter, "${each}" for one entry of the list that
// for_each names and "${n}" for its number from 1, and "${key.id}" for the id of a resource created before. A text that is nothing but a
// placeholder becomes the value with its type; within a longer text it is put in as text. What holds a parameter that is not given is left
// out: the member of an object, the entry of a list, and, in a list, the whole object whose member it is.
package template
