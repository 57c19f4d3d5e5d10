package integration

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// methods are those that strangers try.
var methods = []string{"INVITE", "OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "NOTIFY", "REFER", "BYE", "CANCEL", "ACK", "UPDATE", "INFO", "PRACK", "NONSENSE"}

// TestStrangers send every method, with and without a To tag, where strangers are dropped and where they are refused.
func TestStrangers(t *testing.T) {
	for _, c := range []struct{ policy, name string }{{"drop", "silence"}, {"reject", "403"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			w := b.connect(newSides(t), wish{westRealm: rest.Object{"unknown_source": c.policy}})
			west, east := w.peers(t, false)
			sent, got := 0, 0
			for i, method := range methods {
				addr := w.stranger().As4() // answers to one address are rationed
				addr[3] = byte(120 + i)
				stranger := newPeer(t, "west", netip.AddrPortFrom(netip.AddrFrom4(addr), 5060), west.border, false)
				for _, tag := range []string{"", ";tag=nobody"} {
					l := &line{p: stranger, callID: msg.NewTag(), local: "<sip:x@x.invalid>;tag=" + msg.NewTag(), remote: "<sip:y@" + east.addr.String() + ">" + tag,
						target: "sip:4930123456@" + east.addr.String()}
					raw := text(method+" "+l.target+" SIP/2.0", append(l.head(method, 1, stranger.branch()),
						"Route: <sip:"+east.addr.String()+";lr>", "Contact: "+stranger.contact()), "")
					stranger.send(raw, west.border)
					sent += len(raw)
					if c.policy == "reject" && method != "ACK" {
						m := stranger.take("403 to "+method, func(m *msg.Message) bool { return m.CallID == l.callID })
						if m.Status != 403 {
							t.Errorf("a stranger's %s is answered with %s", method, m.StartLine())
						}
					}
				}
				west.sync(west.border)
				if c.policy == "drop" && stranger.count() != 0 {
					t.Errorf("a stranger got %d answers to %s:\n%s", stranger.count(), method, stranger.bytes())
				}
				got += len(stranger.bytes())
			}
			if float64(got) > 1.5*float64(sent) {
				t.Errorf("%d octets made %d", sent, got)
			}
			if n := east.count(); n != 0 {
				t.Errorf("%d messages of a stranger were carried on:\n%s", n, east.bytes())
			}
			if n := b.metric("sbc_blocked_total", "unknown_source"); n < float64(2*len(methods)-2) {
				t.Errorf("%v requests of strangers are counted; %d came", n, 2*len(methods))
			}
		})
	}
}

// TestForeignRequests tries to disturb a call from outside: wrong tags, right tags from elsewhere, and responses nobody asked for.
func TestForeignRequests(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	west, east := w.peers(t, false)
	stranger := newPeer(t, "west", netip.AddrPortFrom(w.stranger(), 5060), west.border, false)
	elsewhere := w.eastPeer.As4() // in the realm of the callee, but not the callee
	elsewhere[3] = 77
	thief := newPeer(t, "east", netip.AddrPortFrom(netip.AddrFrom4(elsewhere), 5060), east.border, false)
	call, rings := connected(west, east)
	ringing := west.dial("4930123456", west.sdp())
	waits := east.ring()
	waits.say(waits.invite, 180, "", "")
	ringing.answer(1, 180)
	west.sync(west.border)
	east.sync(east.border)
	before := [2]int{west.count(), east.count()}
	for _, method := range []string{"BYE", "CANCEL", "ACK", "INVITE", "UPDATE", "INFO", "MESSAGE", "REFER", "PRACK"} {
		for _, l := range []*line{call, ringing} { // a stranger knows everything
			stolen := *l
			stolen.p = stranger
			branch := l.branch // CANCEL and ACK of the INVITE itself
			stranger.send(text(method+" "+l.target+" SIP/2.0", append(stolen.head(method, l.inviteSeq, branch), "Contact: "+stranger.contact()), stranger.sdp()), west.border)
			stranger.send(text(method+" "+l.target+" SIP/2.0", stolen.head(method, 50, stranger.branch()), ""), west.border)
		}
	}
	for _, status := range []int{100, 180, 200, 302, 401, 487, 503} {
		for _, via := range []string{stranger.via(stranger.branch()), "SIP/2.0/UDP " + w.east.String() + ":5060;branch=x" + waits.invite.Via.Branch(), waits.invite.Get("Via")} {
			thief.send(text(fmt.Sprintf("SIP/2.0 %d Surprise", status), []string{"Via: " + via, "From: " + waits.remote, "To: " + waits.local,
				"Call-ID: " + waits.callID, "CSeq: 1 INVITE", "Contact: " + stranger.contact()}, ""), east.border)
		}
	}
	west.sync(west.border)
	east.sync(east.border)
	if n := stranger.count() + thief.count(); n != 0 {
		t.Errorf("strangers got %d answers:\n%s%s", n, stranger.bytes(), thief.bytes())
	}
	if n := b.metric("sbc_sip_queue_drops_total", "foreign_response"); n != 7 {
		t.Errorf("%v responses with the right branch from elsewhere were counted; 7 came", n)
	}
	if got := [2]int{west.count() - before[0], east.count() - before[1]}; got != [2]int{1, 1} { // the answers to our OPTIONS
		t.Errorf("the peers got %v messages besides:\n%s\n%s", got, west.summary(), east.summary())
	}
	waits.say(waits.invite, 200, "", east.sdp())
	ringing.final(200)
	waits.hear(msg.ACK)
	ringing.hangup(waits)
	call.hangup(rings)
	if r := b.cdrs(2); r[0].EndReason != sbc.EndCallerBye || r[1].EndReason != sbc.EndCallerBye {
		t.Errorf("the calls ended with %s and %s", r[0].EndReason, r[1].EndReason)
	}
}

// TestBadMessages sends what must not be believed, from a peer that is known.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	refuser(t, w.eastPeer, false)
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	// Answers to what is broken are rationed by address: each case has one of its own.
	block := w.westPeer.As4()
	block[3] = 128
	b.create("/trunks/"+w.westTrunk+"/identities", rest.Object{"name": "many", "cidr": netip.AddrFrom4(block).String() + "/26"})
	known := west
	base := func(west *peer) string {
		l := &line{p: west, callID: msg.NewTag(), local: "<sip:x@x.invalid>;tag=" + msg.NewTag(), remote: "<sip:y@x.invalid>"}
		return string(text("INVITE sip:4930123456@x.invalid SIP/2.0", append(l.head("INVITE", 1, west.branch()), "Contact: "+west.contact()), west.sdp()))
	}
	for name, c := range map[string]struct {
		old, new string
		want     []int
	}{
		"10,000 headers":            {"Content-Type", strings.Repeat("X: y\r\n", 10000) + "Content-Type", []int{400, 413, 486, 513}},
		"1,000 Vias":                {"Content-Type", strings.Repeat("v: SIP/2.0/UDP a\r\n", 1000) + "Content-Type", []int{400, 413, 486, 513}},
		"a giant header":            {"Max-Forwards", "X: " + strings.Repeat("y", 50000) + "\r\nMax-Forwards", []int{400, 413, 486, 513}},
		"a giant Call-ID":           {"Call-ID: ", "Call-ID: " + strings.Repeat("y", 50000), []int{400, 413, 486, 513}},
		"a huge Content-Length":     {"Content-Length: ", "Content-Length: 99999999999999999999", []int{400, 413}},
		"a negative Content-Length": {"Content-Length: ", "Content-Length: -", []int{400}},
		"a false Content-Length":    {"Content-Length: ", "Content-Length: 9", []int{400}},
		"Content-Length in words":   {"Content-Length: ", "Content-Length: ten", []int{400}},
		"two Content-Lengths":       {"Content-Length: ", "Content-Length: 0\r\nContent-Length: ", []int{400}},
		"two Call-IDs":              {"Call-ID: ", "Call-ID: x\r\nCall-ID: ", []int{400}},
		"no body":                   {"v=0", "", []int{400, 488, 486}},
		"SDP that is none":          {"m=audio 40000 RTP/AVP", "m=audio99999999 4000", []int{400, 488, 415}},
		"SDP with a false port":     {"m=audio 40000 ", "m=audio 999999 ", []int{400, 488}},
		"SDP with a negative port":  {"m=audio 40000 ", "m=audio -4000 ", []int{400, 488}},
		"Max-Forwards 0":            {"Max-Forwards: 70", "Max-Forwards: 0", []int{483}},
		"Max-Forwards 300":          {"Max-Forwards: 70", "Max-Forwards: 300", []int{400, 486}},
		"CSeq of another method":    {"CSeq: 1 INVITE", "CSeq: 1 BYE", []int{400}},
		"a NUL":                     {"Max-Forwards", "X: a\x00b\r\nMax-Forwards", []int{400, 486}},
		"an unknown dialog":         {"<sip:y@x.invalid>", "<sip:y@x.invalid>;tag=nobody", []int{481}},
		"a space before the colon":  {"Call-ID:", "Call-ID :", []int{486}},
		"a list of 7,000 addresses": {"Contact: ", "Contact: " + strings.Repeat("<sip:a>,", 7000), []int{400, 413, 486, 513}},
	} {
		west := newPeer(t, "west", netip.AddrPortFrom(netip.AddrFrom4(block), 5060), known.border, false)
		block[3]++
		raw := strings.Replace(base(west), c.old, c.new, 1)
		if name == "a false Content-Length" || strings.Contains(name, "SDP") || name == "no body" {
			head, body, _ := strings.Cut(raw, "\r\n\r\n")
			if name != "a false Content-Length" {
				i := strings.LastIndexByte(head, ' ')
				raw = head[:i+1] + strconv.Itoa(len(body)) + "\r\n\r\n" + body
			}
		}
		_, id, _ := strings.Cut(raw, "branch=")
		id, _, _ = strings.Cut(id, ";")
		west.send([]byte(raw), west.border)
		m := west.take("an answer to "+name, func(m *msg.Message) bool { return m.Status >= 200 && strings.Contains(m.Get("Via"), id) })
		ok := false
		for _, s := range c.want {
			ok = ok || m.Status == s
		}
		if !ok {
			t.Errorf("%s is answered with %s; one of %v was expected", name, m.StartLine(), c.want)
		}
	}
	b.alive(known)
	if b.metric("sbc_sip_parse_errors_total") == 0 {
		t.Error("no parse error was counted")
	}
	b.quiet()
}

// TestStreamAbuse has streams that cannot be framed, end in the middle, begin and never end, and too many of them.
func TestStreamAbuse(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{transport: "tcp"})
	border := netip.AddrPortFrom(w.west, 5060)
	refuser(t, w.eastPeer, true)
	var iface struct{ Items []struct{ ID, Name string } }
	if err := b.Get(t.Context(), "/v1/sip-interfaces", &iface); err != nil {
		t.Fatal(err)
	}
	for _, i := range iface.Items {
		if err := b.Do(t.Context(), http.MethodPut, "/v1/sip-interfaces/"+i.ID, rest.Object{"name": i.Name, "realm_id": map[string]string{"west": w.westRealm, "east": w.eastRealm}[i.Name],
			"transport": "tcp", "bind_address": map[string]string{"west": w.west.String(), "east": w.east.String()}[i.Name], "port": 5060, "max_connections_per_source": 8}, nil); err != nil {
			t.Fatal(err)
		}
	}
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), border, true)
	west.sync(border) // its connection is there before the others come
	t.Run("hopeless streams are closed", func(t *testing.T) {
		for i, raw := range []string{
			strings.Repeat("A", 200000), "INVITE sip:x SIP/2.0\r\nContent-Length: -5\r\n\r\n", "OPTIONS sip:x SIP/2.0\r\nContent-Length: 99999999999999\r\n\r\n",
			"OPTIONS sip:x SIP/2.0\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello", "OPTIONS sip:x SIP/2.0\r\n" + strings.Repeat("X: y\r\n", 40000),
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/TCP half", "A",
		} {
			from := w.stranger().As4()
			from[3] = byte(110 + i)
			c, err := dialFrom(netip.AddrFrom4(from), border)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				defer c.Close()
				begun := time.Now()
				err := errors.Join(c.SetDeadline(begun.Add(12*time.Second)), write(c, []byte(raw)))
				var got []byte
				if err == nil {
					got, err = io.ReadAll(c)
				}
				var late net.Error
				if errors.As(err, &late) && late.Timeout() || time.Since(begun) > 10*time.Second {
					t.Errorf("%.40q is not closed after %v", raw, time.Since(begun))
				}
				if len(got) != 0 {
					t.Errorf("a stranger got %q", got)
				}
			})
		}
	})
	flood := w.stranger()
	closed := 0
	var open []net.Conn
	for range 40 {
		c, err := dialFrom(flood, border)
		if err != nil {
			closed++
			continue
		}
		open = append(open, c)
	}
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) && !isReset(err) {
			continue // it is open and silent
		}
		closed++
	}
	if closed != 32 {
		t.Errorf("%d of 40 connections of one source were closed; 8 are allowed", closed)
	}
	if n := b.metric("sbc_sip_queue_drops_total", "connections"); n < 32 {
		t.Errorf("%v refused connections are counted", n)
	}
	b.alive(west)
	for _, c := range open {
		c.Close()
	}
}

func isReset(err error) bool { return strings.Contains(err.Error(), "reset") }

// TestFlood has a stranger send 15,000 requests as fast as 6,000 a second while another client calls.
func TestFlood(t *testing.T) {
	b := startBorder(t, app.Options{})
	// A pair of ports rests for two seconds after its call: the usual pools would be empty if calls came as fast as they can.
	w := b.connect(newSides(t), wish{westRealm: rest.Object{"unknown_source": "reject"}, ports: 30000})
	refuser(t, w.eastPeer, false)
	west := newPeer(t, "west", netip.AddrPortFrom(w.westPeer, 5060), netip.AddrPortFrom(w.west, 5060), false)
	stranger := newPeer(t, "west", netip.AddrPortFrom(w.stranger(), 5060), west.border, false)
	b.alive(west)
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	done, ticker := make(chan struct{}), time.NewTicker(10*time.Millisecond)
	go func() {
		defer close(done)
		for range 250 {
			<-ticker.C
			for range 60 {
				l := &line{p: stranger, callID: msg.NewTag(), local: "<sip:x@x.invalid>;tag=" + msg.NewTag(), remote: "<sip:y@x.invalid>"}
				stranger.send(text("INVITE sip:4930@x.invalid SIP/2.0", l.head("INVITE", 1, stranger.branch()), ""), west.border)
			}
		}
	}()
	calls, worst := 0, time.Duration(0)
	pace := time.NewTicker(4 * time.Millisecond) // the records of calls, which are kept, must not be all of the heap
	defer pace.Stop()
	for flooding := true; flooding; calls++ {
		select {
		case <-done:
			flooding = false
		default:
		}
		begun := time.Now()
		call := west.dial("4930123456", west.sdp())
		call.final(486)
		worst = max(worst, time.Since(begun))
		<-pace.C
	}
	ticker.Stop()
	t.Logf("%d calls during the flood, the slowest answered after %v; the stranger got %d answers", calls, worst, stranger.count())
	if worst > 2*time.Second { // more than one retransmission
		t.Errorf("a call waited %v", worst)
	}
	if n := stranger.count(); n > 32 {
		t.Errorf("the stranger got %d answers; 32 are the most", n)
	}
	b.quiet()
	if g := runtime.NumGoroutine(); g > goroutines+50 {
		t.Errorf("%d goroutines before, %d after", goroutines, g)
	}
	if h := heapInUse(); h > heap+24<<20 {
		t.Errorf("%d KiB of heap before, %d after", heap>>10, h>>10)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}
