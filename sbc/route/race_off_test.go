//go:build !race

package route

// underRace tells that the race detector makes everything slow.
const underRace = false
