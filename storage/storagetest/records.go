package storagetest

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

func records(t *testing.T, fresh Fresh) {
	t.Run("come back as they were", func(t *testing.T) { recordContent(t, open(t, fresh)) })
	t.Run("filters", func(t *testing.T) { recordFilters(t, open(t, fresh)) })
	t.Run("hostile text", func(t *testing.T) { hostileText(t, open(t, fresh)) })
	t.Run("tenants", func(t *testing.T) { recordTenants(t, open(t, fresh)) })
}

// add must succeed.
func (f *fixture) add(rs ...sbc.CDR) {
	f.t.Helper()
	if err := f.AppendCDRs(f.ctx, rs); err != nil {
		f.t.Fatalf("append: %v", err)
	}
}

// cdrs must succeed.
func (f *fixture) cdrs(q sbc.CDRQuery) []sbc.CDR {
	f.t.Helper()
	got, err := f.CDRs(f.ctx, q)
	if err != nil {
		f.t.Fatalf("cdrs: %v", err)
	}
	return got
}

func recordContent(t *testing.T, f *fixture) {
	f.add() // nothing is nothing
	before := f.revision()
	full, bare := newCDR(sbc.DefaultTenantID), sbc.CDR{ID: "cdr_bare"}
	f.add(full, bare)
	full.Sequence, bare.Sequence = 1, 2
	if got := f.cdrs(sbc.CDRQuery{}); !reflect.DeepEqual(got, []sbc.CDR{full, bare}) {
		t.Errorf("got %+v\nwant %+v", got, []sbc.CDR{full, bare})
	}
	if got := f.cdrs(sbc.CDRQuery{Newest: true, Limit: 1}); len(got) != 1 || got[0].ID != bare.ID {
		t.Errorf("the newest: %+v", got)
	}
	if got := f.cdrs(sbc.CDRQuery{Newest: true}); len(got) != 2 || got[0].ID != full.ID {
		t.Errorf("the newest two by rising sequence: %+v", got)
	}
	got, err := f.CDR(f.ctx, "", full.ID)
	if err != nil || !reflect.DeepEqual(got, &full) {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = f.CDR(f.ctx, "", "cdr_none")
	wantCode(t, err, sbc.CodeNotFound)
	if f.revision() != before {
		t.Error("records raised the configuration's revision")
	}
}

func recordFilters(t *testing.T, f *fixture) {
	base := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	var all []sbc.CDR
	for i := range 8 {
		c := newCDR(sbc.DefaultTenantID)
		c.StartedAt = base.Add(time.Duration(i) * time.Minute)
		if i%2 == 1 {
			c.IngressTrunkID, c.Caller, c.EndReason = "trk_odd", "odd", sbc.EndBusy
		}
		if i%4 == 0 {
			c.EgressTrunkID, c.Callee, c.Disposition = "trk_fourth", "fourth", sbc.DispositionBusy
		}
		all = append(all, c)
	}
	f.add(all...)
	for name, c := range map[string]struct {
		q    sbc.CDRQuery
		want []int64
	}{
		"all":            {sbc.CDRQuery{}, []int64{1, 2, 3, 4, 5, 6, 7, 8}},
		"after":          {sbc.CDRQuery{After: 6}, []int64{7, 8}},
		"limit":          {sbc.CDRQuery{After: 2, Limit: 3}, []int64{3, 4, 5}},
		"after the end":  {sbc.CDRQuery{After: 99}, nil},
		"call":           {sbc.CDRQuery{CallID: all[4].CallID}, []int64{5}},
		"ingress":        {sbc.CDRQuery{IngressTrunkID: "trk_odd"}, []int64{2, 4, 6, 8}},
		"egress":         {sbc.CDRQuery{EgressTrunkID: "trk_fourth"}, []int64{1, 5}},
		"caller":         {sbc.CDRQuery{Caller: "odd", After: 2, Limit: 2}, []int64{4, 6}},
		"callee":         {sbc.CDRQuery{Callee: "fourth"}, []int64{1, 5}},
		"reason":         {sbc.CDRQuery{EndReason: sbc.EndBusy}, []int64{2, 4, 6, 8}},
		"disposition":    {sbc.CDRQuery{Disposition: sbc.DispositionBusy}, []int64{1, 5}},
		"started after":  {sbc.CDRQuery{StartedAfter: base.Add(5 * time.Minute)}, []int64{6, 7, 8}},
		"started before": {sbc.CDRQuery{StartedBefore: base.Add(2 * time.Minute)}, []int64{1, 2}},
		"between": {
			sbc.CDRQuery{StartedAfter: base.Add(time.Minute), StartedBefore: base.Add(3 * time.Minute)}, []int64{2, 3},
		},
		"other time zone":   {sbc.CDRQuery{StartedBefore: base.Add(time.Minute).In(time.FixedZone("x", 7200))}, []int64{1}},
		"nothing has both":  {sbc.CDRQuery{Caller: "odd", Callee: "fourth"}, nil},
		"injected":          {sbc.CDRQuery{Caller: "' OR 1=1 --"}, nil},
		"NUL in the filter": {sbc.CDRQuery{Caller: "odd\x00"}, nil},
		"wildcards are not": {sbc.CDRQuery{Caller: "%"}, nil},
	} {
		var got []int64
		for _, r := range f.cdrs(c.q) {
			got = append(got, r.Sequence)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// hostileText: whatever a peer sends ends up in a record and must not keep it, or those beside it, out of the store.
func hostileText(t *testing.T, f *fixture) {
	long := strings.Repeat("1", 70_000)
	texts := map[string]string{
		"NUL": "a\x00b", "escaped": `a\u0000b`, "broken UTF-8": "a\xff\xfeb", "long": long, "surrogate": "a\xed\xa0\x80b",
		"quotes": `'";--\`, "lines": "a\r\nb", "wide": strings.Repeat("電", 3000), "replacement": "\ufffd",
		"backslash": `\\u0000` + "\x00",
	}
	for name, s := range texts {
		s = name + s // to be found by
		c := newCDR(sbc.DefaultTenantID)
		c.Caller, c.Callee, c.FromURI, c.FinalReason, c.Legs[0].UserAgent, c.EndReason = s, s, s, s, s, sbc.EndReason(s)
		c.Media[0].MOS, c.Media[0].JitterMS = math.NaN(), math.Inf(-1)
		f.add(newCDR(sbc.DefaultTenantID), c)
		got, err := f.CDR(f.ctx, sbc.DefaultTenantID, c.ID)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
		if name == "broken UTF-8" || name == "surrogate" {
			want = got.Caller // how many characters stand for broken ones is free
		}
		if got.Caller != want || got.Legs[0].UserAgent != want {
			t.Errorf("%s: got %.40q, want %.40q", name, got.Caller, want)
		}
		if found := f.cdrs(sbc.CDRQuery{Callee: s}); len(found) != 1 || found[0].ID != c.ID {
			t.Errorf("%s: the filter finds %d", name, len(found))
		}
	}
	if got := f.cdrs(sbc.CDRQuery{Limit: 1000}); len(got) != 2*len(texts) {
		t.Errorf("got %d records", len(got))
	}
}

func recordTenants(t *testing.T, f *fixture) {
	a, b := newCDR("ten_a"), newCDR("ten_b") // a record outlives its tenant: no reference is checked
	f.add(a, b)
	if got := f.cdrs(sbc.CDRQuery{TenantID: "ten_a"}); len(got) != 1 || got[0].ID != a.ID {
		t.Errorf("got %+v", got)
	}
	_, err := f.CDR(f.ctx, "ten_a", b.ID)
	wantCode(t, err, sbc.CodeNotFound)
	if _, err := f.CDR(f.ctx, "ten_b", b.ID); err != nil {
		t.Error(err)
	}
}
