package register

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	auth "github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// upstreamPatience is how long one address of an upstream registrar has to answer: the phone gives up after 32 s (RFC 3261
	// 17.1.2.2).
	upstreamPatience = 8 * time.Second
	// maxUpstreamTries bounds the addresses that are tried for one REGISTER.
	maxUpstreamTries = 3
	// maxFloor bounds what a 423 may make us ask for, in seconds: a week.
	maxFloor = 604_800
)

// findWay finds the addresses of the upstream registrar in the order in which they are tried.
func (x *errand) findWay() *refusal {
	snap := x.r.o.Snapshot()
	if x.trunk, x.left = upstreamOf(snap, x.d); len(x.left) == 0 {
		return later()
	}
	return nil
}

// upstreamOf gives the upstream registrar of a domain with its addresses: by priority, and within one by chance, as their
// weights say (RFC 2782).
func upstreamOf(snap *config.Snapshot, d *sbc.Domain) (*sbc.Trunk, []*sbc.Endpoint) {
	id := d.Registration.UpstreamTrunkID
	if !snap.ActiveTrunk(id) {
		return nil, nil
	}
	type ranked struct {
		e    *sbc.Endpoint
		luck float64
	}
	var list []ranked
	for _, e := range snap.Rows.Endpoints {
		if e.TrunkID == id && e.Enabled {
			list = append(list, ranked{e, math.Log(rand.Float64()) / float64(max(e.Weight, 1))})
		}
	}
	slices.SortFunc(list, func(a, b ranked) int {
		if a.e.Priority != b.e.Priority {
			return a.e.Priority - b.e.Priority
		}
		if a.luck > b.luck {
			return -1
		}
		return 1
	})
	ends := make([]*sbc.Endpoint, 0, len(list))
	for _, x := range list[:min(len(list), maxUpstreamTries)] {
		ends = append(ends, x.e)
	}
	return snap.Trunk(id), ends
}

// registerUpstream is a REGISTER of ours for an address of record. Nothing in it is the phone's but the credentials.
func (r *Registrar) registerUpstream(d *sbc.Domain, key, username string, credentials []msg.Header) *msg.Message {
	var home msg.URI
	home.Scheme, home.Host = "sip", d.Name
	aor := home
	aor.User = msg.EscapeUser(username)
	req := msg.NewRequest(msg.REGISTER, home)
	req.SetMaxForwards(70)
	req.SetFrom(msg.NameAddr{URI: aor}.WithTag(msg.NewTag()))
	req.SetTo(msg.NameAddr{URI: aor})
	callID, seq := r.up.series.next(r, key)
	req.SetCallID(callID)
	req.SetCSeq(seq, msg.REGISTER)
	for _, h := range credentials {
		req.Append(h.Name, h.Value)
	}
	req.Append("User-Agent", r.o.ServerName)
	return req
}

// contactsOf writes our contacts, when it is known by which interface they are told.
func contactsOf(parts []part, wildcard bool) func(req *msg.Message, local msg.Local) {
	return func(req *msg.Message, local msg.Local) {
		req.Remove("Contact")
		req.Remove("Expires")
		if wildcard {
			req.Append("Contact", "*")
			req.Append("Expires", "0")
			return
		}
		for _, p := range parts {
			value := local.Contact(p.token) + ";expires=" + strconv.Itoa(p.seconds)
			if p.q != 1000 && p.seconds > 0 {
				value += ";q=" + quality(p.q)
			}
			req.Append("Contact", value)
		}
		if len(parts) == 1 { // for registrars that look here only
			req.Append("Expires", strconv.Itoa(parts[0].seconds))
		}
	}
}

// to is the target of an address of an upstream registrar.
func to(snap *config.Snapshot, trunk *sbc.Trunk, e *sbc.Endpoint) msg.Target {
	host, port := trunk.NextHop(e.Address, e.Port)
	return msg.Target{
		Host: host, Port: port, Transport: e.NamedTransport(), Interfaces: snap.InterfacesOf(trunk.RealmID), TLSProfile: trunk.TLSProfileID,
	}
}

// send asks the next address.
func (x *errand) send() {
	end := x.left[0]
	x.left = x.left[1:]
	var over atomic.Bool
	once := func(f func()) {
		if !over.CompareAndSwap(false, true) {
			return
		}
		defer x.r.recovered("an upstream registrar's answer", func() {
			x.end()
			x.refuse(refuse(500, ""))
		})
		f()
	}
	x.r.o.Wire.Send(msg.Outbound{
		Request: x.r.registerUpstream(x.d, x.sub.ID, x.sub.Username, x.credentials),
		Target:  to(x.r.o.Snapshot(), x.trunk, end), Timers: msg.Timers{B: upstreamPatience},
		Owner: &msg.OwnerFuncs{
			OnPrepare: contactsOf(x.parts, x.a.wildcard),
			OnResponse: func(_ msg.ClientTx, res *msg.Message) {
				if res.Status >= 200 {
					once(func() { x.heard(res) })
				}
			},
			OnFailed: func(_ msg.ClientTx, err error) { once(func() { x.unheard(err) }) },
		},
	})
}

// unheard goes on where there was no answer: with the next address, or with a failure that the phone understands.
func (x *errand) unheard(err error) {
	x.r.metrics.upstream.WithLabelValues("none").Inc()
	if len(x.left) > 0 {
		x.send()
		return
	}
	status, no := 503, later()
	if errors.Is(err, msg.ErrNoResponse) || errors.Is(err, msg.ErrTimeout) {
		status, no = 408, refuse(504, "", msg.Header{Name: "Retry-After", Value: "30"})
	}
	x.failed(status, no)
}

// heard goes on with an answer.
func (x *errand) heard(res *msg.Message) {
	x.r.metrics.upstream.WithLabelValues(strconv.Itoa(res.Status/100) + "xx").Inc()
	switch code := res.Status; {
	case code < 300:
		x.granted(res)
	case code == 401 || code == 407:
		x.challenged(res)
	case code == 423 && x.raise(res):
		x.send()
	case code == 423:
		x.failed(code, refuse(code, "", numbers(res, "Min-Expires")...))
	case code == 403 || code == 404:
		x.blame()
		x.expelled(code)
	case (code == 408 || code == 500 || code == 503 || code == 504) && len(x.left) > 0:
		x.send()
	case code < 400: // it sends us elsewhere, and the phone must not know where
		x.failed(code, later())
	default:
		x.failed(code, refuse(code, "", numbers(res, "Retry-After")...))
	}
}

// granted takes a 200: until when does it keep our contacts?
func (x *errand) granted(res *msg.Message) {
	x.end()
	if x.answer != nil {
		x.r.o.Guard.Authenticated(x.a.m.Hop, x.sub.ID)
	}
	g := &grant{trunkID: x.trunk.ID, until: map[string]time.Duration{}}
	contacts, err := res.Contacts()
	if err != nil {
		contacts = nil // it said yes
	}
	now, shortest := x.r.now(), time.Duration(math.MaxInt64)
	for _, p := range x.parts {
		if p.seconds == 0 {
			continue
		}
		text, seconds := res.Get("Expires"), p.seconds
		for _, c := range contacts {
			if c.URI.User == p.token {
				if own, given := msg.Param(c.Params, "expires"); given {
					text = own
				}
			}
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil && n > 0 {
			seconds = int(n)
		}
		lasts := time.Duration(min(seconds, maxFloor)) * time.Second
		g.until[p.token], shortest = now+lasts, min(shortest, lasts)
	}
	for i := range x.a.wishes { // nobody is told that it is registered for longer than it is
		w := &x.a.wishes[i]
		w.expires = min(w.expires, shortest)
	}
	x.finish(g)
}

// challenged hands the phone what it is asked for: the realm and the nonce are the upstream registrar's, so the answer can be.
func (x *errand) challenged(res *msg.Message) {
	stale := false
	var list []msg.Header
	for _, name := range []string{"WWW-Authenticate", "Proxy-Authenticate"} {
		for _, value := range res.GetAll(name) {
			c, err := auth.ParseChallenge(value)
			if err != nil {
				continue
			}
			stale = stale || c.Stale
			list = append(list, msg.Header{Name: name, Value: c.String()})
			x.r.up.proofs.note(c.Nonce, x.a.m.Hop.Remote.Addr(), x.r.now())
		}
	}
	if len(list) == 0 {
		x.failed(res.Status, refuse(502, ""))
		return
	}
	if x.answer != nil && !stale {
		x.blame()
	}
	x.end()
	x.refuse(refuse(res.Status, "", list...))
}

// blame tells the guard of a wrong password.
func (x *errand) blame() {
	if x.answer == nil {
		return
	}
	from := x.a.m.Hop.Remote.Addr()
	x.r.o.Guard.Failed(x.a.m.Hop, x.d.ID, x.answer.Username, x.r.up.proofs.good(x.answer.Nonce, from, x.r.now()))
}

// raise follows a 423 where the time asked for is ours to say. It is remembered.
func (x *errand) raise(res *msg.Message) bool {
	n, err := strconv.Atoi(strings.TrimSpace(res.Get("Min-Expires")))
	if err != nil || n <= 0 || n > maxFloor || x.raised || x.d.Registration.Mode == sbc.RegistrationMirror {
		return false
	}
	x.raised = true
	x.r.up.floors.Store(x.d.ID, n)
	for i := range x.parts {
		if p := &x.parts[i]; p.seconds > 0 {
			p.seconds = max(p.seconds, n)
		}
	}
	return x.findWay() == nil
}

// failed answers that it did not work. What is registered upstream lasts until its end, and so do the bindings.
func (x *errand) failed(status int, no *refusal) {
	x.end()
	u, away := &update{r: x.r, d: x.d, now: x.r.now()}, status == 408 || status >= 500
	s := x.r.table.shard(x.sub.ID)
	s.mu.Lock()
	for _, b := range x.mine {
		if b.up != nil && b.present() {
			b.up.status = status
			if away && b.expires < b.up.expires { // the phone is there
				b.expires = b.up.expires
				x.r.schedule(b, u.now)
			}
			u.changed = append(u.changed, b)
		}
	}
	s.mu.Unlock()
	x.r.settle(u, nil)
	x.refuse(no)
}

// expelled takes away what the phone wanted to refresh, because it may not be registered any more. Who said so to a stranger
// that claims to be the phone said nothing of the phone.
func (x *errand) expelled(status int) {
	x.end()
	u := &update{r: x.r, d: x.d, a: x.a, now: x.r.now()}
	s := x.r.table.shard(x.sub.ID)
	s.mu.Lock()
	for _, b := range x.mine {
		if b.present() {
			u.remove(s, b, goneUpstream)
		}
	}
	s.mu.Unlock()
	x.r.settle(u, nil)
	x.refuse(refuse(status, ""))
}

// numbers passes a header that holds a number, and nothing else.
func numbers(res *msg.Message, name string) []msg.Header {
	n, err := strconv.ParseUint(strings.TrimSpace(res.Get(name)), 10, 32)
	if err != nil {
		return nil
	}
	return []msg.Header{{Name: name, Value: strconv.FormatUint(n, 10)}}
}

// orphan is a contact of ours upstream that stands for nobody any more.
type orphan struct {
	key, domain, user string
	up                upstream
}

// withdraw asks the upstream registrar to forget it. That works where it believes our address; else it lasts until its end,
// and calls to it find nobody.
func (r *Registrar) withdraw(o *orphan) {
	d := r.o.Domain(o.domain)
	if d == nil || !d.Upstream() || d.Registration.UpstreamTrunkID != o.up.trunkID {
		return
	}
	snap := r.o.Snapshot()
	trunk, ends := upstreamOf(snap, d)
	if len(ends) == 0 {
		return
	}
	if r.up.carrying.Add(1) > maxCarrying {
		r.up.carrying.Add(-1)
		return
	}
	var over atomic.Bool
	end := func() {
		if over.CompareAndSwap(false, true) {
			r.up.carrying.Add(-1)
		}
	}
	r.o.Wire.Send(msg.Outbound{
		Request: r.registerUpstream(d, o.key, o.user, nil),
		Target:  to(snap, trunk, ends[0]), Timers: msg.Timers{B: upstreamPatience},
		Owner: &msg.OwnerFuncs{
			OnPrepare: contactsOf([]part{{token: o.up.token, q: 1000}}, false),
			OnResponse: func(_ msg.ClientTx, res *msg.Message) {
				if res.Status >= 200 {
					end()
				}
			},
			OnFailed: func(msg.ClientTx, error) { end() },
		},
	})
}
