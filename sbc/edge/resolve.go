package edge

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/sallyport/sallyport/sbc"
)

// notes are the questions of one look-up, for who wants to see them.
type notes struct {
	mu   sync.Mutex
	list []sbc.DNSQuestion
}

// noting is the key of the notes in a context.
type noting struct{}

// Resolve looks a name up as a request to it does now, and shows what was asked. It takes no longer than a look-up may.
func (e *Edge) Resolve(ctx context.Context, name string, port int, transport sbc.Transport) sbc.DNSLookup {
	n := &notes{list: []sbc.DNSQuestion{}}
	found, err := e.o.Resolver.Lookup(context.WithValue(ctx, noting{}, n), name, port, transport)
	out := sbc.DNSLookup{Name: name, Port: port, Transport: cmp.Or(transport, sbc.TransportAuto), Candidates: []sbc.DNSCandidate{}}
	if err != nil {
		out.Reason = err.Error()
	}
	for _, a := range e.lively(found) {
		out.Candidates = append(out.Candidates, sbc.DNSCandidate{
			Address: a.Addr.Addr().String(), Port: int(a.Addr.Port()), Transport: a.Transport, Silent: e.dead.has(a.Addr),
		})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	out.Questions = n.list
	return out
}

// noted notes a question and its answer, if anybody wants to see it.
func (c *dnsCache) noted(ctx context.Context, q question, records []dns.RR, err error) {
	n, ok := ctx.Value(noting{}).(*notes)
	if !ok {
		return
	}
	line := sbc.DNSQuestion{Name: q.name, Type: dns.TypeToString[q.kind], State: sbc.DNSFresh, Records: []string{}}
	if err != nil && !errors.Is(err, ErrNoAddress) {
		line.State, line.Reason = sbc.DNSFailed, err.Error()
	} else if e, known := c.find(q); known {
		expires := e.expires.UTC().Truncate(time.Second)
		if line.ExpiresAt = &expires; e.overdue {
			line.State = sbc.DNSStale
		}
	}
	for _, r := range records {
		line.Records = append(line.Records, strings.TrimPrefix(r.String(), r.Header().String()))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, line)
}
