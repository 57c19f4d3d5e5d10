//go:build !race

package digest

// underRace tells that the race detector makes everything slow, and pools forget.
const underRace = false
