package config

import (
	"github.com/sallyport/sallyport/sbc"
)

// Rows are the resources of a Snapshot by kind, each by rising id. They are shared by everyone who holds the Snapshot and must not be
// changed. Rules are not here: they are in the Snapshot's routing table only.
type Rows struct {
	Tenants    []*sbc.Tenant
	APIKeys    []*sbc.APIKey
	Realms     []*sbc.Realm
	Interfaces []*sbc.SIPInterface
	Pools      []*sbc.MediaPool
	Plans      []*sbc.RoutingPlan
	Lists      []*sbc.RouteList
	Trunks     []*sbc.Trunk
	Endpoints  []*sbc.Endpoint
	Identities []*sbc.Identity
	Targets    []*sbc.Target
}
