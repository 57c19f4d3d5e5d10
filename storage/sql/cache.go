package sql

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"gorm.io/gorm"

	"github.com/sallyport/sallyport/sbc"
)

// cache keeps all resources of one revision, decoded, so that All costs what has changed since and not what there is: config
// asks for everything with every write. The resources in it are shared by all who asked and must not be changed.
type cache struct {
	mu    sync.Mutex
	view  *view
	codec codec
}

// view is everything at one revision. It is never changed once made.
type view struct {
	revision int64
	// kinds has a list by rising id for each of sbc.Kinds.
	kinds map[sbc.Kind][]sbc.Resource
	count int
}

func (c *cache) get() *view {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

// put keeps a view unless a newer one is there.
func (c *cache) put(v *view) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.view == nil || c.view.revision < v.revision {
		c.view = v
	}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view = nil
}

// with makes the view that follows from changes. Only the lists that change are copied.
func (v *view) with(revision int64, written map[string]sbc.Resource, deleted map[string]sbc.Kind) *view {
	next := &view{revision: revision, kinds: maps.Clone(v.kinds)}
	touched := map[sbc.Kind]bool{}
	for _, r := range written {
		touched[r.Kind()] = true
	}
	for _, kind := range deleted {
		touched[kind] = true
	}
	for kind := range touched {
		if kind.Listed() {
			continue
		}
		next.kinds[kind] = merge(v.kinds[kind], kind, written, deleted)
	}
	for _, list := range next.kinds {
		next.count += len(list)
	}
	return next
}

// merge makes the list of one kind anew, with what was written and without what was deleted.
func merge(old []sbc.Resource, kind sbc.Kind, written map[string]sbc.Resource, deleted map[string]sbc.Kind) []sbc.Resource {
	var fresh []sbc.Resource
	for _, r := range written {
		if r.Kind() == kind {
			fresh = append(fresh, r)
		}
	}
	slices.SortFunc(fresh, byID)
	list := make([]sbc.Resource, 0, len(old)+len(fresh))
	for _, r := range old {
		id := r.Base().ID
		for len(fresh) > 0 && fresh[0].Base().ID < id {
			list, fresh = append(list, fresh[0]), fresh[1:]
		}
		if len(fresh) > 0 && fresh[0].Base().ID == id {
			list, fresh = append(list, fresh[0]), fresh[1:]
		} else if _, gone := deleted[id]; !gone {
			list = append(list, r)
		}
	}
	return append(list, fresh...)
}

func byID(a, b sbc.Resource) int { return cmp.Compare(a.Base().ID, b.Base().ID) }

// list gives everything in the order of sbc.Kinds and then of id.
func (v *view) list() []sbc.Resource {
	all := make([]sbc.Resource, 0, v.count)
	for _, kind := range sbc.Kinds() {
		all = append(all, v.kinds[kind]...)
	}
	return all
}

// load gives everything as a transaction sees it, at the revision it has or will have. It reads only what changed since the
// cached view. Rows are never written without the revision of the write, hence what the view misses has a higher one; rows
// can only have vanished besides (deleted are those that a writer deleted itself), which the count shows: then everything is read.
func (c *cache) load(db *gorm.DB, revision int64, deleted map[string]sbc.Kind) (*view, error) {
	old := c.get()
	if old == nil || old.revision > revision {
		return readView(db, c.codec, revision, 0)
	}
	if old.revision == revision {
		return old, nil
	}
	changed, err := readView(db, c.codec, revision, old.revision)
	if err != nil {
		return nil, err
	}
	written := make(map[string]sbc.Resource, changed.count)
	for _, r := range changed.list() {
		written[r.Base().ID] = r
	}
	next := old.with(revision, written, deleted)
	if deleted != nil && old.revision == revision-1 { // a writer alone since the view knows what it deleted itself
		return next, nil
	}
	var count int64
	if err := db.Model(&resourceRow{}).Where("kind IN ?", held()).Count(&count).Error; err != nil {
		return nil, err
	}
	if int64(next.count) != count {
		return readView(db, c.codec, revision, 0)
	}
	return next, nil
}

// held are the kinds of which every node holds all.
func held() []sbc.Kind { return slices.DeleteFunc(sbc.Kinds(), sbc.Kind.Listed) }

// readView reads the rows written after a revision; after 0, all.
func readView(db *gorm.DB, c codec, revision, after int64) (*view, error) {
	q := db.Model(&resourceRow{}).Select("kind", "document").Where("kind IN ?", held())
	if after > 0 {
		q = q.Where("revision > ?", after)
	}
	rows, err := q.Order("kind, id").Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err below says what went wrong
	v := &view{revision: revision, kinds: map[sbc.Kind][]sbc.Resource{}}
	for rows.Next() {
		var kind sbc.Kind
		var document string
		if err := rows.Scan(&kind, &document); err != nil {
			return nil, err
		}
		r, err := c.decode(kind, document)
		if err != nil {
			return nil, err
		}
		v.kinds[kind] = append(v.kinds[kind], r)
		v.count++
	}
	return v, rows.Err()
}

// All loads everything with its revision, from one consistent view. The resources are shared: they must not be changed.
func (s *Store) All(ctx context.Context) (all []sbc.Resource, revision int64, err error) {
	err = s.run(ctx, "all", updateTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			if revision, err = counterValue(db, counterRevision, ""); err != nil {
				return err
			}
			v, err := s.cache.load(db, revision, nil)
			if err != nil {
				return err
			}
			s.cache.put(v)
			all = v.list()
			return nil
		}, s.dialect.snapshot)
	})
	return all, revision, err
}

// All loads everything as the transaction sees it. The resources are shared: they must not be changed.
func (t *tx) All() ([]sbc.Resource, error) {
	v, err := t.store.cache.load(t.db, t.revision, t.deleted)
	if err != nil {
		return nil, translate(err)
	}
	t.view, t.viewed = v, t.writes
	return v.list(), nil
}

// committed gives the cache what the transaction saw at its end, if it looked after its last write.
func (t *tx) committed() {
	if t.writes > 0 && t.view != nil && t.viewed == t.writes {
		t.store.cache.put(t.view)
	}
}
