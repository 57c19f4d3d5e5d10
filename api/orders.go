package api

import (
	"cmp"
	"context"
	"net/http"

	"github.com/sallyport/sallyport/sbc"
)

// order is something that is done to one call in progress.
type order struct {
	id     string
	dryRun *bool
	// faults are those of the order by itself; check, where set, finds those that need a look at something else.
	faults []sbc.Fault
	check  func(call sbc.CallInfo) ([]sbc.Fault, error)
	// told is what the audit log says of it.
	told map[string]any
	do   func(id string) error
	// status is that of the answer, 0 for 204; answer is its body, which do fills in.
	status int
	answer any
}

// carryOut does what is ordered. The call comes first, and the audit event after: who cuts a call whose credit is used up must
// succeed while the store is away.
func (s *server) carryOut(ctx context.Context, o order) error {
	call, err := s.call(ctx, o.id)
	if err != nil {
		return err
	}
	faults := o.faults
	if o.check != nil {
		more, err := o.check(call)
		if err != nil {
			return err
		}
		faults = append(faults, more...)
	}
	if err := sbc.Invalid(faults); err != nil {
		return err
	}
	if value(o.dryRun) {
		return nil
	}
	if err := o.do(call.ID); err != nil {
		return err
	}
	s.tell(ctx, told{tenant: call.TenantID, call: call.ID, after: o.told, status: cmp.Or(o.status, http.StatusNoContent), body: o.answer})
	return nil
}

// told is what the audit log says of what was done to calls, and the answer that a repetition of the request gets.
type told struct {
	tenant, call string
	subject      string // what else it was done to
	after        map[string]any
	status       int
	header       map[string]string
	body         any  // nil for none
	failed       bool // the request failed although something was done: nothing is remembered
}

// tell writes it down. It is done by now: what cannot be written is in the log.
func (s *server) tell(ctx context.Context, what told) {
	c := callerOf(ctx)
	e := c.event()
	e.TenantID, e.ResourceID, e.After = what.tenant, cmp.Or(what.call, what.subject), what.after
	auditing, cancel := background(ctx, auditPatience)
	defer cancel()
	err := s.o.Store.Update(auditing, func(tx sbc.Tx) error {
		if err := tx.Audit(e); err != nil {
			return err
		}
		if what.failed {
			return nil
		}
		return s.remember(tx, c, what.status, what.header, what.body)
	})
	if err != nil {
		s.log.Error("api: what was done is not in the audit log", "request_id", c.requestID, "actor", e.Actor,
			"source_ip", e.SourceIP, "operation_id", e.OperationID, "call_id", what.call, "error", err)
	}
}
