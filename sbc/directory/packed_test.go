package directory

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// stored is a subscriber as a store gives it: written as JSON and read again.
func stored(t *testing.T, change func(*sbc.Subscriber)) *sbc.Entry {
	t.Helper()
	d := sbc.New(sbc.KindDomain).(*sbc.Domain)
	d.Name = "example.com"
	s := sbc.New(sbc.KindSubscriber).(*sbc.Subscriber)
	s.ID, s.TenantID, s.DomainID, s.Name, s.Username = "sub_1", "ten_1", "dom_1", "alice", "alice"
	s.Enabled, s.Revision, s.CreatedAt, s.UpdatedAt = true, 7, time.Now().UTC(), time.Now().UTC()
	s.Password = "secret"
	change(s)
	s.Seal(d)
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	read := sbc.New(sbc.KindSubscriber).(*sbc.Subscriber)
	if err := json.Unmarshal(raw, read); err != nil {
		t.Fatal(err)
	}
	return &sbc.Entry{Subscriber: read}
}

// TestPacked: what is packed is the same when it is unpacked, and what would not be is not packed.
func TestPacked(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sbc.Subscriber)
		packs  bool
	}{
		"plain":      {func(*sbc.Subscriber) {}, true},
		"displayed":  {func(s *sbc.Subscriber) { s.DisplayName = "Alice" }, true},
		"one hash":   {func(s *sbc.Subscriber) { s.Password, s.HA1 = "", "3d78807defe7de2157e2b0b6573a855f" }, true},
		"no hash":    {func(s *sbc.Subscriber) { s.Password = "" }, true},
		"short":      {func(s *sbc.Subscriber) { s.Password, s.HA1 = "", "3d78" }, false},
		"disabled":   {func(s *sbc.Subscriber) { s.Enabled = false }, false},
		"forwarded":  {func(s *sbc.Subscriber) { s.Forwarding.Busy.Target = "100" }, false},
		"disturbed":  {func(s *sbc.Subscriber) { s.DoNotDisturb = true }, false},
		"permitted":  {func(s *sbc.Subscriber) { s.GroupIDs = []string{"grp_1"} }, false},
		"labelled":   {func(s *sbc.Subscriber) { s.Labels = map[string]string{"a": "b"} }, true},
		"known":      {func(s *sbc.Subscriber) { s.ExternalID, s.Custom = "crm-1", map[string]any{"a": 1.0} }, true},
		"few calls":  {func(s *sbc.Subscriber) { s.MaxCalls = 2 }, true},
		"bounded":    {func(s *sbc.Subscriber) { s.MaxContacts = 3 }, false},
		"other name": {func(s *sbc.Subscriber) { s.AuthUsername = "alice1" }, false},
	} {
		e := lean(stored(t, c.change))
		p := pack(key{"dom_1", "alice"}, e)
		if (p != nil) != c.packs {
			t.Errorf("%s: packed %v, want %v", name, p != nil, c.packs)
		}
		if p != nil && !reflect.DeepEqual(p.entry(), e) {
			t.Errorf("%s: unpacked\n%+v\nwant\n%+v", name, p.entry().Subscriber, e.Subscriber)
		}
	}
	if e := stored(t, func(*sbc.Subscriber) {}); pack(key{"dom_1", "2000"}, &sbc.Entry{Subscriber: e.Subscriber, Via: &sbc.Alias{}}) != nil {
		t.Error("an entry found by an alias was packed")
	}
}
