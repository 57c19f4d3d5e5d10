package api

import (
	"context"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/bulk"
	"github.com/sallyport/sallyport/sbc/rates"
)

// Provisioner changes the configuration. config.Manager is one.
type Provisioner interface {
	// Update runs change in one transaction and returns when the new configuration is live on this node. A dry run does
	// everything but keep it. Errors are *sbc.Error.
	Update(ctx context.Context, dryRun bool, change func(tx sbc.Tx) error) error
}

// Calls are the calls in progress. call.Manager is one.
type Calls interface {
	// List gives calls by rising id, at most f.Limit of those after f.After.
	List(f sbc.CallFilter) []sbc.CallInfo
	Get(id string) (sbc.CallInfo, bool)
	// Statistics counts the calls of a tenant, "" for all, since the node was started.
	Statistics(tenant string) sbc.CallStatistics
	sbc.CallControl
	// Messages and Media also know calls that ended a short while ago.
	Messages(id string) ([]sbc.TraceMessage, bool)
	Media(id string) ([]sbc.StreamStats, bool)
	// Decision knows why a call in progress went where it goes; false where it was made by a process before this one.
	Decision(id string) (sbc.Explanation, bool)
}

// Voicemail is the mailboxes of subscribers; voicemail.Service is one. Errors: CodeNotFound.
type Voicemail interface {
	Voicemail(ctx context.Context, subscriberID, id string) (*sbc.VoicemailMessage, error)
	ListVoicemail(ctx context.Context, q sbc.VoicemailQuery) (page []sbc.VoicemailMessage, next string, err error)
	// Audio gives the samples of a message, as sbc.VoicemailContentType says.
	Audio(ctx context.Context, subscriberID, id string) ([]byte, error)
	SetVoicemailHeard(ctx context.Context, subscriberID, id string, heard bool) (changed bool, err error)
	DeleteVoicemail(ctx context.Context, subscriberID, id string) error
}

// Blobs gives the audio of announcements. sbc.Blobs is one.
type Blobs interface {
	Blob(ctx context.Context, ownerID, name string) (sbc.Blob, []byte, error)
}

// Status is what the running node knows of itself. All methods answer from memory.
type Status interface {
	InterfaceStatus(id string) (sbc.InterfaceStatus, bool)
	PoolStatus(id string) (sbc.PoolStatus, bool)
	// TrunkStatus, EndpointStatus and RegistrantStatus are what is known of where calls go; false where nothing is known yet.
	TrunkStatus(id string) (sbc.TrunkStatus, bool)
	EndpointStatus(id string) (sbc.EndpointStatus, bool)
	RegistrantStatus(id string) (sbc.RegistrantStatus, bool)
	// TrunkQuality is what a trunk is worth for numbers that begin with digits, by each quality profile in use for it.
	TrunkQuality(id, digits string) []sbc.TrunkQuality
	ConfigStatus() sbc.ConfigStatus
	// Ready lists what has to be right for the node to be ready; the node is ready when every condition is OK.
	Ready() []sbc.Condition
}

// Options are what the API needs. What is not said to be optional is required.
type Options struct {
	Store   sbc.Provisioning // reads
	Config  Provisioner      // writes
	Records sbc.Records
	Blobs   Blobs
	Jobs    sbc.Jobs
	Imports *bulk.Runner
	Calls   Calls
	// Registrations are the contacts of subscribers.
	Registrations sbc.Registrations
	Explain       func(ctx context.Context, r sbc.ExplainRequest) (sbc.Explanation, error)
	Status        Status
	// Resolve looks a name up as a request to it would; transport "" is none named.
	Resolve func(ctx context.Context, name string, port int, transport sbc.Transport) sbc.DNSLookup
	// Events selects events of this node, oldest first; missed says that some after q.After are gone already.
	Events func(q sbc.EventQuery) (events []sbc.Event, missed bool)
	// Follow begins to read events as they happen, after q.After or from now on if that is empty. CodeUnavailable: too many do.
	Follow func(q sbc.EventQuery) (sbc.EventFeed, error)
	// Stopping ends when the API is to stop: answers without an end, which Follow feeds, end then. nil never does.
	Stopping context.Context
	// Voicemail is the mailboxes of subscribers.
	Voicemail Voicemail
	// Bans are those of this node.
	Bans sbc.Bans
	// CertificateStatus adds to what is known of a certificate when it is renewed, and what went wrong; nil adds nothing.
	CertificateStatus func(c *sbc.Certificate, s *sbc.CertificateStatus)
	// Effective gives the profiles that count for a trunk, a domain or a realm in service; false where there is none.
	Effective func(kind sbc.Kind, id string) (sbc.EffectiveProfiles, bool)
	// Register has this node register a registrant now, unless dry, and tells how far it is; false where it has none of that id in service.
	Register func(registrantID string, dry bool) (sbc.RegistrantStatus, bool)
	// Diagnose finds out whether calls can go to a trunk; it may take seconds.
	Diagnose func(ctx context.Context, trunkID string) (sbc.Diagnosis, error)
	// LimitUsage gives the counts of a limit profile on this node.
	LimitUsage func(profileID string) []sbc.LimitUsage
	// DecodeAudio makes of a WAV file what sbc.Announcement keeps, at most so many bytes. Its errors are for whoever uploads.
	DecodeAudio func(wav []byte, most int) ([]byte, error)
	// EncodeAudio makes a WAV file of it again.
	EncodeAudio func(audio []byte) (wav []byte)
	// Numbers tries dialplans and time profiles.
	Numbers Numbers
	// Rates gives the table of a rate deck by the hash of its rates, nil where this node has it not.
	Rates func(sha256 string) *rates.Table
	// TestHeaders applies the rules of one stage to a message. Pointers of its faults begin with "#/profile", "#/message" and
	// "#/stage".
	TestHeaders func(p *sbc.HeaderProfile, stage sbc.HeaderStage, message string, fields map[string]string) (HeaderTrial, error)
	// Gatherer is what /metrics shows (nil: nothing), Registerer gets the metrics of the API itself (nil: none).
	Gatherer   prometheus.Gatherer
	Registerer prometheus.Registerer
	// Version is shown at /version and in the documentation.
	Version string
	// Log is nil for silence.
	Log *slog.Logger
	// ValidateResponses checks every answer against openapi.yaml and turns one that breaks it into a 500 and an error in the
	// log. It costs as much again as the request's validation: for tests and the demo.
	ValidateResponses bool
}

// complete tells whether everything required is there.
func (o Options) complete() error {
	if o.Store == nil || o.Config == nil || o.Records == nil || o.Blobs == nil || o.Jobs == nil || o.Imports == nil || o.Calls == nil ||
		o.Registrations == nil || o.Explain == nil || o.Resolve == nil || o.Status == nil || o.Events == nil || o.Follow == nil ||
		o.LimitUsage == nil || o.Bans == nil || o.Voicemail == nil || o.DecodeAudio == nil || o.EncodeAudio == nil ||
		o.Rates == nil || o.Effective == nil || o.Diagnose == nil || o.Register == nil || o.Numbers == nil || o.TestHeaders == nil {
		return errors.New("api: an option that is required is missing")
	}
	return nil
}
