package notify

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Event is an Event header (RFC 6665 8.2.1).
type Event struct {
	Name string // the package with its templates, in lower case
	ID   string
}

// Parse reads the Event header; the zero value where there is none that can be read.
func Parse(m *msg.Message) Event {
	name, params, _ := strings.Cut(m.Get("Event"), ";")
	e := Event{Name: strings.ToLower(strings.TrimSpace(name))}
	for p := range strings.SplitSeq(params, ";") {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), "id") {
			e.ID = strings.TrimSpace(v)
		}
	}
	return e
}

// In tells whether a profile lets the package through.
func (e Event) In(p *sbc.SignallingProfile) bool {
	return e.Name != "" && slices.ContainsFunc(p.PassEvents, func(s string) bool { return strings.EqualFold(s, e.Name) })
}

// String writes the header for whoever gave the id.
func (e Event) String() string {
	if e.ID == "" {
		return e.Name
	}
	return e.Name + ";id=" + e.ID
}

// State is a Subscription-State header (RFC 6665 8.2.3), as it may pass.
type State struct {
	Name string // active, pending or terminated
	// Expires is in seconds, -1 where nothing is said.
	Expires    int
	reason     string
	retryAfter int
}

// ParseState reads the Subscription-State header; ok is false without one.
func ParseState(m *msg.Message) (n State, ok bool) {
	state, params, _ := strings.Cut(m.Get("Subscription-State"), ";")
	n = State{Name: strings.ToLower(strings.TrimSpace(state)), Expires: -1, retryAfter: -1}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		switch v = strings.TrimSpace(v); strings.ToLower(strings.TrimSpace(k)) {
		case "reason":
			if v = strings.ToLower(v); slices.Contains(reasons(), v) {
				n.reason = v
			}
		case "expires":
			n.Expires = Seconds(v)
		case "retry-after":
			n.retryAfter = Seconds(v)
		}
	}
	switch n.Name {
	case "":
		return n, false
	case "active", "pending", "terminated":
	default:
		n.Name = "active" // RFC 6665 8.2.3: what is not known
	}
	return n, true
}

// reasons are those of RFC 6665 4.1.3.
func reasons() []string {
	return []string{"deactivated", "probation", "rejected", "timeout", "giveup", "noresource", "invariant"}
}

// String writes the header.
func (n State) String() string {
	s := n.Name
	if n.reason != "" {
		s += ";reason=" + n.reason
	}
	if n.Expires >= 0 && n.Name != "terminated" {
		s += ";expires=" + strconv.Itoa(n.Expires)
	}
	if n.retryAfter >= 0 {
		s += ";retry-after=" + strconv.Itoa(n.retryAfter)
	}
	return s
}

// Seconds reads delta-seconds (RFC 3261 20.19); -1 where there are none.
func Seconds(s string) int {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 32)
	if err != nil {
		return -1
	}
	return int(min(n, uint64(24*time.Hour/time.Second)))
}
