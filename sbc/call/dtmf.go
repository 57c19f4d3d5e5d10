package call

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// digitKeys are the digits there are (RFC 4733 3.2).
const digitKeys = "0123456789*#ABCD"

// Digits as they are sent if nothing else is said, and how many may wait to be sent by INFO.
const (
	digitLength = 100 * time.Millisecond
	digitGap    = 70 * time.Millisecond
	maxWaiting  = 128
	// twice is how long after a digit by INFO the same one in packets is the same one.
	twice = time.Second
)

// signalledDigit is one that waits to be sent by INFO.
type signalledDigit struct {
	leg       *leg
	digit     byte
	each, gap time.Duration
}

// heardDigit is the last digit that a leg sent by INFO.
type heardDigit struct {
	digit byte
	at    time.Time
}

// mode is how a leg is told digits.
func (c *Call) mode(l *leg) sbc.DTMF { return c.snap.Media(l.trunk).DTMF }

// listenFor makes the media listen to digits if a profile needs to hear of them.
func (c *Call) listenFor(p *sbc.MediaProfile) {
	if c.listening || c.session == nil || p.DTMF == sbc.DTMFPass && p.DTMFEvents == sbc.DiscloseOff {
		return
	}
	c.listenToAll()
}

// listenToAll makes the media listen to digits.
func (c *Call) listenToAll() {
	c.listening = true
	c.session.ListenDTMF(func(from *media.Party, digit byte, d time.Duration) {
		c.post(job{kind: jobOrder, run: func() { c.digitInPackets(from, digit, d) }})
	})
}

// partyDTMF is the way of a profile in the words of media.
func partyDTMF(d sbc.DTMF) media.DTMF {
	switch d {
	case sbc.DTMFRFC4733:
		return media.DTMFEvents
	case sbc.DTMFInfo:
		return media.DTMFSignalled
	}
	return media.DTMFAsAgreed
}

// digitInPackets is a digit that a party sent as a telephone-event.
func (c *Call) digitInPackets(from *media.Party, digit byte, d time.Duration) {
	l := c.legOf(from)
	if l == nil || c.st.ended {
		return
	}
	if l.signalled.digit == digit && now().Sub(l.signalled.at) < twice+d { // some devices send both
		l.signalled = heardDigit{}
		return
	}
	if c.served() {
		c.keyed(digit)
		return
	}
	c.tellDigit(l, digit, d)
	if to := c.other(l); to != nil && c.mode(to) == sbc.DTMFInfo {
		c.signalDigits(to, string(digit), min(max(d, sbc.MinDTMFDuration), sbc.MaxDTMFDuration), digitGap)
	}
}

// tellDigit raises the event of a digit, as far as the leg's profile discloses it.
func (c *Call) tellDigit(l *leg, digit byte, d time.Duration) {
	shown := string(digit)
	switch c.snap.Media(l.trunk).DTMFEvents {
	case sbc.DiscloseMasked:
		shown = "*"
	case sbc.DiscloseFull:
	default:
		return
	}
	c.event(sbc.EventCallDTMF, l, map[string]string{
		"side": string(l.side), "digit": shown, "duration_ms": strconv.FormatInt(d.Milliseconds(), 10),
	})
}

// digitInfo takes an INFO with a digit that is not to be carried on as it came; false leaves it to passOn.
func (c *Call) digitInfo(l *leg, tx msg.ServerTx, req *msg.Message) bool {
	to := c.other(l)
	digit, d, ok := readDigit(req)
	if !ok || to == nil || to.party == nil || c.session == nil || !c.present(to) {
		return false
	}
	asked, wanted := c.mode(l), c.mode(to)
	packets := wanted == sbc.DTMFRFC4733 || wanted == sbc.DTMFPass && asked == sbc.DTMFInfo && !passes(to.trunk, msg.INFO)
	switch {
	case (packets || wanted == sbc.DTMFInfo) && c.session.SentDigits(l.party): // it sends both: its packets count
	case packets:
		if err := c.session.SendDTMF(to.party, string(digit), d, digitGap, nil); err != nil {
			return false
		}
		l.signalled = heardDigit{digit: digit, at: now()}
		c.tellDigit(l, digit, d)
	case wanted == sbc.DTMFInfo:
		l.signalled = heardDigit{digit: digit, at: now()}
		c.tellDigit(l, digit, d)
		c.signalDigits(to, string(digit), d, digitGap)
	default:
		c.tellDigit(l, digit, d)
		return false
	}
	c.send(tx, c.reply(l, req, 200))
	return true
}

// readDigit reads the digit of an INFO: application/dtmf-relay ("Signal=5", "Duration=160") or application/dtmf ("5").
func readDigit(req *msg.Message) (digit byte, d time.Duration, ok bool) {
	kind, _, err := mime.ParseMediaType(req.Get("Content-Type"))
	if err != nil || len(req.Body) > 256 {
		return 0, 0, false
	}
	signal, length := "", digitLength
	switch kind {
	case "application/dtmf-relay":
		for line := range strings.Lines(string(req.Body)) {
			name, value, _ := strings.Cut(line, "=")
			switch value = strings.TrimSpace(value); strings.ToLower(strings.TrimSpace(name)) {
			case "signal":
				signal = value
			case "duration":
				if ms, err := strconv.Atoi(value); err == nil && ms > 0 && ms < 1<<16 {
					length = time.Duration(ms) * time.Millisecond
				}
			}
		}
	case "application/dtmf":
		signal = strings.TrimSpace(string(req.Body))
	}
	switch signal = strings.ToUpper(signal); signal { // devices are found that send the number of the event
	case "10":
		signal = "*"
	case "11":
		signal = "#"
	}
	if len(signal) != 1 || strings.IndexByte(digitKeys, signal[0]) < 0 {
		return 0, 0, false
	}
	return signal[0], min(max(length, sbc.MinDTMFDuration), sbc.MaxDTMFDuration), true
}

// signalDigits sends digits to a leg by INFO, one after the other; false if too many wait.
func (c *Call) signalDigits(l *leg, digits string, each, gap time.Duration) bool {
	if len(c.digits)+len(digits) > maxWaiting {
		return false
	}
	idle := len(c.digits) == 0 && c.timers.t[timerDigit] == nil
	for i := range len(digits) {
		c.digits = append(c.digits, signalledDigit{leg: l, digit: digits[i], each: each, gap: gap})
	}
	if idle {
		c.nextDigit()
	}
	return true
}

// nextDigit sends the digit whose turn it is, and comes again when it is over.
func (c *Call) nextDigit() {
	for len(c.digits) > 0 {
		s := c.digits[0]
		c.digits = slices.Delete(c.digits, 0, 1)
		if c.sideOf(s.leg.side) != s.leg || s.leg.d == nil || !c.present(s.leg) {
			continue // the leg has gone
		}
		r := &request{c: c, leg: s.leg, kind: reqDigit, req: s.leg.d.Request(msg.INFO)}
		c.own(r.req)
		r.req.SetBody("application/dtmf-relay", fmt.Appendf(nil, "Signal=%c\r\nDuration=%d\r\n", s.digit, s.each.Milliseconds()))
		r.send(s.leg.d.Target(), msg.Timers{})
		c.arm(timerDigit, s.each+s.gap)
		return
	}
	c.digits = nil
}

// digitTaken is the final answer to a digit by INFO. Devices that do not want it are left in peace, those that have lost
// the dialog are not there (RFC 5057 5.1).
func (c *Call) digitTaken(r *request, status int) {
	if status == 481 {
		c.lost(r.leg)
	}
}

// SendDTMF sends digits to a side, as its media profile says; it returns when they have begun. Errors: CodeNotFound,
// CodeInvalid, CodeConflict if the side cannot be told digits.
func (m *Manager) SendDTMF(ctx context.Context, id string, o sbc.DTMFOrder) error {
	c := m.calls.call(id)
	if c == nil {
		return sbc.Errorf(sbc.CodeNotFound, "there is no call %s in progress", id)
	}
	if err := sbc.Invalid(o.Validate()); err != nil {
		return err
	}
	o.Duration, o.Gap = cmp.Or(o.Duration, digitLength), cmp.Or(o.Gap, digitGap)
	if err := m.here(ctx, c); err != nil {
		return err
	}
	var err error
	c.order(func() { err = c.sendDigits(o) })
	return err
}

// sendDigits carries out an order: by INFO where the profile says so, or where there are no packets and INFO may pass.
func (c *Call) sendDigits(o sbc.DTMFOrder) error {
	l := c.sideOf(o.Side)
	if l == nil || l.d == nil || !c.present(l) {
		return sbc.Errorf(sbc.CodeConflict, "the %s cannot be told digits yet", o.Side)
	}
	var err error
	byInfo := c.mode(l) == sbc.DTMFInfo
	if !byInfo {
		err = c.session.SendDTMF(l.party, o.Digits, o.Duration, o.Gap, nil)
		byInfo = errors.Is(err, media.ErrNoVoice) && c.mode(l) == sbc.DTMFPass && passes(l.trunk, msg.INFO)
	}
	if byInfo {
		if l == c.a && c.st.a == callerInviting {
			return sbc.Errorf(sbc.CodeConflict, "the caller cannot be told digits before the answer")
		}
		err = nil
		if !c.signalDigits(l, o.Digits, o.Duration, o.Gap) {
			err = media.ErrTooMany
		}
	}
	if err != nil {
		return sbc.Errorf(sbc.CodeConflict, "the %s cannot be told digits: %v", o.Side, err)
	}
	return nil
}
