package register

import "sync"

// flows knows which bindings came by which connection.
type flows struct {
	mu sync.Mutex
	by map[uint64]map[*binding]struct{}
}

func newFlows() *flows { return &flows{by: map[uint64]map[*binding]struct{}{}} }

func (f *flows) enter(conn uint64, b *binding) {
	if conn == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	set := f.by[conn]
	if set == nil {
		set = map[*binding]struct{}{}
		f.by[conn] = set
	}
	set[b] = struct{}{}
}

func (f *flows) leave(conn uint64, b *binding) {
	if conn == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if set := f.by[conn]; set != nil {
		if delete(set, b); len(set) == 0 {
			delete(f.by, conn)
		}
	}
}

// take gives the bindings of a connection and forgets it.
func (f *flows) take(conn uint64) []*binding {
	f.mu.Lock()
	defer f.mu.Unlock()
	set := f.by[conn]
	delete(f.by, conn)
	list := make([]*binding, 0, len(set))
	for b := range set {
		list = append(list, b)
	}
	return list
}
