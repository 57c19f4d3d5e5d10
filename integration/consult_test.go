package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// TestAnotherSystemDecides: a rule asks where calls go; SIPp calls through it to whom the other system names, is refused as it says, and
// goes by the next rule where it is late. Explanations come to the same.
func TestAnotherSystemDecides(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{AllowLocalWebhooks: true})
	w := b.connect(newSides(t), wish{})
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		var q struct{ Type, Callee, TrunkID string }
		if err := json.Unmarshal(body, &q); err != nil || q.Type != "call.routing" || r.Header.Get("webhook-signature") == "" {
			t.Errorf("asked %s, signed %q: %v", body, r.Header.Get("webhook-signature"), err)
		}
		switch q.Callee {
		case "49301":
			_, _ = io.WriteString(out, `{"action":"route","route_list_id":"`+w.list+`","number":"4999","variables":{"deal":"7"}}`)
		case "49302":
			_, _ = io.WriteString(out, `{"action":"reject","code":486,"reason":"Not now"}`)
		default:
			<-r.Context().Done() // late
		}
	}))
	defer other.Close()
	b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": "asked", "prefix": "493", "action": "http",
		"http": rest.Object{"url": other.URL, "secret": "whsec_C2FVsBQIhrscChlQIMV", "timeout_ms": 200, "cache_s": 60}})
	explain := func(callee string) (e sbc.Explanation) {
		t.Helper()
		if err := b.Do(t.Context(), http.MethodPost, "/v1/routing/explain", rest.Object{"source_address": w.westPeer.String(), "source_port": 5060,
			"sip_interface_id": w.westInterface, "caller": "1", "callee": callee}, &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	if e := explain("49301"); len(e.Attempts) != 1 || e.Attempts[0].Number != "4999" {
		t.Errorf("%+v", e)
	}
	if e := explain("49302"); e.RejectCode != 486 || e.RejectReason != "Not now" {
		t.Errorf("%+v", e)
	}
	if e := explain("49303"); len(e.Attempts) != 1 || e.Attempts[0].Number != "49303" {
		t.Errorf("%+v", e)
	}
	ctx := patience(t, 30*time.Second)
	callee := sippListening(ctx, t, "callee.xml", w.eastPeer, "-t", "u1", "-m", "2")
	for _, number := range []string{"49301", "49303"} {
		if err := sipp(ctx, t, "caller.xml", append(calling(w.sides, "u1", 1), "-s", number)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := callee.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := sipp(ctx, t, "caller_refused_486.xml", append(calling(w.sides, "u1", 1), "-s", "49302")...); err != nil {
		t.Fatal(err)
	}
	records := b.cdrs(3)
	if r := records[0]; r.CalleeSent != "4999" || r.Variables["deal"] != "7" {
		t.Errorf("record %+v", r)
	}
	if n := asked.Load(); n < 4 {
		t.Errorf("%d questions", n)
	}
	b.quiet()
}
