package api

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sallyport/sallyport/sbc"
)

// box is the mailboxes of the tests: all messages are in one list.
type box struct {
	mu  sync.Mutex
	all []sbc.VoicemailMessage
}

// seed puts the message of the specification's example there.
func (b *box) seed(doc *openapi3.T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = []sbc.VoicemailMessage{{
		ID: exampleID(doc, "MessageID"), TenantID: sbc.DefaultTenantID, SubscriberID: exampleID(doc, "SubscriberID"), Caller: "100",
		ReceivedAt: time.Date(2026, 11, 22, 9, 41, 12, 0, time.UTC), DurationMS: 1000, Bytes: 16000,
	}}
}

func (b *box) at(subscriberID, id string) (int, error) {
	for i := range b.all {
		if b.all[i].ID == id && b.all[i].SubscriberID == subscriberID {
			return i, nil
		}
	}
	return 0, sbc.Errorf(sbc.CodeNotFound, "there is no message %q", id)
}

func (b *box) Voicemail(_ context.Context, subscriberID, id string) (*sbc.VoicemailMessage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.at(subscriberID, id)
	if err != nil {
		return nil, err
	}
	m := b.all[i]
	return &m, nil
}

func (b *box) ListVoicemail(_ context.Context, q sbc.VoicemailQuery) (page []sbc.VoicemailMessage, next string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.all {
		if m.SubscriberID != q.SubscriberID || m.ID <= q.After || q.Heard != nil && m.Heard != *q.Heard {
			continue
		}
		if len(page) == q.Limit {
			return page, page[len(page)-1].ID, nil
		}
		page = append(page, m)
	}
	return page, "", nil
}

func (b *box) Audio(_ context.Context, subscriberID, id string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.at(subscriberID, id)
	return []byte("what was said"), err
}

func (b *box) SetVoicemailHeard(_ context.Context, subscriberID, id string, heard bool) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.at(subscriberID, id)
	if err != nil {
		return false, err
	}
	changed := b.all[i].Heard != heard
	b.all[i].Heard = heard
	return changed, nil
}

func (b *box) DeleteVoicemail(_ context.Context, subscriberID, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.at(subscriberID, id)
	if err == nil {
		b.all = append(b.all[:i:i], b.all[i+1:]...)
	}
	return err
}

func TestVoicemail(t *testing.T) {
	t.Parallel()
	f := start(t)
	doc := parsed(t)
	f.seed(doc)
	at := "/v1/subscribers/" + exampleID(doc, "SubscriberID") + "/voicemail"
	second := f.box.all[0]
	second.ID += "b"
	f.box.all = append(f.box.all, second)
	first := at + "/" + f.box.all[0].ID
	page := f.do("GET", at+"?limit=1", "").is(200).json()
	if len(page["items"].([]any)) != 1 || page["next_cursor"] == nil {
		t.Errorf("page %v", page)
	}
	page = f.do("GET", at+"?limit=1&cursor="+page["next_cursor"].(string), "").is(200).json()
	if items := page["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != second.ID || page["next_cursor"] != nil {
		t.Errorf("page %v", page)
	}
	r := f.do("GET", first+"/audio", "").is(200)
	if r.header.Get("Content-Type") != "audio/wav" || string(r.body) != wav("what was said") {
		t.Errorf("%s of %q", r.header.Get("Content-Type"), r.body)
	}
	f.do("PATCH", first+"?dry_run=true", `{"heard":true}`).is(200)
	if f.box.all[0].Heard {
		t.Error("a dry run changed it")
	}
	if got := f.do("PATCH", first, `{"heard":true}`).is(200).json(); got["heard"] != true || !f.box.all[0].Heard {
		t.Errorf("got %v", got)
	}
	if got := f.do("GET", at+"?heard=false", "").is(200).json(); len(got["items"].([]any)) != 1 {
		t.Errorf("unheard ones: %v", got)
	}
	f.do("GET", first, "", "If-None-Match", f.do("GET", first, "").is(200).header.Get("ETag")).is(304)
	f.do("PATCH", first, `{"heard":null}`).problem(422, "invalid")
	f.do("PATCH", first, `{"caller":"x"}`).problem(422, "invalid")
	for _, path := range []string{at, first, first + "/audio"} {
		f.as(readerKey, "GET", path, "").problem(403, "forbidden")
		f.as(tenantKey, "GET", path, "").problem(404, "not_found")
		f.do("GET", strings.Replace(path, "sub_", "sub_x", 1), "").problem(404, "not_found")
	}
	f.as(tenantKey, "DELETE", first, "").problem(404, "not_found")
	f.do("DELETE", first+"?dry_run=true", "").is(204)
	f.do("DELETE", first, "").is(204)
	f.do("GET", first, "").problem(404, "not_found")
	f.do("GET", first+"/audio", "").problem(404, "not_found")
	if len(f.box.all) != 1 {
		t.Errorf("%d are left", len(f.box.all))
	}
}
