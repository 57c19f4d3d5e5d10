package edge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/singleflight"
)

const (
	maxTTL      = time.Hour
	minTTL      = time.Second
	negativeTTL = 60 * time.Second // defaults.md: at most a minute
	staleFor    = 24 * time.Hour   // RFC 8767 4: one to three days
	retryAfter  = 30 * time.Second // RFC 8767 5: failure recheck timer
	// answerWithin is how long the servers may take before a stale answer is served while they are still asked (RFC 8767 5: client response
	// timer; it says 1.8 s, which a call that is set up does not have).
	answerWithin = 300 * time.Millisecond
	// troubleFor is how long stale answers are served at once after the servers kept somebody waiting: a name takes several questions.
	troubleFor = 5 * time.Second
	maxRecords = 128
)

// question is what is asked: a name with its final dot, and a type.
type question struct {
	name string
	kind uint16
}

// entry is one answer kept. No records means that the name or type does not exist.
type entry struct {
	records []dns.RR
	expires time.Time // fresh until then
	stale   time.Time // to be served, for want of a better one, until then
	overdue bool      // it had run out before, and no server answered
}

// dnsCache asks each question once at a time and keeps what came back.
type dnsCache struct {
	limit   int
	budget  time.Duration
	ask     *exchanger
	flights singleflight.Group
	// trouble is until when the servers are held for dead where a stale answer will do, in Unix nanoseconds.
	trouble atomic.Int64

	mu      sync.Mutex
	entries map[question]entry
}

func newDNSCache(limit int, budget time.Duration, ask *exchanger) *dnsCache {
	return &dnsCache{limit: limit, budget: budget, ask: ask, entries: map[question]entry{}}
}

// get answers from the cache while the answer is fresh, else asks. If nobody answers soon, an answer that has run out is served
// (RFC 8767), "there is none" too, and the servers are left alone for half a minute, so that calls do not wait for them one after the
// other; what they still answer counts.
func (c *dnsCache) get(ctx context.Context, q question) ([]dns.RR, error) {
	q.name = strings.ToLower(q.name)
	records, err := c.answer(ctx, q)
	c.noted(ctx, q, records, err)
	return records, err
}

// answer is get for a name in small letters.
func (c *dnsCache) answer(ctx context.Context, q question) ([]dns.RR, error) {
	old, known := c.find(q)
	now := time.Now()
	if known && now.Before(old.expires) {
		return usable(old.records)
	}
	stale := known && now.Before(old.stale)
	if stale && now.UnixNano() < c.trouble.Load() {
		c.prolong(q, old, now.Add(retryAfter))
		return usable(old.records)
	}
	// The query outlives an impatient asker: others wait for the same answer.
	done := c.flights.DoChan(fmt.Sprint(q.kind, q.name), func() (any, error) {
		inner, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.budget)
		defer cancel()
		e, err := c.ask.query(inner, q)
		if err != nil {
			return entry{}, err
		}
		c.store(q, e)
		return e, nil
	})
	var err error
	var soon <-chan time.Time
	if stale {
		t := time.NewTimer(answerWithin)
		defer t.Stop()
		soon = t.C
	}
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case <-soon:
	case r := <-done:
		if err = r.Err; err == nil {
			e, _ := r.Val.(entry)
			return usable(e.records)
		}
	}
	if stale {
		c.trouble.Store(time.Now().Add(troubleFor).UnixNano())
		c.prolong(q, old, now.Add(retryAfter))
		return usable(old.records)
	}
	return nil, err
}

// prolong serves an answer that has run out a little longer, unless a newer one has come.
func (c *dnsCache) prolong(q question, old entry, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries[q]; ok && e.expires.Equal(old.expires) {
		e.expires, e.overdue = until, true
		c.entries[q] = e
	}
}

func usable(records []dns.RR) ([]dns.RR, error) {
	if len(records) == 0 {
		return nil, ErrNoAddress
	}
	return records, nil
}

func (c *dnsCache) find(q question) (entry, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[q]
	return e, ok
}

// store keeps an answer. In a full cache the ones that ran out go first, then any: map order is random enough.
func (c *dnsCache) store(q question, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.entries[q]; !known && len(c.entries) >= c.limit {
		c.evict()
	}
	c.entries[q] = e
}

func (c *dnsCache) evict() {
	now, looked := time.Now(), 0
	for k, e := range c.entries {
		if now.After(e.stale) || looked >= 64 {
			delete(c.entries, k)
			if looked >= 64 {
				return
			}
		}
		looked++
	}
	for k := range c.entries {
		if len(c.entries) < c.limit {
			return
		}
		delete(c.entries, k)
	}
}

// exchanger asks the servers in turn.
type exchanger struct {
	servers []string
}

var errNoServer = errors.New("no DNS server answered")

// query follows aliases and gives the records of the type asked for.
func (x *exchanger) query(ctx context.Context, q question) (entry, error) {
	name, ttl := q.name, maxTTL
	for range maxAliases {
		reply, err := x.exchange(ctx, question{name, q.kind})
		if err != nil {
			return entry{}, err
		}
		records, last, least := chase(reply, name, q.kind)
		ttl = min(ttl, least)
		switch {
		case len(records) > 0:
			return keep(records, ttl), nil
		case last == name || reply.Rcode == dns.RcodeNameError:
			return keep(nil, min(ttl, denialTTL(reply))), nil
		}
		name = last
	}
	return entry{}, fmt.Errorf("%s: too many aliases", q.name)
}

func keep(records []dns.RR, ttl time.Duration) entry {
	now := time.Now()
	return entry{records: records, expires: now.Add(max(ttl, minTTL)), stale: now.Add(staleFor)}
}

// chase follows the aliases within one reply. Records of other names are not looked at: nobody asked for them.
func chase(reply *dns.Msg, name string, kind uint16) (records []dns.RR, last string, ttl time.Duration) {
	ttl = maxTTL
	for range maxAliases {
		alias := ""
		for _, r := range reply.Answer {
			h := r.Header()
			if !strings.EqualFold(h.Name, name) || len(records) >= maxRecords {
				continue
			}
			switch {
			case h.Rrtype == kind:
				records = append(records, r)
			case h.Rrtype == dns.TypeCNAME:
				if c, ok := r.(*dns.CNAME); ok {
					alias = c.Target
				}
			default:
				continue
			}
			ttl = min(ttl, time.Duration(h.Ttl)*time.Second)
		}
		if len(records) > 0 || alias == "" {
			break
		}
		name = strings.ToLower(alias)
	}
	return records, name, ttl
}

// denialTTL is how long "there is none" holds (RFC 2308 5), a minute at most.
func denialTTL(reply *dns.Msg) time.Duration {
	for _, r := range reply.Ns {
		if soa, ok := r.(*dns.SOA); ok {
			return min(negativeTTL, time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second)
		}
	}
	return negativeTTL
}

// exchange asks one server after the other, twice round, until one answers; a server that says SERVFAIL or REFUSED has not.
func (x *exchanger) exchange(ctx context.Context, q question) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.kind)
	m.SetEdns0(1232, false)
	failed := errNoServer
	for round := range 2 {
		for _, server := range x.servers {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%w: %w", failed, ctx.Err())
			}
			reply, err := once(ctx, m, server, time.Duration(400+400*round)*time.Millisecond)
			if err != nil {
				failed = fmt.Errorf("%w: %w", errNoServer, err)
				continue
			}
			if reply.Rcode == dns.RcodeSuccess || reply.Rcode == dns.RcodeNameError {
				return reply, nil
			}
			failed = fmt.Errorf("%w: %s", errNoServer, dns.RcodeToString[reply.Rcode])
		}
	}
	return nil, failed
}

// once asks by UDP, and by TCP if the answer was cut short. An answer to another question is none.
func once(ctx context.Context, m *dns.Msg, server string, patience time.Duration) (*dns.Msg, error) {
	q := m.Copy()
	q.Id = dns.Id()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reply, _, err := (&dns.Client{Net: "udp", Timeout: patience}).ExchangeContext(ctx, q, server)
	if err == nil && reply.Truncated {
		reply, _, err = (&dns.Client{Net: "tcp", Timeout: patience}).ExchangeContext(ctx, q, server)
	}
	if err != nil {
		return nil, err
	}
	if len(reply.Question) != 1 || reply.Question[0].Qtype != q.Question[0].Qtype ||
		!strings.EqualFold(reply.Question[0].Name, q.Question[0].Name) {
		return nil, errors.New("answer to another question")
	}
	return reply, nil
}
