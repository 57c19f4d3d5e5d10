package call

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// The domain of the tests: alice calls, bob is called.
const bobIP, bobIP2, bobIP3 = "192.0.2.50", "192.0.2.51", "192.0.2.52"

// book is a Directory and a Location in memory.
type book struct {
	entries map[string]*sbc.Entry // by name in dom_1
	phones  map[string][]Contact  // by subscriber
	lost    map[string]bool       // registered, but not reachable
	gruus   map[string]string     // instance in gr= → registration
	err     error
	// slow keeps answers back until it is closed.
	slow chan struct{}
}

func (b *book) Ask(domainID, name string, done func(*sbc.Entry, error)) {
	answer := func() {
		e := b.entries[name]
		switch {
		case b.err != nil:
			done(nil, b.err)
		case e == nil || e.Subscriber.DomainID != domainID:
			done(nil, sbc.Errorf(sbc.CodeNotFound, "nobody"))
		default:
			done(e, nil)
		}
	}
	if b.slow == nil {
		answer()
		return
	}
	go func() {
		<-b.slow
		answer()
	}()
}

func (b *book) AskID(id string, done func(*sbc.Entry, error)) {
	for _, e := range b.entries {
		if e.Subscriber.ID == id {
			done(e, nil)
			return
		}
	}
	done(nil, sbc.Errorf(sbc.CodeNotFound, "nobody"))
}

func (b *book) Peek(domainID, name string) (*sbc.Entry, bool) {
	e := b.entries[name]
	return e, b.slow == nil && b.err == nil && e != nil && e.Subscriber.DomainID == domainID && e.Via == nil
}

func (b *book) Contacts(id string) []Contact { return slices.Clone(b.phones[id]) }

func (b *book) ByGRUU(u msg.URI, id string) ([]Contact, string, bool) {
	name, there := u.Param("gr")
	if !there || id == "" {
		return nil, "", false
	}
	var list []Contact
	for _, p := range b.phones[id] {
		if p.RegistrationID == b.gruus[name] {
			list = append(list, p)
		}
	}
	return list, id, true
}

func (b *book) Registered(id string) bool { return len(b.phones[id]) > 0 || b.lost[id] }

// phone makes a contact of bob's.
func phone(reg, host string, q float64) Contact {
	u, _ := msg.ParseURI("sip:secret-" + reg + "@" + host + ":5062")
	return Contact{Q: q, Phone: route.Phone{
		RegistrationID: reg, URI: u, Target: msg.Target{Host: host, Port: 5062, Transport: sbc.TransportUDP, Interfaces: []string{"sif_a"}},
	}}
}

// village is a world with a domain.
type village struct {
	*world
	book  *book
	alice *Origin
	bob   *sbc.Entry
}

func runVillage(t *testing.T, edit func(d *sbc.Domain), play func(v *village)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		v := newVillage(t, edit)
		play(v)
		synctest.Wait()
		v.clean()
	})
}

func newVillage(t testing.TB, edit func(d *sbc.Domain), more ...sbc.Resource) *village {
	d := &sbc.Domain{Meta: meta("dom_1")}
	d.Defaults()
	d.Name, d.RealmID, d.RoutingPlanID, d.FailoverCodes = "example.com", "rlm_a", "rpl_1", []string{"5xx"}
	if edit != nil {
		edit(d)
	}
	rule := &sbc.Rule{Meta: meta("rul_9")}
	rule.Defaults()
	rule.RoutingPlanID, rule.Prefix, rule.Action, rule.DomainID = "rpl_1", "4977", sbc.ActionSubscriber, "dom_1"
	v := &village{world: newWorldOf(t, append(append(slices.DeleteFunc(resources(nil), func(r sbc.Resource) bool {
		return r.Base().ID == d.ID
	}), d, rule), more...)), book: &book{
		entries: map[string]*sbc.Entry{}, phones: map[string][]Contact{}, lost: map[string]bool{}, gruus: map[string]string{},
	}}
	v.m.o.Directory, v.m.o.Location = v.book, v.book
	alice := v.person("sub_alice", "alice", "+49771", "+4977")
	v.alice = &Origin{
		Domain: v.snap.Domain("dom_1"), Entry: alice, How: "digest", Inside: "alice", Outside: "+49771", Display: "Alice",
	}
	v.bob = v.person("sub_bob", "bob", "49772")
	return v
}

// person adds a subscriber with aliases.
func (v *village) person(id, name string, aliases ...string) *sbc.Entry {
	s := &sbc.Subscriber{Meta: meta(id)}
	s.Defaults()
	s.Name, s.Username, s.DomainID = name, name, "dom_1"
	e := &sbc.Entry{Subscriber: s}
	for _, a := range aliases {
		e.Aliases = append(e.Aliases, sbc.Alias{Meta: sbc.Meta{ID: "als_" + a, Name: a}, DomainID: "dom_1", SubscriberID: id})
	}
	v.book.entries[name] = e
	for i := range e.Aliases {
		v.book.entries[e.Aliases[i].Name] = &sbc.Entry{Subscriber: s, Aliases: e.Aliases, Via: &e.Aliases[i]}
	}
	return e
}

// call lets alice call somebody.
func (v *village) call(callee string) (*peer, *server) {
	a := v.caller()
	a.uri = "sip:" + callee + "@example.com"
	a.from = v.alice
	return a, a.invite(sdp(callerIP, 4000))
}

// invites takes all INVITEs that were sent and not taken, by target.
func (v *village) invites(n int) []*sent {
	v.t.Helper()
	var list []*sent
	for range n {
		list = append(list, v.wire.next(msg.INVITE))
	}
	v.wire.none(msg.INVITE)
	slices.SortFunc(list, func(x, y *sent) int { return cmp.Compare(x.target.Host, y.target.Host) })
	return list
}

// TestPhonesRingAtOnce: both phones of bob ring, the second answers, the first is cancelled with a word why; the record tells of both.
func TestPhonesRingAtOnce(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		a, in := v.call("bob")
		ring := v.invites(2)
		for i, s := range ring {
			if s.req.CallID != ring[0].req.CallID || s.req.From.Tag() != ring[0].req.From.Tag() {
				t.Error("the branches are not of one leg")
			}
			if s.req.RequestURI.User != []string{"secret-reg_1", "secret-reg_2"}[i] || s.req.To.URI.String() != "sip:bob@example.com" ||
				s.req.From.URI.String() != "sip:alice@example.com" || s.req.From.Display != "Alice" {
				t.Errorf("INVITE to a phone:\n%s", s.req.AppendTo(nil))
			}
		}
		ring[0].reply(180)
		in.want(180)
		ring[1].reply(180)
		ring[1].reply(200, sdp(bobIP2, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		if !ring[0].isCancelled() || len(ring[0].cancel) != 1 || !strings.Contains(ring[0].cancel[0].Value, "200") {
			t.Errorf("the other phone: cancelled %v with %v", ring[0].cancelled, ring[0].cancel)
		}
		if ring[1].isCancelled() {
			t.Error("the phone that answered was cancelled")
		}
		ring[0].reply(487)
		bye := a.send(msg.BYE, "")
		out := v.wire.next(msg.BYE)
		if out.target.Host != bobIP2 || out.req.To.Tag() != ring[1].tag {
			t.Errorf("BYE to %s", out.target.Host)
		}
		out.reply(200)
		bye.want(200)
		d := v.cdr()
		if d.CallerSubscriberID != "sub_alice" || d.CalleeSubscriberID != "sub_bob" || d.EgressTrunkID != "dom_1" || len(d.Attempts) != 2 {
			t.Fatalf("record %+v", d)
		}
		one, two := d.Attempts[0], d.Attempts[1]
		if one.RegistrationID != "reg_1" || one.Reason != "answered elsewhere" || two.RegistrationID != "reg_2" || two.Code != 200 ||
			two.SubscriberID != "sub_bob" || one.ProgressAt == nil || one.EndedAt == nil {
			t.Errorf("attempts %+v", d.Attempts)
		}
	})
}

// TestBothAnswer: the 200 of the phone that was late is acknowledged and its dialog released (RFC 3261 13.2.2.4).
func TestBothAnswer(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		a, in := v.call("bob")
		ring := v.invites(2)
		ring[0].reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		ring[1].reply(200, sdp(bobIP2, 5000))
		bye := v.wire.next(msg.BYE)
		if bye.target.Host != bobIP2 || v.wire.ackCount() != 2 {
			t.Errorf("BYE to %s, %d ACKs", bye.target.Host, v.wire.ackCount())
		}
		bye.reply(200)
		ring[1].reply(200, sdp(bobIP2, 5000)) // again: acknowledged again, but no second BYE
		v.wire.none(msg.BYE)
		v.end(a)
	})
}

// TestForkFails sees what the caller is told when all phones fail: the best answer by RFC 3261 16.7 step 6.
func TestForkFails(t *testing.T) {
	for _, tt := range []struct {
		name     string
		one, two func(*sent)
		want     int
		end      sbc.EndReason
	}{
		{"busy and not there", answers(486), breaks(msg.ErrNoResponse), 486, sbc.EndBusy},
		{"not there and busy", breaks(msg.ErrTransport), answers(486), 486, sbc.EndBusy},
		{"500 and busy", answers(500), answers(486), 486, sbc.EndBusy},
		{"both unreachable", breaks(msg.ErrTransport), breaks(msg.ErrTransport), 480, sbc.EndNoAnswer},
		{"the same phone twice", answers(486), answers(482), 486, sbc.EndBusy},
		{"no credentials travel", answers(407), answers(401), 403, sbc.EndRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runVillage(t, nil, func(v *village) {
				v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
				_, in := v.call("bob")
				ring := v.invites(2)
				tt.one(ring[0])
				in.want(100)
				tt.two(ring[1])
				in.want(tt.want)
				if d := v.cdr(); d.EndReason != tt.end || d.FinalCode != tt.want {
					t.Errorf("end %s with %d", d.EndReason, d.FinalCode)
				}
			})
		})
	}
}

func answers(n int) func(*sent)    { return func(s *sent) { s.reply(n) } }
func breaks(err error) func(*sent) { return func(s *sent) { s.failed(err) } }
func seconds(n int) time.Duration  { return time.Duration(n) * time.Second }

// TestDecline: 603 of one phone speaks for all (RFC 3261 16.7 step 5), also for those of a lower q.
func TestDecline(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 0.5)}
		_, in := v.call("bob")
		ring := v.invites(2)
		ring[0].reply(180)
		ring[1].reply(180)
		ring[1].reply(603)
		if !ring[0].isCancelled() {
			t.Error("the other phone still rings")
		}
		ring[0].reply(487)
		v.wire.none(msg.INVITE)
		in.want(603)
		if d := v.cdr(); d.Attempts[0].Reason != "cancelled" || d.Attempts[1].Code != 603 {
			t.Errorf("%+v", d.Attempts)
		}
	})
}

// TestNextQ: the phones of the next q ring when those before failed, or rang too long.
func TestNextQ(t *testing.T) {
	runVillage(t, func(d *sbc.Domain) { d.RingTimeoutS = 10 }, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 0.7), phone("reg_3", bobIP3, 0.3)}
		a, in := v.call("bob")
		v.invites(1)[0].reply(486)
		two := v.invites(1)[0]
		two.reply(180)
		time.Sleep(seconds(11))
		if !two.isCancelled() {
			t.Fatal("it rings for ever")
		}
		two.reply(487)
		three := v.invites(1)[0]
		three.reply(200, sdp(bobIP3, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		v.end(a)
		if d := v.cdr(); len(d.Attempts) != 3 || d.Attempts[0].Code != 486 || d.Attempts[1].Reason != "timeout" || d.Attempts[2].Code != 200 {
			t.Errorf("%+v", d.Attempts)
		}
	})
}

// TestSerial: one phone after the other where the domain wants it so.
func TestSerial(t *testing.T) {
	runVillage(t, func(d *sbc.Domain) { d.Registration.Serial = true }, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		_, in := v.call("bob")
		v.invites(1)[0].reply(486)
		v.invites(1)[0].reply(486)
		in.want(486)
	})
}

// TestCancelFork: the caller gives up, and all phones stop.
func TestCancelFork(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 1)}
		a, in := v.call("bob")
		ring := v.invites(3)
		ring[0].reply(180)
		in.onCancel(a.build(msg.CANCEL, a.lastInviteNumber, ""))
		in.want(487)
		for i, s := range ring { // the wire waits for a provisional by itself
			if !s.isCancelled() {
				t.Errorf("phone %d rings on", i)
			}
		}
		ring[0].reply(487)
		ring[1].reply(200, sdp(bobIP2, 5000)) // it crossed our CANCEL
		v.wire.next(msg.BYE).reply(200)
		ring[2].failed(msg.ErrNoResponse)
		if d := v.cdr(); d.EndReason != sbc.EndCallerCancel {
			t.Errorf("%+v", d)
		}
	})
}

// TestFlows: the second flow of a phone is tried when the first is broken, and the phone is called once (RFC 5626 5.3).
func TestFlows(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(*sent)
	}{{"430", answers(430)}, {"transport", breaks(msg.ErrTransport)}} {
		t.Run(tt.name, func(t *testing.T) {
			runVillage(t, nil, func(v *village) {
				p := phone("reg_1", bobIP, 1)
				p.Others = []route.Phone{phone("reg_2", bobIP2, 1).Phone}
				v.book.phones["sub_bob"] = []Contact{p}
				a, in := v.call("bob")
				tt.do(v.invites(1)[0])
				second := v.invites(1)[0]
				second.reply(180)
				second.reply(200, sdp(bobIP2, 5000))
				a.learn(in.want(200))
				a.ack(a.lastInviteNumber, "")
				v.end(a)
				if d := v.cdr(); len(d.Attempts) != 2 || d.Attempts[0].RegistrationID != "reg_1" || d.Attempts[1].RegistrationID != "reg_2" {
					t.Errorf("%+v", d.Attempts)
				}
			})
		})
	}
}

// TestCallees sees whom names and numbers reach.
func TestCallees(t *testing.T) {
	for _, tt := range []struct {
		name, callee string
		edit         func(v *village)
		want         int // 0: bob's phone rings; 1: the trunk's endpoint
	}{
		{"username", "bob", nil, 0},
		{"alias", "49772", nil, 0},
		{"a number of the plan", "4930", nil, 1},
		{"nobody", "carol", nil, 404},
		{"a number that a rule gives to a subscriber", "49772", func(v *village) { v.alice.Domain = v.snap.Domain("dom_1") }, 0},
		{"not registered", "bob", func(v *village) { delete(v.book.phones, "sub_bob") }, 480},
		{"not reachable", "bob", func(v *village) { delete(v.book.phones, "sub_bob"); v.book.lost["sub_bob"] = true }, 480},
		{"disabled", "bob", func(v *village) { v.bob.Subscriber.Enabled = false }, 404},
		{"the store is gone", "carol", func(v *village) { v.book.err = sbc.Errorf(sbc.CodeUnavailable, "x") }, 503},
		{"the store is gone, a number of the plan", "4930", func(v *village) { v.book.err = sbc.Errorf(sbc.CodeUnavailable, "x") }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runVillage(t, nil, func(v *village) {
				v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
				if tt.edit != nil {
					tt.edit(v)
				}
				_, in := v.call(tt.callee)
				switch tt.want {
				case 0, 1:
					s := v.invites(1)[0]
					if got := s.target.Host == bobIP; got != (tt.want == 0) {
						t.Errorf("went to %s", s.target.Host)
					}
					if tt.want == 1 && s.req.From.URI.User != "+49771" {
						t.Errorf("outside the caller is %s", s.req.From.URI)
					}
					s.reply(486)
					in.want(486)
				default:
					in.want(tt.want)
				}
			})
		})
	}
}

// TestTrunkReachesSubscriber: a rule of a trunk's plan gives a number to a subscriber.
func TestTrunkReachesSubscriber(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		a := v.caller()
		a.uri = "sip:49772@" + borderA
		in := a.invite(sdp(callerIP, 4000))
		s := v.invites(1)[0]
		if s.req.RequestURI.User != "secret-reg_1" || s.req.To.URI.User != "49772" {
			t.Errorf("%s", s.req.AppendTo(nil))
		}
		s.reply(486)
		in.want(486)
		a.uri = "sip:49779@" + borderA
		a.callID = "other"
		a.invite(sdp(callerIP, 4000)).want(404)
	})
}

// TestLookupWaits: while the store is asked the caller may give up, and nothing is called when the answer comes.
func TestLookupWaits(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		v.book.slow = make(chan struct{})
		a, in := v.call("bob")
		in.want(100)
		in.onCancel(a.build(msg.CANCEL, a.lastInviteNumber, ""))
		in.want(487)
		close(v.book.slow)
		v.wire.none(msg.INVITE)
		v.book.slow = make(chan struct{})
		_, in = v.call("bob")
		in.want(100)
		close(v.book.slow)
		v.invites(1)[0].reply(486)
		in.want(486)
	})
}

// TestGRUU: the address of one phone reaches that phone only (RFC 5627 5.1).
func TestGRUU(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1)}
		v.book.gruus["two"] = "reg_2"
		a := v.caller()
		a.uri, a.from = "sip:bob@example.com;gr=two", v.alice
		in := a.invite(sdp(callerIP, 4000))
		s := v.invites(1)[0]
		if s.target.Host != bobIP2 {
			t.Errorf("went to %s", s.target.Host)
		}
		s.reply(486)
		in.want(486)
		a.uri, a.callID = "sip:bob@example.com;gr=gone", "other"
		a.invite(sdp(callerIP, 4000)).want(480)
	})
}

// TestCalleeLimit: who is in as many calls as it may is busy.
func TestCalleeLimit(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.bob.Subscriber.MaxCalls = 1
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		a, in := v.call("bob")
		s := v.invites(1)[0]
		s.reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		_, second := v.call("bob")
		second.want(486)
		v.wire.none(msg.INVITE)
		v.end(a)
	})
}

// TestReferToSubscriber: alice talks to bob and sends him to carol, whose two phones ring at once.
func TestReferToSubscriber(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.person("sub_carol", "carol")
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		v.book.phones["sub_carol"] = []Contact{phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 1)}
		a, in := v.call("bob")
		bob := v.invites(1)[0]
		bob.reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		a.send(msg.REFER, "", "Refer-To: <sip:carol@example.com>").want(202)
		ring := v.invites(2)
		for _, s := range ring {
			if s.req.RequestURI.User != "secret-reg_2" && s.req.RequestURI.User != "secret-reg_3" {
				t.Errorf("%s rings", s.req.RequestURI)
			}
		}
		v.notified("100", "active")
		ring[0].reply(180)
		v.notified("180", "active")
		ring[1].reply(200, sdp(bobIP3, 5000))
		if !ring[0].isCancelled() {
			t.Error("the other phone rings on")
		}
		ring[0].reply(487)
		v.notified("200", "terminated")
		v.wire.next(msg.INVITE).reply(200, sdp(bobIP, 5000)) // bob is told of carol
		v.wire.next(msg.BYE).reply(200)                      // alice is released
		carol := v.callee(ring[1])
		carol.send(msg.BYE, "").want(200)
		v.wire.next(msg.BYE).reply(200)
		if d := v.cdr(); len(d.Attempts) != 3 || d.Attempts[2].SubscriberID != "sub_carol" || d.CalleeSubscriberID != "sub_bob" {
			t.Errorf("%+v", d)
		}
	})
}

// TestReferToNobody: what becomes of a transfer to a subscriber who is not there is told, and the call goes on.
func TestReferToNobody(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.person("sub_carol", "carol")
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1)}
		a, in := v.call("bob")
		v.invites(1)[0].reply(200, sdp(bobIP, 5000))
		a.learn(in.want(200))
		a.ack(a.lastInviteNumber, "")
		a.send(msg.REFER, "", "Refer-To: <sip:carol@example.com>").want(202)
		v.wire.next(msg.NOTIFY).reply(200)
		last := v.wire.next(msg.NOTIFY)
		if !strings.Contains(string(last.req.Body), "480") {
			t.Errorf("%s", last.req.Body)
		}
		last.reply(200)
		v.wire.none(msg.INVITE)
		v.end(a)
	})
}

// TestExplainSubscriber: the decision on a call of a subscriber is shown with every step, phone by phone, and so is its INVITE.
func TestExplainSubscriber(t *testing.T) {
	runVillage(t, nil, func(v *village) {
		v.book.phones["sub_bob"] = []Contact{phone("reg_1", bobIP, 1), phone("reg_2", bobIP2, 1), phone("reg_3", bobIP3, 0.5)}
		ask := sbc.ExplainRequest{SourceAddress: "192.0.2.77", SIPInterfaceID: "sif_a", Callee: "49772", CallerSubscriberID: "sub_alice"}
		e, err := v.m.Explain(ask)
		if err != nil || e.Outcome != sbc.OutcomeRoute || e.TrunkID != "dom_1" || len(e.Attempts) != 3 {
			t.Fatalf("%+v %v", e, err)
		}
		if a := e.Attempts; a[0].Together != 1 || a[1].Together != 1 || a[2].Together != 2 || a[1].RegistrationID != "reg_2" ||
			a[1].SubscriberID != "sub_bob" || a[1].Address != bobIP2 || a[1].Port != 5062 {
			t.Errorf("%+v", a)
		}
		if !strings.HasPrefix(e.Message, "INVITE sip:secret-reg_1@") || !strings.Contains(e.Message, "<sip:alice@example.com>") {
			t.Errorf("%s", e.Message)
		}
		for callee, want := range map[string]int{"carol": 404, "alice": 480} {
			ask.Callee = callee
			if e, err := v.m.Explain(ask); err != nil || e.RejectCode != want || len(e.Steps) < 2 {
				t.Errorf("%s: %+v %v", callee, e, err)
			}
		}
		ask.CallerSubscriberID = "sub_nobody"
		if _, err := v.m.Explain(ask); sbc.CodeOf(err) != sbc.CodeInvalid {
			t.Errorf("%v", err)
		}
		ask = sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Callee: "49772"} // of a trunk
		if e, err := v.m.Explain(ask); err != nil || len(e.Attempts) != 3 {
			t.Errorf("%+v %v", e, err)
		}
	})
}
