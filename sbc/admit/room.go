package admit

// Room tells how many calls are in progress on the way out to the trunk of a claim, or to its endpoint, and how many there may be there
// until one of the bounds is reached; most is 0 where nothing bounds them.
func (t *Tally) Room(c Claim) (now, most int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	trunk := t.counts[""][c.Trunk.ID]
	n := trunk
	if c.EndpointID != "" {
		n = t.counts[ofEndpoint][c.EndpointID]
	}
	if n != nil {
		now = n.out
	}
	room := -1
	narrow := func(bound, taken int) {
		if left := max(0, bound-taken); bound > 0 && (room < 0 || left < room) {
			room = left
		}
	}
	in, out := trunk.calls()
	narrow(c.Trunk.MaxCalls, in+out)
	for _, b := range c.Bounds {
		in, out := t.counts[b.Profile.ID][b.Key].calls()
		narrow(b.Profile.MaxCalls, in+out)
		narrow(b.Profile.MaxCallsOut, out)
	}
	switch {
	case room < 0:
		return now, 0
	case now+room == 0: // nothing goes out, and nothing may: what came in has it all
		return 1, 1
	}
	return now, now + room
}

// calls are those in progress in both directions; a nil count has none.
func (n *count) calls() (in, out int) {
	if n == nil {
		return 0, 0
	}
	return n.in, n.out
}
