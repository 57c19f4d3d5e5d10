package prove

import (
	"net/netip"
	"testing"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// text is a MESSAGE as it was sent.
func text() *msg.Message {
	var uri msg.URI
	uri.Scheme, uri.User, uri.Host = "sip", "4930", "carrier.example"
	req := msg.NewRequest(msg.MESSAGE, uri)
	req.SetFrom(msg.NameAddr{URI: uri}.WithTag("a"))
	req.SetTo(msg.NameAddr{URI: uri})
	req.SetCallID("c")
	req.SetCSeq(7, msg.MESSAGE)
	req.PrependVia(msg.Via{Transport: "UDP", Host: "192.0.2.1"})
	req.SetBody("text/plain", []byte("hello"))
	return req
}

func challenge(req *msg.Message, code int, nonce string, stale bool) *msg.Message {
	res := msg.NewResponse(req, code, "")
	c := digest.Challenge{Realm: "carrier", Nonce: nonce, Algorithm: digest.SHA256, QOP: []digest.QOP{digest.AuthInt}, Stale: stale}
	name := "WWW-Authenticate"
	if code == 407 {
		name = "Proxy-Authenticate"
	}
	res.Append(name, c.String())
	return res
}

var hop = msg.Hop{Interface: "sif_1", Transport: sbc.TransportTCP, Remote: netip.MustParseAddrPort("198.51.100.7:5070"), Conn: 3}

// TestAgain: a challenge is answered at the server it came from, by the same request with the next number; a second one is a refusal unless
// the nonce was stale, and even that not for ever.
func TestAgain(t *testing.T) {
	k := &sbc.ClientCredentials{Username: "border", Password: "open sesame"}
	for name, c := range map[string]struct {
		stale []bool
		most  int
	}{"refused": {[]bool{false, false}, 1}, "stale once": {[]bool{false, true, false}, 2}, "endless": {[]bool{true, true, true, true, true}, 3}} {
		a, req, answered := New(k), text(), 0
		for i, stale := range c.stale {
			again, to, ok := a.Again(req, challenge(req, 407, "n"+string(rune('0'+i)), stale), hop)
			if !ok {
				break
			}
			answered++
			a.Put(again)
			p, err := digest.ParseCredentials(again.Get("Proxy-Authorization"))
			if err != nil || !p.Check(digest.HA1(digest.SHA256, "border", "carrier", "open sesame"), "MESSAGE", again.Body) || p.Count != 1 {
				t.Errorf("%s: %v\n%s", name, err, again.AppendTo(nil))
			}
			if again.CSeq.Seq != req.CSeq.Seq+1 || again.CallID != req.CallID || again.From.Tag() != "a" || again.Has("Via") ||
				len(again.GetAll("Proxy-Authorization")) != 1 || to.Host != "198.51.100.7" || to.Port != 5070 || to.Flow.Conn != 3 {
				t.Errorf("%s: to %+v\n%s", name, to, again.AppendTo(nil))
			}
			req = again
		}
		if answered != c.most {
			t.Errorf("%s: %d answers, want %d", name, answered, c.most)
		}
	}
}

// TestNothingToProve: other answers, other realms, and no credentials.
func TestNothingToProve(t *testing.T) {
	req := text()
	for name, a := range map[string]*Answerer{
		"nobody": New(nil), "no password": New(&sbc.ClientCredentials{Username: "border"}),
		"elsewhere": New(&sbc.ClientCredentials{Username: "border", Password: "x", Realm: "other"}),
	} {
		if _, _, ok := a.Again(req, challenge(req, 401, "n", false), hop); ok {
			t.Errorf("%s answers", name)
		}
		if a.Put(req); req.Has("Authorization") {
			t.Errorf("%s proves", name)
		}
	}
	if _, _, ok := New(&sbc.ClientCredentials{Password: "x"}).Again(req, msg.NewResponse(req, 403, ""), hop); ok {
		t.Error("403 is answered")
	}
}
