package api

import (
	"context"
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// ExplainRouting tells what would happen to a call.
func (s *server) ExplainRouting(
	ctx context.Context, r gen.ExplainRoutingRequestObject,
) (gen.ExplainRoutingResponseObject, error) {
	tenant := callerOf(ctx).tenant()
	q := sbc.ExplainRequest{
		SourceAddress: r.Body.SourceAddress, SourcePort: 5060, SIPInterfaceID: r.Body.SIPInterfaceID,
		Transport: sbc.Transport(value(r.Body.Transport)), TLSName: value(r.Body.TLSName),
		Caller: value(r.Body.Caller), Callee: r.Body.Callee,
		CallerSubscriberID: value(r.Body.CallerSubscriberID), Method: string(value(r.Body.Method)),
	}
	q.CallID, q.Headers, q.Variables = value(r.Body.CallID), value(r.Body.Headers), value(r.Body.Variables)
	if r.Body.At != nil {
		q.At = *r.Body.At
	}
	if r.Body.SourcePort != nil {
		q.SourcePort = *r.Body.SourcePort
	}
	var faults []sbc.Fault
	if a, err := netip.ParseAddr(q.SourceAddress); err != nil || a.Zone() != "" {
		faults = append(faults, sbc.Fault{Pointer: "#/source_address", Code: "address",
			Detail: "is not an IPv4 or IPv6 address"})
	}
	_, err := s.o.Store.Get(ctx, sbc.KindSIPInterface, tenant, q.SIPInterfaceID)
	switch {
	case err != nil && sbc.CodeOf(err) == sbc.CodeNotFound:
		faults = append(faults, unknownReference(sbc.Reference{Pointer: "#/sip_interface_id", Kind: sbc.KindSIPInterface,
			ID: q.SIPInterfaceID}))
	case err != nil:
		return nil, err
	}
	if len(faults) > 0 {
		return nil, sbc.Invalid(faults)
	}
	explanation, err := s.o.Explain(ctx, q)
	if err != nil {
		return nil, err
	}
	if err := s.ownCall(ctx, tenant, explanation.TrunkID); err != nil {
		return nil, err
	}
	body, err := convert[gen.Explanation](explanation)
	return gen.ExplainRouting200JSONResponse(body), err
}

// ownCall refuses to explain the call of another tenant's trunk.
func (s *server) ownCall(ctx context.Context, tenant, trunkID string) error {
	if tenant == "" || trunkID == "" {
		return nil
	}
	kind := sbc.KindTrunk
	if strings.HasPrefix(trunkID, sbc.PrefixDomain) { // the counterparty of a subscriber's call is its domain
		kind = sbc.KindDomain
	}
	_, err := s.o.Store.Get(ctx, kind, tenant, trunkID)
	if err != nil && sbc.CodeOf(err) == sbc.CodeNotFound {
		return sbc.Errorf(sbc.CodeForbidden, "such a call would not be one of this tenant")
	}
	return err
}
