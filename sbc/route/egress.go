package route

import (
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// Translator translates the numbers of an attempt by the egress dialplan of its trunk, before strip and prefix of the endpoint.
type Translator interface {
	Translate(dialplanID, callee, caller string, class sbc.NumberClass, at time.Time) Translation
}

// Translation is what became of the numbers of an attempt. OK is false where the dialplan refuses it; Variables become the call's.
type Translation struct {
	Callee, Caller string
	Variables      map[string]string
	Rule           string
	OK             bool
}

// translate has the egress dialplan of a trunk translate the number of an attempt; ok is false where the trunk is not to be tried.
func (p *planner) translate(row *sbc.Trunk, number string) (t Translation, ok bool) {
	if row.EgressDialplanID == "" || p.query.Egress == nil {
		return Translation{Callee: number}, true
	}
	t = p.query.Egress.Translate(row.EgressDialplanID, number, p.query.Caller, p.query.Class, p.query.At)
	switch {
	case !t.OK:
		p.step(row.EgressDialplanID, passed, "no rule of the egress dialplan of trunk %s fits %q, and it rejects such calls", row.ID, number)
		return t, false
	case t.Rule != "":
		p.step(row.EgressDialplanID, taken, "egress rule %q: the number called is %q, the caller %q", t.Rule, t.Callee, t.Caller)
	}
	if t.Caller == p.query.Caller {
		t.Caller = ""
	}
	return t, true
}
