package media

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"github.com/sallyport/sallyport/media/ice"
	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/secure"
)

// gate is what speaks by the ports of one m-line of a party and is no media: answers to checks (ICE), and the handshake that
// makes keys (DTLS). A line without both has none. Its methods are called by the thread that moves packets and by goroutines of
// agent and association; what changes is the session's, which swaps pointers.
type gate struct {
	e      *Engine
	stream *relay.Stream
	// port is where the party was heard last, or is expected: what we say leaves there.
	port  atomic.Pointer[relay.Port]
	agent atomic.Pointer[ice.Agent] // nil without ICE
	deal  atomic.Pointer[deal]      // nil without DTLS
	deals []*deal                   // belong to the session's lock
}

// open gives the gate of an end, made when it is needed first.
func (e *end) open(en *Engine) *gate {
	if e.gate == nil {
		e.gate = &gate{e: en, stream: e.stream}
		e.gate.port.Store(e.pair.RTP)
		e.stream.Host(e.gate)
	}
	return e.gate
}

// shutGate ends what the gate has under way.
func (e *end) shutGate() {
	if e.gate == nil {
		return
	}
	e.stream.Host(nil)
	e.gate.unagree()
	if e.agent != nil {
		e.agent.Close()
	}
	e.gate, e.agent, e.reach = nil, nil, nil
}

// Take hears a datagram that is no RTP.
func (g *gate) Take(port *relay.Port, b []byte, src netip.AddrPort, control bool, now int64) {
	switch {
	case ice.Looks(b):
		g.check(port, b, src, control, now)
	case secure.Looks(b) && !control:
		g.handshake(port, b, src, now)
	}
}

// check answers a check, if it is right. Without ICE a STUN keep-alive is nothing to us.
func (g *gate) check(port *relay.Port, b []byte, src netip.AddrPort, control bool, now int64) {
	agent := g.agent.Load()
	if agent == nil {
		return
	}
	c := ice.RTP
	if control {
		c = ice.RTCP
	}
	if answer := agent.Take(b, src, c, now); answer != nil {
		if !control {
			g.port.Store(port)
		}
		port.Send(answer, src)
	}
}

// handshake passes a datagram of DTLS on if it may be the party's: from a source that ICE has proved, or else that the latch
// would take.
func (g *gate) handshake(port *relay.Port, b []byte, src netip.AddrPort, now int64) {
	d := g.deal.Load()
	if d == nil {
		return
	}
	var may, surely bool
	if agent := g.agent.Load(); agent != nil {
		may = agent.Valid(ice.RTP, src)
		surely = may
	} else {
		may, surely = g.stream.Admits(src, false, now)
	}
	if may {
		g.port.Store(port)
		d.association.Take(b, src, surely)
	}
}

// send sends a datagram of the handshake: to the pair that ICE chose, or where the handshake came from, or where signalling says.
func (g *gate) send(b []byte, to netip.AddrPort) {
	at := g.stream.Destination(false)
	if g.agent.Load() != nil && at.IsValid() || !to.IsValid() {
		to = at
	}
	if to.IsValid() {
		g.port.Load().Send(b, to)
	}
}

// Selected is told by the agent which pair the party chose.
func (g *gate) Selected(c ice.Component, src netip.AddrPort) {
	g.stream.Nominate(src, c == ice.RTCP, g.e.clock())
	if d := g.deal.Load(); d != nil && c == ice.RTP {
		d.association.Start() // if it is for us to begin
	}
}

// Lost is told by the agent that the party asks for no media any more (RFC 7675): it gets none, and what it sends does not
// count, so that the supervision of silence finds it.
func (g *gate) Lost(c ice.Component) {
	defer g.e.recovered("consent")
	g.stream.Forsake(c == ice.RTCP)
}

// recovered is for deferring in goroutines of others.
func (en *Engine) recovered(what string) {
	if v := recover(); v != nil {
		en.o.Log.Error("media panicked", "in", what, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

// deal is a handshake and what came of it. One that another answer put aside (forking) goes on when its party is heard again:
// nobody would begin it once more.
type deal struct {
	*shake
	association *secure.Association
	keys        atomic.Pointer[relay.Keys]
	arrive      atomic.Pointer[func(k relay.Keys, now int64)]
}

// mostDeals bounds the handshakes of one line that are kept: forks that answered.
const mostDeals = 4

// agree puts a handshake to use in place of another one: until it has keys nothing passes. failed is called if there will be
// none.
func (g *gate) agree(h *shake, suites []secure.Suite, failed func(error)) {
	i := slices.IndexFunc(g.deals, func(d *deal) bool { return d.shake == h })
	if i < 0 {
		if i = len(g.deals); i == mostDeals {
			g.deals[0].association.Close()
			g.deals, i = g.deals[1:], i-1
		}
		g.deals = append(g.deals, g.begin(h, suites, failed))
	}
	d := g.deals[i]
	g.deal.Store(d)
	now := g.e.clock()
	arrive := g.stream.Await(now)
	d.arrive.Store(&arrive)
	if k := d.keys.Load(); k != nil {
		arrive(*k, now)
		return
	}
	if g.agent.Load() == nil || g.stream.Destination(false).IsValid() {
		d.association.Start()
	}
}

// begin makes the association of a handshake.
func (g *gate) begin(h *shake, suites []secure.Suite, failed func(error)) *deal {
	d := &deal{shake: h}
	d.association = secure.NewAssociation(secure.AssociationOptions{
		Identity: h.own, Active: h.active, Peer: h.peer, Suites: suites, Send: g.send, Limit: g.e.handshakes, Log: g.e.o.Log,
		Ready: func(seal, open *secure.Context, source netip.AddrPort) {
			g.ready(d, relay.Keys{In: open, Out: seal}, source)
		},
		Failed: func(err error) {
			g.e.unshaken.Add(1)
			if g.deal.Load() == d {
				failed(err)
			}
		},
	})
	return d
}

// ready takes the keys of a handshake. Where there is no ICE its source has proved to be the party by it, as an authentic
// packet would.
func (g *gate) ready(d *deal, k relay.Keys, source netip.AddrPort) {
	defer g.e.recovered("keys")
	g.e.shaken.Add(1)
	now := g.e.clock()
	d.keys.Store(&k)
	if f := d.arrive.Load(); f != nil {
		(*f)(k, now)
	}
	if g.deal.Load() != d || g.agent.Load() != nil {
		return
	}
	if may, _ := g.stream.Admits(source, false, now); may {
		g.stream.Nominate(source, false, now)
	}
}

// unagree ends all handshakes.
func (g *gate) unagree() {
	g.deal.Store(nil)
	for _, d := range g.deals {
		d.association.Close()
	}
	g.deals = nil
}
