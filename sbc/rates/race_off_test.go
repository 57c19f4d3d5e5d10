//go:build !race

package rates

// underRace tells that the race detector makes everything slow.
const underRace = false
