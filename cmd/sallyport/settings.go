package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/sallyport/sallyport/app"
)

// envPrefix begins every environment variable the program reads.
const envPrefix = "SALLYPORT_"

// settings are what the command line and the environment say; all else is configured through the API.
type settings struct {
	options    app.Options
	dnsServers string
	logLevel   string
	logFormat  string
}

// flags declares every setting once: as -data-dir and as SALLYPORT_DATA_DIR.
func (s *settings) flags(name string, out io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(out)
	o := &s.options
	set.StringVar(&o.DataDir, "data-dir", "./data", "directory of the database, the journals of call records and of calls in progress, and the last snapshot")
	set.StringVar(&o.Database, "database", "", "postgres://user:password@host/name or sqlite:///path (default: SQLite in the data directory)")
	set.StringVar(&o.APIAddress, "api-address", "127.0.0.1:8080", "where the API listens")
	set.StringVar(&o.SecretKeyFile, "secret-key-file", "", "key that seals the secrets in the database; made where there is none (default: secret.key in the data directory)")
	set.StringVar(&o.ACMEHTTPAddress, "acme-http-address", "", "where challenges http-01 of ACME servers are answered, such as :80 (default: nowhere)")
	set.StringVar(&o.ACMETLSAddress, "acme-tls-address", "", "where challenges tls-alpn-01 of ACME servers are answered, such as :443 (default: nowhere)")
	set.StringVar(&o.Node, "node", "", "name of this process in call records (default: the host name)")
	o.CallPersistence = app.PersistSnapshot
	set.Func("call-persistence", `how calls in progress survive the process: none, snapshot or write_through (default "snapshot")`,
		func(v string) error { o.CallPersistence = app.CallPersistence(v); return nil })
	set.DurationVar(&o.PersistInterval, "call-persistence-interval", time.Second, "how often a snapshot writes the calls that changed")
	set.BoolVar(&o.NoShedding, "no-shedding", false, "refuse nothing for overload: new requests are served however many wait")
	set.BoolVar(&o.AllowLocalWebhooks, "allow-local-webhooks", false, "let webhooks lead to addresses of this machine and to link-local ones")
	set.IntVar(&o.MaxCalls, "max-calls", 20_000, "calls in progress; beyond it new ones get 503")
	set.DurationVar(&o.DrainTimeout, "drain-timeout", 5*time.Second, "how long a stop waits for what is under way")
	set.StringVar(&s.dnsServers, "dns-servers", "", "comma-separated host:port instead of those of /etc/resolv.conf")
	set.StringVar(&s.logLevel, "log-level", "info", "debug, info, warn or error")
	set.StringVar(&s.logFormat, "log-format", "text", "text or json")
	return set
}

// parse reads environment and then arguments; arguments win. Keys come from the environment only: arguments are seen by every
// user of the machine.
func (s *settings) parse(name string, args, environ []string, out io.Writer) error {
	set := s.flags(name, out)
	known := map[string]string{}
	set.VisitAll(func(f *flag.Flag) { known[envPrefix+strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))] = f.Name })
	for _, kv := range environ {
		key, value, _ := strings.Cut(kv, "=")
		flagName, ok := known[key]
		switch {
		case key == envPrefix+"API_KEY":
			s.options.APIKey = value
		case key == envPrefix+"SECRET_KEY":
			s.options.SecretKey = value
		case key == envPrefix+"PREVIOUS_SECRET_KEY":
			s.options.PreviousSecretKey = value
		case ok:
			if err := set.Set(flagName, value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		case strings.HasPrefix(key, envPrefix) && !strings.HasPrefix(key, envPrefix+"TEST_"):
			return fmt.Errorf("unknown environment variable %s; did you mean %s?", key, nearest(key, known))
		}
	}
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("%q is not understood here; see sallyport %s -h", set.Arg(0), name)
	}
	return s.finish()
}

// finish turns texts into values.
func (s *settings) finish() error {
	if s.dnsServers != "" {
		s.options.DNSServers = strings.Split(s.dnsServers, ",")
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.logLevel)); err != nil {
		return fmt.Errorf("-log-level: %q is none of debug, info, warn, error", s.logLevel)
	}
	how := &slog.HandlerOptions{Level: level}
	switch s.logFormat {
	case "text":
		s.options.Log = slog.New(slog.NewTextHandler(os.Stderr, how))
	case "json":
		s.options.Log = slog.New(slog.NewJSONHandler(os.Stderr, how))
	default:
		return errors.New("-log-format: must be text or json")
	}
	return nil
}

// nearest is the known key with the smallest edit distance.
func nearest(key string, known map[string]string) string {
	best, least := envPrefix+"API_KEY", distance(key, envPrefix+"API_KEY")
	for k := range known {
		if d := distance(key, k); d < least || d == least && k < best {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
