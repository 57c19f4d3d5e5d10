package call

import (
	"strings"
	"testing/synctest"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The entries to the decision besides a plain call. Each gives the attempts to reach a number of which every one fails.
var entries = map[string]func(v *village, number string) []string{
	"the API calls one":     (*village).originated,
	"the API calls another": (*village).connects,
	"a transfer":            (*village).transferred,
	"a redirection":         (*village).redirects,
}

// waiting takes the oldest request of a method that was not taken; nil if there is none.
func (v *village) waiting(method msg.Method) *sent {
	synctest.Wait()
	v.wire.mu.Lock()
	defer v.wire.mu.Unlock()
	for _, s := range v.wire.sent {
		if s.req.Method == method && !s.taken {
			s.taken = true
			return s
		}
	}
	return nil
}

// failing lets all attempts fail until there are no more.
func (v *village) failing() (attempts []string) {
	for s := v.waiting(msg.INVITE); s != nil; s = v.waiting(msg.INVITE) {
		attempts = append(attempts, s.req.RequestURI.User+"@"+s.target.Host)
		s.reply(503)
	}
	return attempts
}

// originated is a call of ours that begins with the number.
func (v *village) originated(number string) []string {
	_, err := v.m.Originate(background(), sbc.OriginateOrder{TrunkID: "trk_a", From: number, To: "4930123", Caller: "+441234"})
	if err != nil && sbc.CodeOf(err) != sbc.CodeConflict {
		v.t.Fatal(err)
	}
	return v.failing()
}

// connects is a call of ours that goes on to the number when the first has answered.
func (v *village) connects(number string) []string {
	_, err := v.m.Originate(background(), sbc.OriginateOrder{TrunkID: "trk_a", From: "4930123", To: number, Caller: "+441234"})
	if sbc.CodeOf(err) == sbc.CodeConflict {
		return nil
	}
	v.wire.next(msg.INVITE).reply(200, sdp(calleeIP, 5000))
	attempts := v.failing()
	v.wire.next(msg.BYE).reply(200)
	return attempts
}

// transferred is the caller of a call that is let go, for the number.
func (v *village) transferred(number string) []string {
	a, _, _, _ := v.talk()
	err := v.m.Transfer(background(), v.m.List(sbc.CallFilter{})[0].ID, sbc.TransferOrder{Keep: sbc.SideCallee, Target: number})
	if err != nil && sbc.CodeOf(err) != sbc.CodeConflict {
		v.t.Fatal(err)
	}
	attempts := v.failing()
	v.end(a)
	return attempts
}

// redirects is a carrier that sends a call to the number.
func (v *village) redirects(number string) (attempts []string) {
	v.snap.Trunk("trk_b").SignallingProfileID = "sgp_9"
	defer func() { v.snap.Trunk("trk_b").SignallingProfileID = "" }()
	_, in := v.dial("4930123")
	v.wire.next(msg.INVITE).reply(302, "Contact: <sip:"+number+"@x>")
	for _, at := range v.failing() {
		if !strings.HasPrefix(at, "4930123@") { // what was left of the plan
			attempts = append(attempts, at)
		}
	}
	if res := in.last(); res == nil || res.Status < 400 {
		v.t.Errorf("not refused: %v", res)
	}
	return attempts
}
