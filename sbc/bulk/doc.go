// Package bulk reads tables of resources (CSV of RFC 4180, one JSON object a line), writes them, and works off imports one after the
// other. What a row means, and whether it is good, is for its caller to say: here a row is names and values.
package bulk
