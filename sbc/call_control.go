package sbc

import (
	"context"
	"time"
)

// CallControl is what the API may do with calls in progress. Errors: CodeNotFound where the call is not there (any more),
// CodeConflict where its state does not allow it, CodeInvalid with pointers for orders that cannot be carried out.
type CallControl interface {
	// HangUp ends one call; HangUpAll those that pass the filter, and gives their ids. With dryRun nothing is ended.
	HangUp(ctx context.Context, id, reason string) error
	HangUpAll(ctx context.Context, f CallFilter, reason string, dryRun bool) ([]string, error)
	// Change sets what may be changed in a running call, and gives the call as it is then.
	Change(ctx context.Context, id string, c CallChange) (CallInfo, error)
	// Hold puts a side on hold or takes it back: it is told by a re-INVITE and hears what the media profile says.
	Hold(ctx context.Context, id string, o HoldOrder) error
	// Transfer connects one side with somebody else; it returns when the transfer has begun.
	Transfer(ctx context.Context, id string, o TransferOrder) error
	// Reinvite negotiates media anew with one side or both; it returns when they have agreed.
	Reinvite(ctx context.Context, id string, o ReinviteOrder) error
	// SendInfo sends INFO to a side (RFC 6086), and gives what its device answered.
	SendInfo(ctx context.Context, id string, o InfoOrder) (InfoAnswer, error)
	// SendDTMF sends digits to a side, as its media profile says; it returns when they have begun.
	SendDTMF(ctx context.Context, id string, o DTMFOrder) error
	// Play plays an announcement to one or both sides; another one that plays there is ended. StopPlaying ends it.
	Play(ctx context.Context, id string, o PlayOrder) error
	StopPlaying(ctx context.Context, id string, sides []Side) error
	// Originate calls one number and, when it answers, another, and connects the two (RFC 3725).
	Originate(ctx context.Context, o OriginateOrder) (CallInfo, error)
}

// CallChange changes a running call; nil and absent leave things as they are.
type CallChange struct {
	// MaxDurationS counts from the answer; a call that has lasted longer ends at once.
	MaxDurationS *int
	// Variables are set; a nil value takes one away. At most 32 of a call, names of 64 characters, values of 256.
	Variables map[string]*string
}

// Bounds of a call's variables.
const (
	MaxVariables      = 32
	MaxVariableName   = 64
	MaxVariableLength = 256
)

// HoldOrder names the side that is to be held, or to be taken back.
type HoldOrder struct {
	Side Side
	Held bool
}

// ReinviteOrder says with whom media is negotiated anew.
type ReinviteOrder struct {
	// Sides are asked one after the other; none are both, the caller first.
	Sides []Side
	// NewPort gives them other ports of ours; else they are told again what they were told last.
	NewPort bool
}

// InfoOrder is an INFO request for a side. Without a body it has no content type.
type InfoOrder struct {
	Side              Side
	ContentType, Body string
}

// InfoAnswer is a device's final answer to INFO. A body that is no text, or longer than MaxInfoBody, is left out.
type InfoAnswer struct {
	Status      int    `json:"status,omitempty"`
	Reason      string `json:"reason,omitempty"`
	ContentType string `json:"content_type,omitempty"`
	Body        string `json:"body,omitempty"`
}

// TransferOrder says which side is to be connected with whom: the other side is let go once that works.
type TransferOrder struct {
	// Keep is the side that stays.
	Keep Side
	// Target is a number, routed by the plan of the trunk of the side that is let go.
	Target string
	// CallID, instead of Target, joins the side with the side With of another call (attended).
	CallID string
	With   Side
	Reason string
}

// DTMFOrder says which digits go to which side.
type DTMFOrder struct {
	Side Side
	// Digits are of 0-9, *, #, A-D; at most 64.
	Digits string
	// Duration of each and Gap after it; zero means 100 ms and 70 ms.
	Duration, Gap time.Duration
}

// PlayOrder says what is played to whom. A side that is played to does not hear the other one meanwhile.
type PlayOrder struct {
	Sides          []Side
	AnnouncementID string
	// Repeat is how often, 0 for ever (until stopped).
	Repeat int
}

// OriginateOrder is a call that the border makes by itself.
type OriginateOrder struct {
	TenantID string
	// TrunkID is the trunk in whose name the call is made: its routing plan, limits and identity count.
	TrunkID string
	// From is called first; when it answers, To. Both are routed by the trunk's plan. Caller is what To sees; "" means From.
	From, To, Caller string
	Variables        map[string]string
	MaxDurationS     int
	// AnnouncementID is played to From while To is called; "" is silence.
	AnnouncementID string
}
