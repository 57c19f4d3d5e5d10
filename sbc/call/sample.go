package call

import (
	"net/netip"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/route"
)

// sampleCaller and sampleCallee are numbers of the usual length.
const sampleCaller, sampleCallee = "+4930123456789", "+4989123456789"

// SampleInvite is an INVITE to an endpoint as live ones are built, without SDP; "" where nothing can be sent to it.
func (m *Manager) SampleInvite(e *sbc.Endpoint) string {
	snap := m.o.Snapshot()
	t := snap.Trunk(e.TrunkID)
	if t == nil {
		return ""
	}
	interfaces := snap.InterfacesOf(t.RealmID)
	if len(interfaces) == 0 {
		return ""
	}
	src := identify.Source{Addr: netip.AddrFrom4([4]byte{192, 0, 2, 1}), Port: 5060, Interface: interfaces[0], Transport: e.Transport}
	in := explainInvite(snap, sbc.ExplainRequest{SIPInterfaceID: interfaces[0], Caller: sampleCaller, Callee: sampleCallee}, src)
	d := decision{caller: identify.Caller{TrunkID: t.ID, Number: sampleCallee}, trunk: t}
	return m.explainMessage(snap, in, d, &route.Attempt{
		TrunkID: t.ID, EndpointID: e.ID, RealmID: t.RealmID, Number: sampleCallee, Address: e.Address, Port: e.Port, Transport: e.Transport,
	})
}
