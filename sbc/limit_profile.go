package sbc

// LimitKey says what a limit counts by.
type LimitKey string

// The keys.
const (
	LimitEach   LimitKey = "each"   // one count for each trunk or endpoint that has the profile, or for the tenant
	LimitShared LimitKey = "shared" // one count for all that have it
	LimitCaller LimitKey = "caller" // one count for each calling number
	LimitCallee LimitKey = "callee" // one count for each called number
)

// LimitProfile bounds calls in progress and calls per second. 0 is no bound. A call is counted on every profile of the trunks,
// the endpoint and the tenant it touches, all in one step: either everywhere or nowhere.
type LimitProfile struct {
	Meta
	Key LimitKey `json:"key"`
	// WholeTenant counts every call of the profile's tenant, whichever its trunks; no trunk need name it.
	WholeTenant bool `json:"whole_tenant"`
	// In is towards the border, Out away from it; MaxCalls counts both together.
	MaxCalls             int `json:"max_calls"`
	MaxCallsIn           int `json:"max_calls_in"`
	MaxCallsOut          int `json:"max_calls_out"`
	MaxCallsPerSecondIn  int `json:"max_calls_per_second_in"`
	MaxCallsPerSecondOut int `json:"max_calls_per_second_out"`
	// RejectCode is what a caller gets; a limit on the way out makes the next attempt instead, where there is one.
	RejectCode int `json:"reject_code"`
}

// Kind names the kind.
func (*LimitProfile) Kind() Kind { return KindLimitProfile }

// Base gives the common fields.
func (p *LimitProfile) Base() *Meta { return &p.Meta }

// Defaults: counted for each that has it; 503.
func (p *LimitProfile) Defaults() { p.Key, p.RejectCode = LimitEach, 503 }

// Validate checks ranges.
func (p *LimitProfile) Validate() []Fault {
	f := faults(p.Meta.validate())
	oneOf(&f, "#/key", p.Key, LimitEach, LimitShared, LimitCaller, LimitCallee)
	f.between("#/max_calls", p.MaxCalls, 0, 1_000_000)
	f.between("#/max_calls_in", p.MaxCallsIn, 0, 1_000_000)
	f.between("#/max_calls_out", p.MaxCallsOut, 0, 1_000_000)
	f.between("#/max_calls_per_second_in", p.MaxCallsPerSecondIn, 0, 100_000)
	f.between("#/max_calls_per_second_out", p.MaxCallsPerSecondOut, 0, 100_000)
	f.between("#/reject_code", p.RejectCode, 400, 699)
	return f
}

// References lists the resources it needs.
func (p *LimitProfile) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID})
}

// LimitUsage is one count of a limit profile as it stands.
type LimitUsage struct {
	// Key is what is counted by: an id of a trunk, endpoint or tenant, a number, or "" for a shared count.
	Key      string `json:"key"`
	CallsIn  int    `json:"calls_in"`
	CallsOut int    `json:"calls_out"`
	// RateIn and RateOut are the calls of the last second.
	RateIn  int `json:"rate_in"`
	RateOut int `json:"rate_out"`
}
