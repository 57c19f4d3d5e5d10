package sbc

import "time"

// InterfaceStatus is the runtime state of a SIP interface.
type InterfaceStatus struct {
	// State is "listening", "down" or "disabled".
	State        string    `json:"state"`
	Since        time.Time `json:"since"`
	Reason       string    `json:"reason,omitempty"`
	BoundAddress string    `json:"bound_address,omitempty"`
	// Connections counts the open stream connections.
	Connections int `json:"connections"`
	// Advertised is what a STUN server says of its address, nil where none is asked.
	Advertised *AdvertisedStatus `json:"advertised,omitempty"`
}

// PoolStatus is the runtime state of a media pool, counted in pairs of ports.
type PoolStatus struct {
	State       string `json:"state"`
	Total       int    `json:"total_pairs"`
	InUse       int    `json:"in_use_pairs"`
	Quarantined int    `json:"quarantined_pairs"`
	// Advertised is what a STUN server says of its address, nil where none is asked.
	Advertised *AdvertisedStatus `json:"advertised,omitempty"`
}

// ConfigStatus tells which configuration this node serves.
type ConfigStatus struct {
	// Revision is the store's; Active the one served. They differ while a change of another node is on its way or refused.
	Revision int64     `json:"revision"`
	Active   int64     `json:"active_revision"`
	Since    time.Time `json:"since"`
	// LastError says why the newest revision is not served.
	LastError string `json:"last_error,omitempty"`
}

// Condition is one thing that has to be right for the node to be ready.
type Condition struct {
	Type   string `json:"type"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// CallFilter selects calls in progress. Zero fields do not filter.
type CallFilter struct {
	TenantID                      string
	State                         CallState
	IngressTrunkID, EgressTrunkID string
	Caller, Callee                string
	// Variable and Value select calls with a variable of that name and value; an empty Variable selects all.
	Variable, Value string
	// Stale selects calls that nothing can end any more: faults of ours.
	Stale bool
	// After is the id after which the page begins (ids sort by time); Limit is its size.
	After string
	Limit int
}

// ServerName is what the border says of itself in User-Agent and Server (RFC 3261 20.35, 20.41), unless it is told otherwise.
const ServerName = "Sallyport"
