package sbc

import (
	"fmt"
	"regexp"
	"sort"
	"time"
	"unicode/utf8"
)

// Kind names a kind of configured resource, as in its path in the API, in the singular.
type Kind string

// The kinds.
const (
	KindTenant       Kind = "tenant"
	KindAPIKey       Kind = "api-key"
	KindRealm        Kind = "realm"
	KindSIPInterface Kind = "sip-interface"
	KindMediaPool    Kind = "media-pool"
	KindTrunk        Kind = "trunk"
	KindEndpoint     Kind = "endpoint"
	KindIdentity     Kind = "identity"
	KindRoutingPlan  Kind = "routing-plan"
	KindRule         Kind = "rule"
	KindRouteList    Kind = "route-list"
	KindTarget       Kind = "target"

	KindSignallingProfile Kind = "signalling-profile"
	KindMediaProfile      Kind = "media-profile"
	KindHeaderProfile     Kind = "header-profile"
	KindLimitProfile      Kind = "limit-profile"
	KindAnnouncement      Kind = "announcement"

	KindDomain       Kind = "domain"
	KindSubscriber   Kind = "subscriber"
	KindAlias        Kind = "alias"
	KindAccessRule   Kind = "access-rule"
	KindGroup        Kind = "group"
	KindNumberList   Kind = "number-list"
	KindFloodProfile Kind = "flood-profile"

	KindDialplan        Kind = "dialplan"
	KindTimeProfile     Kind = "time-profile"
	KindHolidayCalendar Kind = "holiday-calendar"
	KindNumberPlan      Kind = "number-plan"
	KindNumber          Kind = "number"
	KindRateDeck        Kind = "rate-deck"
	KindQualityProfile  Kind = "quality-profile"
	KindRegistrant      Kind = "registrant"

	KindCertificateAuthority Kind = "certificate-authority"
	KindCertificate          Kind = "certificate"
	KindTLSProfile           Kind = "tls-profile"
)

// Kinds lists every kind, what is referred to before what refers to it.
func Kinds() []Kind {
	return []Kind{
		KindTenant, KindAPIKey, KindFloodProfile, KindAnnouncement, KindSignallingProfile, KindMediaProfile, KindHeaderProfile,
		KindLimitProfile, KindCertificateAuthority, KindCertificate, KindTLSProfile, KindRealm, KindSIPInterface, KindMediaPool, KindHolidayCalendar, KindTimeProfile, KindNumberPlan, KindDialplan,
		KindRateDeck, KindQualityProfile, KindRoutingPlan, KindRouteList, KindTrunk, KindEndpoint, KindIdentity, KindRegistrant, KindGroup,
		KindNumberList, KindDomain, KindRule, KindSubscriber, KindAlias, KindAccessRule, KindTarget, KindNumber,
	}
}

// Listed tells whether resources of the kind are not part of the configuration that every node holds, because there may be millions
// of them: they are found in the store one at a time (Directory).
func (k Kind) Listed() bool { return k == KindSubscriber || k == KindAlias }

// DefaultTenantID is the tenant that exists from the first start.
const DefaultTenantID = "ten_default"

// Meta is what every configured resource has.
type Meta struct {
	ID string `json:"id"`
	// TenantID is empty on tenants and on API keys that serve all tenants.
	TenantID string `json:"tenant_id,omitempty"`
	// Name is unique within a tenant, kind and parent (the trunk of an endpoint, the plan of a rule).
	Name string `json:"name"`
	// ExternalID is the key of a billing or CRM system, unique within a tenant and kind.
	ExternalID  string            `json:"external_id,omitempty"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Enabled     bool              `json:"enabled"`
	// Revision is the configuration revision of the last write; it is the ETag.
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Reference is one resource's need of another.
type Reference struct {
	// Pointer is the field that holds it, as a JSON pointer fragment.
	Pointer string
	Kind    Kind
	ID      string
	// Owns says that the referring resource is a part of the other (an endpoint of a trunk): it is found below it in the API.
	Owns bool
}

// Resource is a configured thing: what storage keeps, the API shows and config compiles. The implementations are pointers.
type Resource interface {
	Kind() Kind
	// Base gives the common fields, to be read and written.
	Base() *Meta
	// Defaults sets the values of fields that a body may leave out. It is called once, on the empty resource, so that a zero
	// written on purpose stays a zero.
	Defaults()
	// Validate lists everything wrong with the resource by itself; references are checked by whoever knows the others.
	Validate() []Fault
	// References lists the resources it needs; empty ids are left out.
	References() []Reference
}

// New makes a resource of a kind, enabled and with its defaults, for a body to be decoded onto; nil for a kind that does not
// exist.
func New(kind Kind) Resource {
	var r Resource
	switch kind {
	case KindTenant:
		r = &Tenant{}
	case KindAPIKey:
		r = &APIKey{}
	case KindRealm:
		r = &Realm{}
	case KindSIPInterface:
		r = &SIPInterface{}
	case KindMediaPool:
		r = &MediaPool{}
	case KindTrunk:
		r = &Trunk{}
	case KindEndpoint:
		r = &Endpoint{}
	case KindIdentity:
		r = &Identity{}
	case KindRoutingPlan:
		r = &RoutingPlan{}
	case KindRule:
		r = &Rule{}
	case KindRouteList:
		r = &RouteList{}
	case KindTarget:
		r = &Target{}
	case KindSignallingProfile:
		r = &SignallingProfile{}
	case KindMediaProfile:
		r = &MediaProfile{}
	case KindHeaderProfile:
		r = &HeaderProfile{}
	case KindLimitProfile:
		r = &LimitProfile{}
	case KindAnnouncement:
		r = &Announcement{}
	default:
		if r = newAccess(kind); r != nil {
			break
		}
		if r = newRouting(kind); r != nil {
			break
		}
		if r = newSecurity(kind); r == nil {
			return nil
		}
	}
	r.Base().Enabled = true
	r.Defaults()
	return r
}

// newAccess makes the kinds of the access side.
func newAccess(kind Kind) Resource {
	switch kind {
	case KindDomain:
		return &Domain{}
	case KindSubscriber:
		return &Subscriber{}
	case KindAlias:
		return &Alias{}
	case KindAccessRule:
		return &AccessRule{}
	case KindGroup:
		return &Group{}
	case KindNumberList:
		return &NumberList{}
	case KindFloodProfile:
		return &FloodProfile{}
	}
	return nil
}

// newRouting makes the kinds that routing came to have.
func newRouting(kind Kind) Resource {
	switch kind {
	case KindDialplan:
		return &Dialplan{}
	case KindTimeProfile:
		return &TimeProfile{}
	case KindHolidayCalendar:
		return &HolidayCalendar{}
	case KindNumberPlan:
		return &NumberPlan{}
	case KindNumber:
		return &Number{}
	case KindRateDeck:
		return &RateDeck{}
	case KindQualityProfile:
		return &QualityProfile{}
	case KindRegistrant:
		return &Registrant{}
	}
	return nil
}

// newSecurity makes the kinds that TLS needs.
func newSecurity(kind Kind) Resource {
	switch kind {
	case KindCertificateAuthority:
		return &CertificateAuthority{}
	case KindCertificate:
		return &Certificate{}
	case KindTLSProfile:
		return &TLSProfile{}
	}
	return nil
}

// Prefix gives the prefix of a kind's identifiers.
func (k Kind) Prefix() string {
	return map[Kind]string{
		KindTenant: PrefixTenant, KindAPIKey: PrefixAPIKey, KindRealm: PrefixRealm, KindSIPInterface: PrefixSIPInterface,
		KindMediaPool: PrefixMediaPool, KindTrunk: PrefixTrunk, KindEndpoint: PrefixEndpoint, KindIdentity: PrefixIdentity,
		KindRoutingPlan: PrefixRoutingPlan, KindRule: PrefixRule, KindRouteList: PrefixRouteList, KindTarget: PrefixTarget,
		KindSignallingProfile: PrefixSignallingProfile, KindMediaProfile: PrefixMediaProfile,
		KindHeaderProfile: PrefixHeaderProfile, KindLimitProfile: PrefixLimitProfile, KindAnnouncement: PrefixAnnouncement,
		KindDomain: PrefixDomain, KindSubscriber: PrefixSubscriber, KindAlias: PrefixAlias, KindAccessRule: PrefixAccessRule,
		KindGroup: PrefixGroup, KindNumberList: PrefixNumberList, KindFloodProfile: PrefixFloodProfile,
		KindDialplan: PrefixDialplan, KindTimeProfile: PrefixTimeProfile, KindHolidayCalendar: PrefixHolidayCalendar,
		KindNumberPlan: PrefixNumberPlan, KindNumber: PrefixNumber, KindRateDeck: PrefixRateDeck,
		KindQualityProfile: PrefixQualityProfile, KindRegistrant: PrefixRegistrant,
		KindCertificateAuthority: PrefixCertificateAuthority, KindCertificate: PrefixCertificate, KindTLSProfile: PrefixTLSProfile,
	}[k]
}

// Bounds of the common fields.
const (
	maxName        = 128
	maxExternalID  = 255
	maxDescription = 1024
	maxLabels      = 64
	maxLabelValue  = 256
)

var labelKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$`)

// validate checks the common fields.
func (m *Meta) validate() []Fault {
	var f faults
	f.text("#/name", m.Name, 1, maxName)
	f.text("#/external_id", m.ExternalID, 0, maxExternalID)
	f.text("#/description", m.Description, 0, maxDescription)
	if len(m.Labels) > maxLabels {
		f.add("#/labels", "too_many", fmt.Sprintf("has %d labels; at most %d are allowed", len(m.Labels), maxLabels))
	}
	keys := make([]string, 0, len(m.Labels))
	for k := range m.Labels {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		if !labelKey.MatchString(k) {
			f.add("#/labels", "pattern", fmt.Sprintf("label %q: a key has 1 to 63 letters, digits, '.', '_', '/' or '-'", k))
		}
		f.text("#/labels/"+k, m.Labels[k], 0, maxLabelValue)
	}
	return f
}

// faults collects what is wrong with a resource.
type faults []Fault

func (f *faults) add(pointer, code, detail string) {
	*f = append(*f, Fault{Pointer: pointer, Code: code, Detail: detail})
}

// text checks length, encoding and that no control character hides in it: such text ends up in SIP headers and logs.
func (f *faults) text(pointer, s string, least, most int) {
	switch n := utf8.RuneCountInString(s); {
	case n < least:
		f.add(pointer, "required", "must not be empty")
	case n > most:
		f.add(pointer, "too_long", fmt.Sprintf("has %d characters; at most %d are allowed", n, most))
	}
	if !utf8.ValidString(s) {
		f.add(pointer, "encoding", "is not valid UTF-8")
	}
	for _, r := range s {
		if r < 0x20 || r == 0x7f {
			f.add(pointer, "control_character", "must not hold control characters")
			return
		}
	}
}

// between checks an integer's range.
func (f *faults) between(pointer string, n, least, most int) {
	if n < least || n > most {
		f.add(pointer, "out_of_range", fmt.Sprintf("is %d; must be from %d to %d", n, least, most))
	}
}

// oneOf checks an enumeration.
func oneOf[T ~string](f *faults, pointer string, v T, allowed ...T) {
	for _, a := range allowed {
		if v == a {
			return
		}
	}
	f.add(pointer, "enum", fmt.Sprintf("is %q; must be one of %v", string(v), allowed))
}

// need checks that a reference is given.
func (f *faults) need(pointer, id string) {
	if id == "" {
		f.add(pointer, "required", "must name a resource by its id")
	}
}

// refs builds a list of references, leaving out those that are not set.
func refs(all ...Reference) []Reference {
	out := all[:0]
	for _, r := range all {
		if r.ID != "" {
			out = append(out, r)
		}
	}
	return out
}
