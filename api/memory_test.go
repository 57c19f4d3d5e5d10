package api

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// memory is the store of the tests: the contract of sbc.Provisioning and sbc.Records in maps. It stands for the configuration
// manager as well.
type memory struct {
	mu    sync.Mutex
	state state
	cdrs  []sbc.CDR
	now   time.Time
	fail  error // of every operation, if set
}

type state struct {
	revision  int64
	resources map[string]sbc.Resource
	audit     []sbc.AuditEvent
	replies   map[string]sbc.Reply
	blobs     map[string]memoryBlob // by owner and name
}

func (s state) clone() state {
	return state{s.revision, maps.Clone(s.resources), slices.Clone(s.audit), maps.Clone(s.replies), maps.Clone(s.blobs)}
}

func newMemory() *memory {
	m := &memory{now: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)}
	m.state = state{resources: map[string]sbc.Resource{}, replies: map[string]sbc.Reply{}, blobs: map[string]memoryBlob{}}
	return m
}

func copyOf(r sbc.Resource) sbc.Resource {
	v := reflect.New(reflect.TypeOf(r).Elem())
	v.Elem().Set(reflect.ValueOf(r).Elem())
	c, _ := v.Interface().(sbc.Resource)
	return c
}

func parentOf(r sbc.Resource) string {
	for _, ref := range r.References() {
		if ref.Owns {
			return ref.ID
		}
	}
	return ""
}

// memoryTx is a transaction on a copy.
type memoryTx struct {
	m *memory
	s *state
}

func (t memoryTx) Revision() int64 { return t.s.revision }

func (t memoryTx) Get(kind sbc.Kind, tenantID, id string) (sbc.Resource, error) {
	r, ok := t.s.resources[id]
	if !ok || r.Kind() != kind || (tenantID != "" && r.Base().TenantID != tenantID) {
		return nil, sbc.Errorf(sbc.CodeNotFound, "no %s %s", kind, id)
	}
	return copyOf(r), nil
}

func (t memoryTx) ByExternalID(kind sbc.Kind, tenantID, externalID string) (sbc.Resource, error) {
	for _, id := range slices.Sorted(maps.Keys(t.s.resources)) {
		r := t.s.resources[id]
		if r.Kind() == kind && r.Base().ExternalID == externalID && (tenantID == "" || r.Base().TenantID == tenantID) {
			return copyOf(r), nil
		}
	}
	return nil, sbc.Errorf(sbc.CodeNotFound, "no %s with external id %s", kind, externalID)
}

func (t memoryTx) Put(r sbc.Resource) error {
	m := r.Base()
	for id, other := range t.s.resources {
		o := other.Base()
		if id == m.ID || other.Kind() != r.Kind() || o.TenantID != m.TenantID {
			continue
		}
		if o.Name == m.Name && parentOf(other) == parentOf(r) {
			return taken("#/name", id)
		}
		if m.ExternalID != "" && o.ExternalID == m.ExternalID {
			return taken("#/external_id", id)
		}
	}
	for _, ref := range r.References() {
		tenant := m.TenantID
		if ref.Kind == sbc.KindTenant {
			tenant = ""
		}
		if _, err := t.Get(ref.Kind, tenant, ref.ID); err != nil {
			return sbc.Invalid([]sbc.Fault{unknownReference(ref)})
		}
	}
	m.Revision, m.UpdatedAt = t.s.revision, t.m.now
	if m.CreatedAt.IsZero() {
		m.CreatedAt = t.m.now
	}
	t.s.resources[m.ID] = copyOf(r)
	return nil
}

func taken(pointer, id string) error {
	return &sbc.Error{Code: sbc.CodeConflict, Message: "it is taken", Faults: []sbc.Fault{{Pointer: pointer,
		Code: "taken", Detail: "is taken by " + id}}}
}

func (t memoryTx) Delete(kind sbc.Kind, id string) error {
	if _, err := t.Get(kind, "", id); err != nil {
		return err
	}
	var referrers []sbc.Referrer
	for _, key := range slices.Sorted(maps.Keys(t.s.resources)) {
		other := t.s.resources[key]
		for _, ref := range other.References() {
			if ref.ID == id {
				referrers = append(referrers, sbc.Referrer{Kind: other.Kind(), ID: key, Name: other.Base().Name})
			}
		}
	}
	if len(referrers) > 0 {
		return &sbc.Error{Code: sbc.CodeReferenced, Message: "others need it", Referrers: referrers}
	}
	delete(t.s.resources, id)
	t.without(id)
	return nil
}

func (t memoryTx) PutAll(list []sbc.Resource) (map[int]error, error) {
	refused := map[int]error{}
	for i, r := range list {
		if r.Base().ID == "" {
			r.Base().ID = sbc.NewID(r.Kind().Prefix())
		}
		if err := t.Put(r); err != nil {
			refused[i] = err
		}
	}
	return refused, nil
}

func (t memoryTx) DeleteAll(kind sbc.Kind, ids []string) (map[int]error, error) {
	refused := map[int]error{}
	for i, id := range ids {
		if err := t.Delete(kind, id); err != nil {
			refused[i] = err
		}
	}
	return refused, nil
}

func (t memoryTx) Find(l sbc.Lookup) (found []sbc.Resource, err error) {
	for _, id := range slices.Sorted(maps.Keys(t.s.resources)) {
		r := t.s.resources[id]
		m := r.Base()
		value := map[sbc.LookupField]string{sbc.LookupID: m.ID, sbc.LookupName: m.Name, sbc.LookupExternalID: m.ExternalID}[l.By]
		if r.Kind() == l.Kind && slices.Contains(l.Values, value) && (l.TenantID == "" || l.TenantID == m.TenantID) &&
			(l.ParentID == "" || l.ParentID == parentOf(r)) {
			found = append(found, copyOf(r))
		}
	}
	return found, nil
}

func (t memoryTx) Audit(e sbc.AuditEvent) error {
	t.s.audit = append(t.s.audit, e)
	return nil
}

func (t memoryTx) Remember(r sbc.Reply) error {
	if _, ok := t.s.replies[r.Actor+" "+r.Key]; ok {
		return sbc.Errorf(sbc.CodeConflict, "remembered already")
	}
	t.s.replies[r.Actor+" "+r.Key] = r
	return nil
}

func (t memoryTx) All() ([]sbc.Resource, error) {
	all := slices.DeleteFunc(t.everything(), func(r sbc.Resource) bool { return r.Kind().Listed() })
	return all, nil
}

// everything is All with the resources of listed kinds.
func (t memoryTx) everything() []sbc.Resource {
	var all []sbc.Resource
	for _, kind := range sbc.Kinds() {
		for _, id := range slices.Sorted(maps.Keys(t.s.resources)) {
			if r := t.s.resources[id]; r.Kind() == kind {
				all = append(all, copyOf(r))
			}
		}
	}
	return all
}

func (m *memory) Update(_ context.Context, change func(tx sbc.Tx) error) error {
	return m.update(false, change)
}

func (m *memory) update(dryRun bool, change func(tx sbc.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	next := m.state.clone()
	next.revision++
	if err := change(memoryTx{m, &next}); err != nil {
		return err
	}
	if !dryRun {
		m.state = next
	}
	return nil
}

func (m *memory) read(do func(t memoryTx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	return do(memoryTx{m, &m.state})
}

func (m *memory) Get(_ context.Context, kind sbc.Kind, tenantID, id string) (r sbc.Resource, err error) {
	err = m.read(func(t memoryTx) error { r, err = t.Get(kind, tenantID, id); return err })
	return r, err
}

func (m *memory) ByExternalID(_ context.Context, kind sbc.Kind, tenantID, externalID string) (r sbc.Resource, err error) {
	err = m.read(func(t memoryTx) error { r, err = t.ByExternalID(kind, tenantID, externalID); return err })
	return r, err
}

func (m *memory) List(_ context.Context, q sbc.Query) (page []sbc.Resource, next string, err error) {
	err = m.read(func(t memoryTx) error { page, next, err = t.List(q); return err })
	return page, next, err
}

func (t memoryTx) List(q sbc.Query) (page []sbc.Resource, next string, err error) {
	for _, id := range slices.Sorted(maps.Keys(t.s.resources)) {
		r := t.s.resources[id]
		if r.Kind() != q.Kind || !selected(r, q) || (q.TenantID != "" && r.Base().TenantID != q.TenantID) ||
			!refersTo(r, q.Ref) {
			continue
		}
		if len(page) == q.Limit {
			return page, page[len(page)-1].Base().ID, nil
		}
		page = append(page, copyOf(r))
	}
	return page, "", nil
}

func refersTo(r sbc.Resource, id string) bool {
	return id == "" || slices.ContainsFunc(r.References(), func(ref sbc.Reference) bool { return ref.ID == id })
}

func (m *memory) All(context.Context) (all []sbc.Resource, revision int64, err error) {
	err = m.read(func(t memoryTx) error { revision = t.s.revision; all, err = t.All(); return err })
	return all, revision, err
}

func (m *memory) Revision(context.Context) (n int64, err error) {
	err = m.read(func(t memoryTx) error { n = t.s.revision; return nil })
	return n, err
}

func (m *memory) Changes(_ context.Context, after int64) (c sbc.Changes, err error) {
	err = m.read(func(t memoryTx) error {
		c = sbc.Changes{Revision: t.s.revision, Configured: t.s.revision > after}
		return nil
	})
	return c, err
}

func (m *memory) Recall(_ context.Context, actor, key string) (reply *sbc.Reply, err error) {
	err = m.read(func(t memoryTx) error {
		if r, ok := t.s.replies[actor+" "+key]; ok {
			reply = &r
		}
		return nil
	})
	return reply, err
}

func (m *memory) AuditEvents(_ context.Context, q sbc.AuditQuery) (page []sbc.AuditEvent, next string, err error) {
	err = m.read(func(t memoryTx) error {
		for _, e := range t.s.audit {
			if e.ID <= q.After || (q.TenantID != "" && e.TenantID != q.TenantID) || (q.Actor != "" && e.Actor != q.Actor) ||
				(q.Kind != "" && e.Kind != q.Kind) || (q.ResourceID != "" && e.ResourceID != q.ResourceID) {
				continue
			}
			if len(page) == q.Limit {
				next = page[len(page)-1].ID
				return nil
			}
			page = append(page, e)
		}
		return nil
	})
	return page, next, err
}

func (m *memory) AppendCDRs(_ context.Context, records []sbc.CDR) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		r.Sequence = int64(len(m.cdrs) + 1)
		m.cdrs = append(m.cdrs, r)
	}
	return m.fail
}

func (m *memory) CDRs(_ context.Context, q sbc.CDRQuery) (page []sbc.CDR, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.cdrs {
		if r.Sequence > q.After && len(page) < q.Limit && (q.TenantID == "" || r.TenantID == q.TenantID) &&
			(q.CallID == "" || q.CallID == r.CallID) &&
			(q.Caller == "" || q.Caller == r.Caller) && (q.EndReason == "" || q.EndReason == r.EndReason) {
			page = append(page, r)
		}
	}
	return page, m.fail
}

func (m *memory) CDR(_ context.Context, tenantID, id string) (*sbc.CDR, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.cdrs {
		if r.ID == id && (tenantID == "" || tenantID == r.TenantID) {
			return &r, m.fail
		}
	}
	return nil, sbc.Errorf(sbc.CodeNotFound, "no record %s", id)
}

// manager is the Provisioner over the store.
type manager struct{ m *memory }

func (p manager) Update(_ context.Context, dryRun bool, change func(tx sbc.Tx) error) error {
	return p.m.update(dryRun, change)
}

// node is the status of a node that is well.
type node struct {
	m     *memory
	ready []sbc.Condition
}

func (n *node) InterfaceStatus(id string) (sbc.InterfaceStatus, bool) {
	return sbc.InterfaceStatus{State: "listening", Since: n.m.now, BoundAddress: "127.0.0.10:5060"}, strings.HasPrefix(id,
		"sif_")
}

func (n *node) TrunkStatus(string) (sbc.TrunkStatus, bool) {
	return sbc.TrunkStatus{State: "up", Since: time.Unix(1_700_000_000, 0).UTC()}, true
}

func (n *node) TrunkQuality(id, digits string) []sbc.TrunkQuality {
	return []sbc.TrunkQuality{{
		ProfileID: "qpr_06bq4v700g2s6a8d4f1h9j3k7p", Prefix: digits, State: sbc.QualityGood, WeightPercent: 100,
		MeasuredSince: time.Unix(1_700_000_000, 0).UTC(), Why: "no figure of " + id + " is beyond its bounds",
		Figures: []sbc.QualityFigure{{Metric: sbc.QualityASR, Value: 95, Samples: 40, MinSamples: 30, Warning: 40, Critical: 20,
			State: sbc.QualityGood, Why: "asr is 95"}},
	}}
}

func (n *node) EndpointStatus(string) (sbc.EndpointStatus, bool) { return sbc.EndpointStatus{}, false }

func (n *node) RegistrantStatus(string) (sbc.RegistrantStatus, bool) {
	return sbc.RegistrantStatus{}, false
}

func (n *node) PoolStatus(string) (sbc.PoolStatus, bool) {
	return sbc.PoolStatus{State: "ready", Total: 5000, InUse: 12, Quarantined: 2}, true
}

func (n *node) ConfigStatus() sbc.ConfigStatus {
	n.m.mu.Lock()
	defer n.m.mu.Unlock()
	return sbc.ConfigStatus{Revision: n.m.state.revision, Active: n.m.state.revision, Since: n.m.now}
}

func (n *node) Ready() []sbc.Condition { return n.ready }
