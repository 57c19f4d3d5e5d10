package call

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestExplainForwards: what a subscriber's forwards would do is shown with where each leads, and changes nothing of the answer.
func TestExplainForwards(t *testing.T) {
	follower(t, func(v *village) {
		f := &v.bob.Subscriber.Forwarding
		f.Busy.Target, f.NoAnswer.Target, f.Unreachable.Voicemail, f.NotRegistered.Target = "carol", "49551", true, "carol"
		ask := sbc.ExplainRequest{SourceAddress: callerIP, SIPInterfaceID: "sif_a", Caller: "441234", Callee: "49772"}
		conditional := func() (details []string) {
			t.Helper()
			e, err := v.m.Explain(ask)
			if err != nil || e.Outcome != sbc.OutcomeRoute || len(e.Attempts) != 1 || e.Attempts[0].SubscriberID != "sub_bob" {
				t.Fatalf("%+v, %v", e, err)
			}
			for _, s := range e.Steps {
				if s.Verdict == "conditional" && s.Subject == "sub_bob" && s.Stage == "service" {
					details = append(details, s.Detail)
				}
			}
			return details
		}
		want := []string{"if busy: busy: to carol, which is the subscriber sub_carol",
			"if no_answer: nobody answered in time: to 49551, which the trunk trk_b would get as 49551",
			"if unreachable: no contact could be reached: to its mailbox, which we answer ourselves"}
		if got := conditional(); strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%q", got)
		}
		f.Busy.Target, f.NoAnswer.Target, f.Unreachable.Voicemail = "4930123", "", false
		if got := conditional(); len(got) != 1 || !strings.HasSuffix(got[0], "to 4930123, which would be refused with 404") {
			t.Errorf("%q", got)
		}
		f.Busy.Target = ""
		if got := conditional(); len(got) != 0 {
			t.Errorf("%q", got)
		}
	})
}
