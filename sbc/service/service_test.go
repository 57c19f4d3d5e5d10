package service

import (
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// account makes a subscriber with some settings.
func account(set func(*sbc.Subscriber)) *sbc.Subscriber {
	s, ok := sbc.New(sbc.KindSubscriber).(*sbc.Subscriber)
	if !ok {
		panic("sbc.New makes no subscribers")
	}
	s.ID, s.Username = "sub_1", "alice"
	set(s)
	return s
}

// TestArrive holds the order of services for a call that arrives.
func TestArrive(t *testing.T) {
	deny := func([]string, string) bool { return false }
	for _, c := range []struct {
		name string
		set  func(*sbc.Subscriber)
		call Call
		want Verdict
	}{
		{"rings", func(*sbc.Subscriber) {}, Call{Registered: true}, Verdict{Action: Ring}},
		{"rings until it is forwarded", func(s *sbc.Subscriber) { s.Forwarding.NoAnswer.Target = "7" }, Call{Registered: true},
			Verdict{Action: Ring, RingFor: 20 * time.Second}},
		{"disabled", func(s *sbc.Subscriber) { s.Enabled = false }, Call{Registered: true}, Verdict{Action: Refuse, Code: 404}},
		{"anonymous", func(s *sbc.Subscriber) { s.RejectAnonymous = true }, Call{Registered: true, Anonymous: true},
			Verdict{Action: Refuse, Code: 433, Phrase: "Anonymity Disallowed"}},
		{"named, where anonymous ones are refused", func(s *sbc.Subscriber) { s.RejectAnonymous = true }, Call{Registered: true},
			Verdict{Action: Ring}},
		{"blocked, though forwarded", func(s *sbc.Subscriber) {
			s.IncomingListIDs, s.Forwarding.Unconditional.Target = []string{"nls_1"}, "7"
		}, Call{Registered: true, Screen: deny}, Verdict{Action: Refuse, Code: 603}},
		{"without lists nobody is screened", func(*sbc.Subscriber) {}, Call{Registered: true, Screen: deny}, Verdict{Action: Ring}},
		{"forwarded", func(s *sbc.Subscriber) { s.Forwarding.Unconditional.Target = "7" }, Call{Registered: true, MaxForwards: 5},
			Verdict{Action: Forward, To: sbc.Forward{Target: "7"}, Reason: Unconditional}},
		{"forwarded before it is not disturbed", func(s *sbc.Subscriber) {
			s.Forwarding.Unconditional.Target, s.DoNotDisturb = "7", true
		}, Call{Registered: true, MaxForwards: 5}, Verdict{Action: Forward, To: sbc.Forward{Target: "7"}, Reason: Unconditional}},
		{"not disturbed", func(s *sbc.Subscriber) { s.DoNotDisturb = true }, Call{Registered: true}, Verdict{Action: Refuse, Code: 486}},
		{"not disturbed, busy goes to the mailbox", func(s *sbc.Subscriber) { s.DoNotDisturb, s.Forwarding.Busy.Voicemail = true, true },
			Call{Registered: true}, Verdict{Action: Forward, To: sbc.Forward{Voicemail: true}, Reason: DoNotDisturb}},
		{"not registered", func(*sbc.Subscriber) {}, Call{}, Verdict{Action: Refuse, Code: 480}},
		{"not registered, forwarded", func(s *sbc.Subscriber) { s.Forwarding.NotRegistered.Target = "7" }, Call{MaxForwards: 5},
			Verdict{Action: Forward, To: sbc.Forward{Target: "7"}, Reason: NotRegistered}},
		{"comes back", func(s *sbc.Subscriber) { s.Forwarding.Unconditional.Target = "7" },
			Call{Forwarders: []string{"sub_1"}, MaxForwards: 5}, Verdict{Action: Refuse, Code: 482, Phrase: "Loop Detected"}},
		{"too far", func(s *sbc.Subscriber) { s.Forwarding.Unconditional.Target = "7" },
			Call{Forwarders: []string{"sub_2", "sub_3"}, MaxForwards: 2}, Verdict{Action: Refuse, Code: 480}},
		{"too far, but the mailbox takes it", func(s *sbc.Subscriber) { s.Forwarding.Unconditional.Voicemail = true },
			Call{Forwarders: []string{"sub_2", "sub_3"}, MaxForwards: 2},
			Verdict{Action: Forward, To: sbc.Forward{Voicemail: true}, Reason: Unconditional}},
	} {
		t.Run(c.name, func(t *testing.T) { same(t, Arrive(account(c.set), c.call), c.want) })
	}
}

// TestUnanswered holds what becomes of a call that nobody took.
func TestUnanswered(t *testing.T) {
	all := func(s *sbc.Subscriber) {
		s.Forwarding.Busy.Target, s.Forwarding.NoAnswer.Target, s.Forwarding.Unreachable.Target = "1", "2", "3"
	}
	none := func(*sbc.Subscriber) {}
	for _, c := range []struct {
		name string
		set  func(*sbc.Subscriber)
		code int
		rang bool
		want Verdict
	}{
		{"busy", all, 486, true, Verdict{Action: Forward, To: sbc.Forward{Target: "1"}, Reason: Busy}},
		{"busy everywhere", all, 600, false, Verdict{Action: Forward, To: sbc.Forward{Target: "1"}, Reason: Busy}},
		{"rang too long", all, 408, true, Verdict{Action: Forward, To: sbc.Forward{Target: "2"}, Reason: NoAnswer}},
		{"gave up by itself", all, 480, true, Verdict{Action: Forward, To: sbc.Forward{Target: "2"}, Reason: NoAnswer}},
		{"silent", all, 408, false, Verdict{Action: Forward, To: sbc.Forward{Target: "3"}, Reason: Unreachable}},
		{"out of order", all, 503, false, Verdict{Action: Forward, To: sbc.Forward{Target: "3"}, Reason: Unreachable}},
		{"declined", all, 603, true, Verdict{Action: Refuse, Code: 603}},
		{"does not understand", all, 488, false, Verdict{Action: Refuse, Code: 488}},
		{"busy, nowhere to go", none, 486, true, Verdict{Action: Refuse, Code: 486}},
		{"rang too long, nowhere to go", none, 408, true, Verdict{Action: Refuse, Code: 480}},
	} {
		t.Run(c.name, func(t *testing.T) { same(t, Unanswered(account(c.set), Call{MaxForwards: 5}, c.code, c.rang), c.want) })
	}
}

// same compares verdicts but for their words, of which there must be some.
func same(t *testing.T, got, want Verdict) {
	t.Helper()
	if got.Detail == "" {
		t.Error("the verdict does not say what decided")
	}
	got.Detail = ""
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestFeatures dials the codes of the default table.
func TestFeatures(t *testing.T) {
	codes := sbc.DefaultFeatureCodes()
	for dialled, want := range map[string]string{
		"*72100": "forward_unconditional_on 100", "*72*100": "forward_unconditional_on 100", "*72": "forward_unconditional_on ",
		"*73": "forward_unconditional_off ", "*731": "", "*90+4930": "forward_busy_on +4930", "*98": "mailbox ", "*981": "", "72": "", "": "",
		"*7": "",
	} {
		f, argument, ok := Find(codes, dialled)
		got := ""
		if ok {
			got = string(f) + " " + argument
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", dialled, got, want)
		}
	}
	if f, _, _ := Find([]sbc.FeatureCode{{Code: "*7", Feature: sbc.FeatureForwardBusy}, {Code: "*72", Feature: sbc.FeatureForwardAlways}}, "*721"); f != sbc.FeatureForwardAlways {
		t.Errorf("the longest code does not decide: %s", f)
	}
}

// TestApply switches features.
func TestApply(t *testing.T) {
	s := account(func(s *sbc.Subscriber) { s.VoicemailEnabled = true })
	for _, c := range []struct {
		feature  sbc.Feature
		argument string
		done     func(*sbc.Subscriber) bool
	}{
		{sbc.FeatureForwardAlways, "100", func(s *sbc.Subscriber) bool { return s.Forwarding.Unconditional.Target == "100" }},
		{sbc.FeatureForwardAlways, "", func(s *sbc.Subscriber) bool { return s.Forwarding.Unconditional.Voicemail }},
		{sbc.FeatureForwardAlwaysOff, "", func(s *sbc.Subscriber) bool { return !s.Forwarding.Unconditional.Set() }},
		{sbc.FeatureForwardBusy, "1", func(s *sbc.Subscriber) bool { return s.Forwarding.Busy.Target == "1" }},
		{sbc.FeatureForwardNoAnswer, "1", func(s *sbc.Subscriber) bool { return s.Forwarding.NoAnswer.Target == "1" }},
		{sbc.FeatureDoNotDisturb, "", func(s *sbc.Subscriber) bool { return s.DoNotDisturb }},
		{sbc.FeatureDoNotDisturbOff, "", func(s *sbc.Subscriber) bool { return !s.DoNotDisturb }},
		{sbc.FeatureRejectAnonymous, "", func(s *sbc.Subscriber) bool { return s.RejectAnonymous }},
	} {
		changed, err := Apply(s, c.feature, c.argument)
		if err != nil || !c.done(changed) {
			t.Errorf("%s: %v, %+v", Describe(c.feature, c.argument), err, changed)
		}
	}
	if s.DoNotDisturb || s.Forwarding.Unconditional.Set() {
		t.Error("Apply changed the subscriber it was given")
	}
	for argument, f := range map[string]sbc.Feature{
		"alice": sbc.FeatureForwardAlways, "sip:x@y": sbc.FeatureForwardAlways, "": sbc.FeatureMailbox,
	} {
		if _, err := Apply(s, f, argument); sbc.CodeOf(err) != sbc.CodeInvalid {
			t.Errorf("%s %q: got %v, want a refusal", f, argument, err)
		}
	}
	if _, err := Apply(account(func(*sbc.Subscriber) {}), sbc.FeatureForwardBusy, ""); err == nil {
		t.Error("forwards to a mailbox that is not there")
	}
}
