package subscription

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// eventType is an Event header (RFC 6665 8.2.1).
type eventType struct {
	name string // the package with its templates, in lower case
	id   string
}

// parseEvent reads the Event header; the zero value where there is none that can be read.
func parseEvent(m *msg.Message) eventType {
	name, params, _ := strings.Cut(m.Get("Event"), ";")
	e := eventType{name: strings.ToLower(strings.TrimSpace(name))}
	for p := range strings.SplitSeq(params, ";") {
		if k, v, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(k), "id") {
			e.id = strings.TrimSpace(v)
		}
	}
	return e
}

// in tells whether a profile lets the package through.
func (e eventType) in(p *sbc.SignallingProfile) bool {
	return e.name != "" && slices.ContainsFunc(p.PassEvents, func(s string) bool { return strings.EqualFold(s, e.name) })
}

// String writes the header for whoever gave the id.
func (e eventType) String() string {
	if e.id == "" {
		return e.name
	}
	return e.name + ";id=" + e.id
}

// notice is a Subscription-State header (RFC 6665 8.2.3), as it may pass.
type notice struct {
	state, reason       string
	expires, retryAfter int
}

// parseNotice reads the Subscription-State header; ok is false without one.
func parseNotice(m *msg.Message) (n notice, ok bool) {
	state, params, _ := strings.Cut(m.Get("Subscription-State"), ";")
	n = notice{state: strings.ToLower(strings.TrimSpace(state)), expires: -1, retryAfter: -1}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(p, "=")
		switch v = strings.TrimSpace(v); strings.ToLower(strings.TrimSpace(k)) {
		case "reason":
			if v = strings.ToLower(v); slices.Contains(reasons(), v) {
				n.reason = v
			}
		case "expires":
			n.expires = seconds(v)
		case "retry-after":
			n.retryAfter = seconds(v)
		}
	}
	switch n.state {
	case "":
		return n, false
	case "active", "pending", "terminated":
	default:
		n.state = "active" // RFC 6665 8.2.3: what is not known
	}
	return n, true
}

// reasons are those of RFC 6665 4.1.3.
func reasons() []string {
	return []string{"deactivated", "probation", "rejected", "timeout", "giveup", "noresource", "invariant"}
}

// String writes the header.
func (n notice) String() string {
	s := n.state
	if n.reason != "" {
		s += ";reason=" + n.reason
	}
	if n.expires >= 0 && n.state != "terminated" {
		s += ";expires=" + strconv.Itoa(n.expires)
	}
	if n.retryAfter >= 0 {
		s += ";retry-after=" + strconv.Itoa(n.retryAfter)
	}
	return s
}
