package relay

import (
	"net/netip"
	"testing"
)

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func natted(media, signalling string) Peer {
	return Peer{Media: addr(media), Signalling: netip.MustParseAddr(signalling)}
}

// hears feeds a valid packet through the latch as Stream does.
func (l *latch) hears(src string, now int64) bool {
	switch l.check(addr(src), now) {
	case candidate:
		l.fix(addr(src), now)
		return true
	case known:
		return true
	default:
		return false
	}
}

func (l *latch) to() string {
	if d := l.dest.Load(); d != nil {
		return d.Addr.String()
	}
	return ""
}

func TestLatchSDPIsExact(t *testing.T) {
	var l latch
	l.renew(Peer{Media: addr("192.0.2.1:4000")}, 1)
	for _, src := range []string{"192.0.2.1:4001", "192.0.2.2:4000", "[2001:db8::1]:4000", "198.51.100.9:4000"} {
		if l.hears(src, 2) {
			t.Errorf("%s heard", src)
		}
	}
	if l.to() != "192.0.2.1:4000" {
		t.Errorf("sends to %q", l.to())
	}
	if !l.hears("192.0.2.1:4000", 3) || l.to() != "192.0.2.1:4000" {
		t.Error("the party itself is not heard")
	}
}

func TestLatchNAT(t *testing.T) {
	for _, c := range []struct {
		name, src string
		heard     bool
	}{
		{"address and port of the SDP", "10.0.0.5:4000", true},
		{"address of the SDP, other port", "10.0.0.5:4999", true},
		{"signalling address", "203.0.113.7:61000", true},
		{"stranger", "198.51.100.9:4000", false},
		{"neighbour", "203.0.113.8:4000", false},
		{"other family", "[2001:db8::1]:4000", false},
	} {
		var l latch
		l.renew(natted("10.0.0.5:4000", "203.0.113.7"), 1)
		if got := l.hears(c.src, 2); got != c.heard {
			t.Errorf("%s: heard %v", c.name, got)
		}
		want := "10.0.0.5:4000"
		if c.heard {
			want = c.src
		}
		if l.to() != want {
			t.Errorf("%s: sends to %q, want %q", c.name, l.to(), want)
		}
	}
}

func TestNoSecondLatchWithoutExchange(t *testing.T) {
	var l latch
	l.renew(natted("10.0.0.5:4000", "203.0.113.7"), 1)
	l.hears("203.0.113.7:61000", 2)
	for _, src := range []string{"203.0.113.7:61002", "10.0.0.5:4999", "198.51.100.9:61000"} {
		if l.hears(src, 3) {
			t.Errorf("%s took over", src)
		}
	}
	if !l.hears("203.0.113.7:61000", 4) || l.to() != "203.0.113.7:61000" {
		t.Error("the party lost its latch")
	}
}

// An old call's stray packets from the same gateway come first; the port of the SDP wins when it speaks, once and for all.
func TestExactSourceReplacesWeakOne(t *testing.T) {
	var l latch
	l.renew(natted("192.0.2.1:4000", "192.0.2.1"), 1)
	if !l.hears("192.0.2.1:9000", 2) {
		t.Fatal("weak source not heard")
	}
	if !l.hears("192.0.2.1:4000", 3) || l.to() != "192.0.2.1:4000" {
		t.Error("the address of the SDP did not win")
	}
	if l.hears("192.0.2.1:9000", 4) {
		t.Error("the weak source came back")
	}
}

func TestExchangeOpensTheLatchAgain(t *testing.T) {
	same := natted("10.0.0.5:4000", "203.0.113.7")
	t.Run("unchanged, same way", func(t *testing.T) {
		var l latch
		l.renew(same, 1)
		l.hears("203.0.113.7:61000", 2)
		l.renew(same, 10)
		if l.to() != "203.0.113.7:61000" {
			t.Fatalf("sends to %q while it waits", l.to())
		}
		if !l.hears("203.0.113.7:61000", 11) || l.hears("203.0.113.7:61002", 12) {
			t.Error("the first packet of the same source did not close the latch at once")
		}
	})
	t.Run("unchanged, new binding of the NAT", func(t *testing.T) {
		var l latch
		l.renew(same, 1)
		l.hears("203.0.113.7:61000", 2)
		l.renew(same, 10)
		for now := int64(11); now < 5*int64(quietMedia); now += int64(quietMedia) / 2 { // RTP bleed: it waits for a refresh
			if l.hears("203.0.113.7:61002", now) || !l.hears("203.0.113.7:61000", now+1) {
				t.Fatal("a party that speaks lost its latch by a refresh")
			}
		}
		silent := 8 * int64(quietMedia)
		if !l.hears("203.0.113.7:61002", silent) || l.to() != "203.0.113.7:61002" || l.hears("203.0.113.7:61000", silent+1) {
			t.Error("the new binding was not taken")
		}
		if l.hears("203.0.113.7:61004", 10*silent) {
			t.Error("one exchange let two others in")
		}
	})
	t.Run("moved, packets under way pass and do not fix it", func(t *testing.T) {
		var l latch
		l.renew(natted("192.0.2.1:4000", "192.0.2.1"), 1)
		l.hears("192.0.2.1:4000", 2)
		l.renew(natted("192.0.2.1:5000", "192.0.2.1"), 10)
		if l.to() != "192.0.2.1:5000" {
			t.Errorf("sends to %q", l.to())
		}
		if !l.hears("192.0.2.1:4000", 11) || l.to() != "192.0.2.1:5000" {
			t.Error("an old packet was lost or fixed the latch")
		}
		if !l.hears("192.0.2.1:5000", 12) || l.hears("192.0.2.1:4000", 13) {
			t.Error("the new source did not take over")
		}
	})
	t.Run("moved to another host: after the grace the old one is a stranger", func(t *testing.T) {
		var l latch
		l.renew(Peer{Media: addr("192.0.2.1:4000")}, 1)
		l.hears("192.0.2.1:4000", 2)
		l.renew(Peer{Media: addr("192.0.2.9:4000")}, 10)
		if !l.hears("192.0.2.1:4000", 9+int64(grace)) || l.hears("192.0.2.1:4000", 10+int64(grace)) {
			t.Error("grace is not kept")
		}
	})
	t.Run("another port behind the same NAT: the old way is the better guess", func(t *testing.T) {
		var l latch
		l.renew(same, 1)
		l.hears("203.0.113.7:61000", 2)
		l.renew(natted("10.0.0.5:4002", "203.0.113.7"), 10)
		if l.to() != "203.0.113.7:61000" {
			t.Errorf("sends to %q", l.to())
		}
		if !l.hears("203.0.113.7:61000", 11+int64(grace)) || l.hears("203.0.113.7:61009", 12+int64(grace)) {
			t.Error("after the grace the old source did not close the latch again")
		}
	})
	t.Run("held by the zero address: nothing is sent", func(t *testing.T) {
		var l latch
		l.renew(natted("192.0.2.1:4000", "192.0.2.1"), 1)
		l.hears("192.0.2.1:4000", 2)
		l.renew(Peer{Signalling: netip.MustParseAddr("192.0.2.1")}, 10)
		if l.to() != "" {
			t.Errorf("sends to %q", l.to())
		}
		l.renew(natted("192.0.2.1:4000", "192.0.2.1"), 20)
		if l.to() != "192.0.2.1:4000" {
			t.Errorf("after hold sends to %q", l.to())
		}
	})
	t.Run("two exchanges in a row keep the old source for its grace", func(t *testing.T) {
		var l latch
		l.renew(natted("192.0.2.1:4000", "192.0.2.1"), 1)
		l.hears("192.0.2.1:4000", 2)
		l.renew(natted("192.0.2.2:4000", "192.0.2.1"), 10)
		l.renew(natted("192.0.2.3:4000", "192.0.2.1"), 20)
		if !l.hears("192.0.2.1:4000", 21) || l.to() != "192.0.2.3:4000" {
			t.Errorf("sends to %q", l.to())
		}
	})
}

func TestNoDestinationForNonsense(t *testing.T) {
	for _, a := range []netip.AddrPort{{}, addr("0.0.0.0:4000"), addr("[::]:4000"), addr("192.0.2.1:0")} {
		if newDest(a) != nil {
			t.Errorf("%v became a destination", a)
		}
	}
}
