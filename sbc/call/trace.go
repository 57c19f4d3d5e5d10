package call

import (
	"bytes"
	"net/netip"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// maxTraceMessages and maxTraceBytes bound the ladder of one call; the setup is kept, later messages are counted only.
	maxTraceMessages = 200
	maxTraceBytes    = 128 << 10
	// usualMessages are those of a call without surprises: room for them is made at once.
	usualMessages = 14
	// entryCost is what an entry costs besides its bytes.
	entryCost = 160
)

// entry is one message of a ladder. The bytes are shared with whoever made them and never changed.
type entry struct {
	at            int64 // Unix time in ns
	raw           []byte
	local, remote netip.AddrPort
	transport     sbc.Transport
	callee, out   bool // on the callee's side, sent by us
	note          bool // raw is a note of ours
	attempt       uint8
}

// ladder is the trace of one call. It has a lock of its own, because what was sent is told by edge's goroutines.
type ladder struct {
	mu      sync.Mutex
	entries []entry
	bytes   int
}

// add appends a message as it was on the wire.
func (l *ladder) add(side sbc.Side, out bool, attempt int, raw []byte, hop msg.Hop) {
	if len(raw) == 0 {
		return
	}
	at := hop.At
	if out || at.IsZero() {
		at = time.Now()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= maxTraceMessages || l.bytes+len(raw) > maxTraceBytes {
		return
	}
	if l.entries == nil {
		l.entries = make([]entry, 0, usualMessages)
	}
	l.bytes += len(raw) + entryCost
	l.entries = append(l.entries, entry{at.UnixNano(), raw, hop.Local, hop.Remote, hop.Transport, side == sbc.SideCallee, out, false, uint8(attempt)})
}

// note begins a ladder with what happened to the call; l says whose addresses stand beside it.
func (l *ladder) note(text string, of *leg) {
	e := entry{at: time.Now().UnixNano(), raw: []byte(text), note: true, transport: sbc.TransportUDP}
	if of.d != nil {
		p := of.d.Peer()
		e.local, e.remote, e.transport = p.Local, p.Remote, p.Transport
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += len(e.raw) + entryCost
	l.entries = append(l.entries, e)
}

// drop empties a ladder that nobody can ask for any more.
func (l *ladder) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.bytes = nil, maxTraceBytes // and it stays empty
}

// size is what the ladder costs in memory.
func (l *ladder) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// messages gives the ladder in the words of the API.
func (l *ladder) messages() []sbc.TraceMessage {
	l.mu.Lock()
	defer l.mu.Unlock()
	ms := make([]sbc.TraceMessage, len(l.entries))
	for i, e := range l.entries {
		line, _, _ := bytes.Cut(e.raw, []byte("\n"))
		ms[i] = sbc.TraceMessage{
			At: time.Unix(0, e.at), Side: sbc.SideCaller, Direction: "in", Transport: e.transport, LocalAddress: addr(e.local), RemoteAddress: addr(e.remote),
			Summary: string(bytes.TrimRight(line, "\r")), Attempt: int(e.attempt), Raw: string(redacted(e.raw)),
		}
		if e.callee {
			ms[i].Side = sbc.SideCallee
		}
		if e.out {
			ms[i].Direction = "out"
		}
		if e.note {
			ms[i].Summary, ms[i].Note, ms[i].Raw = "", string(e.raw), ""
		}
	}
	return ms
}

// addr spells an address; one that nobody knows is empty.
func addr(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// past keeps the ladders and media figures of ended calls, the oldest falling out when the bytes are used up.
type past struct {
	mu     sync.Mutex
	limit  int
	bytes  int
	byID   map[string]*pastCall
	oldest *pastCall
	newest *pastCall
}

// pastCall is what is kept of an ended call.
type pastCall struct {
	id     string
	ladder *ladder
	media  []sbc.StreamStats
	size   int
	next   *pastCall
}

// statsCost is about what one stream's figures cost.
const statsCost = 300

func newPast(limit int) *past { return &past{limit: limit, byID: map[string]*pastCall{}} }

// add takes over what an ended call leaves.
func (p *past) add(id string, l *ladder, media []sbc.StreamStats) {
	e := &pastCall{id: id, ladder: l, media: media, size: l.size() + statsCost*len(media) + entryCost}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.size > p.limit {
		return
	}
	p.byID[id] = e
	p.bytes += e.size
	if p.newest == nil {
		p.oldest = e
	} else {
		p.newest.next = e
	}
	p.newest = e
	for p.bytes > p.limit {
		old := p.oldest
		p.oldest = old.next
		p.bytes -= old.size
		delete(p.byID, old.id)
		old.ladder.drop()
	}
	if p.oldest == nil {
		p.newest = nil
	}
}

// get finds an ended call.
func (p *past) get(id string) (*pastCall, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.byID[id]
	return e, ok
}
