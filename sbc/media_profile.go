package sbc

import (
	"fmt"
	"regexp"
)

// DTMF says how a trunk tells digits.
type DTMF string

// The ways.
const (
	DTMFPass    DTMF = "pass"    // as negotiated end to end; payload types are still mapped
	DTMFRFC4733 DTMF = "rfc4733" // telephone-event packets; SIP INFO of the other side becomes those
	DTMFInfo    DTMF = "info"    // SIP INFO (application/dtmf-relay); packets of the other side become those
)

// Disclosure says what of the digits is told through the API.
type Disclosure string

// The degrees.
const (
	DiscloseOff    Disclosure = "off"
	DiscloseMasked Disclosure = "masked" // that there was a digit, and when
	DiscloseFull   Disclosure = "full"
)

// HoldMedia says what a party hears that is put on hold by a peer of this trunk or through the API.
type HoldMedia string

// What is heard on hold.
const (
	HoldPass    HoldMedia = "pass"    // what the holding party sends, or nothing
	HoldSilence HoldMedia = "silence" // packets of silence, so that NAT bindings and watchdogs stay awake
	HoldMusic   HoldMedia = "music"   // MusicAnnouncementID, over and over
)

// SilenceMode says which silence makes a call a dead one.
type SilenceMode string

// The modes.
const (
	SilenceBoth   SilenceMode = "both"   // neither side sends
	SilenceEither SilenceMode = "either" // one side that should send does not
)

// MediaMode says which way media take.
type MediaMode string

// The modes. A profile has one of the first three, a call MediaRelay, MediaDirect or MediaAnchored.
const (
	MediaRelay    MediaMode = "relay"    // through the border
	MediaDirect   MediaMode = "direct"   // between the peers, who are told each other's addresses of media
	MediaAuto     MediaMode = "auto"     // direct where both peers certainly reach each other, else through the border
	MediaAnchored MediaMode = "anchored" // direct at first, later through the border
)

// MediaProfile is what media with a trunk are like. A trunk without one has the defaults.
type MediaProfile struct {
	Meta
	// CodecsAllow, where it has entries, are the only codecs let through; CodecsDeny are taken out; CodecsOrder come first, in this
	// order. Names are those of the registry, such as "PCMA", with a clock rate where that matters ("speex/16000"). It holds for
	// offers and answers to and from the trunk. CodecsAllow leaves telephone-event, CN and fax (t38) alone; CodecsDeny may name them.
	CodecsAllow []string `json:"codecs_allow"`
	CodecsDeny  []string `json:"codecs_deny"`
	CodecsOrder []string `json:"codecs_order"`
	// PtimeMS is what we ask the trunk for (a=ptime, RFC 8866 6.4); 0 leaves what the other side said.
	PtimeMS int `json:"ptime_ms"`
	// StripAttributes are names of SDP attributes that never go to the trunk.
	StripAttributes     []string    `json:"strip_attributes"`
	DTMF                DTMF        `json:"dtmf"`
	DTMFEvents          Disclosure  `json:"dtmf_events"`
	Hold                HoldMedia   `json:"hold"`
	MusicAnnouncementID string      `json:"music_announcement_id,omitempty"`
	Silence             SilenceMode `json:"silence"`
	// MediaMode lets media go directly only together with that of the other leg's profile.
	MediaMode MediaMode `json:"media_mode"`
	SecureMedia
}

// Kind names the kind.
func (*MediaProfile) Kind() Kind { return KindMediaProfile }

// Base gives the common fields.
func (p *MediaProfile) Base() *Meta { return &p.Meta }

// Defaults: every codec, digits and hold as the peers agree, digits not disclosed, a call is dead when both sides are silent, media
// through the border.
func (p *MediaProfile) Defaults() {
	p.CodecsAllow, p.CodecsDeny, p.CodecsOrder, p.StripAttributes = []string{}, []string{}, []string{}, []string{}
	p.DTMF, p.DTMFEvents, p.Hold, p.Silence = DTMFPass, DiscloseOff, HoldPass, SilenceBoth
	p.MediaMode = MediaRelay
	p.SecureMedia.defaults()
}

var (
	codecName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,31}(/[0-9]{4,6})?$`)
	attributeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// Validate checks enumerations, ranges and lists.
func (p *MediaProfile) Validate() []Fault {
	f := faults(p.Meta.validate())
	f.names("#/codecs_allow", p.CodecsAllow, codecName, "the name of a codec")
	f.names("#/codecs_deny", p.CodecsDeny, codecName, "the name of a codec")
	f.names("#/codecs_order", p.CodecsOrder, codecName, "the name of a codec")
	f.names("#/strip_attributes", p.StripAttributes, attributeName, "the name of an attribute")
	if p.PtimeMS != 0 {
		f.between("#/ptime_ms", p.PtimeMS, 10, 120)
	}
	oneOf(&f, "#/dtmf", p.DTMF, DTMFPass, DTMFRFC4733, DTMFInfo)
	oneOf(&f, "#/dtmf_events", p.DTMFEvents, DiscloseOff, DiscloseMasked, DiscloseFull)
	oneOf(&f, "#/hold", p.Hold, HoldPass, HoldSilence, HoldMusic)
	oneOf(&f, "#/silence", p.Silence, SilenceBoth, SilenceEither)
	oneOf(&f, "#/media_mode", p.MediaMode, MediaRelay, MediaDirect, MediaAuto)
	p.SecureMedia.validate(&f)
	if p.Hold == HoldMusic {
		f.need("#/music_announcement_id", p.MusicAnnouncementID)
	}
	return f
}

// names checks a list of names.
func (f *faults) names(pointer string, list []string, form *regexp.Regexp, what string) {
	f.entries(pointer, len(list))
	for i, s := range list {
		if !form.MatchString(s) {
			f.add(fmt.Sprintf("%s/%d", pointer, i), "pattern", fmt.Sprintf("%q is not %s", s, what))
		}
	}
}

// References lists the resources it needs.
func (p *MediaProfile) References() []Reference {
	return refs(
		Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: p.TenantID},
		Reference{Pointer: "#/music_announcement_id", Kind: KindAnnouncement, ID: p.MusicAnnouncementID},
	)
}
