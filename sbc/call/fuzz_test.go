package call

import (
	"strconv"
	"sync/atomic"
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
	// phones says that subscribers are called, whose phones are where the caller is.
	phones bool
	// refused counts orders of the API that came to nothing.
	refused atomic.Int32
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
	switch op % 16 {
	case 0, 1:
		c.answer(out, []int{100, 180, 183, 200, 200, 491, 486, 503, 200, 180, 183, 200, 422, 481, 405, 200}[x&7|x>>4&8], x)
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
	case 12:
		for _, i := range c.w.m.List(sbc.CallFilter{}) {
			side := sbc.SideCaller
			if x&1 != 0 {
				side = sbc.SideCallee
			}
			go func() { // refused, or ended with the call; the bubble sees that it comes back
				if err := c.w.m.Hold(background(), i.ID, sbc.HoldOrder{Side: side, Held: x&2 == 0}); err != nil {
					c.refused.Add(1)
				}
			}()
		}
	case 13: // refreshes, questions and expiry
		for range x / 16 {
			time.Sleep(4 * time.Second)
			c.timeouts()
		}
	case 14:
		if x&4 != 0 && out != nil && out.req.Method == msg.INVITE && out.req.To.Tag() == "" { // rings, or talks
			n := c.w.calls()
			c.opens = append(c.opens, n.invite(bodyFor(calleeIP, x), "Replaces: "+c.w.callee(out).named()))
			break
		}
		if res := c.in.last(); res != nil && res.To.Tag() != "" {
			c.a.learn(res)
			n := c.w.caller()
			c.opens = append(c.opens, n.invite(bodyFor(callerIP, x), "Replaces: "+c.a.named()))
		}
	case 15:
		for _, i := range c.w.m.List(sbc.CallFilter{}) {
			o := sbc.TransferOrder{Keep: [...]sbc.Side{sbc.SideCaller, sbc.SideCallee}[x&1], Target: "49333"}
			if err := c.w.m.Transfer(background(), i.ID, o); err != nil && sbc.CodeOf(err) != sbc.CodeConflict {
				c.w.t.Error(err)
			}
		}
	}
	c.timeouts()
}

// timeouts ends the transactions whose time is up.
func (c *chaos) timeouts() {
	synctest.Wait()
	for _, s := range append([]*server{c.in}, c.opens...) { // 64*T1 without the ACK of a 2xx
		if res := s.last(); res != nil && res.Status == 200 && s.req.Method == msg.INVITE && !s.acked && s.onFailed != nil &&
			time.Since(s.at) > 32*time.Second {
			s.acked = true
			s.onFailed(msg.ErrNoAck)
			synctest.Wait()
		}
	}
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
	if code < 300 && x&0x20 != 0 {
		extra = append(extra, "Session-Expires: 90;refresher="+[]string{"uac", "uas"}[x>>4&1], "Allow: INVITE, UPDATE")
	}
	if code == 422 {
		extra = append(extra, "Min-SE: "+strconv.Itoa(90+int(x)))
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
		if s := c.w.wire.sent[i]; s.req.Method == msg.INVITE && (s.req.Hop.Interface == "sif_b" || c.phones) && s.req.To.Tag() == "" {
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
	method := []msg.Method{msg.BYE, msg.INVITE, msg.UPDATE, msg.INFO, msg.OPTIONS, msg.PRACK, msg.INVITE, msg.REFER}[x&7]
	body := ""
	if method == msg.INVITE || method == msg.UPDATE {
		body = bodyFor(p.ip, x)
	}
	extra := ""
	if method == msg.REFER {
		extra = "Refer-To: <sip:49222@x.example>"
	}
	if s, d := p.try(method, body, extra); d.Action == msg.Serve {
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
		for range 9 { // no longer steps: what is told late of a transaction would be late for the call's last resort
			time.Sleep(4 * time.Second)
			c.timeouts()
		}
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
	f.Add([]byte{254, 3, 0, 0xa3, 5, 0, 13, 180, 0, 0xa3, 12, 0, 0, 3, 3, 1, 0, 3, 13, 255, 2, 1}) // session timers, hold
	f.Add([]byte{254, 3, 0, 0x84, 0, 0x23, 5, 0, 12, 1, 4, 1, 0, 0x85, 0, 5, 13, 255, 13, 255})
	f.Add([]byte{0, 3, 5, 0, 4, 7, 0, 1, 0, 3, 0, 3, 0, 3})            // blind transfer
	f.Add([]byte{0, 3, 5, 0, 14, 3, 0, 3, 0, 3, 15, 0, 0, 3})          // taken over, then transferred by the API
	f.Add([]byte{253, 1, 0, 1, 0, 0x11, 0, 3, 0, 0x13, 5, 0, 3, 0})    // both ring, both answer
	f.Add([]byte{253, 1, 0, 6, 0, 6, 0, 6, 0, 3, 5, 0, 8, 0})          // all are busy, then the next
	f.Add([]byte{253, 1, 0, 1, 7, 255, 7, 255, 0, 0x13, 0, 3, 6, 0})   // nobody answers, then all do
	f.Add([]byte{253, 1, 0, 0x41, 0, 0x11, 6, 0, 0, 3, 0, 0x13, 2, 0}) // CANCEL crosses both answers
	f.Add([]byte("0C00800000000000\xfd\xbc\x9da"))                     // nobody answers anything any more
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 80 {
			data = data[:80]
		}
		timed := len(data) > 0 && data[0] == 254
		short := func(id string, r sbc.Resource) {
			if t, ok := r.(*sbc.Trunk); ok && id == "trk_a" {
				t.MaxCallDurationS = 60
				if timed {
					t.MaxCallDurationS = 250
				}
			}
			if timed {
				signalling(func(p *sbc.SignallingProfile) { p.SessionTimer, p.PingIntervalS = sbc.SessionTimerRequest, 30 })(id, r)
			}
			bothCall(id, r)
		}
		play := func(w *world, a *peer) {
			c := &chaos{w: w, a: a, done: map[*sent]bool{}, phones: a.from != nil}
			offer := sdp(callerIP, 4000)
			if len(data) > 0 && data[0] == 255 {
				offer = ""
			}
			if timed {
				c.in = c.a.invite(offer, supported, allows, "Session-Expires: 90")
			} else {
				c.in = c.a.invite(offer)
			}
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
		}
		if len(data) > 0 && data[0] == 253 { // to a subscriber with three phones, two of which ring at once, and somebody else when busy
			runVillage(t, func(d *sbc.Domain) { d.MaxCallDurationS = 60 }, func(v *village) {
				v.carol()
				v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_4", bobIP3, 0.5)}
				v.bob.Subscriber.Forwarding.Busy.Target, v.bob.Subscriber.Forwarding.NoAnswer.Target = "carol", "4930123"
				a := v.caller()
				a.uri, a.from = "sip:bob@example.com", v.alice
				play(v.world, a)
			})
			return
		}
		run(t, short, func(w *world) { play(w, w.caller()) })
	})
}
