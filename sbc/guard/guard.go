package guard

import (
	"hash/maphash"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Options are what a Guard needs.
type Options struct {
	// Exempt tells whether a source is a trunk's, or that of a subscriber who is known by it. It must not block. Nil is nobody.
	Exempt func(h msg.Hop) bool
	// Trusted hears of each flow on which somebody has authenticated. Nil hears nothing.
	Trusted func(h msg.Hop)
	// Banned hears of each network that is banned, in a realm or in all (""), so that its connections are closed. Nil hears nothing.
	Banned func(realmID string, network netip.Prefix)
	// Events hears what happened; it must not block. Nil hears nothing.
	Events func(sbc.Event)
	// File keeps the bans; "" keeps none.
	File string
	// Sources is how many sources are counted at once (65,536), MaxBans how many bans there may be (10,000).
	Sources, MaxBans int
	Log              *slog.Logger
	Registerer       prometheus.Registerer
}

// Guard decides about messages before they are read. Its methods may be called by several goroutines at once.
type Guard struct {
	o       Options
	log     *slog.Logger
	start   time.Time
	metrics *metrics

	configuring sync.Mutex
	realms      uint32 // numbers given to realms
	rules       atomic.Pointer[rules]

	windows  *windows
	accounts *windows
	seed     maphash.Seed
	trusted  *trust
	failures *failures
	bans     *bans
	told     tellings
	saving   sync.Mutex
}

var _ sbc.Bans = (*Guard)(nil)

// New makes a guard with the bans of the file and without rules: until Configure everything passes that is not banned in all
// realms. A file that cannot be read is an error; one that makes no sense is put aside.
func New(o Options) (*Guard, error) {
	g := &Guard{
		o: o, log: o.Log, start: time.Now(), seed: maphash.MakeSeed(), trusted: newTrust(), failures: newFailures(),
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if g.o.Exempt == nil {
		g.o.Exempt = func(msg.Hop) bool { return false }
	}
	if g.o.Events == nil {
		g.o.Events = func(sbc.Event) {}
	}
	if g.o.Sources <= 0 {
		g.o.Sources = 65_536
	}
	if g.o.MaxBans <= 0 {
		g.o.MaxBans = 10_000
	}
	g.windows, g.accounts = newWindows(g.o.Sources), newWindows(g.o.Sources/4)
	g.rules.Store(&rules{})
	g.bans = newBans(g.o.MaxBans)
	g.metrics = newMetrics(o.Registerer, g)
	if err := g.load(); err != nil {
		return nil, err
	}
	return g, nil
}

// now is the time since the start in microseconds.
func (g *Guard) now() int64 { return time.Since(g.start).Microseconds() }

// Packet decides about a message before it is read: Serve lets it pass, Refuse wants a 503 without state, Silence drops it. It
// does not allocate.
func (g *Guard) Packet(h msg.Hop, raw []byte) msg.Action {
	r := g.rules.Load().interfaces[h.Interface]
	a := h.Remote.Addr()
	ban := g.bans.find(r, a)
	if ban != nil && ban.manual() {
		return g.banned(ban)
	}
	if r == nil || r.profile == nil || g.exempt(r, h) {
		return msg.Serve
	}
	if ban != nil {
		if action := g.banned(ban); action != msg.Serve {
			return action
		}
	}
	k := classify(raw)
	if k < kindMalformed || k == kindResponse {
		if at := scanner(raw, r.patterns); at >= 0 {
			return g.scanned(r, h, at)
		}
	}
	return g.count(r, h, k)
}

// banned counts what a ban keeps out.
func (g *Guard) banned(b *ban) msg.Action {
	b.dropped.Add(1)
	if b.Observed {
		g.metrics.observed[blockedBan].Inc()
		return msg.Serve
	}
	g.metrics.blocked[blockedBan].Inc()
	return msg.Silence
}

// exempt tells whether a source is never counted.
func (g *Guard) exempt(r *realm, h msg.Hop) bool {
	a := h.Remote.Addr()
	return g.trusted.has(r.number, a, g.now()) || r.spares(a) || g.o.Exempt(h)
}

// count counts a message and says what happens to it.
func (g *Guard) count(r *realm, h msg.Hop, k kind) msg.Action {
	a := h.Remote.Addr()
	var o outcome
	if r.tree != nil && k != kindResponse && k != kindSTUN {
		o.over, o.tell = r.tree.mark(a, time.Since(g.start))
		o.count = r.tree.density
	} else {
		b := bound{k, r.limits[k], r.window}
		o = g.windows.arrive(r.number, a, b, r.limits[kindMalformed], r.factors, g.now())
	}
	if !o.over {
		return msg.Serve
	}
	if o.tell {
		g.flooded(r, h, k, o)
	}
	if r.observe {
		g.metrics.observed[blockedFlood].Inc()
		return msg.Serve
	}
	g.metrics.blocked[blockedFlood].Inc()
	return refusal(r.profile.Action, k)
}

// refusal is what an action means for a message of a kind: what is no request cannot be refused.
func refusal(a sbc.FloodAction, k kind) msg.Action {
	if a == sbc.FloodRefuse && k <= kindOther {
		return msg.Refuse
	}
	return msg.Silence
}

// flooded tells of a source that sends too much, and bans it where the profile does and the evidence cannot be forged.
func (g *Guard) flooded(r *realm, h msg.Hop, k kind, o outcome) {
	network := networkOf(h.Remote.Addr(), o.width)
	g.event(sbc.EventSecurityFlood, map[string]string{
		"source": network.String(), "realm_id": r.id, "kind": k.String(), "count": decimal(o.count), "observed": yes(r.observe),
	})
	if r.profile.Action == sbc.FloodBan && h.Conn != 0 {
		g.ban(r, network, sbc.BanFlood, decimal(o.count)+" messages of kind "+k.String()+" within "+
			(time.Duration(r.window)*time.Microsecond).String()+" by "+string(h.Transport), r.profile.BanS)
	}
}

// scanned says what a scanner gets.
func (g *Guard) scanned(r *realm, h msg.Hop, pattern int) msg.Action {
	a := h.Remote.Addr()
	b := bound{kindOther, r.limits[kindOther], r.window}
	o := g.windows.arrive(r.number, a, b, r.limits[kindMalformed], r.factors, g.now())
	if g.told.first(r.number, a, g.now()) {
		g.event(sbc.EventSecurityScanner, map[string]string{
			"source": a.String(), "realm_id": r.id, "pattern": r.profile.Scanners[pattern], "observed": yes(r.observe),
		})
		if r.profile.ScannerAction == sbc.FloodBan && h.Conn != 0 {
			g.ban(r, networkOf(a, wide128), sbc.BanScanner, "it calls itself "+r.profile.Scanners[pattern], r.profile.BanS)
		}
	}
	if r.observe {
		g.metrics.observed[blockedScanner].Inc()
		return msg.Serve
	}
	g.metrics.blocked[blockedScanner].Inc()
	if o.over {
		return msg.Silence
	}
	return refusal(r.profile.ScannerAction, kindOther)
}

// Malformed counts a message that passed and then could not be read; raw is nil where not even its end was found.
func (g *Guard) Malformed(h msg.Hop, raw []byte) {
	r := g.rules.Load().interfaces[h.Interface]
	if r == nil || r.profile == nil || raw != nil && classify(raw) == kindMalformed || g.exempt(r, h) {
		return // what was malformed at first sight has been counted
	}
	g.count(r, h, kindMalformed)
}

// Accept tells whether a connection may be accepted, and how long it may stay without anybody having authenticated on it; 0 is as
// long as it likes.
func (g *Guard) Accept(h msg.Hop) (ok bool, unauthenticated time.Duration) {
	r := g.rules.Load().interfaces[h.Interface]
	ban := g.bans.find(r, h.Remote.Addr())
	if ban != nil && ban.manual() {
		return g.banned(ban) == msg.Serve, 0
	}
	if r == nil || r.profile == nil || r.spares(h.Remote.Addr()) || g.o.Exempt(h) {
		return true, 0
	}
	if ban != nil && !g.trusted.has(r.number, h.Remote.Addr(), g.now()) && g.banned(ban) != msg.Serve {
		return false, 0
	}
	if r.observe {
		return true, 0
	}
	return true, time.Duration(r.profile.UnauthenticatedS) * time.Second
}

// Authenticated notes that a source has shown a good password of a subscriber: it is exempt for a while.
func (g *Guard) Authenticated(h msg.Hop, _ string) {
	if r := g.rules.Load().interfaces[h.Interface]; r != nil && r.profile != nil && r.profile.ExemptAuthenticatedS > 0 {
		a, lasts := h.Remote.Addr(), (time.Duration(r.profile.ExemptAuthenticatedS) * time.Second).Microseconds()
		before := g.trusted.note(r.number, a, g.now()+lasts, g.now())
		if !before && lasts >= r.window { // what was counted will have left the window when the address is counted again
			g.windows.forget(r.number, a)
		}
	}
	if g.o.Trusted != nil && h.Conn != 0 {
		g.o.Trusted(h)
	}
}

// Allowed counts a request of a subscriber and tells whether it is within what its account may send by way of an interface.
func (g *Guard) Allowed(h msg.Hop, subscriberID string, method msg.Method) bool {
	r := g.rules.Load().interfaces[h.Interface]
	if r == nil || r.profile == nil {
		return true
	}
	b := bound{window: r.window}
	switch method {
	case msg.REGISTER:
		b.kind, b.limit = kindRegister, r.profile.AccountRegister
	case msg.INVITE:
		b.kind, b.limit = kindInvite, r.profile.AccountInvite
	}
	if b.limit == 0 || g.accounts.allow(g.account(subscriberID), b, g.now()) {
		return true
	}
	if r.observe {
		g.metrics.observed[blockedAccount].Inc()
		return true
	}
	g.metrics.blocked[blockedAccount].Inc()
	return false
}

// account makes the key of a subscriber: two hashes of its id.
func (g *Guard) account(subscriberID string) (k [16]byte) {
	h := maphash.String(g.seed, subscriberID)
	for i := range 8 {
		k[i] = byte(h >> (8 * i))
	}
	copy(k[8:], subscriberID[max(0, len(subscriberID)-8):])
	return k
}

// networkOf is what is banned or told of: an IPv4 address, an IPv6 /64 or /48.
func networkOf(a netip.Addr, w width) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	switch {
	case a.Is4():
	case w == wide48:
		bits = 48
	default:
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}
