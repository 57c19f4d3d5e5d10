package register

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// upstream is a contact of ours at an upstream registrar: in place of one contact, of the flows of one phone (RFC 5626 would
// have it ring once), or of all contacts of an address of record. Bindings that it stands for share it; it belongs to the
// lock of their shard.
type upstream struct {
	token   string // the user part of our contact
	trunkID string
	status  int           // of the last answer
	expires time.Duration // 0 is never
}

// upstreamRecord is an upstream as the journal keeps it.
type upstreamRecord struct {
	Token   string `json:"k"`
	TrunkID string `json:"t"`
	Status  int    `json:"c"`
	Expires int64  `json:"e"`
}

func (up *upstream) record(ms func(time.Duration) int64) *upstreamRecord {
	if up == nil {
		return nil
	}
	return &upstreamRecord{Token: up.token, TrunkID: up.trunkID, Status: up.status, Expires: ms(up.expires)}
}

// shared finds the upstream with a token among the bindings of an owner, nil if there is none.
func (o *owner) shared(token string) *upstream {
	if o == nil {
		return nil
	}
	for _, b := range o.bindings {
		if b.up != nil && b.up.token == token {
			return b.up
		}
	}
	return nil
}

// takeUp gives a restored binding its upstream, the one that others of its owner have already. It is called with the lock held.
func (b *binding) takeUp(x *upstreamRecord, at func(ms int64) time.Duration) {
	if x == nil || x.Token == "" {
		return
	}
	if b.up = b.owner.shared(x.Token); b.up == nil {
		b.up = &upstream{token: x.Token, trunkID: x.TrunkID, status: x.Status, expires: at(x.Expires)}
	}
}

// show is the upstream for the API. It is called with the lock held.
func (up *upstream) show(r *Registrar) *sbc.UpstreamRegistration {
	if up == nil {
		return nil
	}
	state := sbc.UpstreamRegistered
	if up.status/100 != 2 {
		state = sbc.UpstreamFailing
	}
	return &sbc.UpstreamRegistration{TrunkID: up.trunkID, State: state, Status: up.status, ExpiresAt: r.at(up.expires).UTC()}
}

// Tokens begin with what they stand for.
const (
	tokenAOR     = "a"
	tokenContact = "c"
)

// tokenOf names the contact of ours that stands for what a REGISTER wants. It is the same whenever it is asked for, so that
// what was forgotten here can be taken away upstream; nothing of the phone can be read in it. b is nil for a contact that is
// new.
func (r *Registrar) tokenOf(d *sbc.Domain, key string, b *binding, w *wish) string {
	switch {
	case d.Registration.Mode == sbc.RegistrationThrottleAOR:
		return r.token(tokenAOR, key)
	case b != nil && b.up != nil && strings.HasPrefix(b.up.token, tokenContact):
		return b.up.token
	case w.regID > 0:
		return r.token(tokenContact, key, "instance", w.instance)
	}
	return r.token(tokenContact, key, "contact", w.addr.URI.Raw, w.instance)
}

func (r *Registrar) token(kind string, parts ...string) string {
	list := make([][]byte, len(parts))
	for i, p := range parts {
		list[i] = []byte(p)
	}
	return kind + code.EncodeToString(r.gruus.mac("upstream "+kind, list...)[:15])
}

// series numbers the REGISTERs upstream. Each address of record has one Call-ID in the life of a process (RFC 3261 10.2.4),
// which tells nothing of the phones'; the numbers of all rise together, so that none has to be kept.
type series struct {
	secret [16]byte
	count  atomic.Uint64
}

func (s *series) next(r *Registrar, key string) (callID string, seq uint32) {
	const span = 1 << 31 // RFC 3261 8.1.1.5
	n := s.count.Add(1)
	lap := binary.BigEndian.AppendUint64(nil, n/span)
	return code.EncodeToString(r.gruus.mac("upstream call", s.secret[:], lap, []byte(key))[:20]), uint32(n % span)
}

// tokens finds whose a contact of ours is.
type tokens struct {
	sync.RWMutex
	m map[string]string
}

// upstreams is what the registrar keeps of upstream registrars beside the bindings.
type upstreams struct {
	series   series
	tokens   tokens
	proofs   proofs
	carrying atomic.Int64
	// floors are the shortest times that upstream registrars take (423), by domain, in seconds.
	floors sync.Map
}

func (x *upstreams) open() {
	rand.Read(x.series.secret[:])
	x.tokens.m = map[string]string{}
	x.proofs.open()
}

// settleToken makes a token findable where a binding of the owner has it, and forgets it else. It is called without any lock;
// whoever changes bindings meanwhile calls it too.
func (r *Registrar) settleToken(key, token string) {
	there := func() bool {
		s := r.table.shard(key)
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.owners[key].shared(token) != nil
	}
	for wanted := there(); ; {
		r.up.tokens.Lock()
		if wanted {
			r.up.tokens.m[token] = key
		} else {
			delete(r.up.tokens.m, token)
		}
		r.up.tokens.Unlock()
		now := there()
		if now == wanted {
			return
		}
		wanted = now
	}
}

// ByToken finds the phones that an upstream registrar means by the user part of a contact of ours, and whose they are. ok is
// false for what is none; a token that stands for nobody now has no domain, and no contact means that the phones are not
// reachable now.
func (r *Registrar) ByToken(token string) (contacts []Contact, domainID, username string, ok bool) {
	r.up.tokens.RLock()
	key, ok := r.up.tokens.m[token]
	r.up.tokens.RUnlock()
	if !ok {
		return nil, "", "", isToken(token)
	}
	s := r.table.shard(key)
	s.mu.Lock()
	o := s.owners[key]
	if o.shared(token) != nil {
		domainID, username = o.home.Value().domain, o.user
	}
	s.mu.Unlock()
	return r.choose(key, func(b *binding) bool { return !b.lost && b.up != nil && b.up.token == token }), domainID, username, true
}

// tokenLen is how many octets a token has.
const tokenLen = 25

// isToken tells whether a user part has the form of a token.
func isToken(user string) bool {
	if len(user) != tokenLen || !strings.HasPrefix(user, tokenAOR) && !strings.HasPrefix(user, tokenContact) {
		return false
	}
	_, err := code.DecodeString(user[1:])
	return err == nil
}

// CameBy tells whether somebody has registered by the very way that a request came by: the same connection, or the same
// address, port and interface.
func (r *Registrar) CameBy(key string, h msg.Hop) bool {
	s, now := r.table.shard(key), r.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[key]
	if o == nil {
		return false
	}
	for _, b := range o.bindings {
		if b.expires > now && b.came(h) {
			return true
		}
	}
	return false
}

// came tells whether a message came by the way of a binding.
func (b *binding) came(h msg.Hop) bool {
	return b.way.Value() == way{h.Interface, h.Transport} && b.source == h.Remote && b.conn == h.Conn
}

// held is a contact of ours, and whose it is.
type held struct{ key, token string }

// grant is what an upstream registrar said to a REGISTER: until when it keeps our contacts, by token.
type grant struct {
	trunkID string
	until   map[string]time.Duration
}

// link ties a binding to what stands for it upstream. It is called with the lock held, when the binding is its owner's.
func (u *update) link(b *binding, w *wish) {
	if !u.d.Upstream() {
		u.unlink(b)
		b.up = nil
		return
	}
	if u.grant == nil { // answered here
		return
	}
	token := u.r.tokenOf(u.d, u.sub.ID, b, w)
	up := b.owner.shared(token)
	if up == nil {
		up = &upstream{token: token}
	}
	if b.up != up {
		u.unlink(b)
		b.up = up
	}
	up.trunkID, up.status, up.expires = u.grant.trunkID, 200, u.grant.until[token]
	u.tokens = append(u.tokens, held{u.sub.ID, token})
	for _, other := range b.owner.bindings {
		if other != b && other.up == up {
			u.changed = append(u.changed, other)
		}
	}
}

// unlink notes that a binding leaves what stood for it upstream.
func (u *update) unlink(b *binding) {
	if b.up != nil {
		u.tokens = append(u.tokens, held{b.owner.subscriber, b.up.token})
	}
}

// orphan notes a contact of ours that stands for nobody any more and that no REGISTER takes away. It is called with the lock
// held, when the binding is out.
func (u *update) orphan(b *binding) {
	up := b.up
	if up == nil || u.a != nil || up.expires <= u.now || b.owner.shared(up.token) != nil {
		return
	}
	u.orphans = append(u.orphans, orphan{key: b.owner.subscriber, domain: b.owner.home.Value().domain, user: b.owner.user, up: *up})
}

// known tells whether an upstream registrar knows of a contact that there is to be, where the domain has one: it has just
// said so, or said so before.
func (u *update) known(t step) bool {
	return !u.d.Upstream() || u.grant != nil || t.b != nil && t.b.up != nil
}
