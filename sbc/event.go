package sbc

import "time"

// EventType names what happened (../shared/defaults.md, "Event names").
type EventType string

// The events.
const (
	// The state of a call changed; data: state, opensips_state, caller, callee, egress_trunk_id and at the end end_reason, released_by,
	// final_code, duration_ms. It is raised only while somebody wants it.
	EventCallState      EventType = "call.state"
	EventCallDTMF       EventType = "call.dtmf"       // a digit was sent; data: side, digit ("*" where masked), duration_ms
	EventCallHold       EventType = "call.hold"       // data: side, held
	EventCallTransfer   EventType = "call.transfer"   // data: stage (requested, ringing, completed, failed), by, target, code
	EventCallStale      EventType = "call.stale"      // a call without a live leg was found and ended
	EventCallDead       EventType = "call.dead"       // a detector ended a call; data: detector, side
	EventSecurityDialog EventType = "security.dialog" // a request for a dialog came from where it may not; data: method, source, reason

	EventRegistrationNew         EventType = "registration.new"         // data: registration_id, aor, contact, source, user_agent
	EventRegistrationRefreshed   EventType = "registration.refreshed"   // the contact's source changed; data: registration_id, aor, contact, source
	EventRegistrationRemoved     EventType = "registration.removed"     // data: registration_id, aor, contact, reason (unregistered, expired, replaced, api, unreachable, account)
	EventRegistrationUnreachable EventType = "registration.unreachable" // data: registration_id, aor, contact, misses, reason
	EventRegistrationReachable   EventType = "registration.reachable"   // data: registration_id, aor, contact
	EventSecurityAuth            EventType = "security.auth_failed"     // data: source, domain, username (as claimed), method, reason
	EventSecurityFlood           EventType = "security.flood"           // data: source, realm_id, kind, count, observed
	EventSecurityBan             EventType = "security.ban"             // data: source, reason, evidence, seconds, observed
	EventSecurityUnban           EventType = "security.unban"           // data: source, by
	EventSecurityContact         EventType = "security.contact"         // a Contact that the policy refuses; data: source, aor, contact, reason
	EventSecurityEgress          EventType = "security.egress"          // a name or address that leads where it may not; data: target, reason
	EventSecurityScanner         EventType = "security.scanner"         // data: source, pattern
	EventSecurityIdentity        EventType = "security.identity"        // a caller claimed an identity not its own; data: source, subscriber_id, identity
	EventSecurityMedia           EventType = "security.media"           // media are not encrypted as they must be; data: side, reason
	EventSubscriberChanged       EventType = "subscriber.changed"       // by a feature code; data: subscriber_id, feature, target
	EventVoicemailMessage        EventType = "voicemail.message"        // data: subscriber_id, message_id, caller, duration_ms
	EventVoicemailLost           EventType = "voicemail.lost"           // a recording is no message; data: subscriber_id, message_id, reason
	EventOverload                EventType = "system.overload"          // data: state (begin, end), reason
	EventRegistrant              EventType = "registrant.state"         // of ours at a carrier; data: registrant_id, registrar, aor, state, before, code, reason
	EventAddress                 EventType = "address.changed"          // by STUN; data: resource, id, address, before, server
	EventGatewayState            EventType = "gateway.state"            // calls go to an endpoint no more, or again; data: endpoint_id, state, before, reason
	// What the calls on a trunk are worth changed; data: profile_id, prefix, metric, value, bound, state (QualityState).
	EventGatewayQuality EventType = "gateway.quality"

	// Of a certificate or authority; data: id, kind, name, and not_after and days that are left (30, 7, 1), once for each.
	EventCertificateExpiring EventType = "certificate.expiring"
	EventCertificateExpired  EventType = "certificate.expired" // data: id, kind, name, not_after
	EventCertificateRenewed  EventType = "certificate.renewed" // data: id, kind, name, source
	EventCertificateFailed   EventType = "certificate.failed"  // it could not be renewed; data: id, kind, name, source, reason
)

// EventTypes lists every type.
func EventTypes() []EventType {
	return []EventType{
		EventCallState, EventCallDTMF, EventCallHold, EventCallTransfer, EventCallStale, EventCallDead, EventSecurityDialog,
		EventRegistrationNew, EventRegistrationRefreshed, EventRegistrationRemoved, EventRegistrationUnreachable,
		EventRegistrationReachable, EventSecurityAuth, EventSecurityFlood, EventSecurityBan, EventSecurityUnban, EventSecurityContact,
		EventSecurityEgress, EventSecurityScanner, EventSecurityIdentity, EventSecurityMedia, EventSubscriberChanged,
		EventVoicemailMessage, EventOverload, EventAddress, EventGatewayState, EventGatewayQuality, EventRegistrant,
		EventCertificateExpiring, EventCertificateExpired, EventCertificateRenewed, EventCertificateFailed,
	}
}

// Event is something that happened and that others may want to know.
type Event struct {
	// ID rises with time: a reader keeps the last one it saw.
	ID       string            `json:"id"`
	Type     EventType         `json:"type"`
	At       time.Time         `json:"at"`
	TenantID string            `json:"tenant_id,omitempty"`
	CallID   string            `json:"call_id,omitempty"`
	TrunkID  string            `json:"trunk_id,omitempty"`
	Data     map[string]string `json:"data"`
}

// EventQuery selects events, by rising id.
type EventQuery struct {
	TenantID, CallID string
	Type             EventType
	// After is the id after which to begin; Limit is how many at most.
	After string
	Limit int
}

// EventFeed reads events as they happen. It is for one goroutine.
type EventFeed interface {
	// Wake can be read from when there may be something new. It is closed when there will be no more.
	Wake() <-chan struct{}
	// Read gives what has come since the last time, by rising id. missed, if not empty, is the id up to which events are gone that
	// were not read: the first time they went before the feed began, later on because its reader did not keep up.
	Read() (events []Event, missed string)
	// Close ends the feed. slow says that its reader did not keep up.
	Close(slow bool)
}
