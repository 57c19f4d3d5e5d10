package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sallyport/sallyport/api"
	"github.com/sallyport/sallyport/auth/seal"
	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/media/tone"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/account"
	"github.com/sallyport/sallyport/sbc/admit"
	"github.com/sallyport/sallyport/sbc/blob"
	"github.com/sallyport/sallyport/sbc/bulk"
	"github.com/sallyport/sallyport/sbc/call"
	"github.com/sallyport/sallyport/sbc/certs/acme"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/consult"
	"github.com/sallyport/sallyport/sbc/directory"
	"github.com/sallyport/sallyport/sbc/discover"
	"github.com/sallyport/sallyport/sbc/edge"
	"github.com/sallyport/sallyport/sbc/eventlog"
	"github.com/sallyport/sallyport/sbc/guard"
	"github.com/sallyport/sallyport/sbc/rates"
	"github.com/sallyport/sallyport/sbc/register"
	"github.com/sallyport/sallyport/sbc/registrant"
	"github.com/sallyport/sallyport/sbc/renew"
	"github.com/sallyport/sallyport/sbc/subscription"
	"github.com/sallyport/sallyport/sbc/voicemail"
	"github.com/sallyport/sallyport/storage"
	"github.com/sallyport/sallyport/webhook"
)

// App is a running border. Its methods may be called from anywhere.
type App struct {
	o         Options
	life      lifecycle
	metrics   *prometheus.Registry
	store     storage.Store
	sealer    *seal.Box
	past      past
	bindings  bindings
	journal   *account.Journal
	engine    *media.Engine
	blobs     *blob.Copies
	rates     *rates.Tables
	prices    *prices
	edge      *edge.Edge
	resolver  edge.Resolver
	border    border
	parts     *parts // of the border, once requests are let in
	registrar *register.Registrar
	sweep     chan struct{} // asks for a look at whose contacts are kept
	hooks     *webhook.Client
	voicemail *voicemail.Service
	calls     *call.Manager
	events    *eventlog.Log
	guard     *guard.Guard
	tally     *admit.Tally
	reach     *reach
	config    *config.Manager
	directory *directory.Cache
	health    *health
	listening listening
	finder    *discover.Finder
	// challenges orders certificates by ACME, renewal keeps certificates alive.
	challenges *acme.Client
	renewal    *renew.Keeper
	// registrants are our registrations at carriers.
	registrants *registrant.Manager
	listener    net.Listener
	server      *http.Server // of the API
	firstKey    string
}

// Start opens everything and returns when calls and API requests are served. If a part fails, those before it are stopped again
// and the error is returned. The context bounds the start, not the life.
func Start(ctx context.Context, o Options) (*App, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	a := &App{o: o, metrics: prometheus.NewRegistry(), life: lifecycle{log: o.Log}, sweep: make(chan struct{}, 1)}
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, part := range []struct {
		name string
		open func(context.Context) error
	}{
		{"store", a.openStore}, {"live calls", a.openLive}, {"registrations", a.openRegistrations},
		{"journal", a.openJournal}, {"records", a.deliverRecords},
		{"media", a.openMedia}, {"blobs", a.openBlobs}, {"guard", a.openGuard}, {"webhooks", a.openHooks}, {"voicemail", a.openVoicemail},
		{"signalling", a.openSignalling}, {"registrar", a.openRegistrar}, {"mwi", a.openMWI}, {"door", a.openDoor},
		{"configuration", a.openConfig}, {"certificates", a.keepCertificates},
		{"api", a.openAPI}, {"calls", a.restoreCalls}, {"registrants", a.registerAtCarriers}, {"serving", a.serveAPI},
	} {
		if err := part.open(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", part.name, err), a.Stop(context.Background()))
		}
	}
	o.Log.Info("serving", "api", a.URL(), "revision", a.config.Current().Revision, "node", o.Node)
	return a, nil
}

// Migrate brings the database to this version's schema.
func Migrate(ctx context.Context, o Options) error {
	if err := o.fill(); err != nil {
		return err
	}
	sealer, err := o.sealer()
	if err != nil {
		return err
	}
	store, err := storage.Open(ctx, o.Database, storage.Options{Log: o.Log, Sealer: sealer})
	if err != nil {
		return err
	}
	return store.Close()
}

// URL is where the API is, "http://host:port".
func (a *App) URL() string { return "http://" + a.listener.Addr().String() }

// FirstKey is the API key made at the first start of all, "" at every other.
func (a *App) FirstKey() string { return a.firstKey }

// Stop refuses new work, releases the calls, delivers what can be delivered, and closes everything; DrainTimeout bounds it.
func (a *App) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.o.DrainTimeout)
	defer cancel()
	if a.health != nil {
		a.health.stopping.Store(true)
	}
	return a.life.stop(ctx)
}

func (a *App) openStore(ctx context.Context) (err error) {
	if a.sealer, err = a.o.sealer(); err != nil {
		return err
	}
	a.store, err = storage.Open(ctx, a.o.Database, storage.Options{Log: a.o.Log, Registerer: a.metrics, Sealer: a.sealer})
	if err != nil {
		return err
	}
	a.life.onStop("store", func(context.Context) error { return a.store.Close() })
	return nil
}

func (a *App) openJournal(context.Context) (err error) {
	a.journal, err = account.Open(account.Options{
		Dir: filepath.Join(a.o.DataDir, "journal"), Node: a.o.Node, Log: a.o.Log, Registerer: a.metrics,
		Spare: a.past.records(),
	})
	if err != nil {
		return err
	}
	a.life.onStop("journal", func(context.Context) error { return a.journal.Close() })
	return nil
}

func (a *App) openMedia(context.Context) (err error) {
	a.engine, err = media.New(media.Options{Log: a.o.Log, Registerer: a.metrics})
	if err != nil {
		return err
	}
	a.life.onStop("media", func(context.Context) error { return a.engine.Close() })
	return nil
}

// openBlobs finds this node's copies of what is played to callers and of rate decks, of which it makes tables.
func (a *App) openBlobs(context.Context) (err error) {
	a.blobs, err = blob.New(blob.Options{
		Dir: filepath.Join(a.o.DataDir, "blobs"), Source: a.store, Log: a.o.Log, Registerer: a.metrics,
	})
	if err != nil {
		return err
	}
	a.life.background("blobs", a.blobs.Run)
	a.rates = rates.NewTables(a.blobs, a.o.Log)
	a.life.background("rates", a.rates.Run)
	return nil
}

// openSignalling makes edge and calls, which hand messages to each other through the functions given here. Nothing is listened
// on before the configuration says where, and no request let in before restoreCalls.
func (a *App) openSignalling(ctx context.Context) error {
	resolver, err := edge.NewResolver(edge.ResolverOptions{Servers: a.o.DNSServers})
	if err != nil {
		return err
	}
	a.resolver = resolver
	a.directory = directory.New(directory.Options{Source: a.store, Log: a.o.Log})
	a.finder = a.newFinder()
	a.openRenewal()
	a.config = config.New(config.Options{
		Advertised: a.advertised,
		Store:      a.store, Log: a.o.Log, Registerer: a.metrics, CacheFile: filepath.Join(a.o.DataDir, "snapshot.json"),
		Sealer: a.sealer,
		Blobs:  a.rates, Listed: a.listed,
		Parties: []config.Party{party{a.prepareGuard}, party{a.prepareEdge}, party{a.prepareMedia}, party{a.prepareRenewal}},
	})
	a.edge = edge.New(edge.Options{
		Admit: a.border.admit, Handle: a.border.handle, Ack: a.border.ack, Closed: a.border.closed, Guard: a.guard,
		Egress: a.guard.Leave, Emergency: a.emergency(), Overload: a.overloaded, NoShedding: a.o.NoShedding,
		Resolver: resolver, ServerName: sbc.ServerName, TLS: a.speaks,
		Log: a.o.Log, Registerer: a.metrics,
	})
	a.life.onStop("edge", func(context.Context) error { return a.edge.Close() })
	a.prices = &prices{tables: a.rates, current: a.config.Current}
	a.openRegistrants(ctx)
	a.tally = admit.New(admit.Options{Registerer: a.metrics})
	a.openReach()
	o := call.Options{
		Snapshot: a.config.Current, Wire: a.edge, Engine: call.Media(a.engine), Ledger: measured{a.journal, a.reach.qualities.meter},
		Tally: a.tally, Node: a.o.Node, Log: a.o.Log, Registerer: a.metrics, MaxCalls: a.o.MaxCalls,
		Events: a.events.Add, Wants: a.events.Wants, Blob: a.blobs.Open, Charge: a.prices.charge, Mailboxes: a.voicemail,
		Directory: accounts{a.directory}, Location: location{a}, Features: newFeatures(a), Inbound: a.registrants.Inbound, Route: a.registrants.Route,
		Consult: consult.New(consult.Options{Asks: a.hooks, ENUM: resolver.ENUM, Log: a.o.Log, Registerer: a.metrics}),
		Reach:   a.reach, Attempted: a.reach.Attempted,
	}
	a.keepCalls(&o)
	a.calls = call.New(o)
	a.parts = &parts{calls: a.calls, subscriptions: subscription.New(subscription.Options{
		Route: a.registrants.Route, Recognise: a.calls.Recognise, Search: a.search,
		Snapshot: a.config.Current, Wire: a.edge, Log: a.o.Log, Registerer: a.metrics, Events: a.events.Add,
	})}
	a.life.background("kept calls", a.calls.Keep)
	a.life.background("consistency", a.calls.Check)
	a.life.onStop("calls", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, a.o.DrainTimeout*3/4) // what is left is for their records
		defer cancel()
		return a.calls.Close(ctx)
	})
	return nil
}

// openConfig serves the configuration of the store. One that cannot be compiled does not keep the node from starting: it could
// not be mended through the API otherwise; /readyz and /v1/config/status say what is wrong.
func (a *App) openConfig(ctx context.Context) error {
	if err := a.config.Start(context.WithoutCancel(ctx)); err != nil {
		a.o.Log.Error("the configuration is not served", "error", err)
	}
	a.life.background("listeners", a.rebind)
	a.life.background("endpoints", a.reach.Run)
	a.life.background("drained trunks", a.drain)
	a.life.background("quality of trunks", a.recallQuality)
	a.life.background("own addresses", a.finder.Run)
	a.life.background("subscribers", a.directory.Run)
	a.life.onStop("configuration", func(context.Context) error { a.config.Close(); return nil })
	return nil
}

// deliverRecords begins to carry call records from the journal to the store. At the end it waits until all are there; those that
// are not in time wait in the journal for the next start.
func (a *App) deliverRecords(context.Context) error {
	a.life.background("records", func(ctx context.Context) { a.journal.Run(ctx, a.store) })
	a.life.onStop("last records", func(ctx context.Context) error {
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			records, _ := a.journal.Backlog()
			if records == 0 {
				return nil
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				a.o.Log.Warn("call records wait in the journal for the next start", "records", records)
				return nil
			}
		}
	})
	return nil
}

func (a *App) openAPI(ctx context.Context) (err error) {
	a.firstKey, err = api.Bootstrap(ctx, a.config, a.store, a.o.APIKey)
	if err != nil {
		return err
	}
	a.health = &health{app: a}
	stopping, stop := context.WithCancel(context.Background())
	a.life.onStop("streams", func(context.Context) error { stop(); return nil })
	imports, err := bulk.New(bulk.Options{
		Jobs: a.store, Update: a.store.Update, Dir: filepath.Join(a.o.DataDir, "imports"), Node: a.o.Node, Log: a.o.Log,
	})
	if err != nil {
		return err
	}
	a.life.background("imports", imports.Run)
	handler, err := api.New(api.Options{
		Store: a.store, Config: a.config, Records: a.store, Blobs: a.store, Jobs: a.store, Imports: imports,
		Calls: a.calls, Registrations: a.registrar,
		Explain: a.explain, Status: a.health, Resolve: a.edge.Resolve,
		Events: a.events.Query, Follow: a.events.Follow, Stopping: stopping, LimitUsage: a.tally.Usage, Voicemail: a.voicemail, Bans: a.guard,
		CertificateStatus: a.renewal.Status,
		Effective:         a.effective, Diagnose: a.diagnose, Register: a.registrants.Register,
		DecodeAudio: tone.DecodeWAV, EncodeAudio: tone.EncodeWAV, Rates: a.rates.Table, Numbers: numbers{a.config.Current},
		TestHeaders: testHeaders,
		Gatherer:    a.metrics, Registerer: a.metrics, Version: a.o.Version, Log: a.o.Log, ValidateResponses: a.o.ValidateResponses,
	})
	if err != nil {
		return err
	}
	if a.listener, err = net.Listen("tcp", a.o.APIAddress); err != nil {
		return err
	}
	a.life.onStop("api address", func(context.Context) error {
		if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) { // it was served, and closed with the server
			return err
		}
		return nil
	})
	a.server = &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	a.server.RegisterOnShutdown(stop) // answers without an end would keep Shutdown waiting
	return nil
}

// serveAPI lets the clients of the API in.
func (a *App) serveAPI(context.Context) error {
	server := a.server
	served := make(chan error, 1)
	go func() { served <- server.Serve(a.listener) }()
	a.life.onStop("api", func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if end := <-served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return err
	})
	return nil
}
