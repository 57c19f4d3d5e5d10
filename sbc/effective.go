package sbc

import "encoding/json"

// ProfileValues are the settings of a profile by their names in the API.
type ProfileValues map[string]any

// EffectiveProfile is a profile that counts for a resource, and where it is named. All of its values come from there: profiles are
// inherited as a whole.
type EffectiveProfile struct {
	Origin Origin `json:"origin"`
	// ProfileID is "" for the defaults of the kind.
	ProfileID string        `json:"profile_id,omitempty"`
	Values    ProfileValues `json:"values"`
}

// EffectiveProfiles are those that count for a trunk, a domain, or what is in a realm and names none itself. Profiles that are disabled
// do not count.
type EffectiveProfiles struct {
	Signalling EffectiveProfile `json:"signalling_profile"`
	Media      EffectiveProfile `json:"media_profile"`
	Header     EffectiveProfile `json:"header_profile"`
	// Limits are those of the nearest list that is not empty; limits of the whole tenant come besides.
	Limits []EffectiveProfile `json:"limit_profiles"`
}

// Values are the settings of the profile.
func (p *SignallingProfile) Values() ProfileValues { return valuesOf(p) }

// Values are the settings of the profile.
func (p *MediaProfile) Values() ProfileValues { return valuesOf(p) }

// Values are the settings of the profile.
func (p *HeaderProfile) Values() ProfileValues { return valuesOf(p) }

// Values are the settings of the profile.
func (p *LimitProfile) Values() ProfileValues { return valuesOf(p) }

// valuesOf takes the common fields away.
func valuesOf(r Resource) ProfileValues {
	v := ProfileValues{}
	whole, err := json.Marshal(r)
	if err != nil || json.Unmarshal(whole, &v) != nil { // resources always can be
		return ProfileValues{}
	}
	meta, err := json.Marshal(r.Base())
	common := map[string]any{}
	if err != nil || json.Unmarshal(meta, &common) != nil {
		return v
	}
	for name := range common {
		delete(v, name)
	}
	return v
}
