package call

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// chaos plays random messages of both sides, timers and orders of the API against one call. It is the walk of machine_test.go
// carried to the whole actor: whatever the order, the call ends, with one record, and nothing is left.
type chaos struct {
	w     *world
	a     *peer
	in    *server
	opens []*server // transactions of peers that may still be cancelled, or fail
	done  map[*sent]bool
}

// outs lists our requests that have had no final answer.
func (c *chaos) outs() (list []*sent) {
	synctest.Wait()
	c.w.wire.mu.Lock()
	defer c.w.wire.mu.Unlock()
	for _, s := range c.w.wire.sent {
		if !c.done[s] {
			list = append(list, s)
		}
	}
	return list
}

// bodyFor picks a body.
func bodyFor(ip string, x byte) string {
	if x&8 != 0 {
		return ""
	}
	return sdp(ip, 4000+int(x))
}

// play makes one step out of two bytes.
func (c *chaos) play(op, x byte) {
	outs := c.outs()
	var out *sent
	if len(outs) > 0 {
		out = outs[int(x>>4)%len(outs)]
	}
	switch op % 12 {
	case 0, 1:
		c.answer(out, []int{100, 180, 183, 200, 200, 491, 486, 503}[x&7], x)
	case 2:
		if out != nil {
			c.done[out] = true
			out.failed([]error{msg.ErrNoResponse, msg.ErrTimeout, msg.ErrTransport, msg.ErrClosed}[x&3])
		}
	case 3:
		c.peerSends(c.a, x)
	case 4:
		if c.callee() != nil {
			c.peerSends(c.callee(), x)
		}
	case 5:
		if res := c.in.last(); res != nil && res.Status == 200 {
			c.a.learn(res)
			c.a.ack(c.a.lastInviteNumber, bodyFor(callerIP, x))
		}
	case 6:
		if res := c.in.last(); res != nil && res.Status < 200 {
			c.in.onCancel(c.a.build(msg.CANCEL, c.a.lastInviteNumber, ""))
		}
	case 7:
		time.Sleep(time.Duration(x) * 40 * time.Millisecond)
	case 8:
		for _, i := range c.w.m.List(sbc.CallFilter{}) {
			if err := c.w.m.HangUp(background(), i.ID, "chaos"); err != nil {
				c.w.t.Error(err)
			}
		}
	case 9:
		if len(c.opens) > 0 {
			s := c.opens[int(x)%len(c.opens)]
			switch last := s.last(); {
			case last != nil && last.Status == 200 && s.req.Method == msg.INVITE && s.onFailed != nil && !s.acked:
				s.onFailed(msg.ErrNoAck)
			case last != nil && last.Status < 200 && s.onCancel != nil:
				s.onCancel(s.req)
			}
		}
	case 10:
		if res := c.in.last(); res != nil && res.Status < 300 && c.in.onFailed != nil && !c.in.acked {
			c.in.onFailed(msg.ErrTransport)
		}
	case 11:
		c.w.engine.mu.Lock()
		var f func(*media.Party, time.Time)
		if n := len(c.w.engine.sessions); n > 0 {
			f = c.w.engine.sessions[n-1].o.OnSilence
		}
		c.w.engine.mu.Unlock()
		if f != nil && x > 200 {
			f(nil, time.Now())
		}
	}
	synctest.Wait()
	for _, out := range c.outs() { // timers B and F, and the end of a cancelled INVITE
		if age := time.Since(out.req.Hop.At); age > 32*time.Second && (out.req.Method != msg.INVITE || !out.heard ||
			out.isCancelled()) {
			c.done[out] = true
			out.failed(msg.ErrTimeout)
		}
	}
}

// answer gives a response to a request of ours.
func (c *chaos) answer(out *sent, code int, x byte) {
	if out == nil {
		return
	}
	var extra []string
	if body := bodyFor(out.req.Hop.Remote.Addr().String(), x); body != "" && code != 100 && code < 300 &&
		out.req.Method != msg.BYE {
		extra = append(extra, body)
	}
	if code >= 200 && out.req.Method != msg.INVITE || code >= 300 {
		c.done[out] = true
	}
	tag := out.tag
	if x&0x40 != 0 {
		tag = "fork"
	}
	out.replyAs(tag, code, extra...)
}

// callee is the peer of the newest attempt, nil before.
func (c *chaos) callee() *peer {
	c.w.wire.mu.Lock()
	defer c.w.wire.mu.Unlock()
	for i := len(c.w.wire.sent) - 1; i >= 0; i-- {
		if s := c.w.wire.sent[i]; s.req.Method == msg.INVITE && s.req.Hop.Interface == "sif_b" && s.req.To.Tag() == "" {
			p := c.w.callee(s)
			p.cseq += len(c.opens)
			return p
		}
	}
	return nil
}

// peerSends is a request within the dialog.
func (c *chaos) peerSends(p *peer, x byte) {
	if p == c.a {
		res := c.in.last()
		if res == nil || res.To.Tag() == "" {
			return
		}
		p.learn(res)
	}
	method := []msg.Method{msg.BYE, msg.INVITE, msg.UPDATE, msg.INFO, msg.OPTIONS, msg.PRACK, msg.INVITE, msg.UPDATE}[x&7]
	body := ""
	if method == msg.INVITE || method == msg.UPDATE {
		body = bodyFor(p.ip, x)
	}
	if s, d := p.try(method, body); d.Action == msg.Serve {
		c.opens = append(c.opens, s)
		if x&0x10 != 0 && method == msg.INVITE {
			if res := s.last(); res != nil && res.Status == 200 {
				p.ack(p.cseq, "")
			}
		}
	}
}

// settle lets everything happen that happens by itself: transactions time out, the maximum duration passes.
func (c *chaos) settle() {
	for range 10 {
		time.Sleep(33 * time.Second)
		synctest.Wait()
		if res := c.in.last(); res != nil && res.Status == 200 && !c.in.acked {
			c.in.onFailed(msg.ErrNoAck)
			synctest.Wait()
		}
		for _, s := range c.opens {
			if res := s.last(); res != nil && res.Status == 200 && s.req.Method == msg.INVITE && !s.acked && s.onFailed != nil {
				s.onFailed(msg.ErrNoAck)
				synctest.Wait()
			}
		}
		for _, out := range c.outs() {
			c.done[out] = true
			out.failed(msg.ErrTimeout)
		}
	}
}

// FuzzCall walks the whole actor.
func FuzzCall(f *testing.F) {
	f.Add([]byte{0, 1, 0, 3, 5, 0, 3, 0})                         // a call, ended by the caller
	f.Add([]byte{0, 0x0b, 5, 0, 4, 0})                            // offerless
	f.Add([]byte{0, 1, 6, 0, 0, 3, 1, 6})                         // CANCEL crosses 200
	f.Add([]byte{0, 7, 0, 7, 7, 255, 2, 0})                       // hunting
	f.Add([]byte{0, 3, 5, 0, 3, 1, 4, 1, 0, 5, 7, 9, 0, 3, 9, 1}) // glare
	f.Add([]byte{0, 3, 5, 0, 4, 2, 0, 3, 8, 0, 10, 0, 11, 255})
	f.Add([]byte{0, 0x41, 0, 3, 0, 0x43, 5, 0, 3, 0x11, 0, 0x13})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 80 {
			data = data[:80]
		}
		short := func(id string, r sbc.Resource) {
			if id == "trk_a" {
				r.(*sbc.Trunk).MaxCallDurationS = 60
			}
		}
		run(t, short, func(w *world) {
			c := &chaos{w: w, a: w.caller(), done: map[*sent]bool{}}
			offer := sdp(callerIP, 4000)
			if len(data) > 0 && data[0] == 255 {
				offer = ""
			}
			c.in = c.a.invite(offer)
			for i := 0; i+1 < len(data); i += 2 {
				c.play(data[i], data[i+1])
			}
			c.settle()
			if d := w.cdr(); d.DurationMS < 0 || d.EndReason == sbc.EndShutdown {
				t.Errorf("record %+v", d)
			}
			for _, s := range c.opens {
				if res := s.last(); res == nil || res.Status < 200 {
					t.Errorf("%s was never answered", s.req.Method)
				}
			}
		})
	})
}
