package config

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
)

// store is a sbc.Provisioning in memory. It hands out copies, as a database does.
type store struct {
	sbc.Provisioning // what is not used here
	mu               sync.Mutex
	writing          sync.Mutex
	rows             map[touch]sbc.Resource
	revision         int64
	// down makes every call fail; failCommit the commit of the next Update; repeat makes Update run its change twice.
	down, failCommit error
	repeat           bool
	loads            int
	// configured is the revision of the last write of what nodes hold; listed what was written of the rest at each revision.
	configured int64
	listed     map[int64][]sbc.ListedChange
}

func newStore(t testing.TB, text string) *store {
	t.Helper()
	s := &store{rows: map[touch]sbc.Resource{}}
	s.write(t, text)
	return s
}

// write puts rows as another node would: the Manager is not asked.
func (s *store) write(t testing.TB, text string) {
	t.Helper()
	rows, err := rowtext.Rows(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), func(tx sbc.Tx) error {
		for _, r := range rows {
			if err := tx.Put(r); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func (s *store) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func copyOf(r sbc.Resource) sbc.Resource {
	body, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	c := sbc.New(r.Kind())
	if err := json.Unmarshal(body, c); err != nil {
		panic(err)
	}
	return c
}

func (s *store) Update(_ context.Context, change func(tx sbc.Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	down, fail, repeat := s.down, s.failCommit, s.repeat
	s.failCommit = nil
	s.mu.Unlock()
	if down != nil {
		return down
	}
	tx := &transaction{store: s, over: map[touch]sbc.Resource{}}
	if repeat {
		if err := change(tx); err != nil {
			return err
		}
		tx.over = map[touch]sbc.Resource{}
	}
	if err := change(tx); err != nil {
		return err
	}
	if fail != nil {
		return fail
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, r := range tx.over {
		if r == nil {
			delete(s.rows, k)
		} else {
			s.rows[k] = r
		}
	}
	if len(tx.over) > 0 || tx.audited {
		s.revision++
	}
	s.note(tx.over)
	return nil
}

// note remembers what Changes tells.
func (s *store) note(over map[touch]sbc.Resource) {
	for k, r := range over {
		switch {
		case !k.kind.Listed():
			s.configured = s.revision
			continue
		case s.listed == nil:
			s.listed = map[int64][]sbc.ListedChange{}
		}
		c := sbc.ListedChange{Kind: k.kind, ID: k.id}
		if r != nil {
			c = sbc.ListedChangeOf(r)
		}
		s.listed[s.revision] = append(s.listed[s.revision], c)
	}
}

func (s *store) Changes(_ context.Context, after int64) (sbc.Changes, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := sbc.Changes{Revision: s.revision, Configured: s.configured > after, Listed: []sbc.ListedChange{}}
	for n := after + 1; n <= s.revision; n++ {
		c.Listed = append(c.Listed, s.listed[n]...)
	}
	return c, s.down
}

func (s *store) All(context.Context) ([]sbc.Resource, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, 0, s.down
	}
	s.loads++
	return list(s.rows, nil), s.revision, nil
}

func (s *store) Revision(context.Context) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision, s.down
}

func list(rows, over map[touch]sbc.Resource) []sbc.Resource {
	var out []sbc.Resource
	for k, r := range rows {
		if _, changed := over[k]; !changed {
			out = append(out, copyOf(r))
		}
	}
	for _, r := range over {
		if r != nil {
			out = append(out, copyOf(r))
		}
	}
	out = slices.DeleteFunc(out, func(r sbc.Resource) bool { return r.Kind().Listed() })
	slices.SortFunc(out, func(a, b sbc.Resource) int {
		return cmp.Or(slices.Index(sbc.Kinds(), a.Kind())-slices.Index(sbc.Kinds(), b.Kind()), cmp.Compare(a.Base().ID, b.Base().ID))
	})
	return out
}

// transaction is a sbc.Tx of the store.
type transaction struct {
	sbc.Tx
	store   *store
	over    map[touch]sbc.Resource
	audited bool
}

func (tx *transaction) Revision() int64 {
	tx.store.mu.Lock()
	defer tx.store.mu.Unlock()
	return tx.store.revision + 1
}

func (tx *transaction) Get(kind sbc.Kind, _, id string) (sbc.Resource, error) {
	k := touch{kind, id}
	r, changed := tx.over[k]
	if !changed {
		tx.store.mu.Lock()
		r = tx.store.rows[k]
		tx.store.mu.Unlock()
	}
	if r == nil {
		return nil, sbc.Errorf(sbc.CodeNotFound, "no %s %s", kind, id)
	}
	return copyOf(r), nil
}

func (tx *transaction) Put(r sbc.Resource) error {
	r.Base().Revision = tx.Revision()
	tx.over[touch{r.Kind(), r.Base().ID}] = copyOf(r)
	return nil
}

func (tx *transaction) Delete(kind sbc.Kind, id string) error {
	tx.over[touch{kind, id}] = nil
	return nil
}

func (tx *transaction) Audit(sbc.AuditEvent) error {
	tx.audited = true
	return nil
}

func (tx *transaction) All() ([]sbc.Resource, error) {
	tx.store.mu.Lock()
	defer tx.store.mu.Unlock()
	tx.store.loads++
	return list(tx.store.rows, tx.over), nil
}

// party writes down what it is asked and told.
type party struct {
	name string
	mu   sync.Mutex
	said []string
	// fail and crash are what the next Prepare does; crashCommit what the next Commit does.
	fail        error
	crash       bool
	crashCommit bool
	all         *hearsay
}

// hearsay is what several parties were asked and told, in order.
type hearsay struct {
	mu    sync.Mutex
	lines []string
}

func (h *hearsay) add(line string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line)
}

// take gives what was heard since the last time.
func (h *hearsay) take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.lines
	h.lines = nil
	return out
}

func (p *party) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	p.said = append(p.said, line)
	if p.all != nil {
		p.all.add(p.name + " " + line)
	}
}

func (p *party) told() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.said
	p.said = nil
	return out
}

func (p *party) Prepare(old, new *Snapshot) (Change, error) {
	before := int64(-1)
	if old != nil {
		before = old.Revision
	}
	p.say("prepare %d>%d", before, new.Revision)
	p.mu.Lock()
	fail, crash := p.fail, p.crash
	p.mu.Unlock()
	if crash {
		panic("party crashed")
	}
	if fail != nil {
		return nil, fail
	}
	return &partyChange{p, new.Revision}, nil
}

// refuse makes the next Prepare fail, or succeed again with nil.
func (p *party) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

type partyChange struct {
	party    *party
	revision int64
}

func (c *partyChange) Commit() {
	c.party.say("commit %d", c.revision)
	if c.party.crashCommit {
		panic("commit crashed")
	}
}
func (c *partyChange) Abort() { c.party.say("abort %d", c.revision) }

// put makes a change of rows as text.
func put(t testing.TB, text string) func(tx sbc.Tx) error {
	t.Helper()
	rows, err := rowtext.Rows(text)
	if err != nil {
		t.Fatal(err)
	}
	return func(tx sbc.Tx) error {
		for _, r := range rows {
			if err := tx.Put(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// faultsOf gives the faults of an error as lines.
func faultsOf(err error) []string {
	var e *sbc.Error
	if !errors.As(err, &e) {
		return []string{fmt.Sprint(err)}
	}
	out := []string{string(e.Code)}
	for _, f := range e.Faults {
		out = append(out, f.Pointer+" "+f.Code)
	}
	return out
}

const basic = `
tenant ten_1
realm rlm_1 tenant=ten_1
realm rlm_2 tenant=ten_1
interface sif_1 realm=rlm_1 tenant=ten_1 bind=127.0.0.1
interface sif_2 realm=rlm_2 tenant=ten_1 bind=127.0.0.2
pool mpl_1 realm=rlm_1 tenant=ten_1 address=127.0.0.1
pool mpl_2 realm=rlm_2 tenant=ten_1 address=127.0.0.2
plan rpl_1 tenant=ten_1
list rls_1 tenant=ten_1
trunk trk_1 realm=rlm_1 tenant=ten_1 plan=rpl_1
trunk trk_2 realm=rlm_2 tenant=ten_1
endpoint end_2 trunk=trk_2 tenant=ten_1 address=192.0.2.2
identity idn_1 trunk=trk_1 tenant=ten_1 cidr=192.0.2.1
target tgt_1 list=rls_1 trunk=trk_2 tenant=ten_1
rule rul_1 plan=rpl_1 list=rls_1 tenant=ten_1
`
