package sbc

import (
	"fmt"
)

// GuardMode says what a guard does with what it finds.
type GuardMode string

// The modes.
const (
	GuardEnforce GuardMode = "enforce"
	GuardObserve GuardMode = "observe" // counts and tells, and lets everything pass
	GuardOff     GuardMode = "off"
)

// FloodAction is what a source gets that sends too much.
type FloodAction string

// The actions.
const (
	FloodDrop   FloodAction = "drop"   // silence until it is slow enough
	FloodRefuse FloodAction = "refuse" // 503 with Retry-After, without state, at a bounded rate; then silence
	FloodBan    FloodAction = "ban"    // silence for BanS, longer each time
)

// FloodProfile bounds what one source may send to the interfaces of a realm, before it is parsed: requests within a sliding window, by
// kind. Sources of trunks, and those that authenticated not long ago, are exempt.
type FloodProfile struct {
	Meta
	Mode GuardMode `json:"mode"`
	// Compat counts as OpenSIPS' PIKE does (two halves, their mean, a tree of address octets) instead of exactly.
	Compat bool `json:"compat"`
	// WindowMS is the window; the others are how many a source may send in it. Malformed are messages that cannot be read.
	WindowMS  int `json:"window_ms"`
	Register  int `json:"register"`
	Invite    int `json:"invite"`
	Options   int `json:"options"`
	Other     int `json:"other"`
	Malformed int `json:"malformed"`
	// Wider networks get a multiple of a lone address's share: IPv6 is counted by address, /64 and /48.
	Prefix64Factor int `json:"prefix_64_factor"`
	Prefix48Factor int `json:"prefix_48_factor"`
	// AccountRegister and AccountInvite bound what one subscriber may send in the window, from wherever; 0 is no bound.
	AccountRegister int         `json:"account_register"`
	AccountInvite   int         `json:"account_invite"`
	Action          FloodAction `json:"action"`
	// BanS is the first ban; each later one within a day is BanGrowth times as long, up to MaxBanS.
	BanS      int `json:"ban_s"`
	BanGrowth int `json:"ban_growth"`
	MaxBanS   int `json:"max_ban_s"`
	// Exempt are networks that are never counted.
	Exempt []string `json:"exempt"`
	// AuthFailures bounds wrong passwords.
	AuthFailures AuthFailurePolicy `json:"auth_failures"`
	// Scanners are patterns of User-Agent and From that only scanners send; each is compared without regard to case.
	Scanners      []string    `json:"scanners"`
	ScannerAction FloodAction `json:"scanner_action"`
	// UnauthenticatedS closes a connection on which nothing was authenticated for so long; 0 is never.
	UnauthenticatedS int `json:"unauthenticated_s"`
	// ExemptAuthenticatedS is how long after a good authentication a source is exempt.
	ExemptAuthenticatedS int `json:"exempt_authenticated_s"`
}

// AuthFailurePolicy bounds answers to our challenges that are wrong. Only those count that bear a nonce of ours, so that nobody can be
// accused by a forged packet.
type AuthFailurePolicy struct {
	WindowS    int `json:"window_s"`
	PerSource  int `json:"per_source"`
	PerAccount int `json:"per_account"`
	BanS       int `json:"ban_s"`
}

// Kind names the kind.
func (*FloodProfile) Kind() Kind { return KindFloodProfile }

// Base gives the common fields.
func (p *FloodProfile) Base() *Meta { return &p.Meta }

// Defaults: 30 requests in 2 s, 10 of them REGISTER; a ban of 120 s that doubles up to a day; 20 wrong passwords of a source and 10 for
// an account in a minute, then an hour.
func (p *FloodProfile) Defaults() {
	p.Mode, p.WindowMS = GuardEnforce, 2000
	p.Register, p.Invite, p.Options, p.Other, p.Malformed = 10, 30, 30, 30, 10
	p.Prefix64Factor, p.Prefix48Factor = 2, 8
	p.AccountRegister, p.AccountInvite = 10, 30
	p.Action, p.BanS, p.BanGrowth, p.MaxBanS = FloodDrop, 120, 2, 86_400
	p.Exempt = []string{}
	p.AuthFailures = AuthFailurePolicy{WindowS: 60, PerSource: 20, PerAccount: 10, BanS: 3600}
	p.Scanners, p.ScannerAction = DefaultScanners(), FloodDrop
	p.UnauthenticatedS, p.ExemptAuthenticatedS = 10, 3600
}

// DefaultScanners are names that well-known scanners give themselves.
func DefaultScanners() []string {
	return []string{
		"friendly-scanner", "sipvicious", "sipcli", "sip-scan", "sipsak-scan", "sundayddr", "iWar", "SIVuS", "Gulp", "smap",
		"VaxSIPUserAgent", "PortSIP-scanner", "eyeBeam-scan", "pplsip", "friendly-request",
	}
}

// Validate checks ranges and networks.
func (p *FloodProfile) Validate() []Fault {
	f := faults(p.Meta.validate())
	oneOf(&f, "#/mode", p.Mode, GuardEnforce, GuardObserve, GuardOff)
	f.between("#/window_ms", p.WindowMS, 100, 60_000)
	for _, n := range []struct {
		at    string
		value int
	}{
		{"#/register", p.Register}, {"#/invite", p.Invite}, {"#/options", p.Options}, {"#/other", p.Other}, {"#/malformed", p.Malformed},
	} {
		f.between(n.at, n.value, 1, 1_000_000)
	}
	f.between("#/account_register", p.AccountRegister, 0, 1_000_000)
	f.between("#/account_invite", p.AccountInvite, 0, 1_000_000)
	f.between("#/prefix_64_factor", p.Prefix64Factor, 1, 1000)
	f.between("#/prefix_48_factor", p.Prefix48Factor, 1, 10_000)
	oneOf(&f, "#/action", p.Action, FloodDrop, FloodRefuse, FloodBan)
	oneOf(&f, "#/scanner_action", p.ScannerAction, FloodDrop, FloodRefuse, FloodBan)
	f.between("#/ban_s", p.BanS, 1, 604_800)
	f.between("#/ban_growth", p.BanGrowth, 1, 10)
	f.between("#/max_ban_s", p.MaxBanS, p.BanS, 2_592_000)
	f.entries("#/exempt", len(p.Exempt))
	for i, c := range p.Exempt {
		if n, err := ParseCIDR(c); err != nil || n.Bits() == 0 {
			f.add(fmt.Sprintf("#/exempt/%d", i), "cidr", fmt.Sprintf("%q is not a network such as 192.0.2.0/28", c))
		}
	}
	a := p.AuthFailures
	f.between("#/auth_failures/window_s", a.WindowS, 1, 86_400)
	f.between("#/auth_failures/per_source", a.PerSource, 1, 100_000)
	f.between("#/auth_failures/per_account", a.PerAccount, 1, 100_000)
	f.between("#/auth_failures/ban_s", a.BanS, 1, 604_800)
	f.entries("#/scanners", len(p.Scanners))
	for i, s := range p.Scanners {
		f.text(fmt.Sprintf("#/scanners/%d", i), s, 3, 64)
	}
	f.between("#/unauthenticated_s", p.UnauthenticatedS, 0, 3600)
	f.between("#/exempt_authenticated_s", p.ExemptAuthenticatedS, 0, 86_400)
	return f
}

// References lists the resources it needs.
func (p *FloodProfile) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID})
}
