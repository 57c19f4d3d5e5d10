package phone

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Call is one call of a phone.
type Call struct {
	phone  *Phone
	callID string
	peer   netip.AddrPort // where requests of this call are sent
	tag    string

	mu       sync.Mutex
	invite   *msg.Message // ours, or theirs
	last     *msg.Message // the last response sent to their INVITE
	ack      *msg.Message // ours for their 2xx, sent again when the 2xx is
	remote   msg.NameAddr
	local    msg.NameAddr
	target   msg.URI
	seq      uint32
	answered bool
	audio    *audio

	ringing, final, ended, acked chan struct{}
	once                         [4]sync.Once
	code                         int
	byeDone                      chan struct{}
	byeOnce                      sync.Once
	refer                        referral
}

func newCall(p *Phone, callID string, peer netip.AddrPort) *Call {
	return &Call{
		phone: p, callID: callID, peer: peer, tag: msg.NewTag(), seq: 1,
		ringing: make(chan struct{}), final: make(chan struct{}), ended: make(chan struct{}), acked: make(chan struct{}),
		byeDone: make(chan struct{}),
	}
}

// Dial sends an INVITE for a number to a border, with more headers, and returns at once; Final waits for the outcome.
func (p *Phone) Dial(number string, border netip.AddrPort, headers ...msg.Header) (*Call, error) {
	return p.DialURI("sip:"+number+"@"+border.String(), border, headers...)
}

// DialURI is Dial for any URI.
func (p *Phone) DialURI(target string, border netip.AddrPort, headers ...msg.Header) (*Call, error) {
	c := newCall(p, msg.NewCallID()+"@"+p.addr.Addr().String(), border)
	sound, err := newAudio(p.addr.Addr(), &p.o)
	if err != nil {
		return nil, err
	}
	c.audio = sound
	uri, err := msg.ParseURI(target)
	if err != nil {
		sound.stop()
		return nil, fmt.Errorf("phone: cannot dial %q: %w", target, err)
	}
	c.target = uri
	from, err := msg.ParseNameAddr("<sip:" + p.o.Name + "@" + p.host() + ">;tag=" + c.tag)
	if err != nil {
		sound.stop()
		return nil, fmt.Errorf("phone: name %q: %w", p.o.Name, err)
	}
	c.local, c.remote = from, msg.NameAddr{URI: uri}
	inv := c.newRequest(msg.INVITE, c.seq, msg.NewBranch())
	inv.Append("Contact", p.contact())
	for _, h := range headers {
		inv.Append(h.Name, h.Value)
	}
	inv.SetBody("application/sdp", c.sdp())
	c.invite = inv
	p.mu.Lock()
	p.calls[c.callID] = c
	p.mu.Unlock()
	p.wait.Go(func() { c.retransmit(inv, c.ringing, c.final) })
	return c, nil
}

// Dialled is the user part of an incoming INVITE's Request-URI.
func (c *Call) Dialled() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.invite.RequestURI.User
}

// SIPCallID is the Call-ID of this side.
func (c *Call) SIPCallID() string { return c.callID }

// Ringing is closed when the first provisional answer above 100 has come.
func (c *Call) Ringing() <-chan struct{} { return c.ringing }

// Ended is closed when the call is over, for whatever reason.
func (c *Call) Ended() <-chan struct{} { return c.ended }

// Acked is closed when the ACK of our answer came.
func (c *Call) Acked() <-chan struct{} { return c.acked }

// Final waits for the final answer to our INVITE.
func (c *Call) Final(ctx context.Context) (code int, err error) {
	select {
	case <-c.final:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.code, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("phone %s: no final answer: %w", c.phone.o.Name, ctx.Err())
	}
}

// Cancel gives up an unanswered call (RFC 3261 9.1).
func (c *Call) Cancel() {
	c.mu.Lock()
	inv := c.invite
	c.mu.Unlock()
	cancel := c.newRequest(msg.CANCEL, inv.CSeq.Seq, inv.Via.Branch())
	c.phone.wait.Go(func() { c.retransmit(cancel, c.final) })
}

// Hangup sends BYE and waits for its answer.
func (c *Call) Hangup(ctx context.Context) error {
	c.mu.Lock()
	c.seq++
	bye := c.newRequest(msg.BYE, c.seq, msg.NewBranch())
	c.mu.Unlock()
	c.phone.wait.Go(func() { c.retransmit(bye, c.byeDone) })
	select {
	case <-c.byeDone:
		c.end()
		return nil
	case <-ctx.Done():
		c.end()
		return fmt.Errorf("phone %s: no answer to BYE: %w", c.phone.o.Name, ctx.Err())
	}
}

// Heard tells what came of the other's audio.
func (c *Call) Heard() Heard {
	c.mu.Lock()
	sound := c.audio
	c.mu.Unlock()
	if sound == nil {
		return Heard{}
	}
	return sound.report()
}

// Ring answers 180 to an incoming call.
func (c *Call) Ring() { c.respond(180, false) }

// Reject answers a final failure to an incoming call.
func (c *Call) Reject(status int) {
	c.respond(status, false)
	c.end()
}

// Answer answers 200 with SDP to an incoming call and starts the audio.
func (c *Call) Answer() error {
	sound, err := newAudio(c.phone.addr.Addr(), &c.phone.o)
	if err != nil {
		c.Reject(500)
		return err
	}
	c.mu.Lock()
	c.audio = sound
	c.answered = true
	offer := c.invite.Body
	c.mu.Unlock()
	sound.unlock(offer)
	if remote, ok := audioAddress(offer); ok {
		sound.start(remote)
	}
	c.respond(200, true)
	c.phone.wait.Go(func() {
		c.again(func() bool {
			select {
			case <-c.acked:
				return false
			case <-c.ended:
				return false
			default:
				c.resend()
				return true
			}
		}, c.acked, c.ended)
	})
	return nil
}

// incoming begins a call that somebody makes to this phone.
func (c *Call) incoming(m *msg.Message) {
	c.mu.Lock()
	c.invite = m
	c.remote, c.local = m.From, m.To.WithTag(c.tag)
	c.target = m.From.URI
	if contacts, err := m.Contacts(); err == nil && len(contacts) > 0 {
		c.target = contacts[0].URI
	}
	c.mu.Unlock()
	if c.phone.o.Incoming == nil {
		c.Reject(480)
		return
	}
	c.phone.wait.Go(func() { c.phone.o.Incoming(c) })
}

// request takes a request of the other side within this call.
func (c *Call) request(m *msg.Message, from netip.AddrPort) {
	switch m.Method {
	case msg.INVITE:
		c.renew(m)
	case msg.ACK:
		c.once[3].Do(func() { close(c.acked) })
		c.mu.Lock()
		sound := c.audio
		c.mu.Unlock()
		sound.greet()
	case msg.CANCEL:
		c.phone.send(msg.NewResponse(m, 200, ""), from)
		c.respond(487, false)
		c.end()
	case msg.BYE:
		c.phone.send(msg.NewResponse(m, 200, ""), from)
		c.end()
	case msg.NOTIFY:
		c.notified(m)
		c.phone.send(msg.NewResponse(m, 200, ""), from)
	default:
		c.phone.send(msg.NewResponse(m, 200, ""), from)
	}
}

// renew answers an INVITE within the call: a retransmission as before, a new offer with 200 and our description.
func (c *Call) renew(m *msg.Message) {
	c.mu.Lock()
	same := c.last != nil && m.CSeq.Seq == c.last.CSeq.Seq
	fresh := !same && c.audio != nil
	if fresh {
		c.invite = m
		c.audio.unlock(m.Body)
		if remote, ok := audioAddress(m.Body); ok {
			c.audio.start(remote)
		}
	}
	c.mu.Unlock()
	if fresh {
		c.respond(200, true)
		return
	}
	c.resend()
}

// response takes an answer to one of our requests.
func (c *Call) response(m *msg.Message) {
	switch {
	case m.CSeq.Method == msg.BYE && m.Status >= 200:
		c.byeOnce.Do(func() { close(c.byeDone) })
	case m.CSeq.Method == msg.REFER && m.Status >= 200:
		c.referred(m.Status)
	case m.CSeq.Method != msg.INVITE:
	case m.Status > 100 && m.Status < 200:
		c.mu.Lock()
		c.refer.early = m.To
		c.mu.Unlock()
		c.once[0].Do(func() { close(c.ringing) })
	case m.Status >= 200 && m.Status < 300:
		c.accepted(m)
	case m.Status >= 300:
		ack := c.newRequest(msg.ACK, m.CSeq.Seq, c.invite.Via.Branch())
		ack.SetTo(m.To)
		c.phone.send(ack, c.peer)
		c.finish(m.Status)
		c.end()
	}
}

// accepted acknowledges a 2xx, each time it comes (RFC 3261 13.2.2.4).
func (c *Call) accepted(m *msg.Message) {
	c.mu.Lock()
	if c.ack == nil {
		c.remote = m.To
		if contacts, err := m.Contacts(); err == nil && len(contacts) > 0 {
			c.target = contacts[0].URI
		}
		c.ack = c.newRequest(msg.ACK, m.CSeq.Seq, msg.NewBranch())
		c.audio.unlock(m.Body)
		if remote, ok := audioAddress(m.Body); ok {
			c.audio.start(remote)
		}
	}
	ack := c.ack
	c.mu.Unlock()
	c.phone.send(ack, c.peer)
	c.audio.greet()
	c.finish(m.Status)
}

func (c *Call) finish(code int) {
	c.once[1].Do(func() {
		c.mu.Lock()
		c.code = code
		c.mu.Unlock()
		close(c.final)
	})
}

// end frees what the call holds; what was heard can still be asked.
func (c *Call) end() {
	c.once[2].Do(func() {
		close(c.ended)
		c.mu.Lock()
		sound := c.audio
		c.mu.Unlock()
		if sound != nil {
			sound.stop()
		}
	})
}

// respond sends a response to the other side's INVITE.
func (c *Call) respond(status int, sdp bool) {
	c.mu.Lock()
	res := msg.NewResponse(c.invite, status, "")
	res.SetTo(c.invite.To.WithTag(c.tag))
	res.Append("User-Agent", c.phone.o.UserAgent)
	if status < 300 {
		res.Append("Contact", c.phone.contact())
	}
	if sdp {
		res.SetBody("application/sdp", c.sdp())
	}
	c.last = res
	c.mu.Unlock()
	c.phone.send(res, c.peer)
}

func (c *Call) resend() {
	c.mu.Lock()
	last := c.last
	c.mu.Unlock()
	if last != nil {
		c.phone.send(last, c.peer)
	}
}

// newRequest builds a request of this call with a Via of the given branch.
func (c *Call) newRequest(method msg.Method, seq uint32, branch string) *msg.Message {
	m := msg.NewRequest(method, c.target)
	m.Append("Via", "SIP/2.0/"+c.phone.via()+";branch="+branch+";rport")
	m.SetMaxForwards(70)
	m.SetFrom(c.local)
	m.SetTo(c.remote)
	m.SetCallID(c.callID)
	m.SetCSeq(seq, method)
	m.Append("User-Agent", c.phone.o.UserAgent)
	return m
}

// retransmit sends a request until one of the channels is closed or 64*T1 are over (RFC 3261 17.1.1.2).
func (c *Call) retransmit(m *msg.Message, until ...<-chan struct{}) {
	c.phone.send(m, c.peer)
	c.again(func() bool {
		c.phone.send(m, c.peer)
		return true
	}, until[0], until[len(until)-1])
}

// again calls f at rising intervals until it gives false, a channel is closed, the call ends or 32 s are over.
func (c *Call) again(f func() bool, a, b <-chan struct{}) {
	for wait, total := 500*time.Millisecond, time.Duration(0); total < 32*time.Second; wait = min(2*wait, 4*time.Second) {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-a:
			timer.Stop()
			return
		case <-b:
			timer.Stop()
			return
		case <-c.ended:
			timer.Stop()
			return
		}
		total += wait
		if !f() {
			return
		}
	}
}

// sdp is our description: one G.711 stream.
func (c *Call) sdp() []byte {
	family := "IP4"
	if c.phone.addr.Addr().Is6() {
		family = "IP6"
	}
	host := family + " " + c.phone.addr.Addr().String()
	proto, keys := c.audio.lock()
	return []byte("v=0\r\no=" + c.phone.o.Name + " 4711 1 IN " + host + "\r\ns=" + c.phone.o.UserAgent + "\r\nc=IN " + host +
		"\r\nt=0 0\r\nm=audio " + strconv.Itoa(c.audio.port()) + " " + proto + " 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n" + keys)
}

// audioAddress reads where audio is wanted from SDP.
func audioAddress(body []byte) (netip.AddrPort, bool) {
	var host netip.Addr
	port := 0
	for line := range strings.Lines(string(body)) {
		line = strings.TrimRight(line, "\r\n")
		switch f := strings.Fields(line); {
		case strings.HasPrefix(line, "c=") && len(f) == 3:
			host, _ = netip.ParseAddr(f[2])
		case strings.HasPrefix(line, "m=audio") && len(f) > 2:
			port, _ = strconv.Atoi(f[1])
		}
	}
	return netip.AddrPortFrom(host, uint16(port)), host.IsValid() && port > 0
}
