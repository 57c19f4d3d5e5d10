package register

import (
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// sameURI compares two contacts by RFC 3261 19.1.4.
func sameURI(x, y string) bool {
	if x == y {
		return true
	}
	a, err := msg.ParseURI(x)
	if err != nil {
		return false
	}
	b, err := msg.ParseURI(y)
	if err != nil || a.Scheme != b.Scheme || !a.IsSIP() {
		return false
	}
	if a.Number() != b.Number() || a.Password != b.Password || !strings.EqualFold(a.Host, b.Host) || a.Port != b.Port {
		return false
	}
	return fits(a, b) && fits(b, a)
}

// fits tells whether what a's parameters say agrees with b's. Those that steer a request count also where only one has them.
func fits(a, b msg.URI) bool {
	for _, kv := range a.UriParams {
		v, there := b.Param(kv.K)
		if !there && steers(kv.K) || there && !strings.EqualFold(v, kv.V) {
			return false
		}
	}
	return true
}

func steers(name string) bool {
	for _, s := range []string{"transport", "user", "ttl", "method", "maddr"} {
		if strings.EqualFold(name, s) {
			return true
		}
	}
	return false
}

// is tells whether a Contact means a binding: the same flow of the same phone (RFC 5626 6), or the same URI. Behind NATs the same
// private URI is that of many: there it must also come from the same address or be the same series of REGISTERs (Call-ID).
func (b *binding) is(a *ask, w *wish) bool {
	if w.regID > 0 || b.regID > 0 {
		return w.regID == b.regID && w.instance == b.instance()
	}
	if !sameURI(b.contact(), w.addr.URI.Raw) {
		return false
	}
	if w.instance != "" && b.instance() != "" && w.instance != b.instance() {
		return false
	}
	return !b.tests.private() || b.callID == a.callID || b.source.Addr() == a.m.Hop.Remote.Addr() ||
		w.instance != "" && w.instance == b.instance()
}

// leftover tells whether a binding is what a phone left behind that registers anew with another contact: an instance is one phone
// (RFC 5627 3.1), and this flow of it is dead. A phone that is woken has one contact at a time, for what wakes it leads to its newest
// (RFC 8599 4.1.2): its old one goes, dead or not, by the instance or by the token.
func (b *binding) leftover(w *wish) bool {
	if b.regID != 0 || w.regID != 0 {
		return false
	}
	same := w.instance != "" && b.instance() == w.instance
	if same && b.lost {
		return true
	}
	p := pushOf(w.addr.URI)
	if p.Provider == "" {
		return false
	}
	was, err := msg.ParseURI(b.contact())
	if err != nil {
		return false
	}
	q := pushOf(was)
	return q.Provider != "" && (same || q.PRID != "" && q.Provider == p.Provider && q.PRID == p.PRID)
}
