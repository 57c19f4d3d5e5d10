package call

// rising gives calls by rising id, one after the other: a heap, which costs a page of a long list less than to sort it.
type rising []*Call

// pop takes the call with the lowest id; nil if there is none.
func (h *rising) pop() *Call {
	all := *h
	if len(all) == 0 {
		return nil
	}
	first, last := all[0], len(all)-1
	all[0] = all[last]
	*h = all[:last]
	h.sink(0)
	return first
}

// sink moves a call down to its place.
func (h rising) sink(i int) {
	for {
		low := 2*i + 1
		if low >= len(h) {
			return
		}
		if low+1 < len(h) && h[low+1].id < h[low].id {
			low++
		}
		if h[i].id <= h[low].id {
			return
		}
		h[i], h[low] = h[low], h[i]
		i = low
	}
}
