package access

import (
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// shortly stands for an INVITE in a domain that lets phones leave out the number.
const shortly msg.Method = "SHORTLY"

// TestAnswerIsAboutTheRequest holds which uri of an answer is taken for a Request-URI (RFC 7616 3.4.6), and that another one is refused
// before anybody is looked up.
func TestAnswerIsAboutTheRequest(t *testing.T) {
	for _, tt := range []struct {
		method       msg.Method
		asked, proof string
		want         bool
	}{
		{shortly, bob, "sip:203.0.113.1:5060", true},
		{shortly, bob, "sip:example.com", true},
		{shortly, bob, "sip:example.org", false},
		{shortly, bob, "sip:+4930223@example.com", false},
		{msg.INVITE, bob, bob, true},
		{msg.INVITE, bob, "sip:+4930222@EXAMPLE.com:5060;transport=tcp", true},
		{msg.INVITE, bob + ";user=phone", bob, true},
		{msg.INVITE, bob, "sips:%2B4930222@example.com", true},
		{msg.INVITE, bob, "tel:+49-30-222", true},
		{msg.INVITE, bob, "sip:+4930222@203.0.113.1", true},
		{msg.INVITE, bob, "sip:+4930223@example.com", false},
		{msg.INVITE, bob, "sip:+4930222@example.org", false},
		{msg.INVITE, bob, "sip:+4930222@elsewhere.test", false},
		{msg.INVITE, bob, "sip:example.com", false},
		{msg.INVITE, bob, "http://example.com/", false},
		{msg.INVITE, bob, "+4930222", false},
		{msg.INVITE, bob, "tel:+4930223", false},
		{msg.INVITE, "sip:Carol@example.com", "sip:carol@example.com", false},
		{msg.REGISTER, "sip:example.com", "sip:example.com:5060", true},
		{msg.REGISTER, "sip:203.0.113.1", "sip:example.com", true},
		{msg.REGISTER, "sip:example.com", "sip:example.org", false},
		{msg.REGISTER, "sip:example.com", "sip:alice@example.com", false},
	} {
		short := tt.method == shortly
		if short {
			tt.method = msg.INVITE
		}
		w := newWorld(t, func(d *sbc.Domain) { d.Digest.AllowShortURI = short })
		m := func() *msg.Message { return request(t, tt.method, tt.asked, alice) }
		o := w.ask(m())
		c := o.challenges(t)[0]
		a := c.Answer(digest.Request{
			Username: "alice", HA1: digest.HA1(c.Algorithm, "alice", c.Realm, "secret"), Method: string(tt.method), URI: tt.proof,
			CNonce: "c", Count: 1,
		})
		again := m()
		again.Append("Authorization", a.String())
		in := w.ask(again)
		if (in.caller != nil) != tt.want || !tt.want && (in.status != 400 || len(w.dir.asked) > 0) {
			t.Errorf("%s %s proved for %s: %+v, %d look-ups", tt.method, tt.asked, tt.proof, in, len(w.dir.asked))
		}
		var n dto.Metric
		if err := w.door.metrics.refused.WithLabelValues("uri").Write(&n); err != nil || (n.Counter.GetValue() == 0) != tt.want {
			t.Errorf("%s for %s is counted %v times", tt.proof, tt.asked, n.Counter.GetValue())
		}
	}
}
