package storagetest

import (
	"fmt"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// meta makes the common fields of a new resource.
func meta(kind sbc.Kind, tenantID, name string) sbc.Meta {
	return sbc.Meta{ID: sbc.NewID(kind.Prefix()), TenantID: tenantID, Name: name, Enabled: true}
}

func newTenant(name string) *sbc.Tenant { return &sbc.Tenant{Meta: meta(sbc.KindTenant, "", name)} }

func newRealm(tenantID, name string) *sbc.Realm {
	r := sbc.New(sbc.KindRealm).(*sbc.Realm)
	r.Meta = meta(sbc.KindRealm, tenantID, name)
	return r
}

func newTrunk(realm *sbc.Realm, name string) *sbc.Trunk {
	t := sbc.New(sbc.KindTrunk).(*sbc.Trunk)
	t.Meta, t.RealmID = meta(sbc.KindTrunk, realm.TenantID, name), realm.ID
	return t
}

func newEndpoint(trunk *sbc.Trunk, name string) *sbc.Endpoint {
	e := sbc.New(sbc.KindEndpoint).(*sbc.Endpoint)
	e.Meta, e.TrunkID, e.Address = meta(sbc.KindEndpoint, trunk.TenantID, name), trunk.ID, "192.0.2.1"
	return e
}

// oneOfEach makes a resource of every kind, in an order in which they can be written, with no field left at its default.
func oneOfEach() []sbc.Resource {
	tenant := &sbc.Tenant{Meta: full(sbc.KindTenant, ""), RequirePreconditions: true}
	id := tenant.ID
	expires := time.Date(2030, 1, 2, 3, 4, 5, 678901000, time.UTC)
	key := &sbc.APIKey{
		Meta: full(sbc.KindAPIKey, id), Scopes: []sbc.Scope{sbc.ScopeAdmin}, ExpiresAt: &expires, Hint: "spk_abc", Hash: "0011",
	}
	realm := &sbc.Realm{
		Meta: full(sbc.KindRealm, id), Trust: sbc.TrustAccess, UnknownSource: sbc.UnknownReject, Latching: sbc.LatchSDP,
	}
	sif := &sbc.SIPInterface{
		Meta: full(sbc.KindSIPInterface, id), RealmID: realm.ID, Transport: sbc.TransportTCP, BindAddress: "::1", Port: 5070,
		AdvertisedAddress: "sbc.example.net", MaxMessageBytes: 4096, MaxConnections: 7, MaxConnectionsPerSource: 3, IdleTimeoutS: 9,
	}
	pool := &sbc.MediaPool{
		Meta: full(sbc.KindMediaPool, id), RealmID: realm.ID, Address: "127.0.0.1", AdvertisedAddress: "192.0.2.7",
		PortMin: 2000, PortMax: 2999,
	}
	plan := &sbc.RoutingPlan{Meta: full(sbc.KindRoutingPlan, id)}
	list := &sbc.RouteList{Meta: full(sbc.KindRouteList, id)}
	trunk := &sbc.Trunk{
		Meta: full(sbc.KindTrunk, id), RealmID: realm.ID, Terms: sbc.Terms{
			RoutingPlanID: plan.ID, MaxCalls: 5, MaxCallsPerSecond: 6,
			NoResponseTimeoutMS: 1234, RingTimeoutS: 8, MaxCallDurationS: 9, FailoverCodes: []string{"503"},
			PassMethods: []string{"INFO"}, PassHeaders: []string{"X-A"}, MediaTimeoutS: 10, MediaHoldTimeoutS: 11,
		},
	}
	endpoint := &sbc.Endpoint{
		Meta: full(sbc.KindEndpoint, id), TrunkID: trunk.ID, Address: "gw.example.net", Port: 5062, Transport: sbc.TransportTCP,
		Priority: 2, Weight: 3, Strip: 4, Prefix: "00",
	}
	identity := &sbc.Identity{
		Meta: full(sbc.KindIdentity, id), TrunkID: trunk.ID, CIDR: "192.0.2.0/28", Port: 5060, SIPInterfaceID: sif.ID,
		Transport: sbc.TransportUDP, TechPrefix: "77#",
	}
	rule := &sbc.Rule{
		Meta: full(sbc.KindRule, id), RoutingPlanID: plan.ID, Prefix: "+49", Priority: 4, Action: sbc.ActionReject,
		RouteListID: list.ID, RejectCode: 603, RejectReason: "No", Strip: 1, AddPrefix: "9",
	}
	target := &sbc.Target{Meta: full(sbc.KindTarget, id), RouteListID: list.ID, TrunkID: trunk.ID, Priority: 5, Weight: 6}
	return []sbc.Resource{tenant, key, realm, sif, pool, plan, list, trunk, endpoint, identity, rule, target}
}

// full fills every common field. The strings are of the kind that breaks careless code.
func full(kind sbc.Kind, tenantID string) sbc.Meta {
	m := meta(kind, tenantID, fmt.Sprintf("%s %% '\"\\ ü 電話 ?1 $1", kind))
	m.ExternalID, m.Description = "crm'; DROP TABLE resources; --", "a\\u0000b <&>"
	m.Labels = map[string]string{"site": "Köln", "a/b": ""}
	return m
}

// newCDR makes the record of an answered call with everything in it.
func newCDR(tenantID string) sbc.CDR {
	start := time.Now().UTC().Add(-time.Minute).Truncate(time.Microsecond)
	ring, answer, end := start.Add(time.Second), start.Add(3*time.Second), start.Add(33*time.Second)
	return sbc.CDR{
		ID: sbc.NewID(sbc.PrefixCDR), CallID: sbc.NewID(sbc.PrefixCall), TenantID: tenantID, Node: "node-1",
		IngressTrunkID: "trk_in", EgressTrunkID: "trk_out", Caller: "+4930123", Callee: "0049301234", CallerNormalised: "+4930123", CalleeNormalised: "+49301234",
		CalleeSent: "49301234", FromURI: "sip:+4930123@a.example", ToURI: "sip:x@b.example", RequestURI: "sip:x@c.example",
		StartedAt: start, ProgressAt: &ring, AnsweredAt: &answer, EndedAt: end, LastMediaAt: &end,
		SetupMS: 3000, PDDMS: 1000, RingMS: 2000, DurationMS: 30000, BillableMS: 30000,
		Disposition: sbc.DispositionAnswered, EndReason: sbc.EndCallerBye, ReleasedBy: sbc.SideCaller,
		FinalCode: 200, FinalReason: "OK", Q850Cause: 16, ConfigRevision: 7, RuleID: "rul_1",
		Legs: []sbc.CDRLeg{
			{Side: sbc.SideCaller, SIPCallID: "a@x", Transport: sbc.TransportUDP, LocalAddress: "127.0.0.1:1", RemoteAddress: "[::1]:9"},
			{Side: sbc.SideCallee, SIPCallID: "b@y", Transport: sbc.TransportTCP, UserAgent: "phone/1.0 \"quoted\""},
		},
		Attempts: []sbc.CDRAttempt{
			{Number: 1, TrunkID: "trk_out", EndpointID: "end_1", Callee: "1", SIPCallID: "c", StartedAt: start, EndedAt: &ring, Code: 503},
			{Number: 2, TrunkID: "trk_out", EndpointID: "end_2", Callee: "1", StartedAt: ring, ProgressAt: &ring, Code: 200},
		},
		Media: []sbc.StreamStats{{
			Side: sbc.SideCaller, Media: "audio", Codec: "PCMA/8000", LocalAddress: "127.0.0.1:30000", RemoteAddress: "127.0.0.2:4000",
			Packets: 1500, Octets: 258000, Lost: 3, RelayedPackets: 1500, RTCPPackets: 6, JitterMS: 1.25, RoundTripMS: 20.5, MOS: 4.4,
			FirstPacket: &answer, LastPacket: &end, SSRC: 0xdeadbeef,
		}},
	}
}
