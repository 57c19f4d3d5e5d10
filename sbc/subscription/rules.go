package subscription

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/prove"
)

// names are who asked and who was asked, for header rules.
type names struct{ caller, callee string }

// received applies the header rules of a trunk to a message that came from it, before anything reads its headers.
func (n names) received(snap *config.Snapshot, t *sbc.Trunk, m *msg.Message) *msg.Message {
	return snap.HeaderRules(t).In(m, n.fields(t, m.Hop.Remote.Addr().String(), m.Hop.Local.Addr().String()))
}

// leaving applies the header rules of a trunk to a message for it, after everything else. A rule writes nothing that the trunk
// must not know of the other side; f is nil where there is none yet. Values may hold header.HostToken.
func (n names) leaving(snap *config.Snapshot, t *sbc.Trunk, f *header.Flow, m *msg.Message) *msg.Message {
	may := func(name, value string) bool { return f == nil || snap.Header.May(*f, name, value) }
	return snap.HeaderRules(t).Out(m, n.fields(t, "", header.HostToken), may)
}

// answer is leaving for a response.
func (n names) answer(snap *config.Snapshot, t *sbc.Trunk, f *header.Flow, tx msg.ServerTx, res *msg.Message) *msg.Message {
	out := n.leaving(snap, t, f, res)
	if out != res {
		header.FillAll(out, tx.Local().Host)
	}
	return out
}

// fields are what rules may ask beside the message: there is no call, and no variable of one.
func (n names) fields(t *sbc.Trunk, source, host string) header.Fields {
	return func(name string) string {
		switch name {
		case "caller":
			return header.Plain(n.caller)
		case "callee":
			return header.Plain(n.callee)
		case "source.ip":
			return source
		case "our.host":
			return host
		case "trunk.id":
			return t.ID
		case "trunk.name":
			return t.Name
		}
		return ""
	}
}

// settle applies the header rules to a request that is complete, and finds what answers the trunk's challenges.
func (o *outbound) settle(n names, snap *config.Snapshot, t *sbc.Trunk, f header.Flow) {
	o.prover = prove.New(snap.Credentials(t))
	if ruled := n.leaving(snap, t, &f, o.req); ruled != o.req {
		o.req = ruled
		o.open.Of(ruled)
	}
}

// wordsOf tell the sender of a request apart: no rule may write them for the other side.
func wordsOf(in *msg.Message) []string {
	words := []string{in.CallID, in.From.Tag(), in.Hop.Remote.Addr().String()}
	if in.Original != nil {
		in = in.Original
	}
	if c, ok := in.Contact(); ok {
		words = append(words, c.URI.Host)
	}
	return words
}

// answer sends a response to a request of a side's peer.
func (s *subscription) answer(at *side, tx msg.ServerTx, code int, headers ...msg.Header) {
	s.reply(at, tx, s.m.response(tx.Request(), code, headers...))
}

// reply is answer for a response that is made already.
func (s *subscription) reply(at *side, tx msg.ServerTx, res *msg.Message) {
	var f *header.Flow
	if from := s.beside(at); from != nil {
		x := s.flow(from, at)
		f = &x
	}
	s.m.respond(tx, s.names.answer(s.snap, at.trunk(), f, tx, res))
}

// beside is the other side of a subscription, nil before there is one.
func (s *subscription) beside(at *side) *side {
	if at == s.near {
		return s.far
	}
	return s.near
}
