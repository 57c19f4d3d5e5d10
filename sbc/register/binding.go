package register

import (
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// owner is a subscriber that has bindings. Its strings are those of the directory, which has them anyhow.
type owner struct {
	subscriber, user string
	home             unique.Handle[home]
	bindings         []*binding
}

// home is a domain. Thousands of owners share one; so do bindings their ways.
type home struct{ tenant, domain, host string }

// way is how a binding is reached.
type way struct {
	iface     string
	transport sbc.Transport
}

// aor is the address of record, user@domain.
func (o *owner) aor() string { return o.user + "@" + o.home.Value().host }

// binding is one contact. Identity and index do not change; everything else belongs to the lock of the owner's shard. There may be
// millions, so it is kept small.
type binding struct {
	id    string
	owner *owner
	shard *shard
	up    *upstream // nil where the border is the registrar

	// text holds the contact's URI as the phone wrote it, its instance without quotes and angle brackets, and the values of Path, one a
	// line, in one piece of memory that is nobody else's.
	text   string
	agent  unique.Handle[string]
	callID digest
	cseq   uint32
	q      uint16 // thousandths
	regID  uint16

	way    unique.Handle[way]
	source netip.AddrPort
	conn   uint64

	registered, refreshed, expires time.Duration
	due                            time.Duration // the next keep-alive, or the end
	pinged                         time.Duration // 0: never
	trip                           time.Duration // of the last answer
	ping                           uint32        // counts keep-alives and refreshes: an old answer is none
	index                          int32         // in the shard's heap, -1: not there
	misses                         uint8
	moves                          uint8 // refreshes in a row that came from another port
	tests                          natTests
	direct                         bool // the contact's own host is the destination
	gruu, outbound                 bool // what the phone supports
	lost                           bool // not reachable

	contactLen, instanceLen uint16 // in text
}

// hop is the way to the phone.
func (b *binding) hop() msg.Hop {
	w := b.way.Value()
	return msg.Hop{
		Interface: w.iface, Transport: w.transport, Remote: b.source, Conn: b.conn, Secure: w.transport.Encrypted(),
	}
}

// routes gives the values of Path.
func (b *binding) routes() []string {
	if b.path() == "" {
		return nil
	}
	return strings.Split(b.path(), "\n")
}

func (b *binding) contact() string { return b.text[:b.contactLen] }

func (b *binding) instance() string { return b.text[b.contactLen:][:b.instanceLen] }

func (b *binding) path() string { return b.text[int(b.contactLen)+int(b.instanceLen):] }

// pack sets the texts of a binding, which may be pieces of a message, where they are others than before.
func (b *binding) pack(contact, instance, path, agent string) {
	if b.agent == (unique.Handle[string]{}) || b.agent.Value() != agent {
		b.agent = unique.Make(agent)
	}
	if b.text != "" && b.contact() == contact && b.instance() == instance && b.path() == path {
		return
	}
	b.text = contact + instance + path
	if len(instance)+len(path) == 0 {
		b.text = strings.Clone(contact) // nothing was joined
	}
	b.contactLen, b.instanceLen = uint16(len(contact)), uint16(len(instance))
}

// record is a binding as the journal keeps it. Times are in milliseconds since 1970.
type record struct {
	Tenant     string          `json:"t"`
	Domain     string          `json:"d"`
	Subscriber string          `json:"s"`
	AOR        string          `json:"a"`
	Contact    string          `json:"c"`
	Instance   string          `json:"i,omitempty"`
	RegID      uint16          `json:"r,omitempty"`
	Agent      string          `json:"u,omitempty"`
	Path       string          `json:"p,omitempty"`
	Q          uint16          `json:"q"`
	CallID     string          `json:"l"`
	CSeq       uint32          `json:"n"`
	Interface  string          `json:"f"`
	Transport  sbc.Transport   `json:"x"`
	Source     string          `json:"h"`
	Moves      uint8           `json:"m,omitempty"`
	Tests      natTests        `json:"w,omitempty"`
	Direct     bool            `json:"v,omitempty"`
	GRUU       bool            `json:"g,omitempty"`
	Outbound   bool            `json:"o,omitempty"`
	Registered int64           `json:"b"`
	Refreshed  int64           `json:"y"`
	Expires    int64           `json:"e"`
	Upstream   *upstreamRecord `json:"z,omitempty"`
}

// encode writes a binding for the journal. It is called with the shard's lock held.
func (r *Registrar) encode(b *binding) []byte {
	ms := func(d time.Duration) int64 { return r.at(d).UnixMilli() }
	at, by := b.owner.home.Value(), b.way.Value()
	raw, err := json.Marshal(record{
		Tenant: at.tenant, Domain: at.domain, Subscriber: b.owner.subscriber, AOR: b.owner.aor(), Contact: b.contact(),
		Instance: b.instance(), RegID: b.regID, Agent: b.agent.Value(), Path: b.path(), Q: b.q,
		CallID: hex.EncodeToString(b.callID[:]), CSeq: b.cseq,
		Interface: by.iface, Transport: by.transport, Source: b.source.String(), Moves: b.moves, Tests: b.tests, Direct: b.direct,
		GRUU: b.gruu, Outbound: b.outbound, Registered: ms(b.registered), Refreshed: ms(b.refreshed), Expires: ms(b.expires),
		Upstream: b.up.record(ms),
	})
	if err != nil { // there is nothing in it that JSON cannot hold
		r.o.Log.Error("register: a contact cannot be written", "error", err)
	}
	return raw
}

// restore takes in what the journal held. What has expired meanwhile, or cannot be read, is left out; Run takes it out of the
// journal.
func (r *Registrar) restore(list []sbc.LiveChange) {
	now, wall := r.now(), time.Now()
	at := func(ms int64) time.Duration { return now + time.UnixMilli(ms).Sub(wall) }
	for _, c := range list {
		var x record
		var b *binding
		if err := json.Unmarshal(c.Record, &x); err == nil {
			b = x.binding(c.ID, at)
		}
		if b == nil {
			r.o.Log.Warn("register: a contact in the journal cannot be read", "registration", c.ID)
			r.pages.drop(c.ID)
			continue
		}
		if b.expires <= now {
			r.pages.drop(c.ID)
			continue
		}
		b.lost = b.way.Value().transport != sbc.TransportUDP && !b.direct
		s := r.table.shard(x.Subscriber)
		s.mu.Lock()
		o := s.owner(x.Subscriber)
		if o.user == "" {
			user, host, _ := strings.Cut(x.AOR, "@")
			o.user, o.home = user, unique.Make(home{x.Tenant, x.Domain, host})
		}
		s.add(o, b)
		b.takeUp(x.Upstream, at)
		r.schedule(b, now)
		s.mu.Unlock()
		r.table.enter(b)
		if b.up != nil {
			r.settleToken(x.Subscriber, b.up.token)
		}
	}
}

// binding turns a record back.
func (x *record) binding(id string, at func(ms int64) time.Duration) *binding {
	source, err := netip.ParseAddrPort(x.Source)
	call, err2 := hex.DecodeString(x.CallID)
	if err != nil || err2 != nil || len(call) != len(digest{}) || x.Subscriber == "" {
		return nil
	}
	b := &binding{
		id: id, regID: x.RegID, q: x.Q, callID: digest(call), cseq: x.CSeq,
		way: unique.Make(way{x.Interface, transportOf(x.Transport)}), source: source, moves: x.Moves, tests: x.Tests,
		direct: x.Direct, gruu: x.GRUU, outbound: x.Outbound, registered: at(x.Registered), refreshed: at(x.Refreshed),
		expires: at(x.Expires), index: -1,
	}
	b.pack(x.Contact, x.Instance, x.Path, x.Agent)
	return b
}

// transportOf gives the constant for a transport that was read, so that no copy of the word is kept.
func transportOf(t sbc.Transport) sbc.Transport {
	all := []sbc.Transport{sbc.TransportUDP, sbc.TransportTCP, sbc.TransportTLS, sbc.TransportWS, sbc.TransportWSS}
	if i := slices.Index(all, t); i >= 0 {
		return all[i]
	}
	return t
}
