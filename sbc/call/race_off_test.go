//go:build !race

package call

// underRace tells that the race detector makes everything slow.
const underRace = false
