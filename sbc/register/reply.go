package register

import (
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// reply is the 200 with every binding of the subscriber (RFC 3261 10.3 step 8). It is called with the shard's lock held.
func (u *update) reply(o *owner) *msg.Message {
	res := msg.NewResponse(u.a.m, 200, "")
	flow := false
	if o != nil {
		for _, b := range o.bindings {
			res.Append("Contact", u.contact(b))
			flow = flow || b.regID > 0 && b.callID == u.a.callID
		}
	}
	if flow && u.a.outbound { // RFC 5626 6
		res.Append("Require", "outbound")
	}
	if u.a.path != "" && u.a.paths { // RFC 3327 5.3
		for _, p := range strings.Split(u.a.path, "\n") {
			res.Append("Path", p)
		}
	}
	if tags := extensions(u.d); len(tags) > 0 {
		res.Append("Supported", strings.Join(tags, ", "))
	}
	for _, s := range u.services() {
		res.Append("Feature-Caps", s)
	}
	res.Append("Date", time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05")+" GMT") // RFC 3261 20.17
	return res
}

// contact spells a binding as a value of Contact.
func (u *update) contact(b *binding) string {
	var t strings.Builder
	t.Grow(len(b.contact()) + len(b.instance()) + 64)
	t.WriteByte('<')
	t.WriteString(b.contact())
	t.WriteString(">;expires=")
	left := (b.expires - u.now + time.Second - 1) / time.Second
	t.WriteString(strconv.FormatInt(int64(left), 10))
	if b.q != 1000 {
		t.WriteString(";q=")
		t.WriteString(quality(b.q))
	}
	if b.instance() != "" {
		t.WriteString(`;+sip.instance="<` + b.instance() + `>"`)
		if b.regID > 0 {
			t.WriteString(";reg-id=" + strconv.Itoa(int(b.regID)))
		}
		if b.gruu && u.a.gruu && u.d.Registration.GRUU {
			t.WriteString(`;pub-gruu="` + u.r.gruus.public(b.owner, b.instance()) + `"`)
			t.WriteString(`;temp-gruu="` + u.r.gruus.temporary(b) + `"`)
		}
	}
	return t.String()
}

// quality writes thousandths as RFC 3261 25.1 has them.
func quality(q uint16) string { return strconv.FormatFloat(float64(q)/1000, 'f', -1, 64) }
