package api

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// live is a set of calls.
type live struct {
	mu     sync.Mutex
	calls  []sbc.CallInfo
	hungUp []string
	// orders are those that were carried out besides, in words; refuse is what the next one gets.
	orders []string
	refuse error
}

func (l *live) List(f sbc.CallFilter) []sbc.CallInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	var page []sbc.CallInfo
	for _, c := range l.calls {
		if c.ID > f.After && (f.TenantID == "" || f.TenantID == c.TenantID) && (f.State == "" || f.State == c.State) &&
			(f.Caller == "" || f.Caller == c.Caller) && (f.Variable == "" || c.Variables[f.Variable] == f.Value) && (!f.Stale || c.Stale != "") && len(page) < f.Limit {
			page = append(page, c)
		}
	}
	return page
}

// Statistics counts the calls that are there, all of them as answered.
func (l *live) Statistics(tenant string) sbc.CallStatistics {
	n := int64(len(l.List(sbc.CallFilter{TenantID: tenant, Limit: 1000})))
	return sbc.CallStatistics{
		Processed: n, Active: n, ByState: map[sbc.CallState]int64{sbc.CallConfirmed: n}, ByEndReason: map[sbc.EndReason]int64{},
		ByDisposition: map[sbc.Disposition]int64{},
	}
}

func (l *live) Get(id string) (sbc.CallInfo, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.calls {
		if c.ID == id {
			return c, true
		}
	}
	return sbc.CallInfo{}, false
}

func (l *live) HangUp(_ context.Context, id, reason string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range l.calls {
		if c.ID == id {
			l.calls = slices.Delete(slices.Clone(l.calls), i, i+1)
			l.hungUp = append(l.hungUp, fmt.Sprintf("%s: %s", id, reason))
			return nil
		}
	}
	return sbc.Errorf(sbc.CodeNotFound, "no call %s", id)
}

func (l *live) HangUpAll(ctx context.Context, f sbc.CallFilter, reason string, dryRun bool) (ids []string, err error) {
	f.Limit = 1000
	for _, c := range l.List(f) {
		ids = append(ids, c.ID)
		if !dryRun {
			err = l.HangUp(ctx, c.ID, reason)
		}
	}
	return ids, err
}

// take carries out an order to a call in progress.
func (l *live) take(id string, order any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return l.refuse
	}
	l.orders = append(l.orders, fmt.Sprintf("%s %T%+v", id, order, order))
	return nil
}

func (l *live) Hold(_ context.Context, id string, o sbc.HoldOrder) error { return l.take(id, o) }

func (l *live) Reinvite(_ context.Context, id string, o sbc.ReinviteOrder) error {
	return l.take(id, o)
}

func (l *live) SendInfo(_ context.Context, id string, o sbc.InfoOrder) (sbc.InfoAnswer, error) {
	return sbc.InfoAnswer{Status: 415, Reason: "Not that", ContentType: "text/plain", Body: "x"}, l.take(id, o)
}

func (l *live) SendDTMF(_ context.Context, id string, o sbc.DTMFOrder) error { return l.take(id, o) }

func (l *live) Play(_ context.Context, id string, o sbc.PlayOrder) error { return l.take(id, o) }

func (l *live) StopPlaying(_ context.Context, id string, sides []sbc.Side) error {
	return l.take(id, struct{ Stop []sbc.Side }{sides})
}

func (l *live) Transfer(_ context.Context, id string, o sbc.TransferOrder) error {
	return l.take(id, o)
}

func (l *live) Originate(_ context.Context, o sbc.OriginateOrder) (sbc.CallInfo, error) {
	if err := l.take("new", o); err != nil {
		return sbc.CallInfo{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	call := sbc.CallInfo{ID: sbc.NewID(sbc.PrefixCall), TenantID: o.TenantID, State: sbc.CallSetup, OpenSIPSState: 1, IngressTrunkID: o.TrunkID,
		Caller: o.From, Callee: o.To, Variables: o.Variables, MaxDurationS: o.MaxDurationS}
	l.calls = append(l.calls, call)
	return call, nil
}

func (l *live) Change(_ context.Context, id string, c sbc.CallChange) (sbc.CallInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.calls {
		if l.calls[i].ID == id {
			now, err := changed(l.calls[i], c)
			if err == nil {
				l.calls[i] = now
			}
			return now, err
		}
	}
	return sbc.CallInfo{}, sbc.Errorf(sbc.CodeNotFound, "no call %s", id)
}

func (l *live) Messages(id string) ([]sbc.TraceMessage, bool) {
	if id == "call_forgotten" {
		return nil, false
	}
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	return []sbc.TraceMessage{{At: at, Side: sbc.SideCaller, Direction: "in", Transport: sbc.TransportUDP,
		LocalAddress: "127.0.0.10:5060", RemoteAddress: "127.0.0.20:5060", Summary: "INVITE sip:1@x SIP/2.0",
		Raw: "INVITE sip:1@x SIP/2.0\r\n\r\n"}}, true
}

func (l *live) Media(id string) ([]sbc.StreamStats, bool) {
	return []sbc.StreamStats{{Side: sbc.SideCaller, Media: "audio", Codec: "PCMA/8000", LocalAddress: "127.0.0.10:30000",
		RemoteAddress: "127.0.0.20:40000", Packets: 500, Octets: 86000, Lost: -1, MOS: 4.36,
		SSRC: 4294967295}}, id != "call_forgotten"
}

func (l *live) Decision(id string) (sbc.Explanation, bool) {
	if _, ok := l.Get(id); !ok {
		return sbc.Explanation{}, false
	}
	return seededDecision(), true
}

// seededDecision is a trace.
func seededDecision() sbc.Explanation {
	return sbc.Explanation{
		Outcome: sbc.OutcomeRoute, Number: "4930",
		Steps:    []sbc.DecisionStep{{Stage: "route", Verdict: "taken", Detail: "the longest prefix"}},
		Attempts: []sbc.DecisionAttempt{},
	}
}
