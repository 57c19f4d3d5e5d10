package integration

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

const (
	slowCalls, fastCalls = 20, 200
	// slowly is how late another system answers.
	slowly = 5 * time.Second
)

// late answers as it is told, and after slowly where the question holds a word.
func late(t *testing.T, slowly time.Duration, word, answer string) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	other := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked.Add(1)
		if strings.Contains(string(body), word) {
			select {
			case <-time.After(slowly):
			case <-r.Context().Done():
			}
		}
		_, _ = io.WriteString(out, answer)
	}))
	t.Cleanup(other.Close)
	return other.URL, asked
}

// silentServer takes questions by UDP and never answers; asked counts them.
func silentServer(t *testing.T) (at netip.AddrPort, asked *atomic.Int32) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(newSides(t).west, 5353)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	asked = &atomic.Int32{}
	go func() {
		for buf := make([]byte, 2048); ; asked.Add(1) {
			if _, _, err := c.ReadFromUDPAddrPort(buf); err != nil {
				return
			}
		}
	}()
	return c.LocalAddr().(*net.UDPAddr).AddrPort(), asked
}

// slowKind is a kind of system that calls wait for: numbers that begin with 4911 wait, and such that begin with 4922 pass by a quick one
// of the same kind.
type slowKind struct {
	name string
	// wait is how long half of the slow calls wait at least; those that ask DNS the same at the same time share one question.
	wait time.Duration
	open func(t *testing.T) (*border, wiring)
	// slow makes the slow calls, nil for SIPp's, and gives what waits for their end.
	slow func(t *testing.T, b *border, w wiring) (ended func())
}

func slowKinds() []slowKind {
	return []slowKind{
		{name: "an HTTP decision", wait: slowly - 100*time.Millisecond, open: func(t *testing.T) (*border, wiring) {
			b := startBorder(t, app.Options{AllowLocalWebhooks: true})
			w := b.connect(newSides(t), wish{})
			for _, prefix := range []string{"4911", "4922"} {
				url, _ := late(t, slowly, `"callee":"4911`, `{"action":"next"}`)
				b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": prefix, "prefix": prefix, "action": "http",
					"http": rest.Object{"url": url, "timeout_ms": 5000}})
			}
			return b, w
		}},
		{name: "ENUM", wait: 500 * time.Millisecond, open: func(t *testing.T) (*border, wiring) {
			s := newSides(t)
			silent, _ := silentServer(t)
			server, _ := zoneServer(t, fmt.Sprintf("--server=/slow.example/%s#%d", silent.Addr(), silent.Port()),
				`--naptr-record=5.5.5.2.2.9.4.e164.example,10,10,u,E2U+sip,!^.*$!sip:4922555@one.example:5060!`, "--host-record=one.example,"+s.eastPeer.String())
			b := startBorder(t, app.Options{DNSServers: []string{server}})
			w := b.connect(s, wish{})
			for prefix, suffix := range map[string]string{"4911": "slow.example", "4922": "e164.example"} {
				b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": prefix, "prefix": prefix, "action": "enum", "enum_suffix": suffix,
					"route_list_id": w.list})
			}
			return b, w
		}},
		{name: "a gateway's name", wait: 500 * time.Millisecond, open: func(t *testing.T) (*border, wiring) {
			s := newSides(t)
			silent, _ := silentServer(t)
			server, _ := zoneServer(t, fmt.Sprintf("--server=/slow.example/%s#%d", silent.Addr(), silent.Port()),
				"--host-record=one.example,"+s.eastPeer.String())
			b := startBorder(t, app.Options{DNSServers: []string{server}})
			w := b.connect(s, wish{})
			for prefix, name := range map[string]string{"4911": "gw.slow.example", "4922": "one.example"} {
				trunk := b.create("/trunks", rest.Object{"name": name, "realm_id": w.eastRealm, "outlier": rest.Object{"failures": 0}})
				b.create("/trunks/"+trunk+"/endpoints", rest.Object{"name": name, "address": name, "transport": "udp"})
				list := b.create("/route-lists", rest.Object{"name": name})
				b.create("/route-lists/"+list+"/targets", rest.Object{"name": name, "trunk_id": trunk})
				b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": prefix, "prefix": prefix, "action": "route", "route_list_id": list,
					"fallback": true})
			}
			return b, w
		}},
		{name: "an authorisation", open: func(t *testing.T) (*border, wiring) {
			b := startBorder(t, app.Options{AllowLocalWebhooks: true})
			return b, b.connect(newSides(t), wish{westRealm: rest.Object{"trust": "access"}})
		}, slow: authorisedSlowly},
	}
}

// authorisedSlowly makes calls of a subscriber of a domain that asks a slow system about each.
func authorisedSlowly(t *testing.T, b *border, w wiring) (ended func()) {
	url, asked := late(t, slowly-time.Second, "call.authorization", `{"allow":true}`) // within the longest time that it may have
	h := &household{border: b, w: w, name: "phones.leak-west.example"}
	h.domain = b.create("/domains", rest.Object{"name": h.name, "realm_id": w.westRealm, "routing_plan_id": w.plan,
		"authorization": rest.Object{"url": url, "timeout_ms": 5000}})
	h.phone = newPeer(t, "west", netip.AddrPortFrom(w.phoneAddr(), 5060), netip.AddrPortFrom(w.west, 5060), false)
	h.subscriber("ann", "secret-of-ann", nil)
	var calls []*line
	for i := range slowCalls {
		l, _ := h.dial("ann", "secret-of-ann", fmt.Sprintf("4911%d", i), digest.SHA256)
		calls = append(calls, l)
	}
	waitFor(t, func() bool { return asked.Load() == slowCalls }, "the questions")
	return func() {
		for _, l := range calls {
			l.final(200)
			l.answer(l.request("BYE", ""), 200)
		}
	}
}

// TestSlowSystemsHoldNobodyUp: twenty calls wait for a system that answers after five seconds, or for DNS that never does; two hundred
// others, which ask a quick one of the same kind, are set up meanwhile as quickly as without them (features.md 14.1).
func TestSlowSystemsHoldNobodyUp(t *testing.T) {
	needs(t, "sipp")
	for _, k := range slowKinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			b, w := k.open(t)
			sippServer(t, "callee.xml", w.eastPeer, "-t", "u1")
			ctx := patience(t, 60*time.Second)
			fast := func(records int) (half, most time.Duration) {
				t.Helper()
				if err := sipp(ctx, t, "caller.xml", append(calling(w.sides, "u1", fastCalls, "-r", "150", "-d", "10"), "-s", "4922555")...); err != nil {
					t.Fatal(err)
				}
				return b.delays("4922555", records)
			}
			alone, _ := fast(fastCalls)
			ended := func() {}
			slow := make(chan error, 1)
			if k.slow != nil {
				ended = k.slow(t, b, w)
				slow <- nil
			} else {
				go func() { // a peer of its own, at the same address: another port
					slow <- sipp(ctx, t, "caller.xml", append(calling(w.sides, "u1", slowCalls, "-r", "20", "-d", "10"), "-p", "5070",
						"-s", "4911555")...)
				}()
			}
			half, most := fast(2 * fastCalls)
			if half > alone+50*time.Millisecond || most > time.Second {
				t.Errorf("half of the fast calls rang after %v, all after %v; without the slow ones half after %v", half, most, alone)
			}
			if err := <-slow; err != nil {
				t.Fatal(err)
			}
			ended()
			if k.slow == nil {
				if least, _ := b.delays("4911555", slowCalls); least < k.wait {
					t.Errorf("half of the slow calls rang after %v: they did not wait", least)
				}
			}
			b.quiet()
		})
	}
}

// delays are the post-dial delays of the calls to a number by their records: that of the one in the middle, and the longest.
func (b *border) delays(callee string, records int) (half, most time.Duration) {
	b.t.Helper()
	page, err := rest.Until(patience(b.t, 30*time.Second), b.Client, "/v1/cdrs?limit=1000&callee="+callee,
		func(p rest.Page[sbc.CDR]) bool { return len(p.Items) == records })
	if err != nil {
		b.t.Fatal(err)
	}
	var all []time.Duration
	for _, r := range page.Items {
		if r.FinalCode != 200 {
			b.t.Fatalf("a call ended with %d: %+v", r.FinalCode, r.Attempts)
		}
		all = append(all, time.Duration(r.PDDMS)*time.Millisecond)
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)-1]
}
