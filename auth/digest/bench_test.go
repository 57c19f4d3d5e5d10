package digest

import (
	"net/netip"
	"testing"
)

// BenchmarkVerify is what a server does for one REGISTER with credentials: read the header, know the nonce, check the response,
// take the count.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []Algorithm{MD5, SHA256, SHA512256} {
		b.Run(string(alg), func(b *testing.B) {
			c := newClock()
			n, here := newTestNonces(c, 0), netip.MustParseAddr("192.0.2.1")
			ha1 := HA1(alg, "alice", "example.com", "secret")
			asked := Challenge{Realm: "example.com", Nonce: n.Make(here, "example.com"), Algorithm: alg, QOP: []QOP{Auth}}
			values := make([]string, b.N)
			for i := range values {
				values[i] = asked.Answer(Request{Username: "alice", HA1: ha1, Method: "REGISTER", URI: "sip:example.com",
					CNonce: "3f2a9c71", Count: uint32(i + 1)}).String()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for _, value := range values {
				if !verify(n, value, here, ha1) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func verify(n *Nonces, value string, from netip.Addr, ha1 string) bool {
	c, err := ParseCredentials(value)
	if err != nil {
		return false
	}
	v, fresh := n.Read(c.Nonce, from, c.Realm, life)
	return fresh == Fresh && c.Check(ha1, "REGISTER", nil) && n.Use(v, c.Count)
}

// BenchmarkChallenge is what an unauthenticated request costs: a nonce, and two challenges of it.
func BenchmarkChallenge(b *testing.B) {
	n, here := newTestNonces(newClock(), 0), netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		c := Challenge{Realm: "example.com", Nonce: n.Make(here, "example.com"), Algorithm: SHA256, QOP: []QOP{Auth}}
		size := len(c.String())
		c.Algorithm = MD5
		if size+len(c.String()) == 0 {
			b.Fatal("nothing")
		}
	}
}

func TestVerifyDoesNotAllocate(t *testing.T) {
	if underRace {
		t.Skip("pools forget under the race detector")
	}
	n, here := newTestNonces(newClock(), 0), netip.MustParseAddr("192.0.2.1")
	ha1 := HA1(SHA256, "alice", "example.com", "secret")
	asked := Challenge{Realm: "example.com", Nonce: n.Make(here, "example.com"), Algorithm: SHA256, QOP: []QOP{Auth}}
	values := make([]string, 201)
	for i := range values {
		values[i] = asked.Answer(Request{Username: "alice", HA1: ha1, Method: "REGISTER", URI: "sip:x", CNonce: "c", Count: uint32(i +
			1)}).String()
	}
	next := 0
	if got := testing.AllocsPerRun(len(values)-1, func() {
		if !verify(n, values[next], here, ha1) {
			t.Fatal("refused")
		}
		next++
	}); got > 1 {
		t.Errorf("%v allocations", got)
	}
}
