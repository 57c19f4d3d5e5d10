package phone

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Account is what a phone registers as.
type Account struct {
	Domain, User, Password string
	// Params stand behind its Contact, with their semicolons.
	Params string
}

// Register registers the phone at a border for an hour, answers the first challenge that it understands, and gives the final
// answer; more headers are put into both requests. It opens a binding of the NAT in between.
func (p *Phone) Register(ctx context.Context, border netip.AddrPort, a Account, headers ...msg.Header) (*msg.Message, error) {
	c := newCall(p, msg.NewCallID()+"@"+p.addr.Addr().String(), border)
	var err error
	if c.target, err = msg.ParseURI("sip:" + a.Domain); err != nil {
		return nil, fmt.Errorf("phone: domain %q: %w", a.Domain, err)
	}
	if c.remote, err = msg.ParseNameAddr("<sip:" + a.User + "@" + a.Domain + ">"); err != nil {
		return nil, fmt.Errorf("phone: user %q: %w", a.User, err)
	}
	c.local = c.remote.WithTag(c.tag)
	once := func(more ...msg.Header) (*msg.Message, error) {
		req := c.newRequest(msg.REGISTER, c.seq, msg.NewBranch())
		req.Append("Contact", p.contact()+a.Params)
		req.Append("Expires", "3600")
		for _, h := range append(headers[:len(headers):len(headers)], more...) {
			req.Append(h.Name, h.Value)
		}
		c.seq++
		return p.ask(ctx, c, req)
	}
	res, err := once()
	if err != nil || res.Status != 401 {
		return res, err
	}
	for _, v := range res.GetAll("WWW-Authenticate") {
		challenge, err := digest.ParseChallenge(v)
		if err != nil {
			continue // RFC 7616 3.3: what is not understood is passed over
		}
		answer := challenge.Answer(digest.Request{
			Username: a.User, HA1: digest.HA1(challenge.Algorithm, a.User, challenge.Realm, a.Password), Method: "REGISTER",
			URI: "sip:" + a.Domain, CNonce: msg.NewTag(), Count: 1,
		})
		return once(msg.Header{Name: "Authorization", Value: answer.String()})
	}
	return res, errors.New("phone: no challenge that it understands: " + strings.Join(res.GetAll("WWW-Authenticate"), ", "))
}

// ask sends a request outside of calls until it is answered.
func (p *Phone) ask(ctx context.Context, c *Call, req *msg.Message) (*msg.Message, error) {
	answer := make(chan *msg.Message, 1)
	p.mu.Lock()
	p.pings[c.callID] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.pings, c.callID)
		p.mu.Unlock()
	}()
	ticker := time.NewTicker(500 * time.Millisecond) // T1 (RFC 3261 17.1.1.1)
	defer ticker.Stop()
	p.send(req, c.peer)
	for {
		select {
		case m := <-answer:
			if m.Status >= 200 && m.CSeq.Seq == req.CSeq.Seq {
				return m, nil
			}
		case <-ticker.C:
			p.send(req, c.peer)
		case <-ctx.Done():
			return nil, fmt.Errorf("phone %s: no answer to %s: %w", p.o.Name, req.Method, ctx.Err())
		}
	}
}
