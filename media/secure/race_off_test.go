//go:build !race

package secure

// raceDetector says that allocations are counted with those of the detector.
const raceDetector = false
