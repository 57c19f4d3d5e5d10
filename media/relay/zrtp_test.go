package relay

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/sallyport/sallyport/media/secure"
)

// hello is a Hello of ZRTP (RFC 6189 5.2) of 136 octets, as phones send them; its check sum is not looked at.
func hello(t testing.TB) []byte {
	t.Helper()
	head, err := hex.DecodeString("100000015a5254501234abcd" + "505a001d48656c6c6f202020" + "312e3130")
	if err != nil {
		t.Fatal(err)
	}
	b := append(head, bytes.Repeat([]byte{0x5a, 0xff, 0x00, 0x81}, 27)...)
	return b
}

func TestZRTPPassesAsItIs(t *testing.T) {
	c := newCall(func(a, b *Path) { a.ZRTP, b.ZRTP, a.Map = true, true, &PayloadMap{} })
	h := hello(t)
	c.in(c.aRTP, mediaA, h)
	if c.toB.sent(t, "A's Hello", mediaB); !bytes.Equal(c.toB.last, h) {
		t.Errorf("it came as %x", c.toB.last)
	}
	if st := c.a.Stats(); !st.ZRTP || st.Latched || st.Packets != 0 || st.Discarded != 0 {
		t.Errorf("figures %+v", st)
	}
	c.in(c.aRTP, "203.0.113.66:4000", h)
	c.in(c.aRTP, mediaA, h[:20])
	c.toB.sent(t, "of a stranger, or cut")
	if c.tally.wrongSource != 1 || c.tally.malformed != 1 || c.b.Stats().ZRTP {
		t.Errorf("%+v", c.tally)
	}
}

func TestZRTPStaysWhereItMayNotPass(t *testing.T) {
	for what, change := range map[string]func(c *call){
		"stripped":    func(c *call) { p := *c.aRTP.Path(); p.ZRTP = false; c.aRTP.Set(&p) },
		"A encrypted": func(c *call) { encrypt(t, c.a, secure.GCM128, c.now) },
		"B encrypted": func(c *call) { encrypt(t, c.b, secure.GCM128, c.now) },
	} {
		c := newCall(func(a, _ *Path) { a.ZRTP = true })
		change(c)
		c.in(c.aRTP, mediaA, hello(t))
		c.toB.sent(t, what)
		if c.tally.consumed != 1 || !c.a.Stats().ZRTP {
			t.Errorf("%s: %+v", what, c.tally)
		}
	}
}
