// Package dialplan translates the numbers of calls: it compiles the rules of a dialplan (exact, prefix, range, RE2) so that the first one
// that fits is found without trying them all, and proves the dialplan by its own tests.
package dialplan
