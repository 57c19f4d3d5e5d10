package sbc

import (
	"fmt"
	"slices"
	"time"
)

// Tenant is a customer of the operator: names are unique and visible only within it.
type Tenant struct {
	Meta
	// RequirePreconditions makes If-Match mandatory on PUT, PATCH and DELETE in this tenant (428 without).
	RequirePreconditions bool `json:"require_preconditions"`
	DefaultProfiles
}

// Kind names the kind.
func (*Tenant) Kind() Kind { return KindTenant }

// Base gives the common fields.
func (t *Tenant) Base() *Meta { return &t.Meta }

// Defaults has nothing to set.
func (*Tenant) Defaults() {}

// Validate checks the common fields.
func (t *Tenant) Validate() []Fault {
	f := faults(t.Meta.validate())
	t.DefaultProfiles.validate(&f)
	return f
}

// References lists the resources it needs.
func (t *Tenant) References() []Reference { return refs(t.DefaultProfiles.references()...) }

// Scope is what an API key may do, for example "trunks:write". "admin" covers all.
type Scope string

// ScopeAdmin covers every operation.
const ScopeAdmin Scope = "admin"

// Scopes lists every scope: those that openapi.yaml names in x-permission, and that of exporting the hashes of secrets.
func Scopes() []Scope {
	return []Scope{
		ScopeAdmin, "tenants:read", "tenants:write", "api-keys:read", "api-keys:write", "realms:read", "realms:write",
		"sip-interfaces:read", "sip-interfaces:write", "media-pools:read", "media-pools:write", "trunks:read", "trunks:write",
		"routing:read", "routing:write", "profiles:read", "profiles:write", "announcements:read", "announcements:write", "calls:read",
		"subscribers:read", "subscribers:write", "subscribers:secrets", "registrations:read", "registrations:write",
		"security:read", "security:write",
		"voicemail:read", "voicemail:write", "jobs:read", "calls:control", "cdrs:read", "events:read", "audit:read", "metrics:read",
	}
}

// APIKey lets a program in. Only the SHA-256 of the key is kept; the key itself is shown once, when it is made.
type APIKey struct {
	Meta
	Scopes    []Scope    `json:"scopes"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// Hint is the beginning of the key, enough to recognise it by.
	Hint string `json:"hint,omitempty"`
	// Hash is the hexadecimal SHA-256 of the key. The API never shows it.
	Hash string `json:"hash,omitempty"`
}

// Kind names the kind.
func (*APIKey) Kind() Kind { return KindAPIKey }

// Base gives the common fields.
func (k *APIKey) Base() *Meta { return &k.Meta }

// Defaults has nothing to set.
func (*APIKey) Defaults() {}

// Validate wants at least one known scope.
func (k *APIKey) Validate() []Fault {
	f := faults(k.Meta.validate())
	if len(k.Scopes) == 0 {
		f.add("#/scopes", "required", "must hold at least one scope")
	}
	for i, s := range k.Scopes {
		if !slices.Contains(Scopes(), s) {
			f.add(fmt.Sprintf("#/scopes/%d", i), "enum", fmt.Sprintf("is %q; must be one of %v", s, Scopes()))
		}
	}
	return f
}

// References lists the resources it needs.
func (k *APIKey) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: k.TenantID})
}
