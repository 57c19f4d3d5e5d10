package call

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
)

// passRefer carries a REFER to the other side. Of what it refers to, the number passes; the host becomes ours, and dialogs are named by
// tokens, so that the other side's INVITE comes to us and means what the REFER meant.
func (c *Call) passRefer(l *leg, tx msg.ServerTx, req *msg.Message, u msg.URI, number string) {
	to := c.other(l)
	switch {
	case !c.ready() || to == nil || !c.present(to):
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
		token, ok := c.translateDialog(l, value)
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
	c.watchRefer(l, to, req.CSeq.Seq, r.req.CSeq.Seq)
	r.send(to.d.Target(), msg.Timers{})
}

// seq spells a CSeq number.
func seq(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// translateDialog names a dialog of ours, as a URI's header names it, by a token: whoever is told so learns neither the
// Call-ID nor a tag of its peer's side. ok is false for dialogs that are not of l's peer with us.
func (c *Call) translateDialog(l *leg, value string) (token string, ok bool) {
	plain, err := url.PathUnescape(value)
	if err != nil {
		return "", false
	}
	r, ok := parseReplaces(plain)
	if !ok {
		return "", false
	}
	e := c.m.calls.tag(r.toTag)
	if e == nil || e.gone.Load() || !l.end.disposes(e) {
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
