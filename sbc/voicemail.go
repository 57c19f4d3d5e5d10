package sbc

import (
	"context"
	"time"
)

// VoicemailContentType is the type of a message's audio among the blobs of its subscriber, where it has the message's id as name:
// 16-bit linear samples of 8 kHz, little endian, one channel.
const VoicemailContentType = AudioContentType

// VoicemailMessage is a message in a subscriber's mailbox. Its audio is a binary object of its own.
type VoicemailMessage struct {
	ID           string `json:"id"`
	TenantID     string `json:"tenant_id"`
	DomainID     string `json:"domain_id"`
	SubscriberID string `json:"subscriber_id"`
	CallID       string `json:"call_id,omitempty"`
	// Caller is the number that the call came from, "anonymous" where it was withheld.
	Caller     string    `json:"caller"`
	CallerName string    `json:"caller_name,omitempty"`
	ReceivedAt time.Time `json:"received_at"`
	// ExpiresAt is when it is deleted.
	ExpiresAt  time.Time `json:"expires_at"`
	DurationMS int       `json:"duration_ms"`
	// Bytes is the length of the audio in octets.
	Bytes int `json:"bytes"`
	// Heard is set by the phone, or through the API.
	Heard bool `json:"heard"`
}

// Mailbox is where a message is left now.
type Mailbox struct {
	TenantID, DomainID, SubscriberID string
	// GreetingID is the announcement that callers hear first; "" is a tone.
	GreetingID string
	// Longest is how long a message may be.
	Longest time.Duration
	// Close says that nothing more is recorded; it is called once. nil: nobody needs to know.
	Close func()
}

// VoicemailQuery selects the messages of a mailbox, by rising id, which is by age.
type VoicemailQuery struct {
	SubscriberID string
	// Heard, where it is set, selects those that were, or were not, heard.
	Heard *bool
	// After is the id after which the page begins; Limit is its size.
	After string
	Limit int
}

// VoicemailCount is how many messages a mailbox has.
type VoicemailCount struct{ Unheard, Heard int }

// Voicemails is the store of messages. A message goes with its subscriber. Nothing of it makes a revision.
type Voicemails interface {
	// AddVoicemail keeps a message with its audio, in one transaction. Errors: CodeConflict if the mailbox has as many as most,
	// CodeNotFound where there is no such subscriber, CodeInvalid.
	AddVoicemail(ctx context.Context, m *VoicemailMessage, pcm []byte, most int) error
	// Voicemail gives one. Errors: CodeNotFound.
	Voicemail(ctx context.Context, subscriberID, id string) (*VoicemailMessage, error)
	// ListVoicemail gives a page; next is "" on the last one, else the After of the next one.
	ListVoicemail(ctx context.Context, q VoicemailQuery) (page []VoicemailMessage, next string, err error)
	// CountVoicemail counts a mailbox's.
	CountVoicemail(ctx context.Context, subscriberID string) (VoicemailCount, error)
	// SetVoicemailHeard says whether a message was heard; changed is false if that was known. Errors: CodeNotFound.
	SetVoicemailHeard(ctx context.Context, subscriberID, id string, heard bool) (changed bool, err error)
	// DeleteVoicemail deletes a message and its audio. Errors: CodeNotFound.
	DeleteVoicemail(ctx context.Context, subscriberID, id string) error
	// ExpireVoicemail deletes at most limit messages whose time is over, and gives them.
	ExpireVoicemail(ctx context.Context, now time.Time, limit int) ([]VoicemailMessage, error)
}
