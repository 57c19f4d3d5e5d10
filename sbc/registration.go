package sbc

import (
	"context"
	"time"
)

// NATKind says what the way of a contact's REGISTER tells of its network (features.md 10.6).
type NATKind string

// The kinds.
const (
	NATNone    NATKind = "none"    // contact, Via and source agree
	NATAddress NATKind = "address" // the source's address is another than the contact's
	NATPort    NATKind = "port"    // only the port is another
	NATMoving  NATKind = "moving"  // the mapping changes from request to request, as with a symmetric NAT
)

// Registration is a contact of a subscriber (RFC 3261 10): one device, or one flow of it (RFC 5626).
type Registration struct {
	ID       string `json:"id"`
	TenantID string `json:"tenant_id"`
	DomainID string `json:"domain_id"`
	// SubscriberID is "sip:" and the AOR where the accounts are an upstream registrar's.
	SubscriberID string `json:"subscriber_id"`
	// AOR is the address of record, "user@domain"; Contact the URI as the phone wrote it.
	AOR     string  `json:"aor"`
	Contact string  `json:"contact"`
	Q       float64 `json:"q"`
	// InstanceID and RegID identify the phone and its flow (RFC 5626 4.1); PublicGRUU is the address of the phone (RFC 5627).
	InstanceID string `json:"instance_id,omitempty"`
	RegID      int    `json:"reg_id,omitempty"`
	PublicGRUU string `json:"public_gruu,omitempty"`
	// Path is the way back by RFC 3327.
	Path      []string `json:"path,omitempty"`
	UserAgent string   `json:"user_agent,omitempty"`
	// SIPInterfaceID, Transport and Source are the flow by which it came and by which it is reached; Connected tells whether a stream's
	// connection is still open.
	SIPInterfaceID string    `json:"sip_interface_id"`
	Transport      Transport `json:"transport"`
	Source         string    `json:"source"`
	Connected      bool      `json:"connected"`
	NAT            NATKind   `json:"nat"`
	// NATTests are the tests of features.md 10.6 that said so: contact_private, contact_address, contact_port, via_address, via_port,
	// via_private.
	NATTests []string `json:"nat_tests"`
	// Reachable is false after too many pings without an answer. RoundTripMS is the last answer's delay, 0 if none was measured.
	Reachable   bool       `json:"reachable"`
	RoundTripMS float64    `json:"round_trip_ms"`
	PingedAt    *time.Time `json:"pinged_at,omitempty"`
	Misses      int        `json:"misses"`
	// Push tells whether it can be woken (RFC 8599).
	Push bool `json:"push"`
	// Upstream is what the domain's upstream registrar knows in its place; nil where there is none.
	Upstream     *UpstreamRegistration `json:"upstream,omitempty"`
	RegisteredAt time.Time             `json:"registered_at"`
	RefreshedAt  time.Time             `json:"refreshed_at"`
	ExpiresAt    time.Time             `json:"expires_at"`
}

// RegistrationQuery selects registrations, by rising id. Zero fields do not filter.
type RegistrationQuery struct {
	TenantID, DomainID, SubscriberID string
	// AOR is exact; Source an address or a network; UserAgent a part of it, without regard to case.
	AOR, Source, UserAgent string
	Transport              Transport
	NAT                    NATKind
	Reachable              *bool
	After                  string
	Limit                  int
}

// Registrations is what the API may do with contacts. Errors: CodeNotFound.
type Registrations interface {
	Registrations(ctx context.Context, q RegistrationQuery) (page []Registration, next string, err error)
	Registration(ctx context.Context, tenantID, id string) (*Registration, error)
	// Unregister takes a contact away; RefreshRegistration pings it at once and gives what came of it.
	Unregister(ctx context.Context, tenantID, id string) error
	RefreshRegistration(ctx context.Context, tenantID, id string) (*Registration, error)
}

// BanReason says why a source is banned.
type BanReason string

// The reasons.
const (
	BanFlood   BanReason = "flood"
	BanAuth    BanReason = "auth_failures"
	BanScanner BanReason = "scanner"
	BanManual  BanReason = "manual"
)

// Ban is a network whose messages to SIP interfaces are dropped unread.
type Ban struct {
	ID string `json:"id"`
	// RealmID is the realm in which it holds; "" is all.
	RealmID string `json:"realm_id,omitempty"`
	// Source is the network.
	Source string    `json:"source"`
	Reason BanReason `json:"reason"`
	// Evidence says in words what was seen; Count is how often the source was banned within a day.
	Evidence  string    `json:"evidence"`
	Count     int       `json:"count"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	// Observed bans are only told of: the realm's profile observes.
	Observed bool `json:"observed"`
	// Dropped counts the messages it kept out.
	Dropped uint64 `json:"dropped"`
}

// BanQuery selects bans, by rising id.
type BanQuery struct {
	RealmID, Source string
	Reason          BanReason
	After           string
	Limit           int
}

// Bans is what the API may do with bans. Errors: CodeNotFound, CodeInvalid.
type Bans interface {
	Bans(q BanQuery) (page []Ban, next string)
	Ban(id string) (*Ban, error)
	// AddBan bans by hand: Source is needed, RealmID, Evidence and ExpiresAt may be given. A dry run only checks.
	AddBan(b Ban, dryRun bool) (*Ban, error)
	Unban(id string) error
}

// Entry is a subscriber as calls find it: with its other names.
type Entry struct {
	Subscriber *Subscriber
	// Aliases are its aliases in the domain.
	Aliases []Alias
	// Via is the alias by which it was found, nil where the username was asked for.
	Via *Alias
}

// Directory finds subscribers in the store. They are not part of the configuration that every node holds.
type Directory interface {
	// FindSubscriber finds who has a name in a domain, as username or as alias. Errors: CodeNotFound.
	FindSubscriber(ctx context.Context, domainID, name string) (*Entry, error)
	// SubscriberByID is the same for an id.
	SubscriberByID(ctx context.Context, id string) (*Entry, error)
	// Subscribers gives a page of all of them by rising id, those after an id; next is where the following page begins, "" at the end.
	Subscribers(ctx context.Context, after string, limit int) (page []*Entry, next string, err error)
}
