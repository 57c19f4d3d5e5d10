package sbc

// append writes the decision as encoding/json spells it, for AppendJSON.
func (e *Explanation) append(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.text("outcome", string(e.Outcome))
	o.optional("trunk_id", e.TrunkID)
	o.optional("identity_id", e.IdentityID)
	o.optional("number", e.Number)
	o.optional("routing_plan_id", e.RoutingPlanID)
	o.optional("rule_id", e.RuleID)
	if e.RejectCode != 0 {
		o.integer("reject_code", int64(e.RejectCode))
	}
	o.optional("reject_reason", e.RejectReason)
	o.key("steps")
	o.b = appendList(o.b, e.Steps, (*DecisionStep).append)
	o.key("attempts")
	o.b = appendList(o.b, e.Attempts, (*DecisionAttempt).append)
	o.optional("message", e.Message)
	return append(o.b, '}')
}

func (s *DecisionStep) append(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.text("stage", s.Stage)
	o.optional("subject", s.Subject)
	o.text("verdict", s.Verdict)
	o.text("detail", s.Detail)
	return append(o.b, '}')
}

func (a *DecisionAttempt) append(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.text("trunk_id", a.TrunkID)
	o.optional("target_id", a.TargetID)
	o.text("endpoint_id", a.EndpointID)
	o.optional("subscriber_id", a.SubscriberID)
	o.optional("registration_id", a.RegistrationID)
	if a.Together != 0 {
		o.integer("together", int64(a.Together))
	}
	o.text("number", a.Number)
	o.text("address", a.Address)
	o.integer("port", int64(a.Port))
	o.text("transport", string(a.Transport))
	o.optional("srtp", string(a.SRTP))
	return append(o.b, '}')
}
