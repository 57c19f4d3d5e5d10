package call

import (
	"io"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// More kinds of calls, with numbers of their own.
const (
	kindForwarded   = 'a' // the callee sends it on with 302, and the one there answers
	kindForked      = 'b' // three phones of a subscriber ring, one answers
	kindTransferred = 'c' // the callee transfers it to a third party
	kindVoicemail   = 'd' // nobody is registered: a mailbox answers, the caller hangs up in the greeting
	kindHeld        = 'e' // held and resumed, then as plain
	kindEarlyFails  = 'f' // early media, then busy
)

// mix is one of each kind.
const mix = "0123456789abcdef"

// numberOf is what is dialled for a kind.
func numberOf(kind byte) string {
	switch kind {
	case kindForked:
		return "49770"
	case kindVoicemail:
		return "49771"
	}
	if kind >= 'a' {
		return "4931" + string(kind-'a'+'0')
	}
	return "4930" + string(kind)
}

// kindOf is the kind of a call by who is asked to take it.
func kindOf(number string) byte {
	last := number[len(number)-1]
	if strings.HasPrefix(number, "4931") {
		return last - '0' + 'a'
	}
	return last
}

// endOfKind is why a call of a kind ends.
func endOfKind(kind byte) sbc.EndReason {
	switch kind {
	case kindBusy, kindEarlyFails:
		return sbc.EndBusy
	case kindCancelled:
		return sbc.EndCallerCancel
	case kindCalleeEnds:
		return sbc.EndCalleeBye
	case kindSilent:
		return sbc.EndNoAnswer
	case kindAdmin:
		return sbc.EndAdmin
	case kindBroken:
		return sbc.EndError
	}
	return sbc.EndCallerBye
}

// crowdRows are the provisioning of a crowd: both trunks call and follow redirections, and a domain has two subscribers.
func crowdRows(edit func(string, sbc.Resource)) []sbc.Resource {
	rule := &sbc.Rule{Meta: meta("rul_9")}
	rule.Defaults()
	rule.RoutingPlanID, rule.Prefix, rule.Action, rule.DomainID = "rpl_1", "4977", sbc.ActionSubscriber, "dom_1"
	return append(resources(func(id string, r sbc.Resource) {
		switch r := r.(type) {
		case *sbc.Trunk:
			r.SignallingProfileID, r.RoutingPlanID = "sgp_1", "rpl_1"
		case *sbc.SignallingProfile:
			follows(r)
		}
		if edit != nil {
			edit(id, r)
		}
	}), rule)
}

// crowdBook knows the two subscribers: one with three phones, one with a mailbox and no phone.
func crowdBook() *book {
	b := &book{entries: map[string]*sbc.Entry{}, phones: map[string][]Contact{}, lost: map[string]bool{}, gruus: map[string]string{}}
	for _, kind := range []byte{kindForked, kindVoicemail} {
		s := &sbc.Subscriber{Meta: meta("sub_" + string(kind)), DomainID: "dom_1"}
		s.Defaults()
		s.Name, s.Username = numberOf(kind), numberOf(kind)
		s.VoicemailEnabled = kind == kindVoicemail
		s.Forwarding.NotRegistered.Voicemail = kind == kindVoicemail
		b.entries[s.Name] = &sbc.Entry{Subscriber: s}
	}
	b.phones["sub_b"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 1)}
	return b
}

// crowdBoxes are mailboxes that keep nothing.
type crowdBoxes struct{}

func (crowdBoxes) Open(id string, then func(sbc.Mailbox, error)) {
	then(sbc.Mailbox{
		TenantID: "ten", DomainID: "dom_1", SubscriberID: id, GreetingID: "ann_1", Longest: time.Minute, Close: func() {},
	}, nil)
}
func (crowdBoxes) Begin(m sbc.VoicemailMessage, _ func() []byte) string        { return m.ID }
func (crowdBoxes) Deliver(sbc.VoicemailMessage, []byte)                        {}
func (crowdBoxes) Discard(string)                                              {}
func (crowdBoxes) Messages(_ string, then func([]sbc.VoicemailMessage, error)) { then(nil, nil) }
func (crowdBoxes) Sound(_, _ string, then func([]byte, error))                 { then(nil, nil) }
func (crowdBoxes) Heard(_, _ string)                                           {}
func (crowdBoxes) Erase(_, _ string)                                           {}

// greeting is the sound of every blob.
func greeting(sbc.Blob) (io.ReaderAt, bool) { return strings.NewReader(strings.Repeat("x", 320)), true }

func (c *crowd) rings(o msg.Outbound, tx msg.ClientTx, h msg.Hop) { c.reply(o, tx, h, 180, "") }

func (c *crowd) takes(o msg.Outbound, tx msg.ClientTx, h msg.Hop, body string) {
	c.rings(o, tx, h)
	c.reply(o, tx, h, 200, body)
}

// answerMore is answer for the kinds of this file; false for others.
func (c *crowd) answerMore(o msg.Outbound, tx msg.ClientTx, h msg.Hop, kind byte, body string) bool {
	switch {
	case strings.HasPrefix(o.Request.RequestURI.User, "secret-"): // a phone of the subscriber
		if o.Target.Host != bobIP {
			c.rings(o, tx, h)
			return true
		}
		c.takes(o, tx, h, body)
	case kind == kindForwarded:
		c.reply(o, tx, h, 302, "")
	case kind == kindEarlyFails:
		c.reply(o, tx, h, 183, body)
		c.reply(o, tx, h, 486, "")
	default:
		return false
	}
	return true
}

// transfer lets the callee send the call on, and waits until it is told that it has gone.
func (c *crowd) transfer(res *msg.Message) {
	p := c.calleeOf(res)
	gone := make(chan struct{})
	c.mu.Lock()
	c.transfers[p.callID] = gone
	c.mu.Unlock()
	if res := <-c.ask(p, msg.REFER, "", "Refer-To: <sip:49300@anywhere.example>").final; res.Status != 202 {
		c.t.Errorf("the REFER was answered with %d", res.Status)
		return
	}
	<-gone
}

// notified looks whether a request of ours tells a transferor of the end of its transfer.
func (c *crowd) notified(req *msg.Message) {
	if req.Method != msg.NOTIFY || !strings.Contains(string(req.Body), " 200 ") {
		return
	}
	c.mu.Lock()
	gone := c.transfers[req.CallID]
	delete(c.transfers, req.CallID)
	c.mu.Unlock()
	if gone != nil {
		close(gone)
	}
}

// change lets the caller change the session.
func (c *crowd) change(p *peer, body string) {
	if res := <-c.ask(p, msg.INVITE, body).final; res.Status != 200 {
		c.t.Errorf("the re-INVITE was answered with %d", res.Status)
	}
	c.m.Ack(p.build(msg.ACK, p.cseq, ""))
}

// shaped sees that a call of a kind was one.
func (c *crowd) shaped(kind byte, d *sbc.CDR) {
	ok := true
	switch n, legs := len(d.Attempts), len(d.Legs); kind {
	case kindForwarded, kindElsewhere:
		ok = n == 2 && d.Attempts[1].Code == 200
	case kindForked:
		ok = n == 3 && d.CalleeSubscriberID == "sub_b"
	case kindTransferred:
		ok = legs == 3 && d.Legs[2].Role == "transfer_target"
	case kindVoicemail:
		ok = d.AnsweredAt != nil && d.CalleeSubscriberID == "sub_d" && legs == 1
	case kindEarly, kindEarlyFails:
		ok = n > 0 && d.Attempts[0].ProgressAt != nil
	}
	if !ok {
		c.t.Errorf("a call of kind %c has the record %+v", kind, d)
	}
}
