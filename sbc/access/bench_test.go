package access

import (
	"testing"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// BenchmarkRegister is what the door does for one authenticated REGISTER: both decisions, with the account in memory.
func BenchmarkRegister(b *testing.B) {
	for _, alg := range []digest.Algorithm{digest.MD5, digest.SHA256, digest.SHA512256} {
		b.Run(string(alg), func(b *testing.B) {
			t := &testing.T{}
			w := newWorld(t, func(d *sbc.Domain) {
				d.Digest.Algorithms = []sbc.DigestAlgorithm{sbc.DigestSHA512256, sbc.DigestSHA256, sbc.DigestMD5}
			})
			o := w.ask(request(t, msg.REGISTER, "sip:example.com", alice))
			all := make([]*msg.Message, b.N)
			for i := range all {
				all[i] = w.prove(request(t, msg.REGISTER, "sip:example.com", alice), o,
					proof{user: "alice", password: "secret", algorithm: alg, count: uint32(i + 1)})
			}
			in := 0
			b.ReportAllocs()
			b.ResetTimer()
			for _, m := range all {
				if d, ok := w.door.Admit(m); ok && d.Action == msg.Serve {
					w.door.Identify(nil, m, func(Caller) { in++ })
				}
			}
			if in != b.N {
				b.Fatalf("%d of %d came in", in, b.N)
			}
		})
	}
}

// BenchmarkChallenge is what a REGISTER without an answer costs.
func BenchmarkChallenge(b *testing.B) {
	t := &testing.T{}
	w := newWorld(t)
	m := request(t, msg.REGISTER, "sip:example.com", alice)
	b.ReportAllocs()
	for b.Loop() {
		if d, ok := w.door.Admit(m); !ok || d.Status != 401 {
			b.Fatal(d)
		}
	}
}

// BenchmarkTrunk is what the door costs a request that is none of its business, in a realm with domains.
func BenchmarkTrunk(b *testing.B) {
	t := &testing.T{}
	w := newWorld(t)
	m := request(t, msg.INVITE, bob, alice)
	m.Hop.Remote = trunkAddress()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := w.door.Admit(m); ok {
			b.Fatal("the door let a trunk wait")
		}
	}
}
