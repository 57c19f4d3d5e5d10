package integration

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// third provisions another network with a host to which every number beginning with prefix is routed, from both sides.
func (b *border) third(w wiring, h *host, prefix string) (trunk string) {
	b.t.Helper()
	realm := b.create("/realms", rest.Object{"name": "third", "trust": "peer"})
	b.create("/sip-interfaces", rest.Object{
		"name": "third", "realm_id": realm, "transport": "udp", "bind_address": h.border.String(), "port": 5060,
	})
	b.create("/media-pools", rest.Object{"name": "third", "realm_id": realm, "address": h.border.String(), "port_min": 30000, "port_max": 30999})
	trunk = b.create("/trunks", rest.Object{"name": "third", "realm_id": realm, "routing_plan_id": w.plan})
	b.create("/trunks/"+trunk+"/identities", rest.Object{"name": "third", "cidr": h.peer.String() + "/32"})
	b.create("/trunks/"+trunk+"/endpoints", rest.Object{"name": "third", "address": h.peer.String(), "port": 5060, "transport": "udp"})
	list := b.create("/route-lists", rest.Object{"name": "to-third"})
	b.create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": trunk})
	for _, plan := range []string{w.plan, w.westPlan} {
		b.create("/routing-plans/"+plan+"/rules", rest.Object{"name": "third", "prefix": prefix, "action": "route", "route_list_id": list})
	}
	return trunk
}

// tell gives a baresip on a host an order (module ctrl_tcp: JSON in netstrings).
func tell(t testing.TB, h *host, command, params string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(h.peer.String(), "4444"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // nothing more to be said
	order, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "%d:%s,", len(order), order); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	if n, err := conn.Read(answer); err != nil {
		t.Fatalf("baresip does not answer %s: %v %s", command, err, answer[:n])
	}
}

// lastTone is the strongest of the candidate frequencies in the last second that a baresip decoded, in its newest recording; 0 if
// there is less than that.
func lastTone(t testing.TB, folder string, candidates ...float64) float64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*dec.wav"))
	if err != nil {
		t.Fatal(err)
	}
	newest, at := "", time.Time{}
	for _, f := range files {
		if i, err := os.Stat(f); err == nil && i.ModTime().After(at) {
			newest, at = f, i.ModTime()
		}
	}
	if newest == "" {
		return 0
	}
	raw, err := os.ReadFile(newest)
	const header, rate = 44, 8000
	if err != nil || len(raw) < header+2*rate {
		return 0
	}
	return strongest(raw[len(raw)-2*rate:], candidates)
}

// hears waits until a baresip hears a tone.
func hears(t testing.TB, who, folder string, tone float64) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for ticker := time.NewTicker(20 * time.Millisecond); ; <-ticker.C {
		got := lastTone(t, folder, 400, 1000, 1700)
		if got == tone {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s hears %v Hz, not %v", who, got, tone)
		}
	}
}

// trio are three baresips, each in a network of its own: alice (400 Hz), bob (1000 Hz), carol (1700 Hz).
type trio struct {
	b                     *border
	w                     wiring
	alice, bob, carol     *host
	heardA, heardB, heard string
}

// threeBaresips starts them; alice calls bob at once.
func threeBaresips(t *testing.T) *trio {
	t.Helper()
	needs(t, "baresip")
	x := &trio{alice: newHost(t), bob: newHost(t), carol: newHost(t), b: startBorder(t, app.Options{})}
	x.w = x.b.connect(sides{west: x.alice.border, westPeer: x.alice.peer, east: x.bob.border, eastPeer: x.bob.peer}, wish{})
	x.b.third(x.w, x.carol, "4977")
	x.heardB, _ = startBaresip(t, x.bob, "4930123456", 1000)
	x.heard, _ = startBaresip(t, x.carol, "49771", 1700)
	x.heardA, _ = startBaresip(t, x.alice, "alice", 400, "d sip:4930123456@"+x.alice.border.String())
	hears(t, "alice", x.heardA, 1000)
	hears(t, "bob", x.heardB, 400)
	return x
}

// TestBaresipBlindTransfer: bob transfers alice to carol; the two hear each other, and bob is let go.
func TestBaresipBlindTransfer(t *testing.T) {
	x := threeBaresips(t)
	tell(t, x.bob, "transfer", "sip:49771@"+x.bob.border.String())
	hears(t, "alice", x.heardA, 1700)
	hears(t, "carol", x.heard, 400)
	ctx := patience(t, 20*time.Second)
	live, err := rest.Until(ctx, x.b.Client, "/v1/calls", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 1 })
	if err != nil {
		t.Fatal(err)
	}
	if err := x.b.Do(ctx, "DELETE", "/v1/calls/"+live.Items[0].ID, nil, nil); err != nil {
		t.Fatal(err)
	}
	record := x.b.cdrs(1)[0]
	if len(record.Legs) != 3 || record.Legs[1].Role != "transferor" || record.Legs[2].Role != "transfer_target" ||
		record.Legs[2].RemoteAddress != x.carol.peer.String()+":5060" || len(record.Media) != 3 {
		t.Errorf("record %+v", record)
	}
	x.b.quiet()
}

// TestBaresipAttendedTransfer: bob calls carol, too, and connects her with alice: one call is left, with both.
func TestBaresipAttendedTransfer(t *testing.T) {
	x := threeBaresips(t)
	ctx := patience(t, 30*time.Second)
	tell(t, x.bob, "dial", "sip:49771@"+x.bob.border.String())
	hears(t, "carol", x.heard, 1000)
	live, err := rest.Until(ctx, x.b.Client, "/v1/calls?state=confirmed", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 2 })
	if err != nil {
		t.Fatal(err)
	}
	with := live.Items[0].Legs[1] // bob's with alice: the newer call is the one in which he sends REFER
	if live.Items[0].Callee != "4930123456" {
		with = live.Items[1].Legs[1]
	}
	tell(t, x.bob, "transfer", "sip:alice@"+x.bob.border.String()+"?Replaces="+with.SIPCallID+"%3Bto-tag%3D"+with.LocalTag+
		"%3Bfrom-tag%3D"+with.RemoteTag)
	hears(t, "alice", x.heardA, 1700)
	hears(t, "carol", x.heard, 400)
	live, err = rest.Until(ctx, x.b.Client, "/v1/calls", func(p rest.Page[sbc.CallInfo]) bool { return len(p.Items) == 1 })
	if err != nil {
		t.Fatal(err)
	}
	if err := x.b.Do(ctx, "DELETE", "/v1/calls/"+live.Items[0].ID, nil, nil); err != nil {
		t.Fatal(err)
	}
	records := x.b.cdrs(2)
	first, second := records[0], records[1]
	if first.EndReason != sbc.EndTransferred {
		first, second = second, first
	}
	if first.EndReason != sbc.EndTransferred || len(first.LinkedCallIDs) != 1 || first.LinkedCallIDs[0] != second.CallID ||
		len(second.LinkedCallIDs) != 1 || len(second.Legs) != 3 {
		t.Errorf("records %+v\n%+v", first, second)
	}
	x.b.quiet()
}
