package sbc

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
)

// AppendJSON appends the record as encoding/json spells it, at less than half the cost and without allocations: every call is
// written three times. Numbers that JSON does not know (not-a-number, infinite) become 0, so that a bad estimate cannot cost a
// record; so it never fails.
func (c *CDR) AppendJSON(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.text("id", c.ID)
	o.integer("sequence", c.Sequence)
	o.text("call_id", c.CallID)
	o.text("tenant_id", c.TenantID)
	o.text("node", c.Node)
	o.optional("ingress_trunk_id", c.IngressTrunkID)
	o.optional("egress_trunk_id", c.EgressTrunkID)
	o.optional("caller_subscriber_id", c.CallerSubscriberID)
	o.optional("callee_subscriber_id", c.CalleeSubscriberID)
	o.text("caller", c.Caller)
	o.text("callee", c.Callee)
	o.optional("caller_normalised", c.CallerNormalised)
	o.optional("callee_normalised", c.CalleeNormalised)
	o.optional("callee_sent", c.CalleeSent)
	o.optional("from_uri", c.FromURI)
	o.optional("to_uri", c.ToURI)
	o.optional("request_uri", c.RequestURI)
	o.time("started_at", &c.StartedAt)
	o.time("progress_at", c.ProgressAt)
	o.time("answered_at", c.AnsweredAt)
	o.time("ended_at", &c.EndedAt)
	o.time("last_media_at", c.LastMediaAt)
	o.integer("setup_ms", c.SetupMS)
	o.integer("pdd_ms", c.PDDMS)
	o.integer("ring_ms", c.RingMS)
	o.integer("duration_ms", c.DurationMS)
	o.integer("billable_ms", c.BillableMS)
	o.text("disposition", string(c.Disposition))
	o.text("end_reason", string(c.EndReason))
	o.text("released_by", string(c.ReleasedBy))
	o.integer("final_code", int64(c.FinalCode))
	o.optional("final_reason", c.FinalReason)
	if c.Q850Cause != 0 {
		o.integer("q850_cause", int64(c.Q850Cause))
	}
	o.key("recovered")
	o.b = strconv.AppendBool(o.b, c.Recovered)
	o.optional("media_mode", string(c.MediaMode))
	if len(c.Variables) > 0 {
		o.any("variables", c.Variables)
	}
	if len(c.LinkedCallIDs) > 0 {
		o.any("linked_call_ids", c.LinkedCallIDs)
	}
	if c.Cost != nil {
		o.any("cost", c.Cost)
	}
	if c.Price != nil {
		o.any("price", c.Price)
	}
	o.integer("config_revision", c.ConfigRevision)
	o.optional("rule_id", c.RuleID)
	o.key("legs")
	o.b = appendList(o.b, c.Legs, (*CDRLeg).append)
	o.key("attempts")
	o.b = appendList(o.b, c.Attempts, (*CDRAttempt).append)
	o.key("media")
	o.b = appendList(o.b, c.Media, (*StreamStats).append)
	if c.Decision != nil {
		o.key("decision")
		o.b = c.Decision.append(o.b)
	}
	return append(o.b, '}')
}

func (l *CDRLeg) append(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.text("side", string(l.Side))
	o.text("sip_call_id", l.SIPCallID)
	o.optional("transport", string(l.Transport))
	o.optional("local_address", l.LocalAddress)
	o.optional("remote_address", l.RemoteAddress)
	o.optional("user_agent", l.UserAgent)
	o.optional("tls_version", l.TLSVersion)
	o.optional("cipher_suite", l.CipherSuite)
	o.optional("role", l.Role)
	o.time("joined_at", l.JoinedAt)
	o.time("left_at", l.LeftAt)
	return append(o.b, '}')
}

func (a *CDRAttempt) append(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.integer("number", int64(a.Number))
	o.text("trunk_id", a.TrunkID)
	o.text("endpoint_id", a.EndpointID)
	o.optional("subscriber_id", a.SubscriberID)
	o.optional("registration_id", a.RegistrationID)
	o.optional("forwarded_by", a.ForwardedBy)
	o.optional("forward_reason", a.ForwardReason)
	o.text("callee", a.Callee)
	o.text("sip_call_id", a.SIPCallID)
	o.optional("remote_address", a.RemoteAddress)
	o.time("started_at", &a.StartedAt)
	o.time("progress_at", a.ProgressAt)
	o.time("ended_at", a.EndedAt)
	o.integer("code", int64(a.Code))
	o.optional("reason", a.Reason)
	return append(o.b, '}')
}

func (s *StreamStats) append(b []byte) []byte {
	o := object{b: append(b, '{')}
	o.text("side", string(s.Side))
	o.integer("index", int64(s.Index))
	o.text("media", s.Media)
	o.optional("codec", s.Codec)
	o.text("local_address", s.LocalAddress)
	o.text("remote_address", s.RemoteAddress)
	o.unsigned("packets", s.Packets)
	o.unsigned("octets", s.Octets)
	o.integer("lost", s.Lost)
	o.unsigned("discarded", s.Discarded)
	o.unsigned("relayed_packets", s.RelayedPackets)
	o.unsigned("rtcp_packets", s.RTCPPackets)
	o.float("jitter_ms", s.JitterMS)
	o.float("round_trip_ms", s.RoundTripMS)
	o.float("mos", s.MOS)
	o.time("first_packet_at", s.FirstPacket)
	o.time("last_packet_at", s.LastPacket)
	if s.SSRC != 0 {
		o.unsigned("ssrc", uint64(s.SSRC))
	}
	o.optional("srtp", string(s.SRTP))
	if s.ZRTP {
		o.any("zrtp", true)
	}
	return append(o.b, '}')
}

func appendList[T any](b []byte, list []T, one func(*T, []byte) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(&list[i], b)
	}
	return append(b, ']')
}

// object is a JSON object being written, after its opening brace.
type object struct{ b []byte }

// key writes a member's name, which needs no escaping.
func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) text(name, s string) {
	o.key(name)
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s) // a string always can be
			if err != nil {
				quoted = []byte(`""`)
			}
			o.b = append(o.b, quoted...)
			return
		}
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, s...)
	o.b = append(o.b, '"')
}

// any writes what few records have.
func (o *object) any(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil { // texts and lists of texts always can be
		return
	}
	o.key(name)
	o.b = append(o.b, b...)
}

func (o *object) optional(name, s string) {
	if s != "" {
		o.text(name, s)
	}
}

func (o *object) integer(name string, n int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) unsigned(name string, n uint64) {
	o.key(name)
	o.b = strconv.AppendUint(o.b, n, 10)
}

func (o *object) float(name string, f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		f = 0
	}
	o.key(name)
	o.b = strconv.AppendFloat(o.b, f, 'g', -1, 64)
}

// time leaves a nil out. Years that RFC 3339 does not know become the zero time.
func (o *object) time(name string, t *time.Time) {
	if t == nil {
		return
	}
	if y := t.Year(); y < 0 || y > 9999 {
		t = &time.Time{}
	}
	o.key(name)
	o.b = append(o.b, '"')
	o.b = t.AppendFormat(o.b, time.RFC3339Nano)
	o.b = append(o.b, '"')
}
