package sbc

import "fmt"

// MaxAnnouncementBytes bounds the audio of an announcement: 2 minutes of 8 kHz, 16 bits, one channel.
const MaxAnnouncementBytes = 120 * 8000 * 2

// Announcement is a piece of audio to be played to callers. The audio is uploaded as a WAV file (PCM of 8 or 16 bits, A-law or
// µ-law, 8 to 48 kHz, one or two channels) and kept as 16-bit linear samples of 8 kHz, little endian, one channel.
type Announcement struct {
	Meta
	// Language is a tag of RFC 5646, for people.
	Language string `json:"language,omitempty"`
	// DurationMS is the length of the audio, 0 until it is uploaded.
	DurationMS int `json:"duration_ms"`
	// Audio is never shown by the API.
	Audio []byte `json:"audio,omitempty"`
}

// Kind names the kind.
func (*Announcement) Kind() Kind { return KindAnnouncement }

// Base gives the common fields.
func (a *Announcement) Base() *Meta { return &a.Meta }

// Defaults has nothing to set.
func (*Announcement) Defaults() {}

// Validate checks the common fields and the length of the audio.
func (a *Announcement) Validate() []Fault {
	f := faults(a.Meta.validate())
	f.text("#/language", a.Language, 0, 35)
	if len(a.Audio) > MaxAnnouncementBytes {
		f.add("#/audio", "too_long", fmt.Sprintf("is longer than %d s", MaxAnnouncementBytes/16000))
	}
	return f
}

// References lists the resources it needs.
func (a *Announcement) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: a.TenantID})
}
