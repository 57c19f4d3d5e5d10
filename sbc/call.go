package sbc

import "time"

// CallState is how far a call is (numbers of features.md 1.7 in words).
type CallState string

// The states of a call.
const (
	CallSetup       CallState = "setup"       // INVITE received, no 18x sent
	CallEarly       CallState = "early"       // ringing or early media
	CallAnswered    CallState = "answered"    // 200 sent, no ACK yet
	CallConfirmed   CallState = "confirmed"   // ACK received
	CallTerminating CallState = "terminating" // being released
	CallEnded       CallState = "ended"
)

// OpenSIPS is the state as OpenSIPS numbers those of a dialog: 1 unconfirmed, 2 early, 3 answered without ACK, 4 confirmed, 5 ended,
// which a call that is being released is already.
func (s CallState) OpenSIPS() int {
	switch s {
	case CallSetup:
		return 1
	case CallEarly:
		return 2
	case CallAnswered:
		return 3
	case CallConfirmed:
		return 4
	}
	return 5
}

// Side names a leg: the caller's (A) or the callee's (B).
type Side string

// The sides.
const (
	SideCaller Side = "caller"
	SideCallee Side = "callee"
	SideSBC    Side = "sbc" // only for "released by"
)

// CallInfo is a call in progress as the API shows it.
type CallInfo struct {
	ID       string    `json:"id"`
	TenantID string    `json:"tenant_id"`
	State    CallState `json:"state"`
	// OpenSIPSState is State in numbers, see CallState.OpenSIPS.
	OpenSIPSState int `json:"opensips_state"`
	// Stale says why nothing can end the call any more, where CallFilter.Stale asked for such calls.
	Stale          string `json:"stale,omitempty"`
	IngressTrunkID string `json:"ingress_trunk_id"`
	EgressTrunkID  string `json:"egress_trunk_id,omitempty"`
	// The trunk of a subscriber's leg is its domain; these are the subscribers.
	CallerSubscriberID string     `json:"caller_subscriber_id,omitempty"`
	CalleeSubscriberID string     `json:"callee_subscriber_id,omitempty"`
	Caller             string     `json:"caller"`
	Callee             string     `json:"callee"`
	StartedAt          time.Time  `json:"started_at"`
	AnsweredAt         *time.Time `json:"answered_at,omitempty"`
	// EndsAt is when the maximum duration ends the call.
	EndsAt *time.Time `json:"ends_at,omitempty"`
	// MaxDurationS counts from the answer.
	MaxDurationS int `json:"max_duration_s"`
	// MediaMode is the way that media take, as in CDR.
	MediaMode MediaMode `json:"media_mode,omitempty"`
	// Variables are set through the API or by rules, and go into the record.
	Variables map[string]string `json:"variables,omitempty"`
	// Held are the sides that were put on hold: by the other one, or through the API.
	Held []Side `json:"held,omitempty"`
	// Playing are the sides to which an announcement is played.
	Playing []Side `json:"playing,omitempty"`
	// Transfer is the stage of the transfer under way: requested, calling, ringing; "" for none.
	Transfer string `json:"transfer,omitempty"`
	// LinkedCallIDs are the calls whose legs came together with this one's in an attended transfer.
	LinkedCallIDs  []string  `json:"linked_call_ids,omitempty"`
	ConfigRevision int64     `json:"config_revision"`
	Legs           []LegInfo `json:"legs"`
}

// LegInfo is one SIP dialog of a call.
type LegInfo struct {
	Side          Side      `json:"side"`
	SIPCallID     string    `json:"sip_call_id"`
	LocalTag      string    `json:"local_tag,omitempty"`
	RemoteTag     string    `json:"remote_tag,omitempty"`
	State         string    `json:"state"`
	Transport     Transport `json:"transport,omitempty"`
	LocalAddress  string    `json:"local_address,omitempty"`
	RemoteAddress string    `json:"remote_address,omitempty"`
	UserAgent     string    `json:"user_agent,omitempty"`
	TrunkID       string    `json:"trunk_id,omitempty"`
	EndpointID    string    `json:"endpoint_id,omitempty"`
}

// TraceMessage is one SIP message of a call's ladder, exactly as it was on the wire.
type TraceMessage struct {
	At   time.Time `json:"at"`
	Side Side      `json:"side"`
	// Direction is "in" (towards the border) or "out".
	Direction     string    `json:"direction"`
	Transport     Transport `json:"transport"`
	LocalAddress  string    `json:"local_address"`
	RemoteAddress string    `json:"remote_address"`
	// Summary is the start line; Attempt counts from 1 on the callee's side.
	Summary string `json:"summary"`
	Attempt int    `json:"attempt,omitempty"`
	Raw     string `json:"raw"`
	// Note says what happened to the call where that is no message: then Summary and Raw are empty.
	Note string `json:"note,omitempty"`
}

// StreamStats is one media stream as one side sends it: what was received from that side and passed on.
type StreamStats struct {
	Side Side `json:"side"`
	// Index is the position of the m-line, Media its kind, Codec what was agreed.
	Index         int    `json:"index"`
	Media         string `json:"media"`
	Codec         string `json:"codec,omitempty"`
	LocalAddress  string `json:"local_address"`
	RemoteAddress string `json:"remote_address"`
	// Packets and Octets (RTP with header) received from this side; Lost by sequence numbers (RFC 3550 A.3).
	Packets uint64 `json:"packets"`
	Octets  uint64 `json:"octets"`
	Lost    int64  `json:"lost"`
	// Discarded counts packets of strangers and of no known form.
	Discarded uint64 `json:"discarded"`
	// RelayedPackets were sent on to the other side.
	RelayedPackets uint64 `json:"relayed_packets"`
	RTCPPackets    uint64 `json:"rtcp_packets"`
	// JitterMS is by RFC 3550 A.8; RoundTripMS from RTCP (6.4.1), 0 if unknown; MOS is the estimate of ITU-T G.107, 0 if unknown.
	JitterMS    float64    `json:"jitter_ms"`
	RoundTripMS float64    `json:"round_trip_ms"`
	MOS         float64    `json:"mos"`
	FirstPacket *time.Time `json:"first_packet_at,omitempty"`
	LastPacket  *time.Time `json:"last_packet_at,omitempty"`
	SSRC        uint32     `json:"ssrc,omitempty"`
	// SRTP is the suite by which the line is encrypted between this side and the border, "" in the clear; ZRTP says that the side sends
	// that (RFC 6189).
	SRTP SRTPSuite `json:"srtp,omitempty"`
	ZRTP bool      `json:"zrtp,omitempty"`
}
