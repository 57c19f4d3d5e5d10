package account

// ring remembers the last so many ids.
type ring struct {
	ids   []string
	next  int
	known map[string]struct{}
}

func newRing(size int) ring { return ring{ids: make([]string, size), known: map[string]struct{}{}} }

func (r *ring) has(id string) bool {
	_, ok := r.known[id]
	return ok
}

func (r *ring) add(id string) {
	if r.has(id) {
		return
	}
	delete(r.known, r.ids[r.next])
	r.ids[r.next] = id
	r.known[id] = struct{}{}
	r.next = (r.next + 1) % len(r.ids)
}
