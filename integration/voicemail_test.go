package integration

import (
	"encoding/binary"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/media/tone"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// notified waits for the NOTIFY that says how many messages wait, new and old, and answers it.
func (l *line) notified(waiting, messages string) {
	l.p.t.Helper()
	m := l.hear(msg.NOTIFY)
	l.say(m, 200, "", "")
	if body := string(m.Body); !strings.Contains(body, "Messages-Waiting: "+waiting) || !strings.Contains(body, "Voice-Message: "+messages) {
		l.p.t.Errorf("told\n%s\nwant %s, %s", body, waiting, messages)
	}
}

// wave reads a file of the API.
func (b *border) wave(path string) []byte {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.Key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "audio/wav" {
		b.t.Fatalf("%s: %d %s, %v", path, res.StatusCode, res.Header.Get("Content-Type"), err)
	}
	return raw
}

// share is how much of the energy of samples is at a frequency, from 0 to 1 (Goertzel).
func share(pcm []byte, hertz float64) float64 {
	c := 2 * math.Cos(2*math.Pi*hertz/tone.Rate)
	var s1, s2, total float64
	for i := 0; i+1 < len(pcm); i += 2 {
		s := float64(int16(binary.LittleEndian.Uint16(pcm[i:])))
		s1, s2, total = s+c*s1-s2, s1, total+s*s
	}
	return 2 * (s1*s1 + s2*s2 - c*s1*s2) / (total * float64(len(pcm)/2))
}

// toldWhenRegistered has a phone of alice's register while a message waits: it is told unasked, once, unless the domain forbids it. The
// phone that subscribed is told nothing, for it knows.
func (h *household) toldWhenRegistered(id string) {
	h.t.Helper()
	o := &office{border: h.border, w: h.w, domain: h.domain, name: h.name}
	only := func(yes bool) {
		h.do("PATCH", "/domains/"+h.domain, rest.Object{"voicemail": rest.Object{"mwi_subscribed_only": yes}}, nil)
	}
	desk, den := o.phone("west", 8), o.phone("west", 9)
	notifies := func(m *msg.Message) bool { return m.IsRequest() && m.Method == msg.NOTIFY }
	only(true)
	o.register(den, "alice", "")
	only(false)
	o.register(desk, "alice", "")
	told := desk.take("a NOTIFY to who registered", notifies)
	l := &line{p: desk, callID: told.CallID, local: told.To.String() + ";tag=leakwest"}
	l.say(told, 200, "", "")
	if body := string(told.Body); !strings.Contains(body, "Voice-Message: 1/0") || told.RequestURI.User != "leakwestcontact" {
		h.t.Errorf("told\n%s", told.Raw)
	}
	o.register(desk, "alice", "") // a refresh
	desk.sync(desk.border)
	h.phone.nothing("a NOTIFY to who subscribed", notifies)
	desk.nothing("a NOTIFY to who refreshed", notifies)
	den.nothing("a NOTIFY to who registered where that is forbidden", notifies)
	for _, r := range h.registrations(2, "subscriber_id="+id) {
		h.do("DELETE", "/registrations/"+r.ID, nil, nil)
	}
}

// TestVoicemail has a phone leave a message: its owner's phone is told, the API gives what was said, and the owner hears it.
func TestVoicemail(t *testing.T) {
	t.Parallel()
	h := newHousehold(t, "udp", rest.Object{"allow_foreign_identity": true})
	id := h.subscriber("alice", password, rest.Object{"voicemail_enabled": true, "forwarding": rest.Object{
		"not_registered": rest.Object{"voicemail": true},
	}})
	h.create("/access-rules", rest.Object{
		"name": "home", "domain_id": h.domain, "subscriber_id": id, "cidr": h.w.phoneAddr().String() + "/32",
	})
	lamp := h.line("alice", "alice")
	lamp.answer(lamp.request("SUBSCRIBE", "", "Event: message-summary", "Expires: 600", "Contact: "+h.phone.contact()), 200)
	lamp.notified("no", "0/0")

	caller, err := phone.New(phone.Options{Address: h.w.phoneAddr(), Name: "alice", UserAgent: "a", Tone: 600})
	if err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	call, err := caller.Dial("alice", phoneTarget(h.w.sides))
	if err != nil {
		t.Fatal(err)
	}
	if code, err := call.Final(t.Context()); code != 200 || err != nil {
		t.Fatalf("answered with %d, %v", code, err)
	}
	waitFor(t, func() bool { return call.Heard().Now == 1000 }, "the tone after which to speak")
	begun := call.Heard().Sent
	waitFor(t, func() bool { return call.Heard().Sent > begun+90 }, "a message of almost two seconds")
	if err := call.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	lamp.notified("yes", "1/0")
	h.toldWhenRegistered(id)

	var page rest.Page[sbc.VoicemailMessage]
	at := "/v1/subscribers/" + id + "/voicemail"
	if err := h.Get(t.Context(), at, &page); err != nil || len(page.Items) != 1 {
		t.Fatalf("%+v, %v", page, err)
	}
	m := page.Items[0]
	if m.Heard || m.Caller == "" || m.DurationMS < 1000 || m.DurationMS > 4000 {
		t.Errorf("message %+v", m)
	}
	pcm, err := tone.DecodeWAV(h.wave(at+"/"+m.ID+"/audio"), sbc.MaxAnnouncementBytes)
	if err != nil {
		t.Fatal(err)
	}
	middle := pcm[len(pcm)/4&^1 : len(pcm)*3/4&^1]
	if got := share(middle, 600); got < 0.8 {
		t.Errorf("%.2f of what was recorded is the phone's tone", got)
	}

	call, err = caller.Dial("*98", phoneTarget(h.w.sides))
	if err != nil {
		t.Fatal(err)
	}
	waitTone(t, call, 600)
	lamp.notified("no", "0/1") // heard to its end
	if err := call.Hangup(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.do("DELETE", strings.TrimPrefix(at, "/v1")+"/"+m.ID, nil, nil)
	lamp.notified("no", "0/0")
	records := h.cdrs(2)
	for _, r := range records {
		if r.AnsweredAt == nil || r.EgressTrunkID != h.domain || r.CalleeSubscriberID != id && r.Callee == "alice" {
			t.Errorf("record %+v", r)
		}
		if r.Callee == "*98" && r.BillableMS != 0 {
			t.Errorf("hearing messages is billed: %+v", r)
		}
	}
	h.quiet()
}
