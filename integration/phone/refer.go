package phone

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// referral is what a call's REFERs came to.
type referral struct {
	done  chan struct{} // of the one under way
	code  int
	heard []Notified
	early msg.NameAddr // To of the last provisional response to our INVITE
}

// Notified is one NOTIFY about a REFER (RFC 3515 2.4.5).
type Notified struct {
	// Fragment is the first line of the message that it quotes, State the value of Subscription-State.
	Fragment, State string
	seq             uint32
}

// Refer asks the other side to call somebody in our place (RFC 3515), and waits for the answer to that. to is the value of Refer-To.
func (c *Call) Refer(ctx context.Context, to string) (code int, err error) {
	done := make(chan struct{})
	c.mu.Lock()
	c.seq++
	req := c.newRequest(msg.REFER, c.seq, msg.NewBranch())
	c.refer.done, c.refer.code = done, 0
	c.mu.Unlock()
	req.Append("Contact", c.phone.contact())
	req.Append("Refer-To", to)
	c.phone.wait.Go(func() { c.retransmit(req, done) })
	select {
	case <-done:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.refer.code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("phone %s: no answer to REFER: %w", c.phone.o.Name, ctx.Err())
	}
}

// Notified lists what came about our REFERs so far, in the order in which it came.
func (c *Call) Notified() []Notified {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refer.heard)
}

// Replaces names this call in the URI of a Refer-To, as RFC 5589 7.3 writes it. There must be a dialog, if only
// an early one.
func (c *Call) Replaces() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	to := c.remote.Tag()
	if to == "" {
		to = c.refer.early.Tag()
	}
	return "?Replaces=" + strings.ReplaceAll(c.callID, "@", "%40") + "%3Bto-tag%3D" + to + "%3Bfrom-tag%3D" + c.local.Tag()
}

// referred is the final answer to a REFER; repetitions change nothing.
func (c *Call) referred(code int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refer.done != nil && c.refer.code == 0 {
		c.refer.code = code
		close(c.refer.done)
	}
}

// notified keeps what a NOTIFY says, once.
func (c *Call) notified(m *msg.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.ContainsFunc(c.refer.heard, func(n Notified) bool { return n.seq == m.CSeq.Seq }) {
		return
	}
	line, _, _ := strings.Cut(string(m.Body), "\r\n")
	c.refer.heard = append(c.refer.heard, Notified{Fragment: line, State: m.Get("Subscription-State"), seq: m.CSeq.Seq})
}
