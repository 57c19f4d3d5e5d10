package sbc

import "time"

// EndReason says why a call ended (features.md 9.8).
type EndReason string

// The reasons.
const (
	EndCallerBye    EndReason = "caller_bye"
	EndCalleeBye    EndReason = "callee_bye"
	EndCallerCancel EndReason = "caller_cancel"
	EndRejected     EndReason = "rejected"      // the callee or the last attempt refused
	EndBusy         EndReason = "busy"          // 486, 600
	EndNoAnswer     EndReason = "no_answer"     // rang too long, 408, 480
	EndNoRoute      EndReason = "no_route"      // no rule, or no target alive
	EndLimit        EndReason = "limit"         // a limit of a trunk
	EndMaxDuration  EndReason = "max_duration"  //
	EndAdmin        EndReason = "admin"         // hung up through the API
	EndMediaTimeout EndReason = "media_timeout" // silence
	EndNoAck        EndReason = "no_ack"        // the caller never acknowledged the answer
	EndShutdown     EndReason = "shutdown"      // the node was stopped
	EndNodeFailure  EndReason = "node_failure"  // the node died; the record was made at its restart
	EndError        EndReason = "error"         // a fault of ours, or of a message
	EndSessionTimer EndReason = "session_timer" // nobody refreshed the session (RFC 4028 10)
	EndPeerDead     EndReason = "peer_dead"     // a peer does not answer our OPTIONS any more
	EndTransferred  EndReason = "transferred"   // its legs went on in another call
	EndDrained      EndReason = "drained"       // the deadline of a trunk or endpoint that is taken out of service
	EndStale        EndReason = "stale"         // found without a live leg
)

// Disposition sorts calls as billing systems do.
type Disposition string

// The dispositions.
const (
	DispositionAnswered Disposition = "answered"
	DispositionBusy     Disposition = "busy"
	DispositionNoAnswer Disposition = "no_answer"
	DispositionCanceled Disposition = "cancelled"
	DispositionFailed   Disposition = "failed"
)

// CDR is the record of one call. There is exactly one for each call, answered or not.
type CDR struct {
	ID string `json:"id"`
	// Sequence is the order of commit in the store: a reader of the feed keeps the last one it saw.
	Sequence       int64  `json:"sequence"`
	CallID         string `json:"call_id"`
	TenantID       string `json:"tenant_id"`
	Node           string `json:"node"`
	IngressTrunkID string `json:"ingress_trunk_id,omitempty"`
	EgressTrunkID  string `json:"egress_trunk_id,omitempty"`
	// The trunk of a subscriber's leg is its domain; these are the subscribers.
	CallerSubscriberID string `json:"caller_subscriber_id,omitempty"`
	CalleeSubscriberID string `json:"callee_subscriber_id,omitempty"`
	// Caller and Callee are the numbers as received, the normalised ones as the number plan and the dialplan of whom the call came from made
	// them, CalleeSent is the one sent in the last attempt.
	Caller           string `json:"caller"`
	Callee           string `json:"callee"`
	CallerNormalised string `json:"caller_normalised,omitempty"`
	CalleeNormalised string `json:"callee_normalised,omitempty"`
	CalleeSent       string `json:"callee_sent,omitempty"`
	FromURI          string `json:"from_uri,omitempty"`
	ToURI            string `json:"to_uri,omitempty"`
	RequestURI       string `json:"request_uri,omitempty"`

	StartedAt time.Time `json:"started_at"`
	// ProgressAt is the first 18x sent to the caller, AnsweredAt the 200, EndedAt the end.
	ProgressAt *time.Time `json:"progress_at,omitempty"`
	AnsweredAt *time.Time `json:"answered_at,omitempty"`
	EndedAt    time.Time  `json:"ended_at"`
	// LastMediaAt is the last media packet of either side.
	LastMediaAt *time.Time `json:"last_media_at,omitempty"`
	// SetupMS is INVITE to 200; PDDMS INVITE to first 18x or final; RingMS first 18x to 200 or end; DurationMS 200 to end.
	SetupMS    int64 `json:"setup_ms"`
	PDDMS      int64 `json:"pdd_ms"`
	RingMS     int64 `json:"ring_ms"`
	DurationMS int64 `json:"duration_ms"`
	// BillableMS is DurationMS, without the silent tail where the media timeout ended the call.
	BillableMS int64 `json:"billable_ms"`

	Disposition Disposition `json:"disposition"`
	EndReason   EndReason   `json:"end_reason"`
	ReleasedBy  Side        `json:"released_by"`
	// FinalCode and FinalReason are what the caller's INVITE was answered with (487 for a cancelled one).
	FinalCode   int    `json:"final_code"`
	FinalReason string `json:"final_reason,omitempty"`
	// Q850Cause is from the Reason header of the releasing side or mapped from the code by RFC 3398; 0 if unknown.
	Q850Cause int `json:"q850_cause,omitempty"`
	// Recovered marks a record made after a crash; its EndedAt is the node's last sign of life.
	Recovered bool `json:"recovered"`

	// MediaMode is the way that media took: MediaRelay, MediaDirect or MediaAnchored; "" where no attempt was made. Media has no
	// figures of what did not pass the border.
	MediaMode MediaMode `json:"media_mode,omitempty"`
	// Variables are the call's at its end.
	Variables map[string]string `json:"variables,omitempty"`
	// LinkedCallIDs are calls whose legs came together with this one's in an attended transfer.
	LinkedCallIDs []string `json:"linked_call_ids,omitempty"`

	// Cost is what the call costs by the cost deck of the trunk that answered, Price what it is charged by the price deck of whom it came
	// from; nil where it was not answered, or no rate held at its answer.
	Cost  *Charge `json:"cost,omitempty"`
	Price *Charge `json:"price,omitempty"`

	ConfigRevision int64         `json:"config_revision"`
	RuleID         string        `json:"rule_id,omitempty"`
	Legs           []CDRLeg      `json:"legs"`
	Attempts       []CDRAttempt  `json:"attempts"`
	Media          []StreamStats `json:"media"`
	// Decision is why the call went where it went, made by the code of Explain while it was decided; nil for one that ended with its
	// process, or went on in another. The API shows it by itself.
	Decision *Explanation `json:"decision,omitempty"`
}

// CDRLeg is one side's dialog in a record.
type CDRLeg struct {
	Side          Side      `json:"side"`
	SIPCallID     string    `json:"sip_call_id"`
	Transport     Transport `json:"transport,omitempty"`
	LocalAddress  string    `json:"local_address,omitempty"`
	RemoteAddress string    `json:"remote_address,omitempty"`
	UserAgent     string    `json:"user_agent,omitempty"`
	// TLSVersion and CipherSuite are what was agreed on with the other end, for example "TLS 1.3" and "TLS_AES_128_GCM_SHA256"; "" without TLS.
	TLSVersion  string `json:"tls_version,omitempty"`
	CipherSuite string `json:"cipher_suite,omitempty"`
	// Role is "" for the two legs of a plain call, "transferor" for one that was replaced, "transfer_target" for the one that came
	// in its place. JoinedAt and LeftAt are set on legs that were not there from the beginning to the end.
	Role     string     `json:"role,omitempty"`
	JoinedAt *time.Time `json:"joined_at,omitempty"`
	LeftAt   *time.Time `json:"left_at,omitempty"`
}

// CDRAttempt is one try to reach the callee.
type CDRAttempt struct {
	Number     int    `json:"number"`
	TrunkID    string `json:"trunk_id"`
	EndpointID string `json:"endpoint_id"`
	// SubscriberID and RegistrationID are whom it rang, where that was a subscriber.
	SubscriberID   string `json:"subscriber_id,omitempty"`
	RegistrationID string `json:"registration_id,omitempty"`
	// ForwardedBy is the subscriber that had the call forwarded, on whose account it is; ForwardReason why: unconditional, busy,
	// no_answer, unreachable, not_registered, do_not_disturb, or redirected by its phone.
	ForwardedBy   string     `json:"forwarded_by,omitempty"`
	ForwardReason string     `json:"forward_reason,omitempty"`
	Callee        string     `json:"callee"`
	SIPCallID     string     `json:"sip_call_id"`
	RemoteAddress string     `json:"remote_address,omitempty"`
	StartedAt     time.Time  `json:"started_at"`
	ProgressAt    *time.Time `json:"progress_at,omitempty"`
	EndedAt       *time.Time `json:"ended_at,omitempty"`
	// Code is the final answer; 0 with a Reason where there was none ("timeout", "unreachable", "cancelled").
	Code   int    `json:"code"`
	Reason string `json:"reason,omitempty"`
}

// AuditEvent is one write through the API.
type AuditEvent struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`
	TenantID string    `json:"tenant_id,omitempty"`
	// Actor is the id of the API key, "system" for the program itself.
	Actor       string `json:"actor"`
	SourceIP    string `json:"source_ip,omitempty"`
	RequestID   string `json:"request_id,omitempty"`
	OperationID string `json:"operation_id"`
	Kind        Kind   `json:"kind,omitempty"`
	ResourceID  string `json:"resource_id,omitempty"`
	// Before and After are the resource as the API shows it, secrets left out; absent where there was none.
	Before any `json:"before,omitempty"`
	After  any `json:"after,omitempty"`
	// Revision is the configuration revision the write made, 0 for writes outside the configuration.
	Revision int64 `json:"revision"`
}
