package media

import (
	"fmt"
	"net/netip"
	"runtime/debug"
	"sync/atomic"

	"github.com/sallyport/sallyport/media/ice"
	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/secure"
)

// gate is what speaks by the ports of one m-line of a party and is no media: answers to checks (ICE), and the handshake that makes keys
// (DTLS). A line without both has none. Its methods are called by the thread that moves packets and by goroutines of agent and
// association; what changes is the session's, which swaps pointers.
type gate struct {
	e      *Engine
	stream *relay.Stream
	// port is where the party was heard last, or is expected: what we say leaves there.
	port  atomic.Pointer[relay.Port]
	agent atomic.Pointer[ice.Agent]          // nil without ICE
	keys  atomic.Pointer[secure.Association] // nil without DTLS
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
	e.gate.without()
	e.gate = nil
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

// handshake passes a datagram of DTLS on if it may be the party's: from a source that ICE has proved, or else that the latch would take.
func (g *gate) handshake(port *relay.Port, b []byte, src netip.AddrPort, now int64) {
	keys := g.keys.Load()
	if keys == nil {
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
		keys.Take(b, src, surely)
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
	if keys := g.keys.Load(); keys != nil && c == ice.RTP {
		keys.Start() // if it is for us to begin
	}
}

// Lost is told by the agent that the party asks for no media any more (RFC 7675): it gets none, and what it sends does not count, so that
// the supervision of silence finds it.
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

// within gives the agent, made when the party speaks ICE first.
func (g *gate) within() *ice.Agent {
	a := g.agent.Load()
	if a == nil {
		a = ice.New(g)
		g.agent.Store(a)
	}
	return a
}

// without ends ICE.
func (g *gate) without() {
	if a := g.agent.Swap(nil); a != nil {
		a.Close()
	}
}

// agree begins an association in place of the one before: until it has keys nothing passes. failed is called if there will be none.
func (g *gate) agree(o secure.AssociationOptions, failed func(error)) {
	arrive := g.stream.Await(g.e.clock())
	o.Send, o.Limit, o.Log = g.send, g.e.handshakes, g.e.o.Log
	o.Ready = func(seal, open *secure.Context, _ netip.AddrPort) {
		arrive(relay.Keys{In: open, Out: seal}, g.e.clock())
	}
	o.Failed = failed
	next := secure.NewAssociation(o)
	if before := g.keys.Swap(next); before != nil {
		before.Close()
	}
	if g.agent.Load() == nil || g.stream.Destination(false).IsValid() {
		next.Start()
	}
}

// unagree ends the association.
func (g *gate) unagree() {
	if k := g.keys.Swap(nil); k != nil {
		k.Close()
	}
}
