package config

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// maxEdits is how many resources a write may touch and still be compiled from what it changed.
const maxEdits = 100

// maxListed is how many writes of listed kinds are told one by one.
const maxListed = 10_000

// errDryRun rolls a dry run's transaction back. It never leaves Update.
var errDryRun = errors.New("config: dry run")

// Update makes a change and returns when it is live on this node: change runs in the store's transaction, the result is
// compiled and checked, every party prepares, the store commits, the parties commit, the Snapshot is swapped. An error of any
// of these leaves everything as it was and is returned; the faults of a contradiction point into the body of the write. With
// dryRun all of it is done and undone. One Update runs at a time; change may be called again if the store has to repeat the
// transaction.
func (m *Manager) Update(ctx context.Context, dryRun bool, change func(tx sbc.Tx) error) error {
	if err := m.acquire(ctx); err != nil {
		return err
	}
	defer m.release()
	started := time.Now()
	u := &update{manager: m, dryRun: dryRun}
	// Also on a panic of change: the store rolls back, and what was prepared goes.
	defer u.undo()
	err := m.o.Store.Update(ctx, func(tx sbc.Tx) error { return u.run(tx, change) })
	switch {
	case dryRun && errors.Is(err, errDryRun):
		return nil
	case err != nil:
		return err
	}
	u.finish(ctx)
	m.metrics.seconds.Observe(time.Since(started).Seconds())
	return nil
}

// update is one Update under way.
type update struct {
	manager  *Manager
	dryRun   bool
	revision int64
	prepared *prepared
	// listed is what was written of listed kinds, nil where that is too much, or where other nodes may have written more of them since
	// the last Snapshot.
	listed []sbc.ListedChange
}

// run is the part within the transaction.
func (u *update) run(tx sbc.Tx, change func(tx sbc.Tx) error) error {
	u.undo() // the store may repeat a transaction
	rec := &recorder{Tx: tx, touched: map[touch]sbc.Resource{}, listed: []sbc.ListedChange{}}
	if !u.dryRun {
		rec.keep = u.manager.keepBlob
	}
	if err := change(rec); err != nil {
		return err
	}
	u.revision, u.listed = tx.Revision(), rec.listed
	if len(rec.order) > 0 {
		next, err := u.compile(tx, rec)
		if err != nil {
			return u.manager.failure("compile", err)
		}
		if u.prepared, err = u.manager.prepare(next); err != nil {
			return err
		}
	}
	if u.dryRun {
		return errDryRun
	}
	return nil
}

// compile makes the new Snapshot, from what was changed if the current one is the revision just before, else from everything.
func (u *update) compile(tx sbc.Tx, rec *recorder) (*Snapshot, error) {
	current := u.manager.Current()
	if u.manager.started && current.Revision == u.revision-1 && rec.simple() {
		edits, err := rec.edits()
		if err != nil {
			return nil, err
		}
		for i := range edits {
			edits[i].new = u.manager.seen(edits[i].new)
		}
		return current.with(edits, u.revision)
	}
	resources, err := tx.All()
	if err != nil {
		return nil, err
	}
	return compile(u.manager.allSeen(resources), u.revision, current)
}

// finish is the part after the store's commit.
func (u *update) finish(ctx context.Context) {
	m := u.manager
	if u.prepared != nil {
		p := u.prepared
		u.prepared = nil
		if m.Current().Revision != u.revision-1 {
			u.listed = nil // the next poll would not tell of what others wrote: it sees the revision served
		}
		defer func() { m.listed(u.listed) }()
		m.saw(p.next.Revision)
		m.commit(p)
		return
	}
	defer m.listed(u.listed)
	// Nothing that a Snapshot holds was written, but what was (a subscriber, an audit event) may have raised the revision all the same.
	if revision, err := m.o.Store.Revision(ctx); err == nil && m.started && revision == u.revision &&
		m.Current().Revision == revision-1 {
		m.unchanged(revision)
	}
}

// undo lets go of what was prepared and not committed.
func (u *update) undo() {
	u.manager.abort(u.prepared)
	u.prepared = nil
}

// recorder is a transaction that notes what is written.
type recorder struct {
	sbc.Tx
	// order is what was written of what a Snapshot holds, each once; touched holds what rules were before.
	order   []touch
	touched map[touch]sbc.Resource
	// owners tells that something was deleted which others may have been a part of.
	owners bool
	// listed is what was written of listed kinds, nil where it is more than maxListed.
	listed []sbc.ListedChange
	// keep makes the node's copy of a blob that is written; nil makes none.
	keep func(b sbc.Blob, content []byte) error
}

// touch is a resource that was written.
type touch struct {
	kind sbc.Kind
	id   string
}

// Put notes and writes.
func (r *recorder) Put(res sbc.Resource) error {
	if err := r.note(res.Kind(), res.Base().ID); err != nil {
		return err
	}
	if err := r.Tx.Put(res); err != nil || !res.Kind().Listed() {
		return err
	}
	r.lists(sbc.ListedChangeOf(res))
	return nil
}

// PutAll writes many and notes those that were written. Rules are noted before: of them it matters what they were.
func (r *recorder) PutAll(list []sbc.Resource) (map[int]error, error) {
	for _, res := range list {
		if res.Kind() != sbc.KindRule {
			break
		}
		if err := r.note(res.Kind(), res.Base().ID); err != nil {
			return nil, err
		}
	}
	refused, err := r.Tx.PutAll(list)
	if err != nil {
		return nil, err
	}
	for i, res := range list {
		if refused[i] != nil {
			continue
		}
		if err := r.note(res.Kind(), res.Base().ID); err != nil {
			return nil, err
		}
		if res.Kind().Listed() {
			r.lists(sbc.ListedChangeOf(res))
		}
	}
	return refused, nil
}

// DeleteAll notes and deletes many.
func (r *recorder) DeleteAll(kind sbc.Kind, ids []string) (map[int]error, error) {
	for _, id := range ids {
		if err := r.noteDeletion(kind, id); err != nil {
			return nil, err
		}
	}
	return r.Tx.DeleteAll(kind, ids)
}

// Delete notes and deletes.
func (r *recorder) Delete(kind sbc.Kind, id string) error {
	if err := r.noteDeletion(kind, id); err != nil {
		return err
	}
	return r.Tx.Delete(kind, id)
}

// noteDeletion remembers a resource that goes, and whether others may have been a part of it.
func (r *recorder) noteDeletion(kind sbc.Kind, id string) error {
	if err := r.note(kind, id); err != nil {
		return err
	}
	switch kind {
	case sbc.KindSubscriber, sbc.KindAlias:
		r.lists(sbc.ListedChange{Kind: kind, ID: id})
	case sbc.KindRule, sbc.KindTarget, sbc.KindEndpoint, sbc.KindIdentity, sbc.KindAPIKey, sbc.KindAccessRule:
	default:
		r.owners = true
	}
	return nil
}

// lists notes a write of a listed kind.
func (r *recorder) lists(c sbc.ListedChange) {
	switch {
	case r.listed == nil:
	case len(r.listed) == maxListed:
		r.listed = nil
	default:
		r.listed = append(r.listed, c)
	}
}

// note remembers a resource that a Snapshot holds, and of a rule what it was: the Snapshot does not keep rules, but has to find this
// one in its plan.
func (r *recorder) note(kind sbc.Kind, id string) error {
	if kind.Listed() {
		return nil
	}
	key := touch{kind, id}
	if _, seen := r.touched[key]; seen {
		return nil
	}
	var old sbc.Resource
	if kind == sbc.KindRule {
		var err error
		if old, err = r.get(kind, id); err != nil {
			return err
		}
	}
	r.touched[key] = old
	r.order = append(r.order, key)
	return nil
}

// simple tells whether the edits are all that the transaction changed, and few.
func (r *recorder) simple() bool { return !r.owners && len(r.order) <= maxEdits }

// edits reads what the transaction left of everything touched. It reads them back, so that the Snapshot holds what the store
// does and nothing that the writer may still change.
func (r *recorder) edits() ([]edit, error) {
	edits := make([]edit, len(r.order))
	for i, t := range r.order {
		now, err := r.get(t.kind, t.id)
		if err != nil {
			return nil, err
		}
		edits[i] = edit{kind: t.kind, id: t.id, old: r.touched[t], new: now}
	}
	return edits, nil
}

// get reads a resource, nil if there is none.
func (r *recorder) get(kind sbc.Kind, id string) (sbc.Resource, error) {
	res, err := r.Tx.Get(kind, "", id)
	if err != nil {
		if sbc.CodeOf(err) == sbc.CodeNotFound {
			return nil, nil
		}
		return nil, err
	}
	return res, nil
}
