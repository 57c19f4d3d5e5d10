package dialog

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

func parse(t testing.TB, hop msg.Hop, lines ...string) *msg.Message {
	t.Helper()
	m, err := msg.Parse([]byte(strings.Join(lines, "\r\n") + "\r\nContent-Length: 0\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	m.Hop = hop
	return m
}

func hop(remote string, transport sbc.Transport) msg.Hop {
	return msg.Hop{Interface: "sif", Transport: transport, Remote: netip.MustParseAddrPort(remote), Conn: 7}
}

func invite(t testing.TB, h msg.Hop, extra ...string) *msg.Message {
	t.Helper()
	lines := append([]string{
		"INVITE sip:bob@b.example SIP/2.0", "Via: SIP/2.0/UDP pc:5060;branch=z9hG4bK1", "From: <sip:alice@a.example>;tag=far",
		"To: <sip:bob@b.example>", "Call-ID: c1", "CSeq: 10 INVITE", "Max-Forwards: 70",
	}, extra...)
	return parse(t, h, lines...)
}

func request(t testing.TB, method string, seq int, from, to string) *msg.Message {
	t.Helper()
	return parse(t, hop("192.0.2.9:5060", sbc.TransportUDP), method+" sip:x SIP/2.0", "Via: SIP/2.0/UDP pc;branch=z9hG4bK2",
		"From: <sip:a@a>;tag="+from, "To: <sip:b@b>;tag="+to, "Call-ID: c1", fmt.Sprintf("CSeq: %d %s", seq, method),
		"Contact: <sip:new@192.0.2.77:5070>")
}

// TestUAS is RFC 3261 12.1.1 and 12.2.1.1: our requests go back to where the INVITE came from, with its route set in order.
func TestUAS(t *testing.T) {
	d, err := NewUAS(invite(t, hop("192.0.2.1:5060", sbc.TransportUDP), "Contact: <sip:alice@192.0.2.1>",
		"Record-Route: <sip:p2.example;lr>, <sip:p1.example;lr>"), "ours")
	if err != nil {
		t.Fatal(err)
	}
	if d.LocalTag() != "ours" || d.RemoteTag() != "far" || d.CallID() != "c1" || d.Owner() || d.Confirmed() {
		t.Errorf("%+v", d)
	}
	for want := uint32(1); want < 4; want++ {
		if got := d.Request(msg.INFO).CSeq.Seq; got != want {
			t.Errorf("CSeq %d, want %d", got, want)
		}
	}
	bye := d.Request(msg.BYE)
	if r := bye.Values("Route"); len(r) != 2 || r[0] != "<sip:p2.example;lr>" || r[1] != "<sip:p1.example;lr>" {
		t.Errorf("Route %v", r)
	}
	if bye.RequestURI.String() != "sip:alice@192.0.2.1" || bye.To.Tag() != "far" || bye.From.Tag() != "ours" ||
		bye.MaxForwards != 70 {
		t.Errorf("%s", bye.AppendTo(nil))
	}
	d.Confirm()
	if !d.Confirmed() || d.Sequence() != 4 {
		t.Error("not confirmed")
	}
}

// TestContactNeeded is RFC 3261 8.1.1.8.
func TestContactNeeded(t *testing.T) {
	for _, c := range []string{"X: y", "Contact: <sip:a@h>, <sip:b@h>", "Contact: *", "Contact: <tel:+1>"} {
		if _, err := NewUAS(invite(t, hop("192.0.2.1:5060", sbc.TransportUDP), c), "t"); !errors.Is(err, ErrNoContact) {
			t.Errorf("%s: %v", c, err)
		}
	}
}

func response(t testing.TB, status string, tag string, extra ...string) *msg.Message {
	t.Helper()
	if tag != "" {
		tag = ";tag=" + tag
	}
	lines := append([]string{
		"SIP/2.0 " + status, "Via: SIP/2.0/UDP pc;branch=z9hG4bK1", "From: <sip:us@sbc>;tag=ours", "To: <sip:bob@b.example>" + tag,
		"Call-ID: c1", "CSeq: 1 INVITE",
	}, extra...)
	return parse(t, hop("198.51.100.1:5060", sbc.TransportUDP), lines...)
}

func sentInvite() *msg.Message {
	var u, f msg.URI
	u.Scheme, u.User, u.Host = "sip", "bob", "b.example"
	f.Scheme, f.User, f.Host = "sip", "us", "sbc"
	return NewInvite(u, msg.NameAddr{URI: f}, msg.NameAddr{URI: u})
}

// TestUAC is RFC 3261 12.1.2: the route set is reversed, taken anew from the 2xx (13.2.2.4), and fixed then (12.2.1.2).
func TestUAC(t *testing.T) {
	inv := sentInvite()
	if NewUAC(inv, response(t, "180 Ringing", "")) != nil {
		t.Error("a dialog without tag")
	}
	d := NewUAC(inv, response(t, "180 Ringing", "far", "Contact: <sip:early@198.51.100.1>", "Record-Route: <sip:old;lr>"))
	if d.Confirmed() || !d.Owner() || d.RemoteTag() != "far" {
		t.Errorf("%+v", d)
	}
	d.Answered(response(t, "200 OK", "far", "Contact: <sip:final@198.51.100.1>", "Record-Route: <sip:p1;lr>, <sip:p2;lr>"))
	ack := d.Ack(inv.CSeq.Seq)
	if r := ack.Values("Route"); len(r) != 2 || r[0] != "<sip:p2;lr>" || ack.RequestURI.String() != "sip:final@198.51.100.1" {
		t.Errorf("%s", ack.AppendTo(nil))
	}
	if ack.CSeq.Seq != 1 || ack.CSeq.Method != msg.ACK || d.Sequence() != 1 {
		t.Errorf("CSeq %v", ack.CSeq)
	}
	d.Answered(response(t, "200 OK", "far", "Contact: <sip:re@198.51.100.1>", "Record-Route: <sip:evil;lr>"))
	bye := d.Request(msg.BYE)
	if r := bye.Values("Route"); len(r) != 2 || bye.RequestURI.String() != "sip:re@198.51.100.1" || bye.CSeq.Seq != 2 {
		t.Errorf("%s", bye.AppendTo(nil))
	}
	old := NewUAC(inv, response(t, "200 OK", "")) // neither tag nor Contact
	if old == nil || !old.Confirmed() || old.Request(msg.BYE).RequestURI.String() != "sip:bob@b.example" {
		t.Error("a 2xx of an old device makes no dialog")
	}
}

// TestStrictRoute is the second case of RFC 3261 12.2.1.1.
func TestStrictRoute(t *testing.T) {
	d := NewUAC(sentInvite(), response(t, "200 OK", "far", "Contact: <sip:c@198.51.100.1>",
		"Record-Route: <sip:loose;lr>, <sip:strict>"))
	bye := d.Request(msg.BYE)
	r := bye.Values("Route")
	if bye.RequestURI.String() != "sip:strict" || len(r) != 2 || r[0] != "<sip:loose;lr>" || r[1] != "<sip:c@198.51.100.1>" {
		t.Errorf("%s", bye.AppendTo(nil))
	}
}

// TestCheck is RFC 3261 12.2.2: both tags, and numbers that do not fall.
func TestCheck(t *testing.T) {
	d, err := NewUAS(invite(t, hop("192.0.2.1:5060", sbc.TransportUDP), "Contact: <sip:alice@192.0.2.1>"), "ours")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method   string
		seq      int
		from, to string
		want     error
	}{
		{"INFO", 11, "far", "ours", nil},
		{"INFO", 11, "far", "ours", nil},
		{"INFO", 10, "far", "ours", ErrOldSequence},
		{"ACK", 10, "far", "ours", nil},
		{"INFO", 4000, "far", "ours", nil},
		{"BYE", 12, "far", "ours", ErrOldSequence},
		{"BYE", 5000, "guess", "ours", ErrStranger},
		{"BYE", 5000, "far", "guess", ErrStranger},
		{"BYE", 4001, "far", "ours", nil},
	} {
		if err := d.Check(request(t, tt.method, tt.seq, tt.from, tt.to)); !errors.Is(err, tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
	uac := NewUAC(sentInvite(), response(t, "200 OK", "far", "Contact: <sip:c@198.51.100.1>"))
	if err := uac.Check(request(t, "BYE", 0, "far", uac.LocalTag())); err != nil {
		t.Errorf("the first request of a UAS: %v", err)
	}
}

// TestTarget is where requests go in the presence of address translation.
func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		name, contact, route, from string
		transport                  sbc.Transport
		host                       string
		port                       int
		flow                       bool
	}{
		{"contact is the source", "<sip:a@192.0.2.1:5060>", "", "192.0.2.1:5060", "udp", "192.0.2.1", 5060, false},
		{"sends from one port, listens on another", "<sip:a@192.0.2.1:5080>", "", "192.0.2.1:49152", "udp", "192.0.2.1", 5080, false},
		{"no port", "<sip:a@192.0.2.1>", "", "192.0.2.1:49152", "udp", "192.0.2.1", 0, false},
		{"private contact behind NAT", "<sip:a@10.0.0.4:5060>", "", "192.0.2.1:61000", "udp", "192.0.2.1", 61000, false},
		{"another public contact", "<sip:a@203.0.113.4>", "", "192.0.2.1:5060", "udp", "192.0.2.1", 5060, false},
		{"a name", "<sip:a@pbx.example>", "", "192.0.2.1:5061", "udp", "192.0.2.1", 5061, false},
		{"route wins", "<sip:a@10.0.0.4>", "<sip:192.0.2.1:5090;lr>", "192.0.2.1:5060", "udp", "192.0.2.1", 5090, false},
		{"IPv6", "<sip:a@[2001:db8::1]:5062>", "", "[2001:db8::1]:5060", "udp", "2001:db8::1", 5062, false},
		{"TCP flow", "<sip:a@192.0.2.1;transport=tcp>", "", "192.0.2.1:40000", "tcp", "192.0.2.1", 0, true},
		{"TCP behind NAT", "<sip:a@10.0.0.4:5062;transport=tcp>", "", "192.0.2.1:40000", "tcp", "192.0.2.1", 5062, true},
		{"TCP with a name", "<sip:a@pbx.example;transport=tcp>", "", "192.0.2.1:40000", "tcp", "pbx.example", 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			extra := []string{"Contact: " + tt.contact}
			if tt.route != "" {
				extra = append(extra, "Record-Route: "+tt.route)
			}
			d, err := NewUAS(invite(t, hop(tt.from, tt.transport), extra...), "ours")
			if err != nil {
				t.Fatal(err)
			}
			got := d.Target()
			if got.Host != tt.host || got.Port != tt.port || (got.Flow != nil) != tt.flow || got.Transport != tt.transport ||
				len(got.Interfaces) != 1 || got.Interfaces[0] != "sif" {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestRefresh: the target follows INVITE and UPDATE (RFC 3311 5.1), the address follows every request.
func TestRefresh(t *testing.T) {
	d, err := NewUAS(invite(t, hop("192.0.2.1:5060", sbc.TransportUDP), "Contact: <sip:alice@192.0.2.1>"), "ours")
	if err != nil {
		t.Fatal(err)
	}
	up := request(t, "UPDATE", 11, "far", "ours")
	d.Learn(up.Hop)
	d.Refresh(up)
	if got := d.Target(); got.Host != "192.0.2.9" || d.Request(msg.BYE).RequestURI.String() != "sip:new@192.0.2.77:5070" {
		t.Errorf("%+v", got)
	}
	d.Learn(msg.Hop{})
	d.Refresh(parse(t, msg.Hop{}, "SIP/2.0 200 OK", "Via: SIP/2.0/UDP x;branch=z9hG4bK1", "From: <sip:a@a>;tag=1",
		"To: <sip:b@b>;tag=2",
		"Call-ID: x", "CSeq: 1 UPDATE"))
	if d.Peer().Remote.Port() != 5060 {
		t.Errorf("peer %v", d.Peer())
	}
}

func BenchmarkRequest(b *testing.B) {
	d := NewUAC(sentInvite(), response(b, "200 OK", "far", "Contact: <sip:c@198.51.100.1>"))
	b.ReportAllocs()
	for b.Loop() {
		d.Request(msg.BYE)
	}
}
