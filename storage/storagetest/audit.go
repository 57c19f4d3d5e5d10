package storagetest

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

func audit(t *testing.T, fresh Fresh) {
	t.Run("comes back as it was", func(t *testing.T) { auditContent(t, open(t, fresh)) })
	t.Run("filters and pages", func(t *testing.T) { auditPages(t, open(t, fresh)) })
}

func auditContent(t *testing.T, f *fixture) {
	realm := newRealm(sbc.DefaultTenantID, "r")
	want := sbc.AuditEvent{
		ID: sbc.NewID(sbc.PrefixAudit), At: time.Now().UTC().Truncate(time.Microsecond), TenantID: sbc.DefaultTenantID, Actor: "key_1",
		SourceIP: "192.0.2.1", RequestID: "req_1", OperationID: "createRealm", Kind: sbc.KindRealm, ResourceID: realm.ID,
		After: map[string]any{"name": "r", "big": json.Number("9007199254740993")},
	}
	f.update(func(tx sbc.Tx) error { // in one transaction with the write it tells of
		want.Revision = tx.Revision()
		return errors.Join(tx.Put(realm), tx.Audit(want), tx.Audit(sbc.AuditEvent{OperationID: "bare"}))
	})
	got, next, err := f.AuditEvents(f.ctx, sbc.AuditQuery{})
	if err != nil || next != "" || len(got) != 2 {
		t.Fatalf("got %+v, %q, %v", got, next, err)
	}
	if got[0].ID != want.ID {
		got[0], got[1] = got[1], got[0]
	}
	if got[1].ID == "" || got[1].At.IsZero() || got[1].Before != nil || got[1].After != nil {
		t.Errorf("a bare event: %+v", got[1])
	}
	b, err := json.Marshal(got[0])
	if err != nil {
		t.Fatal(err)
	}
	w, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var x, y map[string]json.RawMessage // the order of members within before and after is free
	if errors.Join(json.Unmarshal(b, &x), json.Unmarshal(w, &y)) != nil || len(x) != len(y) || !sameJSON(x["after"], y["after"]) {
		t.Fatalf("got %s\nwant %s", b, w)
	}
	delete(x, "after")
	delete(y, "after")
	if !reflect.DeepEqual(x, y) {
		t.Fatalf("got %s\nwant %s", b, w)
	}
}

// sameJSON compares values without the order of members, and numbers to the last digit.
func sameJSON(a, b []byte) bool {
	var x, y map[string]json.RawMessage
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

func auditPages(t *testing.T, f *fixture) {
	const n = 30
	for i := range n {
		f.update(func(tx sbc.Tx) error {
			e := sbc.AuditEvent{OperationID: "x", Actor: "key_a", TenantID: sbc.DefaultTenantID, Kind: sbc.KindRealm, ResourceID: "rlm_1"}
			if i%3 == 0 {
				e.Actor, e.TenantID, e.Kind, e.ResourceID = "key_b", "ten_b", sbc.KindTrunk, "trk_1"
			}
			return tx.Audit(e)
		})
	}
	for name, c := range map[string]struct {
		q    sbc.AuditQuery
		want int
	}{
		"all":         {sbc.AuditQuery{Limit: 7}, n},
		"tenant":      {sbc.AuditQuery{Limit: 3, TenantID: sbc.DefaultTenantID}, 20},
		"actor":       {sbc.AuditQuery{Limit: 4, Actor: "key_b"}, 10},
		"kind":        {sbc.AuditQuery{Kind: sbc.KindTrunk}, 10},
		"resource":    {sbc.AuditQuery{ResourceID: "rlm_1"}, 20},
		"nobody":      {sbc.AuditQuery{Actor: "key_c"}, 0},
		"both filter": {sbc.AuditQuery{Actor: "key_a", TenantID: "ten_b"}, 0},
	} {
		total, last := 0, ""
		for more := true; more; {
			page, next, err := f.AuditEvents(f.ctx, c.q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page {
				if e.ID <= last {
					t.Errorf("%s: %s comes after %s", name, e.ID, last)
				}
				last = e.ID
			}
			total += len(page)
			c.q.After, more = next, next != ""
		}
		if total != c.want {
			t.Errorf("%s: got %d, want %d", name, total, c.want)
		}
	}
}
