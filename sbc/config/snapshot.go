package config

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/identify"
	"github.com/sallyport/sallyport/sbc/route"
)

// Snapshot is one revision of the configuration, compiled. It is immutable and safe for concurrent use.
type Snapshot struct {
	Revision int64
	Rows     Rows
	Identify *identify.Table
	Route    *route.Table
	Header   *header.Table
}

// Trunk finds a trunk by id, nil if there is none.
func (s *Snapshot) Trunk(id string) *sbc.Trunk { return nil }

// Realm finds a realm by id, nil if there is none.
func (s *Snapshot) Realm(id string) *sbc.Realm { return nil }

// Interface finds a SIP interface by id, nil if there is none.
func (s *Snapshot) Interface(id string) *sbc.SIPInterface { return nil }

// Endpoint finds an endpoint by id, nil if there is none.
func (s *Snapshot) Endpoint(id string) *sbc.Endpoint { return nil }

// InterfacesOf lists the ids of the active SIP interfaces of a realm, the oldest first.
func (s *Snapshot) InterfacesOf(realmID string) []string { return nil }

// PoolsOf lists the ids of the active media pools of a realm, the oldest first.
func (s *Snapshot) PoolsOf(realmID string) []string { return nil }

// ActiveInterfaces lists the SIP interfaces to be served: enabled, in an enabled realm of an enabled tenant.
func (s *Snapshot) ActiveInterfaces() []*sbc.SIPInterface { return nil }

// ActivePools lists the media pools to be served: enabled, in an enabled realm of an enabled tenant.
func (s *Snapshot) ActivePools() []*sbc.MediaPool { return nil }

// ActiveTrunk tells whether a trunk is in service: it, its realm and its tenant are enabled.
func (s *Snapshot) ActiveTrunk(id string) bool { return false }

// Compile builds the Snapshot of a revision. The error is an *sbc.Error with the faults.
func Compile(resources []sbc.Resource, revision int64) (*Snapshot, error) {
	return &Snapshot{Revision: revision, Identify: &identify.Table{}, Route: &route.Table{}, Header: &header.Table{}}, nil
}
