package sbc

// DefaultProfiles are those of what is below: of the trunks and domains of a realm, or of the realms of a tenant. The nearest one that is
// named counts: the trunk's, then the realm's, then the tenant's, then the defaults of the kind.
type DefaultProfiles struct {
	SignallingProfileID string   `json:"signalling_profile_id,omitempty"`
	MediaProfileID      string   `json:"media_profile_id,omitempty"`
	HeaderProfileID     string   `json:"header_profile_id,omitempty"`
	LimitProfileIDs     []string `json:"limit_profile_ids,omitempty"`
}

func (p *DefaultProfiles) validate(f *faults) {
	f.entries("#/limit_profile_ids", len(p.LimitProfileIDs))
}

// references lists the resources they need.
func (p *DefaultProfiles) references() []Reference {
	return append([]Reference{
		{Pointer: "#/signalling_profile_id", Kind: KindSignallingProfile, ID: p.SignallingProfileID},
		{Pointer: "#/media_profile_id", Kind: KindMediaProfile, ID: p.MediaProfileID},
		{Pointer: "#/header_profile_id", Kind: KindHeaderProfile, ID: p.HeaderProfileID},
	}, limits(p.LimitProfileIDs)...)
}

// Origin says where an effective value comes from.
type Origin string

// The origins.
const (
	OriginOwn    Origin = "own" // the resource itself
	OriginRealm  Origin = "realm"
	OriginTenant Origin = "tenant"
	OriginSystem Origin = "system" // the defaults of the kind
)
