//go:build !race

package edge

// raceEnabled tells that the race detector is on, which makes wall-clock times say nothing.
const raceEnabled = false
