package call

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// passedRefer is a REFER that was carried to the other side: what that side tells of it is carried back.
type passedRefer struct {
	from, to *leg
	// in and out are the CSeq numbers of the two REFERs, by which the subscriptions are named (RFC 3515 2.4.6).
	in, out string
}

// maxPassed bounds the REFERs of a call whose NOTIFYs may still come.
const maxPassed = 8

// passRefer carries a REFER to the other side. Of what it refers to, the number passes; the host becomes ours, and dialogs are named by
// tokens, so that the other side's INVITE comes to us and means what the REFER meant.
func (c *Call) passRefer(l *leg, tx msg.ServerTx, req *msg.Message, u msg.URI, number string) {
	to := c.other(l)
	switch {
	case !ready(c.st) || to == nil || !c.present(to):
		c.send(tx, c.reply(l, req, 500, msg.Header{Name: "Retry-After", Value: "2"}))
		return
	case len(c.relays) >= maxRelays:
		c.send(tx, c.reply(l, req, 500, msg.Header{Name: "Retry-After", Value: "1"}))
		return
	}
	at := "@" + header.HostToken
	target := "<sip:" + escape(number) + at
	sep := "?"
	for _, name := range []string{"Replaces", "Join"} { // RFC 3891, RFC 3911: of the same form
		value, named := msg.Param(u.Headers, name)
		if !named {
			continue
		}
		token, ok := c.translateDialog(value)
		if !ok {
			c.send(tx, c.reply(l, req, 481))
			return
		}
		target += sep + name + "=" + token
		sep = "&"
	}
	rl := &relay{from: l, to: to, tx: tx, req: req}
	c.relays = append(c.relays, rl)
	r := c.carryOn(l, to, req, reqRelay)
	r.rl, r.contact = rl, true
	hs := []msg.Header{{Name: "Refer-To", Value: target + ">"}}
	if req.Get("Referred-By") != "" || req.Get("b") != "" {
		by := c.shownNumber(l)
		if to.hidden != nil {
			by = "anonymous"
		}
		hs = append(hs, msg.Header{Name: "Referred-By", Value: "<sip:" + escape(by) + at + ">"})
	}
	if td, ok := c.targetDialog(l, to, req.Get("Target-Dialog")); ok {
		hs = append(hs, msg.Header{Name: "Target-Dialog", Value: td})
	}
	if v := req.Get("Refer-Sub"); strings.EqualFold(v, "true") || strings.EqualFold(v, "false") {
		hs = append(hs, msg.Header{Name: "Refer-Sub", Value: strings.ToLower(v)})
	}
	r.pass(hs)
	if len(c.passed) >= maxPassed {
		c.passed = c.passed[1:]
	}
	c.passed = append(c.passed, passedRefer{from: l, to: to, in: seq(req.CSeq.Seq), out: seq(r.req.CSeq.Seq)})
	r.send(to.d.Target(), msg.Timers{})
}

// seq spells a CSeq number.
func seq(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// translateDialog names a dialog of ours, as a URI's header names it, by a token: whoever is told so learns neither the
// Call-ID nor a tag of its peer's side. ok is false for dialogs that are not ours.
func (c *Call) translateDialog(value string) (token string, ok bool) {
	plain, err := url.PathUnescape(value)
	if err != nil {
		return "", false
	}
	r, ok := parseReplaces(plain)
	if !ok {
		return "", false
	}
	e := c.m.calls.tag(r.toTag)
	if e == nil || e.gone.Load() {
		return "", false
	}
	name, ok := c.m.dialogToken(e)
	return name + "%3Bto-tag%3D" + name + "%3Bfrom-tag%3D" + name, ok
}

// targetDialog rewrites a Target-Dialog header (RFC 4538): only the dialog in which the REFER came can be meant, since the other side
// shares no other with us that its sender could know.
func (c *Call) targetDialog(l, to *leg, value string) (string, bool) {
	id, params, _ := strings.Cut(value, ";")
	if strings.TrimSpace(id) != l.d.CallID() || !strings.Contains(params, l.d.LocalTag()) {
		return "", false
	}
	return to.d.CallID() + ";local-tag=" + to.d.RemoteTag() + ";remote-tag=" + to.d.LocalTag(), true
}

// passNotify carries what one side tells of a REFER back to who sent it: the state of the subscription, and the status line alone of
// what is reported (RFC 3420).
func (c *Call) passNotify(l *leg, tx msg.ServerTx, req *msg.Message) {
	event, params, _ := strings.Cut(req.Get("Event"), ";")
	if !strings.EqualFold(strings.TrimSpace(event), "refer") {
		c.send(tx, c.reply(l, req, 489, msg.Header{Name: "Allow-Events", Value: "refer"}))
		return
	}
	id, named := strings.CutPrefix(strings.TrimSpace(params), "id=")
	i := slices.IndexFunc(c.passed, func(p passedRefer) bool { return p.to == l && (!named || p.out == id) })
	line, ok := statusLine(string(req.Body))
	switch {
	case i < 0 || !c.present(c.passed[i].from) || c.passed[i].from.d == nil:
		c.send(tx, c.reply(l, req, 481))
		return
	case !ok && len(req.Body) > 0:
		c.send(tx, c.reply(l, req, 415, msg.Header{Name: "Accept", Value: "message/sipfrag"}))
		return
	case len(c.relays) >= maxRelays:
		c.send(tx, c.reply(l, req, 500, msg.Header{Name: "Retry-After", Value: "1"}))
		return
	}
	p := c.passed[i]
	rl := &relay{from: l, to: p.from, tx: tx, req: req}
	c.relays = append(c.relays, rl)
	r := c.carryOn(l, p.from, req, reqRelay)
	r.rl, r.contact = rl, true
	r.req.Append("Event", "refer;id="+p.in)
	state, last := subscriptionState(req.Get("Subscription-State"))
	r.req.Append("Subscription-State", state)
	if last {
		c.passed = slices.Delete(c.passed, i, i+1)
	}
	if ok {
		r.req.SetBody("message/sipfrag;version=2.0", []byte(line+"\r\n"))
	}
	r.send(p.from.d.Target(), msg.Timers{})
}

// statusLine reads the status line of a fragment and writes it anew: reason phrases are text of the other side.
func statusLine(body string) (string, bool) {
	line, _, _ := strings.Cut(body, "\n")
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.EqualFold(fields[0], msg.Version) {
		return "", false
	}
	code, err := strconv.Atoi(fields[1])
	if err != nil || code < 100 || code > 699 {
		return "", false
	}
	return msg.Version + " " + fields[1] + " " + msg.StatusText(code), true
}

// subscriptionState writes the state of a subscription anew (RFC 6665 4.1.3); last tells whether it is over.
func subscriptionState(value string) (state string, last bool) {
	name, params, _ := strings.Cut(value, ";")
	if strings.EqualFold(strings.TrimSpace(name), "terminated") {
		return "terminated;reason=noresource", true
	}
	state = "active"
	if strings.EqualFold(strings.TrimSpace(name), "pending") {
		state = "pending"
	}
	for p := range strings.SplitSeq(params, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if n, err := strconv.ParseUint(v, 10, 31); err == nil && strings.EqualFold(k, "expires") {
			return state + ";expires=" + strconv.FormatUint(n, 10), false
		}
	}
	return state, false
}
