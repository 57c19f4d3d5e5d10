//go:build !race

package register

// underRace tells that the race detector makes everything slow.
const underRace = false
