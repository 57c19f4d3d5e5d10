//go:build race

package account

// killRounds are fewer with the race detector, under which a process takes a second to start.
const killRounds = 10
