package call

import (
	"cmp"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// explainPatience bounds the wait for the directory, which bounds it itself.
const explainPatience = 5 * time.Second

// explainDecision decides as live calls are decided, and waits for what is looked up meanwhile.
func (m *Manager) explainDecision(
	snap *config.Snapshot, req sbc.ExplainRequest, src identify.Source, in *msg.Message,
) (d decision, known bool, err error) {
	if req.CallerSubscriberID == "" {
		if d, known = m.decide(snap, in, req.Variables, true); !known {
			return d, false, nil
		}
		m.returns(snap, &d, true)
		d.asks()
	} else {
		from, err := m.explainCaller(snap, req.CallerSubscriberID)
		if err != nil {
			return d, false, err
		}
		from.Variables = req.Variables
		d = m.decideFrom(snap, from, in, true)
	}
	for d.ask != nil {
		q := d.ask
		e, err := m.await(q)
		m.answered(snap, &d, q, e, err, true)
	}
	return d, true, nil
}

// explainCaller is the subscriber that would call. Errors: CodeInvalid.
func (m *Manager) explainCaller(snap *config.Snapshot, id string) (*Origin, error) {
	e, err := m.await(&question{id: id})
	if err == nil {
		if d := snap.Domain(e.Subscriber.DomainID); d != nil {
			s := e.Subscriber
			return &Origin{Domain: d, Entry: e, How: "explanation", Inside: s.Username, Outside: outside(e), Display: s.DisplayName}, nil
		}
	} else if sbc.CodeOf(err) != sbc.CodeNotFound {
		return nil, err
	}
	return nil, sbc.Invalid([]sbc.Fault{{Pointer: "#/caller_subscriber_id", Code: "reference", Detail: "there is no such subscriber"}})
}

// await asks the directory and waits. It is for the API only.
func (m *Manager) await(q *question) (*sbc.Entry, error) {
	type answer struct {
		entry *sbc.Entry
		err   error
	}
	got := make(chan answer, 1)
	m.ask(q, func(e *sbc.Entry, err error) { got <- answer{e, err} })
	patience := time.NewTimer(explainPatience)
	defer patience.Stop()
	select {
	case a := <-got:
		return a.entry, a.err
	case <-patience.C:
		return nil, sbc.Errorf(sbc.CodeUnavailable, "the subscriber cannot be looked up now")
	}
}

// explainAttempt adds an attempt to a list: one line, or one for each phone of a subscriber.
func explainAttempt(list []sbc.DecisionAttempt, a *route.Attempt, number int) []sbc.DecisionAttempt {
	shown := sbc.DecisionAttempt{
		TrunkID: a.TrunkID, TargetID: a.TargetID, EndpointID: a.EndpointID, SubscriberID: a.Callee.ID(), Number: a.Number,
		Address: a.Address, Port: a.Port, Transport: cmp.Or(a.Transport, sbc.TransportAuto),
	}
	if a.Callee == nil || len(a.Callee.Phones) == 0 {
		return append(list, shown)
	}
	for i := range a.Callee.Phones {
		p, one := &a.Callee.Phones[i], shown
		one.RegistrationID, one.Together = p.RegistrationID, number
		one.Address, one.Port, one.Transport = p.Target.Host, p.Target.Port, p.Target.Transport
		if f := p.Target.Flow; f != nil {
			one.Address, one.Port = f.Remote.Addr().String(), int(f.Remote.Port())
		}
		list = append(list, one)
	}
	return list
}
