package guard

// add counts one more and tells how many there are now within the window, and whether it is one too many. What is too many counts
// like the rest: only a source that becomes slow is heard again.
func (s *windowShard) add(x int32, b bound, now int64) (count int, over bool) {
	before := s.count(x, b, now)
	l := &s.sources[x].logs[b.kind]
	if l.times == 0 {
		l.group, l.part = int32((b.limit+exactly-1)/exactly), 0
	}
	l.newest = now
	if l.part > 0 && l.part < l.group {
		l.part++
		s.chunks[l.tail].at[l.to-1] = uint32(now)
	} else if s.push(x, l, now) {
		l.part = 1
	}
	for l.total()-int(l.group) >= b.limit {
		s.pop(l)
	}
	return before + 1, before >= b.limit
}

// count is how many of a kind came within the window.
func (s *windowShard) count(x int32, b bound, now int64) int {
	l := &s.sources[x].logs[b.kind]
	old := now-l.newest >= b.window
	for l.times > 0 && (old || int64(uint32(now)-s.chunks[l.head].at[l.from]) >= b.window) {
		s.pop(l)
	}
	return l.total()
}

// total is how many messages the times stand for.
func (l *arrivals) total() int {
	if l.times == 0 {
		return 0
	}
	return int(l.times-1)*int(l.group) + int(l.part)
}

// push puts a time at the end. Where no chunk is left, the source that was silent longest gives its own; if that is this one, the
// time is not kept: the shard's memory holds fewer than one source sends, and what it holds says enough.
func (s *windowShard) push(x int32, l *arrivals, now int64) bool {
	if l.tail == 0 || l.to == perChunk {
		c := s.chunk(x)
		if c == 0 {
			return false
		}
		s.chunks[c].next = 0
		if l.tail == 0 {
			l.head, l.from = c, 0
		} else {
			s.chunks[l.tail].next = c
		}
		l.tail, l.to = c, 0
	}
	s.chunks[l.tail].at[l.to] = uint32(now)
	l.to++
	l.times++
	return true
}

// chunk gives an unused chunk, 0 if there is none.
func (s *windowShard) chunk(x int32) int32 {
	for s.freeChunk == 0 && s.usedChunks == s.maxChunks {
		victim := s.oldest
		if victim == x {
			return 0
		}
		s.evict(victim)
	}
	if c := s.freeChunk; c != 0 {
		s.freeChunk = s.chunks[c].next
		return c
	}
	s.usedChunks++
	s.chunks = append(s.chunks, chunk{})
	return s.usedChunks
}

// pop takes the oldest time away.
func (s *windowShard) pop(l *arrivals) {
	l.from++
	if l.times--; l.times == 0 {
		s.release(l.head)
		*l = arrivals{newest: l.newest}
		return
	}
	if l.from == perChunk {
		next := s.chunks[l.head].next
		s.release(l.head)
		l.head, l.from = next, 0
	}
}

func (s *windowShard) release(c int32) {
	s.chunks[c].next = s.freeChunk
	s.freeChunk = c
}
