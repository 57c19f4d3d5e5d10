package sbc

import (
	"encoding/json"
	"fmt"
)

// MaxAnnouncementBytes bounds the audio of an announcement: 2 minutes of 8 kHz, 16 bits, one channel.
const MaxAnnouncementBytes = 120 * 8000 * 2

// The audio of an announcement among the blobs.
const (
	BlobAudio        = "audio"
	AudioContentType = "audio/pcm;rate=8000"
)

// Announcement is a piece of audio to be played to callers. The audio is uploaded as a WAV file (PCM of 8 or 16 bits, A-law or
// µ-law, 8 to 48 kHz, one or two channels) and kept as 16-bit linear samples of 8 kHz, little endian, one channel: a blob, of
// which the resource holds only what identifies it.
type Announcement struct {
	Meta
	// Language is a tag of RFC 5646, for people.
	Language string `json:"language,omitempty"`
	// DurationMS is the length of the audio, 0 until it is uploaded.
	DurationMS int `json:"duration_ms"`
	// AudioSHA256 is the hash of the audio's octets and AudioBytes their number; "" and 0 until it is uploaded. The API shows
	// neither.
	AudioSHA256 string `json:"audio_sha256,omitempty"`
	AudioBytes  int    `json:"audio_bytes,omitempty"`
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
	if a.AudioBytes > MaxAnnouncementBytes {
		f.add("#/audio", "too_long", fmt.Sprintf("is longer than %d s", MaxAnnouncementBytes/16000))
	}
	return f
}

// References lists the resources it needs.
func (a *Announcement) References() []Reference {
	return refs(Reference{Pointer: "#/tenant_id", Kind: KindTenant, ID: a.TenantID})
}

// HasAudio tells whether audio was uploaded.
func (a *Announcement) HasAudio() bool { return a.AudioSHA256 != "" }

// Audio is the blob that holds its audio.
func (a *Announcement) Audio() Blob {
	return Blob{
		OwnerID: a.ID, Name: BlobAudio, ContentType: AudioContentType, Size: int64(a.AudioBytes), SHA256: a.AudioSHA256,
	}
}

// Blobs lists the blob that every node needs: the audio, if there is one.
func (a *Announcement) Blobs() []Blob {
	if !a.HasAudio() {
		return nil
	}
	return []Blob{a.Audio()}
}

// The members of an announcement's document that have to do with audio. Until schema 5 the audio itself was one, in base 64.
const (
	memberAudio       = "audio"
	memberAudioSHA256 = "audio_sha256"
	memberAudioBytes  = "audio_bytes"
)

// TakeAudioOut makes of an announcement's document that holds its audio one that names it, and gives the audio; nil where it
// holds none, and then the document as it was.
func TakeAudioOut(document []byte) (without, audio []byte, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, nil, err
	}
	if raw, ok := members[memberAudio]; ok {
		if err := json.Unmarshal(raw, &audio); err != nil {
			return nil, nil, err
		}
	}
	if len(audio) == 0 {
		return document, nil, nil
	}
	delete(members, memberAudio)
	members[memberAudioSHA256] = json.RawMessage(`"` + HashBlob(audio) + `"`)
	members[memberAudioBytes] = fmt.Appendf(nil, "%d", len(audio))
	without, err = json.Marshal(members)
	return without, audio, err
}

// PutAudioBack undoes TakeAudioOut.
func PutAudioBack(document, audio []byte) (with []byte, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(document, &members); err != nil {
		return nil, err
	}
	delete(members, memberAudioSHA256)
	delete(members, memberAudioBytes)
	if members[memberAudio], err = json.Marshal(audio); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}
