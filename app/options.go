package app

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Options are what has to be known before the store is open; everything else is configured through the API.
type Options struct {
	// DataDir holds the database (unless Database says otherwise), the journal of call records, the last snapshot and
	// copies of what is played to callers.
	DataDir string
	// Database is "postgres://…" or "sqlite:///path"; empty is an SQLite file in DataDir.
	Database string
	// APIAddress is where the API listens, "host:port"; port 0 takes a free one.
	APIAddress string
	// APIKey, where set, becomes the first API key instead of a generated one.
	APIKey string
	// SecretKey encrypts the secrets in the database, 32 octets in base 64 or hexadecimal; empty takes the one in SecretKeyFile, which is
	// made, with mode 0600, where there is none. Nodes that share a database need the same key.
	SecretKey string
	// SecretKeyFile holds the key; empty is "secret.key" in DataDir.
	SecretKeyFile string
	// PreviousSecretKey, where set, is the key of before: what was sealed with it is sealed with SecretKey at the start.
	PreviousSecretKey string
	// Node names this process in call records; empty is the host's name.
	Node string
	// ACMEHTTPAddress and ACMETLSAddress are where the challenges http-01 and tls-alpn-01 of ACME servers are answered, "host:port"; empty
	// answers none. The servers come to the ports 80 and 443 of the names (RFC 8555 8.3, RFC 8737 3), which have to lead there.
	ACMEHTTPAddress, ACMETLSAddress string
	// DNSServers replace those of /etc/resolv.conf, "host:port".
	DNSServers []string
	// CallPersistence says how calls in progress survive the process; empty is PersistSnapshot.
	CallPersistence CallPersistence
	// PersistInterval is how often changed calls are written by PersistSnapshot, and forced to the disk by either; 0 is 1 s.
	PersistInterval time.Duration
	// AllowLocalWebhooks lets the URLs of webhooks lead to this machine and to link-local addresses.
	AllowLocalWebhooks bool
	// NoShedding serves new requests however many wait, where otherwise some get 503 so that the rest is served well.
	NoShedding bool
	// MaxCalls bounds the calls in progress; 0 is 20,000. Beyond it new calls get 503.
	MaxCalls int
	// DrainTimeout bounds how long Stop waits for what is under way; 0 is 5 s.
	DrainTimeout time.Duration
	// ValidateResponses checks each API response against the specification (tests and demo).
	ValidateResponses bool
	// Version is shown by /version.
	Version string
	Log     *slog.Logger
}

// CallPersistence says how calls in progress survive the process: in a journal on the local disk, whatever the store is.
type CallPersistence string

// The ways. What is written survives kill -9 at once, and a loss of power once it was forced to the disk, every PersistInterval.
const (
	PersistNone         CallPersistence = "none"          // calls end with the process
	PersistSnapshot     CallPersistence = "snapshot"      // calls that changed are written every PersistInterval
	PersistWriteThrough CallPersistence = "write_through" // calls are written as soon as they change, beside their work
)

// fill sets defaults and makes the data directory.
func (o *Options) fill() error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DataDir == "" {
		o.DataDir = "data"
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return fmt.Errorf("app: cannot make the data directory: %w", err)
	}
	if o.Database == "" {
		path, err := filepath.Abs(filepath.Join(o.DataDir, "sallyport.db"))
		if err != nil {
			return fmt.Errorf("app: data directory: %w", err)
		}
		o.Database = "sqlite://" + path
	}
	if o.APIAddress == "" {
		o.APIAddress = "127.0.0.1:8080"
	}
	for _, server := range o.DNSServers {
		if _, _, err := net.SplitHostPort(server); err != nil {
			return fmt.Errorf("app: a DNS server is host:port: %w", err)
		}
	}
	switch o.CallPersistence {
	case "":
		o.CallPersistence = PersistSnapshot
	case PersistNone, PersistSnapshot, PersistWriteThrough:
	default:
		return fmt.Errorf("app: call persistence is none, snapshot or write_through, not %q", o.CallPersistence)
	}
	if o.PersistInterval == 0 {
		o.PersistInterval = time.Second
	}
	if o.PersistInterval < 10*time.Millisecond || o.PersistInterval > time.Minute {
		return fmt.Errorf("app: the interval of call persistence is between 10 ms and 1 min, not %v", o.PersistInterval)
	}
	if o.Node == "" {
		host, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("app: no node name: %w", err)
		}
		o.Node = host
	}
	if o.MaxCalls == 0 {
		o.MaxCalls = 20_000
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 5 * time.Second
	}
	return nil
}
