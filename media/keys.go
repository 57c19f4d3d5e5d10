package media

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport/sallyport/media/relay"
	"github.com/sallyport/sallyport/media/sdp"
	"github.com/sallyport/sallyport/media/secure"
)

// Encrypted media (SRTP) with keys in SDP (SDES, RFC 4568). Each party has its own keys with us: what it says of itself is
// taken off its description before the other one's is made, see sdp.Media.Clear, and the other one's lines get keys of their
// own. A stream keeps its contexts, and so its roll-over counters and replay lists, as long as neither side changes its key
// (RFC 4568 7.1.4).

// Why an offer is refused.
var (
	// ErrPlain says that media of the party that offers must be encrypted, by its options or because they are, and are not, or in
	// no way that we take; it wraps ErrUnsupported.
	ErrPlain = fmt.Errorf("%w: not encrypted", ErrUnsupported)
	// ErrNoKeys says that media of the party that is offered to must be encrypted, and cannot be; it wraps ErrUnsupported.
	ErrNoKeys = fmt.Errorf("%w: no way to agree on keys", ErrUnsupported)
	// ErrDeclined says that an answer takes no encryption where there must be some; it wraps ErrBadSDP.
	ErrDeclined = fmt.Errorf("%w: encryption not answered", ErrBadSDP)
)

// SRTPSuite is a way to encrypt, by its name in SDP.
type SRTPSuite = secure.Suite

// SRTP says whether media of a party are encrypted.
type SRTP uint8

// The modes.
const (
	SRTPOff SRTP = iota
	SRTPOptional
	SRTPRequired
)

// Secure is how media of a party are encrypted. The zero value is: not at all.
type Secure struct {
	Mode SRTP
	// Suites are taken and, in this order, offered.
	Suites []secure.Suite
	// Keying are the ways to agree on keys, the one first that is offered; none is SDES.
	Keying []Keying
	// Keys says that keys may be told in the party's descriptions (SDES): its signalling is encrypted, or that does not matter.
	Keys bool
	// NoZRTP keeps ZRTP (RFC 6189), which phones speak among themselves, from the party and takes none from it.
	NoZRTP bool
}

// speaks says whether keys can be agreed on at all.
func (s *Secure) speaks() bool {
	return s.Mode != SRTPOff && (s.Keys || slices.Contains(s.Keying, DTLS))
}

// ways are those that may be used, in order.
func (s *Secure) ways() []Keying {
	switch {
	case !s.speaks():
		return nil
	case len(s.Keying) == 0:
		return []Keying{SDES}
	case s.Keys:
		return s.Keying
	}
	return []Keying{DTLS}
}

// keys are those of one m-line of a party, as the last answer settled them.
type keys struct {
	dtls         *shake // nil with SDES
	proto        string // of the line, in the party's words
	theirs, ours secure.Crypto
	in, out      *secure.Context
	stale        bool // ours is of an earlier process and must not be used again
	// made are contexts that were used before: an answer of another fork, or a fork heard again, must not begin a key anew (RFC
	// 3711 9.1).
	made []keyed
}

type keyed struct {
	keys secure.Keys
	c    *secure.Context
}

// mostMade bounds the contexts that are kept of a line: an offer has one key for each suite.
const mostMade = 16

// lock is what is agreed on, or will be if the round is answered, for one m-line of one party.
type lock struct {
	on           bool
	dtls         *shake // nil with SDES
	proto        string
	theirs, ours secure.Crypto
}

// locks are those of one party in a round; nil if none of its lines is encrypted.
type locks []lock

func (l locks) at(i int) *lock {
	if i < len(l) && l[i].on {
		return &l[i]
	}
	return nil
}

func (l *locks) set(i, lines int, k lock) {
	if *l == nil {
		*l = make(locks, lines)
	}
	(*l)[i] = k
}

// keyed gives what a party's line has of keys; nil for none.
func (p *Party) keyed(i int) *keys {
	if e := p.end(i); e != nil {
		return e.keys
	}
	return nil
}

// unlock takes the keys off an offer: its encrypted lines count as the same in the clear afterwards. Lines that are not
// encrypted as the party's options want it are refused; one that was and is not any more (a downgrade) refuses the offer. The
// lock is held.
func (x *Exchange) unlock() error {
	p, d := x.from, x.offer
	refused := false
	defer func() {
		x.fromReach = p.hears(d)
		x.fromReach.bundle(d)
	}()
	for i := range d.Media {
		m := &d.Media[i]
		if m.Rejected() {
			continue
		}
		k, err := p.choose(d, i)
		switch {
		case err != nil:
			return err
		case k.on:
			m.Clear()
			x.fromLocks.set(i, len(d.Media), k)
		case p.keyed(i) != nil && m.Transport != sdp.TransportUDPTL:
			return ErrPlain
		case p.o.Secure.Mode == SRTPRequired:
			m.Refuse()
			refused = true
		}
	}
	if refused && !acceptable(d) {
		return ErrPlain
	}
	return nil
}

// choose takes the way to keys that comes first by the party's options, of those that an offered line has.
func (p *Party) choose(d *sdp.Description, i int) (k lock, err error) {
	m := &d.Media[i]
	for _, way := range p.o.Secure.ways() {
		switch {
		case way == SDES && m.Transport != sdp.TransportDTLS:
			k, err = p.chooseCrypto(i, m)
		case way == DTLS && m.Transport != sdp.TransportUDPTL:
			k.dtls, err = p.shakes(d, i)
			k.on, k.proto = k.dtls != nil, m.Proto
		}
		if k.on || err != nil {
			return k, err
		}
	}
	return lock{}, nil
}

// chooseCrypto takes the first usable key of an offered line, and one of ours to answer with: the one that the line has, where
// nothing changes for it.
func (p *Party) chooseCrypto(i int, m *sdp.Media) (k lock, err error) {
	if m.Transport != sdp.TransportSRTP && m.Transport != sdp.TransportRTP {
		return k, nil
	}
	for _, value := range m.Attributes("crypto") {
		c, err := secure.ParseCrypto(value)
		if err != nil || !slices.Contains(p.o.Secure.Suites, c.Keys.Suite) {
			continue
		}
		k = lock{on: true, proto: m.Proto, theirs: c}
		if now := p.keyed(i); now != nil && !now.stale && now.theirs.Keys.Equal(&c.Keys) {
			k.ours = secure.Crypto{Tag: c.Tag, Keys: now.ours.Keys}
			return k, nil
		}
		own, err := secure.Random(c.Keys.Suite)
		k.ours = secure.Crypto{Tag: c.Tag, Keys: own}
		return k, err
	}
	return k, nil
}

// rekeyed gives an offer of ours that says what was said before, but not quite, with new keys.
func (p *Party) rekeyed(d *sdp.Description) (*sdp.Description, error) {
	stale := slices.ContainsFunc(p.ends, func(e *end) bool { return e != nil && e.keys != nil && e.keys.stale })
	if d == p.said && !stale || !slices.ContainsFunc(p.ends, func(e *end) bool { return e != nil && e.keys != nil }) {
		return d, nil
	}
	lines := make([][]string, len(d.Media))
	for i := range d.Media {
		if p.keyed(i) == nil || p.keyed(i).dtls != nil || d.Media[i].Rejected() {
			continue
		}
		var err error
		if lines[i], err = p.cryptoLines(i, true); err != nil {
			return nil, err
		}
	}
	return sdp.Rekey(d, "crypto", lines), nil
}

// answerKeys puts our keys on the lines of an answer to the party that offered.
func (x *Exchange) answerKeys(v *sdp.View) {
	for i := range v.Streams {
		k := x.fromLocks.at(i)
		switch {
		case k == nil:
		case k.dtls != nil:
			v.Streams[i].Proto, v.Streams[i].Attributes = k.proto, shakeLines(k.dtls.own, k.dtls.setup())
		default:
			v.Streams[i].Proto, v.Streams[i].Attributes = k.proto, []string{"crypto:" + k.ours.Value()}
		}
	}
}

// clear makes the lines of a party's own description count as what they are without keys, where they have some.
func (p *Party) clear(d *sdp.Description) *sdp.Description {
	for i := range d.Media {
		if p.keyed(i) != nil {
			d.Media[i].Clear()
		}
	}
	return d
}

// own is what a party said of itself last.
func (p *Party) own() (*sdp.Description, error) {
	d, err := sdp.Parse([]byte(p.last))
	if err != nil {
		return nil, err
	}
	p.clear(d)
	p.hears(d)
	return d, nil
}

// unlockAnswer is unlock for an answer, where keys were offered: which were taken is seen when it was checked.
func (x *Exchange) unlockAnswer(d *sdp.Description) {
	if !slices.ContainsFunc(x.sent.Media, func(m sdp.Media) bool { return hasKeys(&m) }) {
		return
	}
	for i := range d.Media {
		if t := d.Media[i].Transport; t == sdp.TransportSRTP || t == sdp.TransportDTLS {
			d.Media[i].Clear()
		}
	}
}

// hasKeys says whether a line of ours offers keys in some way.
func hasKeys(m *sdp.Media) bool {
	return len(m.Attributes("crypto")) > 0 || len(m.Attributes("fingerprint")) > 0
}

// settleKeys finds in a checked answer which keys were taken. Errors: ErrDeclined.
func (x *Exchange) settleKeys(agreed *sdp.Description) error {
	x.toLocks = nil
	for i := range x.sent.Media {
		sent, m := &x.sent.Media[i], &agreed.Media[i]
		if !hasKeys(sent) || sent.Rejected() || m.Rejected() {
			continue
		}
		offered, answered := sent.Attributes("crypto"), m.Attributes("crypto")
		if len(offered) == 0 {
			answered = agreed.Inherited(i, "fingerprint")
		}
		if len(answered) == 0 && x.to.o.Secure.Mode != SRTPRequired && x.to.keyed(i) == nil {
			continue
		}
		k, err := x.to.settles(agreed, i, offered, answered)
		if err != nil {
			return err
		}
		k.proto = sent.Proto
		x.toLocks.set(i, len(x.sent.Media), k)
	}
	return nil
}

// settles gives what an answered line agreed on: a handshake where no keys were offered.
func (p *Party) settles(agreed *sdp.Description, i int, offered, answered []string) (k lock, err error) {
	if len(offered) > 0 {
		return pick(offered, answered)
	}
	k.dtls, err = p.answers(agreed, i)
	k.on = true
	return k, err
}

// pick finds the offered key that an answer takes: by its suite, which stands there once; some do not repeat the tag.
func pick(offered, answered []string) (lock, error) {
	if len(answered) == 0 {
		return lock{}, ErrDeclined
	}
	theirs, err := secure.ParseCrypto(answered[0])
	if err != nil {
		return lock{}, fmt.Errorf("%w: %w", ErrDeclined, err)
	}
	for _, value := range offered {
		ours, err := secure.ParseCrypto(value)
		if err == nil && ours.Keys.Suite == theirs.Keys.Suite {
			return lock{on: true, theirs: theirs, ours: ours}, nil
		}
	}
	return lock{}, fmt.Errorf("%w: %s was not offered", ErrDeclined, theirs)
}

// lock puts keys to use; nil is a line in the clear. Contexts of keys that stay go on.
func (e *end) lock(p *Party, k *lock, now int64) error {
	if e.gate != nil && (k == nil || k.dtls == nil) {
		e.gate.unagree()
	}
	if k == nil {
		e.keys = nil
		e.stream.Secure(nil, now)
		return nil
	}
	if k.dtls != nil {
		if e.keys == nil || e.keys.dtls != k.dtls {
			e.agree(p, k.dtls)
		}
		e.keys = &keys{proto: k.proto, dtls: k.dtls}
		return nil
	}
	next := &keys{proto: k.proto, theirs: k.theirs, ours: k.ours}
	if e.keys != nil {
		next.made = e.keys.made
	}
	var err, errOut error
	next.in, err = next.context(k.theirs.Keys)
	next.out, errOut = next.context(k.ours.Keys)
	if err = errors.Join(err, errOut); err != nil {
		return err
	}
	if e.keys == nil || e.keys.in != next.in || e.keys.out != next.out {
		e.stream.Secure(&relay.Keys{In: next.in, Out: next.out}, now)
	}
	e.keys = next
	return nil
}

// context gives that of a key, which is never made twice.
func (k *keys) context(of secure.Keys) (*secure.Context, error) {
	for i := range k.made {
		if k.made[i].keys.Equal(&of) {
			return k.made[i].c, nil
		}
	}
	c, err := secure.New(of)
	if err != nil {
		return nil, err
	}
	if len(k.made) == mostMade {
		k.made = k.made[1:]
	}
	k.made = append(k.made[:len(k.made):len(k.made)], keyed{of, c})
	return c, nil
}

// lock puts the keys of a round to use on one m-line. A side that was not asked keeps what it has, and so do both while they
// send a fax.
func (l *line) lock(i int, now int64) {
	if l.offer.Transport != sdp.TransportRTP {
		return
	}
	if l.x.form == asked {
		l.x.s.lock(l.x.from, l.a, l.x.fromLocks.at(i), now)
	}
	l.x.s.lock(l.x.to, l.b, l.x.toLocks.at(i), now)
}

// lock puts keys to use on an end.
func (s *Session) lock(p *Party, e *end, k *lock, now int64) {
	if k == nil && e.keys == nil {
		return
	}
	if err := e.lock(p, k, now); err != nil { // keys were checked; whatever it is, nothing may pass in the clear
		s.e.o.Log.Error("no encryption", "error", err)
		e.stream.Secure(&relay.Keys{}, now)
	}
}
