//go:build race

package integration

// raceEnabled tells that the race detector is on, which makes wall-clock times say nothing.
const raceEnabled = true
