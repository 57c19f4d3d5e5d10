//go:build race

package relay

// raceDetector says that allocations are counted with those of the detector.
const raceDetector = true
