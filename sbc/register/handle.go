package register

import (
	"math/rand/v2"
	"strconv"
	"time"
	"unique"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Handle answers a REGISTER of a subscriber that the door has recognised. It does not block; the answer follows when what changed
// is written down.
func (r *Registrar) Handle(tx msg.ServerTx, m *msg.Message, d *sbc.Domain, e *sbc.Entry) {
	no := r.belongs(m, d, e)
	var a *ask
	if no == nil {
		a, no = r.read(m, d)
	}
	if no == nil {
		no = r.screen(a, d)
	}
	if no == nil && r.pages.full() { // the disk hangs: what waits is bounded
		no = refuse(503, "", msg.Header{Name: "Retry-After", Value: "60"})
	}
	if no != nil {
		r.refuse(tx, m, d, e, no)
		return
	}
	if d.Upstream() {
		r.carry(tx, d, e, a)
		return
	}
	u := &update{r: r, d: d, sub: e.Subscriber, a: a}
	if no = u.make(); no != nil {
		r.refuse(tx, m, d, e, no)
		return
	}
	r.settle(u, func() {
		r.respond(tx, u.answer)
		r.woke(e.Subscriber.ID, a)
		u.arrived()
	})
}

// arrived tells of contacts that are new.
func (u *update) arrived() {
	if len(u.fresh) == 0 || u.r.o.Arrived == nil {
		return
	}
	ids := make([]string, len(u.fresh))
	for i, b := range u.fresh {
		ids[i] = b.id
	}
	u.r.o.Arrived(u.sub, ids)
}

// refuse answers with a failure.
func (r *Registrar) refuse(tx msg.ServerTx, m *msg.Message, d *sbc.Domain, e *sbc.Entry, no *refusal) {
	if no.why != "" {
		r.o.Events(sbc.Event{Type: sbc.EventSecurityContact, TenantID: d.TenantID, TrunkID: d.ID, Data: map[string]string{
			"source": m.Hop.Remote.String(), "aor": e.Subscriber.Username + "@" + d.Name, "contact": no.contact, "reason": no.why,
		}})
	}
	res := msg.NewResponse(m, no.code, no.reason)
	for _, h := range no.headers {
		res.Append(h.Name, h.Value)
	}
	r.respond(tx, res)
}

func (r *Registrar) respond(tx msg.ServerTx, res *msg.Message) {
	if res.To.Tag() == "" {
		res.SetToTag(msg.NewTag())
	}
	res.Append("Server", r.o.ServerName)
	r.metrics.requests.WithLabelValues(strconv.Itoa(res.Status/100) + "xx").Inc()
	if err := tx.Respond(res); err != nil {
		r.o.Log.Debug("register: answering", "error", err)
	}
}

// update is a REGISTER being carried out.
type update struct {
	r   *Registrar
	d   *sbc.Domain
	sub *sbc.Subscriber
	a   *ask

	now    time.Duration
	answer *msg.Message
	// changed are to be written; fresh and gone are entered and taken out of the other tables, moved those whose connection is
	// another; soonest is when the first one is due.
	changed, fresh, gone []*binding
	moved                []move
	soonest              time.Duration
	events               []sbc.Event
	// grant is what an upstream registrar said, nil where it was not asked; tokens are those of contacts of ours there whose bindings are
	// others than before, orphans those that nobody has.
	grant   *grant
	tokens  []held
	orphans []orphan
}

// move is a binding that came by another connection; 0 is none.
type move struct {
	b        *binding
	from, to uint64
}

// make plans and makes the changes, and the answer to them, under the lock of the shard.
func (u *update) make() *refusal {
	s := u.r.table.shard(u.sub.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	u.now = u.r.now()
	var have []*binding
	if o := s.owners[u.sub.ID]; o != nil {
		have = o.bindings
	}
	steps, no := plan(have, u.a, mostContacts(u.d, u.sub), u.d.Registration.MaxContactsPolicy, u.now)
	if no != nil {
		return no
	}
	for _, t := range steps {
		if t.w != nil && t.b == nil && int(u.r.table.count.Load()) >= u.r.o.MaxBindings {
			return refuse(503, "", msg.Header{Name: "Retry-After", Value: "60"})
		}
		if t.w != nil && !u.known(t) { // what it refreshes went meanwhile
			return later()
		}
	}
	for _, t := range steps {
		switch {
		case t.w == nil:
			u.remove(s, t.b, t.gone)
		case t.b == nil:
			u.add(s, t.w)
		default:
			u.refresh(s, t.b, t.w)
		}
	}
	u.answer = u.reply(s.owners[u.sub.ID])
	return nil
}

// settle does what follows a change outside of the lock: other tables, the connection, the journal, events. then is called when
// the change is written down.
func (r *Registrar) settle(u *update, then func()) {
	for _, b := range u.fresh {
		r.table.enter(b)
	}
	for _, b := range u.gone {
		r.table.leave(b)
	}
	for _, m := range u.moved {
		r.flows.leave(m.from, m.b)
		r.flows.enter(m.to, m.b)
	}
	for _, b := range u.fresh {
		r.verify(move{b: b})
	}
	for _, m := range u.moved {
		r.verify(m)
	}
	if u.a != nil && len(u.changed) > 0 {
		r.hold(u.a)
	}
	for _, h := range u.tokens {
		r.settleToken(h.key, h.token)
	}
	for i := range u.orphans {
		r.withdraw(&u.orphans[i])
	}
	r.hurry(u.soonest)
	r.pages.put(append(u.changed, u.gone...), then)
	for _, e := range u.events {
		r.o.Events(e)
	}
}

// verify undoes what was entered into the tables beside the shard's of a binding that went, or moved on, meanwhile.
func (r *Registrar) verify(m move) {
	m.b.shard.mu.Lock()
	here, conn := m.b.present(), m.b.conn
	m.b.shard.mu.Unlock()
	if !here {
		r.table.leave(m.b)
	}
	if !here || conn != m.to {
		r.flows.leave(m.to, m.b)
	}
}

// hold keeps the connection open for as long as contacts have come by it (RFC 5626 5.4). One that closed before the flows knew it
// is told of here.
func (r *Registrar) hold(a *ask) {
	h := a.m.Hop
	if h.Conn == 0 {
		return
	}
	longest := time.Duration(0)
	for i := range a.wishes {
		longest = max(longest, a.wishes[i].expires)
	}
	r.o.Wire.Hold(h, longest)
	if !r.o.Wire.Connected(h) {
		r.Closed(h)
	}
}

func (u *update) add(s *shard, w *wish) {
	o := s.owner(u.sub.ID)
	if o.user == "" {
		o.home, o.user = unique.Make(home{u.d.TenantID, u.d.ID, u.d.Name}), u.sub.Username
	}
	b := &binding{id: sbc.NewID(sbc.PrefixRegistration), regID: w.regID, registered: u.now, index: -1}
	b.pack(w.addr.URI.Raw, w.instance, u.a.path, u.a.agent)
	s.add(o, b)
	u.fill(s, b, w)
	u.fresh = append(u.fresh, b)
	u.event(sbc.EventRegistrationNew, b, "source", b.source.String(), "user_agent", b.agent.Value())
}

func (u *update) refresh(s *shard, b *binding, w *wish) {
	moved, lost := b.source != u.a.m.Hop.Remote, b.lost
	switch {
	case moved && b.callID == u.a.callID && u.a.m.Hop.Transport == sbc.TransportUDP:
		b.moves = min(b.moves+1, 100)
	case !moved:
		b.moves = 0
	}
	b.pack(w.addr.URI.Raw, w.instance, u.a.path, u.a.agent)
	u.fill(s, b, w)
	if moved {
		u.event(sbc.EventRegistrationRefreshed, b, "source", b.source.String())
	}
	if lost {
		u.event(sbc.EventRegistrationReachable, b)
	}
}

// fill sets what every REGISTER sets anew.
func (u *update) fill(s *shard, b *binding, w *wish) {
	h := u.a.m.Hop
	u.move(b, h.Conn)
	b.callID, b.cseq, b.q = u.a.callID, u.a.cseq, w.q
	b.source = h.Remote
	if from := (way{h.Interface, h.Transport}); b.way == (unique.Handle[way]{}) || b.way.Value() != from {
		b.way = unique.Make(from)
	}
	b.tests, b.direct, b.gruu, b.outbound = w.tests, w.direct, u.a.gruu, u.a.outbound
	b.misses, b.lost = 0, false
	b.ping++
	b.refreshed, b.expires = u.now, u.now+u.jittered(w.expires)
	u.link(b, w)
	u.r.schedule(b, u.now)
	if u.soonest == 0 || b.due < u.soonest {
		u.soonest = b.due
	}
	u.changed = append(u.changed, b)
}

// jittered shortens what is granted by chance, so that phones that came back together do not come again together; never below the
// least that the domain grants.
func (u *update) jittered(d time.Duration) time.Duration {
	p := &u.d.Registration
	share := int64(d/time.Second) * int64(p.JitterPercent) / 100
	if share <= 0 {
		return d
	}
	return max(d-time.Duration(rand.Int64N(share+1))*time.Second, min(d, time.Duration(p.MinExpiresS)*time.Second))
}

func (u *update) remove(s *shard, b *binding, why string) {
	if !s.remove(b) {
		return
	}
	u.move(b, 0)
	u.unlink(b)
	u.orphan(b)
	u.r.metrics.removed.WithLabelValues(why).Inc()
	u.gone = append(u.gone, b)
	u.event(sbc.EventRegistrationRemoved, b, "reason", why)
}

func (u *update) move(b *binding, to uint64) {
	if b.conn != to {
		u.moved = append(u.moved, move{b, b.conn, to})
		b.conn = to
	}
}

// event notes what is told when the lock is free.
func (u *update) event(t sbc.EventType, b *binding, more ...string) {
	u.events = append(u.events, b.event(t, more...))
}

func (b *binding) event(t sbc.EventType, more ...string) sbc.Event {
	data := make(map[string]string, 3+len(more)/2)
	data["registration_id"], data["aor"], data["contact"] = b.id, b.owner.aor(), b.contact()
	for i := 0; i+1 < len(more); i += 2 {
		data[more[i]] = more[i+1]
	}
	at := b.owner.home.Value()
	return sbc.Event{Type: t, TenantID: at.tenant, TrunkID: at.domain, Data: data}
}
