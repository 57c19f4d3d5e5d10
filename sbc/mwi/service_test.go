package mwi

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const phoneIP = "192.0.2.10"

// server is a transaction of a phone's request.
type server struct {
	req *msg.Message
	res *msg.Message
}

func (s *server) Request() *msg.Message { return s.req }
func (s *server) Respond(res *msg.Message) error {
	m, err := msg.Parse(res.AppendTo(nil))
	s.res = m
	return err
}
func (s *server) Acked() {}
func (s *server) Local() msg.Local {
	return msg.Local{Host: "192.0.2.1", Port: 5060, Transport: sbc.TransportUDP}
}
func (s *server) OnCancel(func(*msg.Message)) {}
func (s *server) OnFailed(func(error))        {}
func (s *server) OnSent(func([]byte, msg.Hop)) {
}
func (s *server) SetTag(string) {}

// world is a service between phones and a mailbox.
type world struct {
	t *testing.T
	*Service
	mu     sync.Mutex
	sent   []msg.Outbound
	count  sbc.VoicemailCount
	phones []Phone
	entry  *sbc.Entry
	domain *sbc.Domain
	seq    int
}

func (w *world) Send(o msg.Outbound) msg.ClientTx {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, o)
	return nil
}

func run(t *testing.T, play func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, domain: &sbc.Domain{}, entry: &sbc.Entry{
			Subscriber: &sbc.Subscriber{Username: "100", DomainID: "dom_1", VoicemailEnabled: true},
			Aliases:    []sbc.Alias{{Meta: sbc.Meta{Name: "alice"}}},
		}}
		w.domain.ID, w.domain.Name, w.entry.Subscriber.ID = "dom_1", "pbx.example", "sub_1"
		w.Service = New(Options{
			Wire:   w,
			Count:  func(_ string, then func(sbc.VoicemailCount, error)) { then(w.count, nil) },
			Find:   func(_ string, done func(*sbc.Entry, error)) { done(w.entry, nil) },
			Domain: func(string) *sbc.Domain { return w.domain },
			Phones: func(string) []Phone { return w.phones },
		})
		play(w)
		time.Sleep(3 * time.Hour) // whatever is left runs out
		synctest.Wait()
		if len(w.tags) != 0 || len(w.owner) != 0 {
			t.Errorf("%d tags and %d owners are left", len(w.tags), len(w.owner))
		}
	})
}

// subscribe makes a SUBSCRIBE of the phone's; to is the To header's value.
func (w *world) subscribe(user, to string, extra ...string) *server {
	w.t.Helper()
	w.seq++
	text := fmt.Sprintf("SUBSCRIBE sip:%s@pbx.example SIP/2.0\r\nVia: SIP/2.0/UDP %s:5060;branch=z9hG4bKx%d\r\nFrom: <sip:100@pbx.example>;tag=p\r\n"+
		"To: %s\r\nCall-ID: c\r\nCSeq: %d SUBSCRIBE\r\nContact: <sip:100@%s:5060>\r\nEvent: message-summary\r\n%sContent-Length: 0\r\n\r\n",
		user, phoneIP, w.seq, to, w.seq, phoneIP, strings.Join(append(extra, ""), "\r\n"))
	m, err := msg.Parse([]byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	m.Hop = msg.Hop{
		Transport: sbc.TransportUDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"), Remote: netip.MustParseAddrPort(phoneIP + ":5060"),
	}
	s := &server{req: m}
	if m.To.Tag() == "" {
		if !w.Subscribe(s, m, w.domain, w.entry) {
			w.t.Fatal("it is for somebody else")
		}
	} else if d, ok := w.Admit(m); !ok || d.Action != msg.Serve || !w.Handle(s, m) {
		w.t.Fatalf("not served: %+v", d)
	}
	synctest.Wait()
	return s
}

func (s *server) want(t *testing.T, code int) *msg.Message {
	t.Helper()
	if s.res == nil || s.res.Status != code {
		t.Fatalf("answered with %+v, want %d", s.res, code)
	}
	return s.res
}

// next gives the NOTIFY that was sent and answers it.
func (w *world) next(code int) (state, body string) {
	w.t.Helper()
	w.mu.Lock()
	if len(w.sent) == 0 {
		w.mu.Unlock()
		w.t.Fatal("nothing was sent")
	}
	o := w.sent[0]
	w.sent = w.sent[1:]
	w.mu.Unlock()
	res := msg.NewResponse(o.Request, code, "")
	o.Owner.Response(nil, res)
	synctest.Wait()
	return o.Request.Get("Subscription-State"), string(o.Request.Body)
}

func (w *world) quiet() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sent) != 0 {
		w.t.Errorf("%d requests were sent", len(w.sent))
	}
}

func TestSubscription(t *testing.T) {
	run(t, func(w *world) {
		w.count = sbc.VoicemailCount{Unheard: 1, Heard: 2}
		res := w.subscribe("100", "<sip:100@pbx.example>", "Expires: 600").want(t, 200)
		if res.Get("Expires") != "600" || res.Get("Contact") == "" {
			t.Errorf("answered\n%s", res.AppendTo(nil))
		}
		state, body := w.next(200)
		if state != "active;expires=600" || body != "Messages-Waiting: yes\r\nMessage-Account: sip:100@pbx.example\r\nVoice-Message: 1/2 (0/0)\r\n" {
			t.Errorf("%s\n%s", state, body)
		}
		w.count = sbc.VoicemailCount{Heard: 3}
		w.Changed("sub_1")
		w.count = sbc.VoicemailCount{Unheard: 4}
		w.Changed("sub_1") // while the first is under way: told together
		if _, body = w.next(200); !strings.Contains(body, "Voice-Message: 0/3") {
			t.Errorf("%s", body)
		}
		if _, body = w.next(200); !strings.Contains(body, "Voice-Message: 4/0") {
			t.Errorf("%s", body)
		}
		w.quiet()
		time.Sleep(500 * time.Second)
		w.subscribe("100", res.To.String(), "Expires: 600").want(t, 200)
		w.next(200)
		time.Sleep(500 * time.Second)
		synctest.Wait()
		w.quiet()
		w.subscribe("100", res.To.String(), "Expires: 0").want(t, 200)
		if state, _ = w.next(200); state != "terminated;reason=timeout" {
			t.Error(state)
		}
		if _, ok := w.Admit(w.subscribe("100", "<sip:100@pbx.example>", "Expires: 0").req); ok { // a question, no subscription
			t.Error("a request outside a dialog was taken")
		}
		w.next(200)
		w.Changed("sub_1")
		w.quiet()
	})
}

func TestSubscriptionRunsOut(t *testing.T) {
	run(t, func(w *world) {
		w.subscribe("ALICE", "<sip:alice@pbx.example>", "Expires: 60").want(t, 200)
		w.next(200)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if state, _ := w.next(200); state != "terminated;reason=timeout" {
			t.Error(state)
		}
	})
}

// A phone that does not know the subscription any more has none.
func TestSubscriptionRefused(t *testing.T) {
	run(t, func(w *world) {
		w.subscribe("100", "<sip:100@pbx.example>").want(t, 200)
		w.next(481)
		w.Changed("sub_1")
		w.quiet()
	})
}

func TestRefusals(t *testing.T) {
	run(t, func(w *world) {
		w.subscribe("101", "<sip:101@pbx.example>").want(t, 403)
		w.subscribe("100", "<sip:100@pbx.example>", "Expires: 5").want(t, 423)
		w.subscribe("100", "<sip:100@pbx.example>", "Accept: text/plain").want(t, 406)
		for range perSubscriber {
			w.subscribe("100", "<sip:100@pbx.example>").want(t, 200)
			w.next(481)
		}
		for range perSubscriber {
			w.subscribe("100", "<sip:100@pbx.example>").want(t, 200)
		}
		w.subscribe("100", "<sip:100@pbx.example>").want(t, 503)
		w.entry.Subscriber.VoicemailEnabled = false
		w.subscribe("100", "<sip:100@pbx.example>").want(t, 404)
	})
}

// A stranger who has learned the tags is not let in.
func TestIntruder(t *testing.T) {
	run(t, func(w *world) {
		res := w.subscribe("100", "<sip:100@pbx.example>").want(t, 200)
		again := w.subscribe("100", res.To.String())
		again.req.Hop.Remote = netip.MustParseAddrPort("203.0.113.9:5060")
		if d, ok := w.Admit(again.req); !ok || d.Status != 481 {
			t.Errorf("%+v, %v", d, ok)
		}
	})
}

// Phones that registered and did not subscribe are told unasked; one that did is told once.
func TestUnasked(t *testing.T) {
	run(t, func(w *world) {
		uri, err := msg.ParseURI("sip:100@198.51.100.7:5070")
		if err != nil {
			t.Fatal(err)
		}
		w.phones = []Phone{
			{URI: uri, Target: msg.Target{Host: "198.51.100.7", Port: 5070}}, {URI: uri, Target: msg.Target{Host: phoneIP, Port: 5060}},
		}
		w.subscribe("100", "<sip:100@pbx.example>").want(t, 200)
		w.next(200)
		w.count.Unheard = 1
		w.Changed("sub_1")
		if state, body := w.next(200); !strings.HasPrefix(state, "active") || !strings.Contains(body, "yes") {
			t.Errorf("%s %s", state, body)
		}
		if state, body := w.next(200); state != "terminated" || !strings.Contains(body, "yes") {
			t.Errorf("%s %s", state, body)
		}
		w.quiet()
	})
}

// A phone that registers is told at once of messages that wait, and of nothing where none do or there is no mailbox.
func TestArrived(t *testing.T) {
	run(t, func(w *world) {
		uri, err := msg.ParseURI("sip:100@198.51.100.7:5070")
		if err != nil {
			t.Fatal(err)
		}
		w.phones = []Phone{{RegistrationID: "reg_1", URI: uri, Target: msg.Target{Host: "198.51.100.7", Port: 5070}}}
		s := &sbc.Subscriber{Meta: sbc.Meta{ID: "sub_1"}, DomainID: "dom_1", Username: "100"}
		w.count.Unheard = 2
		w.Arrived(s, []string{"reg_1"})
		w.quiet()
		s.VoicemailEnabled = true
		w.Arrived(s, []string{"reg_1"})
		if state, body := w.next(200); state != "terminated" || !strings.Contains(body, "Voice-Message: 2/0") {
			t.Errorf("%s %s", state, body)
		}
		w.Arrived(s, []string{"reg_2"}) // another, which is gone by now
		w.quiet()
		w.count.Unheard = 0
		w.Arrived(s, []string{"reg_1"})
		w.quiet()

		w.count.Heard, w.phones[0].Target = 3, msg.Target{Host: phoneIP, Port: 5060}
		w.subscribe("100", "<sip:100@pbx.example>").want(t, 200)
		w.next(200)
		w.Arrived(s, []string{"reg_1"}) // it knows
		w.quiet()
	})
}

// A domain that wants only those told that subscribed has no other told, neither of what is new nor when it registers.
func TestSubscribedOnly(t *testing.T) {
	run(t, func(w *world) {
		uri, err := msg.ParseURI("sip:100@198.51.100.7:5070")
		if err != nil {
			t.Fatal(err)
		}
		w.phones = []Phone{{RegistrationID: "reg_1", URI: uri, Target: msg.Target{Host: "198.51.100.7", Port: 5070}}}
		w.subscribe("100", "<sip:100@pbx.example>").want(t, 200)
		w.next(200)
		w.count.Unheard, w.domain.Voicemail.MWISubscribedOnly = 1, true
		w.Changed("sub_1")
		if state, _ := w.next(200); !strings.HasPrefix(state, "active") {
			t.Error(state)
		}
		w.Arrived(w.entry.Subscriber, []string{"reg_1"})
		w.quiet()
	})
}
