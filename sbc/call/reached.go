package call

import (
	"errors"

	"github.com/sallyport/sallyport/sbc/msg"
)

// reached tells whoever watches endpoints that one gave an answer.
func (c *Call) reached(l *leg, code int) {
	if l.endpointID != "" && c.m.o.Attempted != nil {
		c.m.o.Attempted(l.endpointID, c.hunt.attempts[l.attempt-1].StartedAt, code)
	}
}

// unreached tells them of one that gave none, while it was waited for. One that rings for too long says nothing about itself, nor does
// one to which nothing was sent because the caller gave up.
func (c *Call) unreached(l *leg, err error, waited bool) {
	if waited && (errors.Is(err, msg.ErrNoResponse) || errors.Is(err, msg.ErrTransport)) {
		c.reached(l, 0)
	}
}
