package sbc

import (
	"fmt"
	"regexp"
)

// Reliable says how provisional responses are made reliable on a leg (RFC 3262).
type Reliable string

// The modes of 100rel.
const (
	ReliableOff       Reliable = "off"       // never: Require: 100rel gets 420
	ReliablePass      Reliable = "pass"      // the leg is reliable as the other one is: PRACK and its answer travel through
	ReliableRequire   Reliable = "require"   // the peer must: our INVITE has Require, the peer's gets 421 without Supported
	ReliableTerminate Reliable = "terminate" // this leg by itself: we answer and send PRACK where the peer supports it
)

// SessionTimer says whether a leg has a session timer (RFC 4028).
type SessionTimer string

// The modes of the session timer.
const (
	SessionTimerOff     SessionTimer = "off"     // we never speak of it; a peer that refreshes by itself may
	SessionTimerAccept  SessionTimer = "accept"  // where the peer asks for one
	SessionTimerRequest SessionTimer = "request" // we ask for one
)

// Refresher says who refreshes the session where the choice is ours (RFC 4028 7.1, 9).
type Refresher string

// The refreshers.
const (
	RefresherAuto Refresher = "auto" // whoever the peer names, else we
	RefresherUs   Refresher = "us"
	RefresherPeer Refresher = "peer"
)

// ReferMode says what becomes of a REFER (RFC 3515).
type ReferMode string

// The modes of transfer.
const (
	ReferPass      ReferMode = "pass"      // carried to the other side, its references rewritten
	ReferTerminate ReferMode = "terminate" // we call the target ourselves
	ReferReject    ReferMode = "reject"    // 603
)

// RedirectMode says what becomes of a 3xx to an attempt.
type RedirectMode string

// The modes of redirection.
const (
	RedirectFail   RedirectMode = "fail"   // it is a failure: 480, or the next attempt
	RedirectFollow RedirectMode = "follow" // its contacts are the next attempts, routed as new numbers of the same caller
	RedirectPass   RedirectMode = "pass"   // the caller gets it, with numbers and our own host
)

// Retargeting says how earlier destinations of a call are told to this trunk.
type Retargeting string

// The forms.
const (
	RetargetDrop      Retargeting = "drop"
	RetargetPass      Retargeting = "pass"         // as they came, rewritten
	RetargetDiversion Retargeting = "diversion"    // as Diversion (RFC 5806)
	RetargetHistory   Retargeting = "history_info" // as History-Info (RFC 7044)
)

// SourcePolicy says from where requests within a dialog are believed.
type SourcePolicy string

// The policies.
const (
	SourceStrict  SourcePolicy = "strict"  // the leg's own address, port and transport
	SourceSameIP  SourcePolicy = "same_ip" // the leg's own address
	SourceLenient SourcePolicy = "lenient" // that, or any address of the trunk
)

// ResponseMapping turns a final failure that came from this trunk into another before anything else reads it.
type ResponseMapping struct {
	// From is a code such as "486" or a class such as "4xx"; To is the code that stands for it, with Reason as its phrase ("" for
	// the usual one).
	From   string `json:"from"`
	To     int    `json:"to"`
	Reason string `json:"reason,omitempty"`
}

// FailureAnnouncement is played as early media before one of the codes is sent to a caller of this trunk.
type FailureAnnouncement struct {
	Codes          []string `json:"codes"`
	AnnouncementID string   `json:"announcement_id"`
}

// SignallingProfile is how dialogs with a trunk are kept. A trunk without one has the defaults.
type SignallingProfile struct {
	Meta
	ReliableProvisional Reliable     `json:"reliable_provisional"`
	SessionTimer        SessionTimer `json:"session_timer"`
	// SessionExpiresS is what we ask for, MinSES the least that we accept (RFC 4028 4, 5).
	SessionExpiresS int       `json:"session_expires_s"`
	MinSES          int       `json:"min_se_s"`
	Refresher       Refresher `json:"refresher"`
	// PingIntervalS is how often the peer of an answered call is asked with OPTIONS whether it is there; 0 is never. After
	// PingMisses questions in a row without an answer, or with 481 or 408, the call is ended.
	PingIntervalS int       `json:"ping_interval_s"`
	PingMisses    int       `json:"ping_misses"`
	ReferMode     ReferMode `json:"refer_mode"`
	// Redirects and MaxRedirects are for 3xx that come from this trunk.
	Redirects    RedirectMode `json:"redirects"`
	MaxRedirects int          `json:"max_redirects"`
	// ResponseMap is for final failures that come from this trunk, of INVITE, re-INVITE and UPDATE; the first entry that fits
	// counts.
	ResponseMap []ResponseMapping `json:"response_map"`
	// Retargeting is what is sent to this trunk.
	Retargeting    Retargeting  `json:"retargeting"`
	InDialogSource SourcePolicy `json:"in_dialog_source"`
	// PassEvents are the event packages (RFC 6665) that may be subscribed to and published from and to this trunk; empty for none.
	PassEvents []string `json:"pass_events"`
	// PassMessages lets MESSAGE (RFC 3428) out of dialogs through, by the trunk's routing plan.
	PassMessages bool `json:"pass_messages"`
	// ContactView says what of this trunk's peers shows on the other side of a call, and of others here.
	ContactView
	// Announcements are played to callers of this trunk.
	Announcements []FailureAnnouncement `json:"announcements"`
}

// Kind names the kind.
func (*SignallingProfile) Kind() Kind { return KindSignallingProfile }

// Base gives the common fields.
func (p *SignallingProfile) Base() *Meta { return &p.Meta }

// Defaults: 100rel ended on each leg, session timers of 1800 s where the peer asks, OPTIONS every 60 s, transfers carried out by us,
// requests within a dialog from any address of the trunk.
func (p *SignallingProfile) Defaults() {
	p.ReliableProvisional, p.SessionTimer, p.Refresher = ReliableTerminate, SessionTimerAccept, RefresherAuto
	p.SessionExpiresS, p.MinSES = 1800, 90
	p.PingIntervalS, p.PingMisses = 60, 2
	p.ReferMode, p.Redirects, p.MaxRedirects = ReferTerminate, RedirectFail, 5
	p.Retargeting, p.InDialogSource = RetargetDrop, SourceLenient
	p.ResponseMap, p.PassEvents, p.Announcements = []ResponseMapping{}, []string{}, []FailureAnnouncement{}
	p.ContactParams = []string{}
}

var eventPackage = regexp.MustCompile(`^[A-Za-z0-9!%*_+'~-]{1,32}(\.[A-Za-z0-9!%*_+'~-]{1,32}){0,3}$`)

// maxEntries bounds the lists of a profile.
const maxEntries = 64

// Validate checks enumerations, ranges and lists.
func (p *SignallingProfile) Validate() []Fault {
	f := faults(p.Meta.validate())
	oneOf(&f, "#/reliable_provisional", p.ReliableProvisional, ReliableOff, ReliablePass, ReliableRequire, ReliableTerminate)
	oneOf(&f, "#/session_timer", p.SessionTimer, SessionTimerOff, SessionTimerAccept, SessionTimerRequest)
	oneOf(&f, "#/refresher", p.Refresher, RefresherAuto, RefresherUs, RefresherPeer)
	oneOf(&f, "#/refer_mode", p.ReferMode, ReferPass, ReferTerminate, ReferReject)
	oneOf(&f, "#/redirects", p.Redirects, RedirectFail, RedirectFollow, RedirectPass)
	oneOf(&f, "#/retargeting", p.Retargeting, RetargetDrop, RetargetPass, RetargetDiversion, RetargetHistory)
	oneOf(&f, "#/in_dialog_source", p.InDialogSource, SourceStrict, SourceSameIP, SourceLenient)
	f.between("#/session_expires_s", p.SessionExpiresS, 90, 86_400) // RFC 4028 4: not under 90
	f.between("#/min_se_s", p.MinSES, 90, 86_400)
	if p.MinSES > p.SessionExpiresS {
		f.add("#/min_se_s", "out_of_range", "must not be more than session_expires_s")
	}
	f.between("#/ping_interval_s", p.PingIntervalS, 0, 3600)
	f.between("#/ping_misses", p.PingMisses, 1, 10)
	f.between("#/max_redirects", p.MaxRedirects, 1, 20)
	p.lists(&f)
	return f
}

// lists checks the entries of the lists.
func (p *SignallingProfile) lists(f *faults) {
	f.entries("#/response_map", len(p.ResponseMap))
	for i, m := range p.ResponseMap {
		f.codes(fmt.Sprintf("#/response_map/%d/from", i), m.From)
		f.between(fmt.Sprintf("#/response_map/%d/to", i), m.To, 400, 699)
		f.text(fmt.Sprintf("#/response_map/%d/reason", i), m.Reason, 0, 64)
	}
	f.entries("#/pass_events", len(p.PassEvents))
	for i, e := range p.PassEvents {
		if !eventPackage.MatchString(e) {
			f.add(fmt.Sprintf("#/pass_events/%d", i), "pattern", fmt.Sprintf("%q is not the name of an event package", e))
		}
	}
	p.ContactView.validate(f)
	f.entries("#/announcements", len(p.Announcements))
	for i, a := range p.Announcements {
		f.entries(fmt.Sprintf("#/announcements/%d/codes", i), len(a.Codes))
		f.need(fmt.Sprintf("#/announcements/%d/announcement_id", i), a.AnnouncementID)
		for k, c := range a.Codes {
			f.codes(fmt.Sprintf("#/announcements/%d/codes/%d", i, k), c)
		}
	}
}

// References lists the resources it needs.
func (p *SignallingProfile) References() []Reference {
	list := make([]Reference, 0, 1+len(p.Announcements))
	list = append(list, Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID})
	for i, a := range p.Announcements {
		list = append(list, Reference{
			Pointer: fmt.Sprintf("#/announcements/%d/announcement_id", i), Kind: KindAnnouncement, ID: a.AnnouncementID,
		})
	}
	return refs(list...)
}

// Mapped gives the code and phrase that stand for a final failure; the phrase is "" where it is the usual one or the peer's own.
func (p *SignallingProfile) Mapped(code int) (to int, reason string) {
	for _, m := range p.ResponseMap {
		if codeFits(m.From, code) {
			return m.To, m.Reason
		}
	}
	return code, ""
}

// Announcement gives the id of what is played before a final failure, "" for nothing.
func (p *SignallingProfile) Announcement(code int) string {
	for _, a := range p.Announcements {
		for _, c := range a.Codes {
			if codeFits(c, code) {
				return a.AnnouncementID
			}
		}
	}
	return ""
}

// codeFits tells whether a code is "503", or of the class "5xx".
func codeFits(pattern string, code int) bool {
	if len(pattern) != 3 || int(pattern[0]-'0') != code/100 {
		return false
	}
	return pattern[1:] == "xx" || int(pattern[1]-'0') == code/10%10 && int(pattern[2]-'0') == code%10
}

// codes checks a final code or a class of them.
func (f *faults) codes(pointer, s string) {
	if !failoverCode.MatchString(s) {
		f.add(pointer, "pattern", fmt.Sprintf("%q is neither a final code such as \"503\" nor a class such as \"5xx\"", s))
	}
}

// entries checks the length of a list.
func (f *faults) entries(pointer string, n int) {
	if n > maxEntries {
		f.add(pointer, "too_many", fmt.Sprintf("has %d entries; at most %d are allowed", n, maxEntries))
	}
}

// Carries tells whether requests of a method outside of calls (MESSAGE, SUBSCRIBE, PUBLISH) may come from a trunk with this profile.
func (p *SignallingProfile) Carries(method string) bool {
	if method == "MESSAGE" {
		return p.PassMessages
	}
	return len(p.PassEvents) > 0
}
