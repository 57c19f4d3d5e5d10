package register

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	auth "github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// maxCarrying bounds the REGISTERs that wait for an upstream registrar; those beyond get 503.
	maxCarrying = 10_000
	// leeway is how much longer than the phone's an upstream registration must last for a refresh to be answered here: the
	// phone's next one comes before its end.
	leeway = 10 * time.Second
)

// errand is a REGISTER of a domain whose accounts are upstream.
type errand struct {
	r   *Registrar
	tx  msg.ServerTx
	d   *sbc.Domain
	sub *sbc.Subscriber
	a   *ask

	// trunk is the upstream registrar, left are its addresses that were not tried yet.
	trunk *sbc.Trunk
	left  []*sbc.Endpoint
	// parts are what is told it of our contacts; mine are the bindings that the phone refreshes by the very way it registered by.
	parts []part
	mine  []*binding
	// credentials are the headers that prove to it whose the REGISTER is; answer is the first of them, if it can be read.
	credentials []msg.Header
	answer      *auth.Credentials
	raised      bool // 423 was followed
	over        atomic.Bool
}

// end says that the errand waits for nobody any more.
func (x *errand) end() {
	if x.over.CompareAndSwap(false, true) {
		x.r.up.carrying.Add(-1)
	}
}

// part is one contact of ours in a REGISTER.
type part struct {
	token   string
	seconds int // 0 takes it away
	q       uint16
}

// carry has a REGISTER answered by the upstream registrar, or answers it itself if that registrar has said all there is to say.
func (r *Registrar) carry(tx msg.ServerTx, d *sbc.Domain, e *sbc.Entry, a *ask) {
	x := &errand{r: r, tx: tx, d: d, sub: e.Subscriber, a: a}
	fresh, no := x.consider()
	if no == nil && !fresh {
		no = x.findWay()
	}
	switch {
	case no != nil:
		r.refuse(tx, a.m, d, e, no)
	case fresh:
		r.metrics.upstream.WithLabelValues("absorbed").Inc()
		x.finish(nil)
	case r.up.carrying.Add(1) > maxCarrying:
		r.up.carrying.Add(-1)
		r.refuse(tx, a.m, d, e, later())
	default:
		x.readCredentials()
		x.send()
	}
}

func later() *refusal { return refuse(503, "", msg.Header{Name: "Retry-After", Value: "30"}) }

// prospect is what the bindings of a subscriber will be, as far as the upstream registrar is concerned.
type prospect struct {
	x *errand
	// told are the parts, stay the tokens that bindings have afterwards, leave those that some had and have no more.
	told  map[string]part
	stay  map[string]bool
	leave []string
	// fresh says that nothing has to be told.
	fresh bool
}

// consider finds out what the upstream registrar has to be told. Nothing, if it knows it for long enough, and if the REGISTER
// came by the way of the contacts that it is about: who comes by another way has to prove upstream who it is. It changes
// nothing.
func (x *errand) consider() (fresh bool, no *refusal) {
	r := x.r
	s := r.table.shard(x.sub.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	var have []*binding
	if o := s.owners[x.sub.ID]; o != nil {
		have = o.bindings
	}
	now := r.now()
	steps, no := plan(have, x.a, mostContacts(x.d, x.sub), x.d.Registration.MaxContactsPolicy, now)
	if no != nil {
		return false, no
	}
	p := prospect{x: x, told: map[string]part{}, stay: map[string]bool{}}
	p.fresh = x.d.Registration.Mode != sbc.RegistrationMirror && !x.a.wildcard && len(x.a.wishes) > 0
	for _, b := range have {
		if b.up != nil && !slices.ContainsFunc(steps, func(t step) bool { return t.b == b }) {
			p.stay[b.up.token] = true
		}
	}
	for _, t := range steps {
		if t.w != nil {
			p.keep(t, now)
		}
	}
	for _, t := range steps {
		if t.w == nil {
			p.drop(t)
		}
	}
	p.unknown(have)
	p.lay()
	return p.fresh, nil
}

// keep is about a contact that there will be.
func (p *prospect) keep(t step, now time.Duration) {
	x := p.x
	token := x.r.tokenOf(x.d, x.sub.ID, t.b, t.w)
	seconds, was := int(t.w.expires/time.Second), p.told[token]
	if x.d.Registration.Mode != sbc.RegistrationMirror {
		seconds = max(seconds, x.d.Registration.UpstreamExpiresS, x.r.floor(x.d.ID))
	}
	p.told[token] = part{token: token, seconds: max(was.seconds, seconds), q: max(was.q, t.w.q)}
	p.stay[token] = true
	if t.b == nil {
		p.fresh = false
		return
	}
	same, up := t.b.came(x.a.m.Hop), t.b.up
	if same {
		x.mine = append(x.mine, t.b)
	}
	if up != nil && up.token != token {
		p.leave = append(p.leave, up.token)
	}
	if !same || up == nil || up.token != token || up.trunkID != x.d.Registration.UpstreamTrunkID ||
		up.expires-now < t.w.expires+leeway || up.status/100 != 2 {
		p.fresh = false
	}
}

// drop is about a contact that goes: with others that the same contact of ours stands for, nobody need hear of it.
func (p *prospect) drop(t step) {
	if t.b.up == nil || !t.b.came(p.x.a.m.Hop) || !p.stay[t.b.up.token] {
		p.fresh = false
	}
	if t.b.up != nil {
		p.leave = append(p.leave, t.b.up.token)
	}
}

// unknown is about contacts that shall go and that are not known here: they may be upstream.
func (p *prospect) unknown(have []*binding) {
	for i := range p.x.a.wishes {
		w := &p.x.a.wishes[i]
		if w.expires == 0 && !slices.ContainsFunc(have, func(b *binding) bool { return b.is(p.x.a, w) }) {
			p.fresh = false
			p.leave = append(p.leave, p.x.r.tokenOf(p.x.d, p.x.sub.ID, nil, w))
		}
	}
}

// lay lays down what is told. Where contacts go that others stand for as well, those are refreshed, so that the phone proves
// who it is.
func (p *prospect) lay() {
	x := p.x
	alone := len(p.told) == 0
	for _, token := range p.leave {
		switch {
		case !p.stay[token]:
			p.told[token] = part{token: token, q: 1000}
		case alone:
			p.told[token] = part{token: token, q: 1000, seconds: max(x.d.Registration.UpstreamExpiresS, x.r.floor(x.d.ID))}
		}
	}
	for _, token := range slices.Sorted(maps.Keys(p.told)) {
		x.parts = append(x.parts, p.told[token])
	}
}

// mostContacts is how many contacts a subscriber may have.
func mostContacts(d *sbc.Domain, s *sbc.Subscriber) int {
	if s.MaxContacts > 0 {
		return s.MaxContacts
	}
	return d.Registration.MaxContacts
}

// readCredentials takes what the phone proves itself by. It is the upstream registrar's matter: it goes there as it is, and
// nowhere else.
func (x *errand) readCredentials() {
	for _, h := range x.a.m.Headers {
		if !strings.EqualFold(h.Name, "Authorization") && !strings.EqualFold(h.Name, "Proxy-Authorization") {
			continue
		}
		if len(x.credentials) == maxCredentials || len(h.Value) > maxCredential {
			continue
		}
		c, err := auth.ParseCredentials(h.Value)
		if err != nil {
			continue
		}
		if x.answer == nil {
			x.answer = &c
		}
		x.credentials = append(x.credentials, h)
	}
}

// Bounds of what is carried upstream of a phone's credentials.
const (
	maxCredentials = 4
	maxCredential  = 1024
)

// finish makes the changes that the upstream registrar allowed, and answers. g is nil where it was not asked.
func (x *errand) finish(g *grant) {
	u := &update{r: x.r, d: x.d, sub: x.sub, a: x.a, grant: g}
	if no := u.make(); no != nil {
		x.refuse(no)
		return
	}
	x.r.settle(u, func() {
		x.r.respond(x.tx, u.answer)
		x.r.woke(x.sub.ID, x.a)
	})
}

func (x *errand) refuse(no *refusal) {
	x.r.refuse(x.tx, x.a.m, x.d, &sbc.Entry{Subscriber: x.sub}, no)
}

// floor is the shortest time that the upstream registrar of a domain takes, as far as it has said, in seconds.
func (r *Registrar) floor(domainID string) int {
	if n, known := r.up.floors.Load(domainID); known {
		return n.(int)
	}
	return 0
}
