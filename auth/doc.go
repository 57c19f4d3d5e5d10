// Package auth is the roof of what proves who somebody is: token for the API's keys, digest for phones; radius joins it later. The
// packages below it import nothing else of this module.
package auth
