package header

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// The headers that tell earlier destinations of a call.
const (
	hdrDiversion = "Diversion"
	hdrHistory   = "History-Info"
)

// Detour is one destination that a call had and left.
type Detour struct {
	// Number is whom the call was for; Display goes with it.
	Number, Display string
	// Cause is why it left, as a SIP code (RFC 4458, RFC 7544 7): 302 unconditional, 486 busy, 408 no answer. 0 says nothing.
	Cause int
	// Reason is the word of RFC 5806 for it, where that says more than Cause.
	Reason string
	// Private asks that the number be shown in trusted realms only.
	Private bool
	// Times is how often it was diverted there, at least 1 (the counter of RFC 5806).
	Times int
}

// diversions maps reasons of RFC 5806 to causes (RFC 7544 7.1); the first of a cause is the reason for it the other way round.
// It is only read.
var diversions = []struct {
	reason string
	cause  int
}{
	{"unconditional", 302}, {"user-busy", 486}, {"no-answer", 408}, {"deflection", 480}, {"deflection", 487}, {"unavailable", 503},
	{"unknown", 404}, {"time-of-day", 404}, {"do-not-disturb", 404}, {"follow-me", 404}, {"out-of-service", 404}, {"away", 404},
}

func causeOf(reason string) int {
	for _, d := range diversions {
		if strings.EqualFold(d.reason, reason) {
			return d.cause
		}
	}
	return 404
}

func reasonOf(cause int) string {
	for _, d := range diversions {
		if d.cause == cause {
			return d.reason
		}
	}
	return "unknown"
}

// DivertedBy gives the cause of a redirection: what its own Diversion says, or that it was unconditional.
func DivertedBy(res *msg.Message) int {
	if ds := readDiversion(res); len(ds) > 0 && ds[len(ds)-1].Cause != 404 {
		return ds[len(ds)-1].Cause
	}
	return 302
}

// Retargeted writes the earlier destinations of a call for a trunk, in the form that mode says: those that the caller's message
// tells, if its realm is trusted, and our own after them. Target is where the call goes now. Values may hold HostToken.
func (t *Table) Retargeted(in *msg.Message, f Flow, mode sbc.Retargeting, own []Detour, target string) []msg.Header {
	c := &collector{table: t, in: in, flow: f}
	form := mode
	var came []Detour
	if trusts(f.FromTrust) {
		came = readHistory(in)
		if form == sbc.RetargetPass && (len(came) > 0 || in.Has(hdrHistory)) {
			form = sbc.RetargetHistory
		}
		if len(came) == 0 {
			came = readDiversion(in)
		}
	}
	all := append(c.showable(came), own...)
	switch {
	case len(all) == 0 || mode == sbc.RetargetDrop:
		return nil
	case form == sbc.RetargetHistory:
		c.history(all, target)
	default:
		c.diversion(all)
	}
	return c.out
}

// showable takes the destinations whose numbers may show on the other side.
func (c *collector) showable(ds []Detour) []Detour {
	out := ds[:0]
	for _, d := range ds {
		if d.Private && !trusts(c.flow.ToTrust) || !userPart.MatchString(d.Number) || holdsAddress(d.Number) ||
			c.secrets().Shows(d.Number) {
			continue
		}
		if len(d.Display) > 128 || !c.clean(d.Display) {
			d.Display = ""
		}
		out = append(out, d)
	}
	return out
}

// addr writes a destination as an address at our host.
func (c *collector) addr(d Detour, params string) string {
	to := Policy(c.flow.ToTrunk)
	uri := "<sip:" + Format(d.Number, to.Format) + "@" + HostToken
	if to.UserPhone && IsNumber(d.Number) {
		uri += ";user=phone"
	}
	uri += params + ">"
	if d.Display != "" {
		return quote(d.Display) + " " + uri
	}
	return uri
}

// diversion writes Diversion, the newest first (RFC 5806 5).
func (c *collector) diversion(ds []Detour) {
	for _, d := range slices.Backward(ds) {
		private := "off"
		if d.Private {
			private = "full"
		}
		c.addMany(hdrDiversion, c.addr(d, "")+";reason="+cmp.Or(d.Reason, reasonOf(d.Cause))+";counter="+strconv.Itoa(max(1,
			d.Times))+";privacy="+private)
	}
}

// history writes History-Info, the oldest first and the present target last (RFC 7044 10.3): the cause of a diversion stands with
// where it led to (RFC 4458, RFC 7544 5).
func (c *collector) history(ds []Detour, target string) {
	index, cause := "1", 0
	for i, d := range append(ds, Detour{Number: target}) {
		params, suffix := "", ";index="+index
		if i > 0 {
			if suffix += ";mp=" + index[:strings.LastIndexByte(index, '.')]; cause != 0 {
				params = ";cause=" + strconv.Itoa(cause)
			} else {
				suffix = strings.Replace(suffix, ";mp=", ";rc=", 1)
			}
		}
		if d.Private {
			params += "?Privacy=history"
		}
		c.addMany(hdrHistory, c.addr(d, params)+suffix)
		index += ".1"
		cause = d.Cause
	}
}

// addMany is add within the bound of lines of one name.
func (c *collector) addMany(name, value string) {
	if len(c.out) < maxSame {
		c.add(name, value)
	}
}

// readDiversion reads Diversion (RFC 5806), the oldest first.
func readDiversion(in *msg.Message) []Detour {
	var out []Detour
	for _, v := range in.Values(hdrDiversion) {
		a, err := msg.ParseNameAddr(v)
		if err != nil || len(out) == maxSame {
			continue
		}
		reason, _ := msg.Param(a.Params, "reason")
		private, _ := msg.Param(a.Params, "privacy")
		counter, _ := msg.Param(a.Params, "counter")
		d := Detour{Number: a.URI.Number(), Display: a.Display, Cause: causeOf(unquote(reason))}
		d.Private = private != "" && !strings.EqualFold(private, "off")
		if d.Times, err = strconv.Atoi(counter); err != nil || d.Times < 1 || d.Times > 99 {
			d.Times = 1
		}
		out = append(out, d)
	}
	slices.Reverse(out)
	return out
}

// readHistory reads History-Info (RFC 7044) in the order of its indices, without its last entry, which is the present target. The
// cause of an entry stands in the next one, or in its own Reason.
func readHistory(in *msg.Message) []Detour {
	type entry struct {
		Detour
		index []int
		came  int // the cause parameter: why the call came here
	}
	var entries []entry
	everything := slices.Contains(wishes(in), "history")
	for _, v := range in.Values(hdrHistory) {
		a, err := msg.ParseNameAddr(v)
		if err != nil || len(entries) == maxSame {
			continue
		}
		e := entry{Detour: Detour{Number: a.URI.Number(), Display: a.Display, Private: everything, Times: 1}}
		if cause, ok := a.URI.Param("cause"); ok {
			e.came, _ = strconv.Atoi(cause)
		}
		for _, h := range a.URI.Headers {
			switch v := strings.ToLower(unescape(h.V)); {
			case strings.EqualFold(h.K, "Privacy") && (v == "history" || v == "id" || v == "user"):
				e.Private = true
			case strings.EqualFold(h.K, "Reason"):
				if _, n, ok := strings.Cut(v, "cause="); ok && strings.HasPrefix(v, "sip") {
					n, _, _ = strings.Cut(n, ";")
					e.Cause, _ = strconv.Atoi(n)
				}
			}
		}
		index, _ := msg.Param(a.Params, "index")
		for part := range strings.SplitSeq(index, ".") {
			n, _ := strconv.Atoi(part)
			e.index = append(e.index, n)
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(x, y entry) int { return slices.CompareFunc(x.index, y.index, cmp.Compare) })
	out := make([]Detour, 0, len(entries))
	for i := 0; i+1 < len(entries); i++ {
		d := entries[i].Detour
		d.Cause = cmp.Or(entries[i+1].came, d.Cause)
		out = append(out, d)
	}
	return out
}
