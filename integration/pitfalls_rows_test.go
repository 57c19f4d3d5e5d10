package integration

import (
	"time"

	"slices"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// talking waits until n calls are up.
func (p *play) talking(n int) {
	p.t.Helper()
	up := func(calls rest.Page[sbc.CallInfo]) bool {
		confirmed := 0
		for i := range calls.Items {
			if calls.Items[i].State == sbc.CallConfirmed {
				confirmed++
			}
		}
		return confirmed == n
	}
	if _, err := rest.Until(patience(p.t, 8*time.Second), p.b.Client, "/v1/calls?limit=1000", up); err != nil {
		p.t.Error(err)
	}
}

// transferred sees that a record's legs say who went and who came.
func transferred(p *play, r sbc.CDR) {
	var roles []string
	for i := range r.Legs {
		roles = append(roles, r.Legs[i].Role)
	}
	if !slices.Contains(roles, "transferor") || !slices.Contains(roles, "transfer_target") {
		p.t.Errorf("the roles of the legs are %q", roles)
	}
}

// dialogPitfalls are P1 to P15.
func dialogPitfalls() []pitfall {
	return []pitfall{
		{name: "P1 nothing of the other side shows", caller: "caller", callee: "callee", end: sbc.EndCallerBye, code: 200},
		{name: "P1 nor when the callee hangs up", caller: "caller_stays", callee: "callee_leaves", end: sbc.EndCalleeBye, code: 200},
		{name: "P2 local 481 and repeated requests", caller: "p2_caller", callee: "p2_callee", end: sbc.EndCallerBye, code: 200},
		{name: "P3 the target follows each Contact", caller: "p3_caller", callee: "p3_callee", end: sbc.EndCallerBye, code: 200},
		{name: "P5 BYE to a caller behind NAT", caller: "p5_caller", callee: "callee_leaves", access: true,
			end: sbc.EndCalleeBye, code: 200},
		{name: "P6 both sides record routes", caller: "p6_caller", callee: "p6_callee", end: sbc.EndCallerBye, code: 200},
		{name: "P7 SUBSCRIBE and NOTIFY", caller: "p7_subscriber", callee: "p7_notifier",
			signalling: rest.Object{"pass_events": []string{"message-summary"}}},
		{name: "P7 REFER passes", caller: "p7_transferor", callee: "p7_transferee",
			signalling: rest.Object{"refer_mode": "pass"}, end: sbc.EndCallerBye, code: 200},
		{name: "P8 a peer has lost the call", caller: "p8_caller", callee: "p8_callee",
			signalling: rest.Object{"ping_interval_s": 1, "ping_misses": 1}, end: sbc.EndPeerDead, code: 200},
		{name: "P9 the border's BYE counts on", caller: "p9_caller", callee: "p9_callee",
			end: sbc.EndAdmin, code: 200, during: hungUpByAPI},
		{name: "P11 a limit of two, and nothing counted afterwards", caller: "p11_caller", callee: "callee",
			calls: 8, called: 2, end: "*",
			setUp: limitOfTwo, after: twoPassed, check: func(p *play, r sbc.CDR) {
				if ok := r.FinalCode == 200 && r.EndReason == sbc.EndCallerBye || r.FinalCode == 486 && r.AnsweredAt == nil; !ok {
					p.t.Errorf("record %+v", r)
				}
			}},
		{name: "P13 requests after the end", caller: "p13_caller", callee: "p13_callee", end: sbc.EndCallerBye, code: 200},
		{name: "P14 one side without session timers", caller: "p14_caller", callee: "p14_callee", end: sbc.EndCallerBye, code: 200},
		{name: "P15 thirty transfers at once", caller: "p15_transferor", callee: "p15_transferee", third: "target_leaves", calls: 30,
			end: sbc.EndCallerBye, code: 200, legs: 3, check: transferred},
	}
}

// hungUpByAPI ends the calls when both sides have been heard.
func hungUpByAPI(p *play) {
	p.talking(p.row.calls)
	p.informed()
	var calls rest.Page[sbc.CallInfo]
	p.b.do("GET", "/calls", nil, &calls)
	for i := range calls.Items {
		p.b.do("DELETE", "/calls/"+calls.Items[i].ID, nil, nil)
	}
}

// informed waits until both sides of each call have sent what p9_caller.xml and p9_callee.xml send before the BYE.
func (p *play) informed() {
	p.t.Helper()
	var calls rest.Page[sbc.CallInfo]
	p.b.do("GET", "/calls", nil, &calls)
	for i := range calls.Items {
		answers := func(l struct{ Items []sbc.TraceMessage }) bool {
			n := 0
			for j := range l.Items {
				if m := &l.Items[j]; m.Side == sbc.SideCaller && m.Direction == "in" && m.Summary == "SIP/2.0 200 OK" {
					n++
				}
			}
			return n > 0
		}
		ladder := "/v1/calls/" + calls.Items[i].ID + "/messages"
		if _, err := rest.Until(patience(p.t, 8*time.Second), p.b.Client, ladder, answers); err != nil {
			p.t.Error(err)
		}
	}
}

// limitOfTwo lets two calls of the caller's trunk pass at a time.
func limitOfTwo(p *play) {
	id := p.b.create("/limit-profiles", rest.Object{"name": "two", "max_calls_in": 2, "reject_code": 486})
	p.b.do("PATCH", "/trunks/"+p.w.westTrunk, rest.Object{"limit_profile_ids": []string{id}}, nil)
}

// twoPassed looks at the limit, and how many passed it.
func twoPassed(p *play) {
	var limits rest.Page[struct{ ID string }]
	p.b.do("GET", "/limit-profiles", nil, &limits)
	var usage rest.Page[sbc.LimitUsage]
	p.b.do("GET", "/limit-profiles/"+limits.Items[0].ID+"/usage", nil, &usage)
	for _, u := range usage.Items {
		if u.CallsIn != 0 || u.CallsOut != 0 {
			p.t.Errorf("after the last call the limit counts %+v", u)
		}
	}
	answered := 0
	for _, r := range p.b.cdrs(p.row.calls) {
		if r.AnsweredAt != nil {
			answered++
		}
	}
	if answered != 2 {
		p.t.Errorf("%d calls were let through a limit of two", answered)
	}
}

// interopPitfalls are 1.1 to 1.14.
func interopPitfalls() []pitfall {
	return []pitfall{
		{name: "1.1 REFER is refused", caller: "11_transferor", callee: "11_callee", signalling: rest.Object{"refer_mode": "reject"},
			end: sbc.EndCallerBye, code: 200},
		{name: "1.2 the transferor hangs up in the middle", caller: "12_transferor", callee: "p15_transferee", third: "target_leaves",
			end: sbc.EndCallerBye, code: 200, legs: 3, check: transferred},
		{name: "1.3 REFER in circles", caller: "13_caller", third: "13_circle", number: "4977100", calls: 1, thirds: 11,
			end: sbc.EndCalleeBye, code: 200, legs: 12, check: transferred},
		{name: "1.4 a re-INVITE with another codec and port", caller: "14_caller", callee: "14_callee",
			end: sbc.EndCallerBye, code: 200},
		{name: "1.5 refusals of a re-INVITE", caller: "15_caller", callee: "15_callee", end: sbc.EndCallerBye, code: 200},
		{name: "1.6 UPDATE is not taken", caller: "16_caller", callee: "16_callee", end: sbc.EndCallerBye, code: 200},
		{name: "1.7 UPDATE in the early dialog", caller: "17_caller", callee: "17_callee", end: sbc.EndCallerBye, code: 200},
		{name: "1.9 From of the carrier", caller: "caller", callee: "19_callee", end: sbc.EndCallerBye, code: 200, east: rest.Object{
			"caller_identity": rest.Object{"from_user": "acct7", "from_host": "carrier.example", "user_phone": true,
				"number_format": "digits", "send": []string{"pai"}}}},
		{name: "1.10 own headers of the carrier", caller: "110_caller", callee: "110_callee",
			end: sbc.EndCallerBye, code: 200, setUp: ownHeaders},
		{name: "1.14 re-INVITE without an offer", caller: "114_caller", callee: "114_callee", end: sbc.EndCallerBye, code: 200},
	}
}

// ownHeaders has the carrier's own header made of a header of the INVITE and the number dialled.
func ownHeaders(p *play) {
	rule := func(more rest.Object) rest.Object {
		return with(rest.Object{"stage": "out", "messages": "requests", "methods": []string{"INVITE"}}, more)
	}
	id := p.b.create("/header-profiles", rest.Object{"name": "carrier", "rules": []rest.Object{
		rule(rest.Object{"action": "set", "header": "X-Carrier", "value": "{header.X-Account}/{callee}"}),
		rule(rest.Object{"action": "remove", "header": "X-Account"}),
	}})
	pass := []string{"X-Account"}
	p.b.do("PATCH", "/trunks/"+p.w.westTrunk, rest.Object{"pass_headers": pass}, nil)
	p.b.do("PATCH", "/trunks/"+p.w.eastTrunk, rest.Object{"pass_headers": pass, "header_profile_id": id}, nil)
}

// mediaPitfalls are 3.21 to 3.30.
func mediaPitfalls() []pitfall {
	return []pitfall{
		{name: "3.21 audio after a re-INVITE, and its figures", caller: "321_caller", callee: "321_callee", calls: 1,
			end: sbc.EndCallerBye, code: 200, check: func(p *play, r sbc.CDR) {
				if len(r.Media) != 2 {
					p.t.Errorf("streams %+v", r.Media)
				}
				for _, s := range r.Media {
					if s.Packets < 70 || s.RelayedPackets < 70 || s.Codec != "PCMU" || s.MOS < 3 {
						p.t.Errorf("stream of the %s: %+v", s.Side, s)
					}
				}
			}},
		{name: "3.23 early media, then another", caller: "323_caller", callee: "323_callee", third: "target", setUp: secondEndpoint,
			end: sbc.EndCallerBye, code: 200, check: func(p *play, r sbc.CDR) {
				if len(r.Attempts) != 2 || r.Attempts[0].Code != 503 || r.Attempts[1].Code != 200 {
					p.t.Errorf("attempts %+v", r.Attempts)
				}
			}},
		{name: "3.26 digits by INFO", caller: "326_caller", callee: "326_callee", end: sbc.EndCallerBye, code: 200},
		{name: "3.27 ports after calls that failed", caller: "327_caller", callee: "323_callee", calls: 20,
			end: sbc.EndRejected, code: 503},
		{name: "3.29 the border behind 1:1 NAT", caller: "caller", callee: "329_callee",
			end: sbc.EndCallerBye, code: 200, setUp: knownElsewhere},
	}
}

// secondEndpoint gives the carrier another gateway: the third party.
func secondEndpoint(p *play) {
	p.b.create("/trunks/"+p.w.eastTrunk+"/endpoints", rest.Object{
		"name": "second", "address": p.third.String(), "port": 5060, "priority": 200,
	})
}

// knownElsewhere has the border known in the east by an address that it does not have.
func knownElsewhere(p *play) {
	known := rest.Object{"advertised_address": "203.0.113.9"}
	p.b.do("PATCH", "/sip-interfaces/"+p.w.eastInterface, known, nil)
	var pools rest.Page[struct{ ID, Name string }]
	p.b.do("GET", "/media-pools", nil, &pools)
	for _, one := range pools.Items {
		if one.Name == "east" {
			p.b.do("PATCH", "/media-pools/"+one.ID, known, nil)
		}
	}
}
