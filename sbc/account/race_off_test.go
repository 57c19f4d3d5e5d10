//go:build !race

package account

// killRounds is how many processes are killed.
const killRounds = 50
