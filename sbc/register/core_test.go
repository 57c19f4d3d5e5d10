package register

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	auth "github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// core is an upstream registrar that asks for passwords.
type core struct {
	w  *world
	mu sync.Mutex
	// asked are the REGISTERs that came; contacts are the user parts of those it keeps, with their ends.
	asked    []*msg.Message
	contacts map[string]time.Time
	nonces   map[string]bool
	// open believes everybody; silent answers nobody; status, where it is not 0, is said to everybody; least and most bound
	// times in seconds.
	open, silent bool
	status       int
	least, most  int
}

// midway makes the world's domain one whose accounts are upstream.
func (w *world) midway(mode sbc.RegistrationMode, more func(p *sbc.RegistrationPolicy)) *core {
	w.t.Helper()
	c := &core{w: w, contacts: map[string]time.Time{}, nonces: map[string]bool{}, most: 7200}
	d := *w.domain
	d.Registration.Mode, d.Registration.UpstreamTrunkID, d.Registration.MinExpiresS = mode, "trk_a", 30
	if more != nil {
		more(&d.Registration)
	}
	w.domain, w.rows[len(w.rows)-1] = &d, &d
	w.revision++
	w.configure(w.revision)
	w.wire.upstream = c.hear
	return c
}

func (c *core) hear(o msg.Outbound) {
	local := msg.Local{Interface: o.Target.Interfaces[0], Transport: sbc.TransportUDP, Host: "198.51.100.1", Port: 5060}
	o.Owner.Prepare(o.Request, local)
	o.Request.Prepend("Via", "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK"+msg.NewTag())
	req, err := msg.Parse(o.Request.AppendTo(nil))
	if err != nil {
		c.w.t.Errorf("%v\n%s", err, o.Request.AppendTo(nil))
		return
	}
	c.mu.Lock()
	c.asked = append(c.asked, req)
	silent := c.silent
	c.mu.Unlock()
	if silent {
		time.AfterFunc(o.Timers.B, func() { o.Owner.Failed(nil, msg.ErrNoResponse) })
		return
	}
	res := c.answer(req)
	go o.Owner.Response(nil, res)
}

func (c *core) answer(req *msg.Message) *msg.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		return msg.NewResponse(req, c.status, "at 10.66.66.66")
	}
	if !c.open {
		a, err := auth.ParseCredentials(req.Get("Authorization"))
		ha1 := auth.HA1(auth.MD5, req.To.URI.User, "core", "secret")
		if err != nil || !c.nonces[a.Nonce] || a.Username != req.To.URI.User || !a.Check(ha1, "REGISTER", nil) {
			nonce := "nonce-" + strconv.Itoa(len(c.nonces))
			c.nonces[nonce] = true
			res := msg.NewResponse(req, 401, "")
			res.Append("WWW-Authenticate", `Digest realm="core", nonce="`+nonce+`", domain="sip:10.66.66.66"`)
			return res
		}
		delete(c.nonces, a.Nonce)
	}
	if req.Get("Contact") == "*" {
		clear(c.contacts)
	}
	list, _ := req.Contacts()
	for _, x := range list {
		if x.URI.Wildcard {
			continue
		}
		text, _ := msg.Param(x.Params, "expires")
		n, err := strconv.Atoi(text)
		if err != nil {
			c.w.t.Errorf("Contact %s", x)
		}
		if n > 0 && n < c.least {
			res := msg.NewResponse(req, 423, "")
			res.Append("Min-Expires", strconv.Itoa(c.least))
			return res
		}
		if delete(c.contacts, x.URI.User); n > 0 {
			c.contacts[x.URI.User] = time.Now().Add(time.Duration(min(n, c.most)) * time.Second)
		}
	}
	res := msg.NewResponse(req, 200, "")
	res.Append("Service-Route", "<sip:10.66.66.66;lr>")
	for user, end := range c.contacts {
		res.Append("Contact", fmt.Sprintf("<sip:%s@198.51.100.1:5060>;expires=%d", user, int(time.Until(end)/time.Second)))
	}
	return res
}

// took gives how many REGISTERs came since the last time.
func (c *core) took() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.asked)
	c.asked = nil
	return n
}

func (c *core) last() *msg.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[len(c.asked)-1]
}

// only gives the one contact that is kept.
func (c *core) only() string {
	c.w.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.contacts) != 1 {
		c.w.t.Fatalf("upstream keeps %v", c.contacts)
	}
	for user := range c.contacts {
		return user
	}
	return ""
}

// prove registers with the answer to the challenge, if there is one.
func (w *world) prove(h msg.Hop, user, password string, headers ...string) *tx {
	w.t.Helper()
	t := w.by(h, user, "phone-"+user, headers...)
	if t.res.Status != 401 {
		return t
	}
	return w.by(h, user, "phone-"+user, append(headers, answerOf(w.t, t.res, user, password))...)
}

func answerOf(t *testing.T, res *msg.Message, user, password string) string {
	t.Helper()
	c, err := auth.ParseChallenge(res.Get("WWW-Authenticate"))
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: " + c.Answer(auth.Request{
		Username: user, HA1: auth.HA1(auth.MD5, user, c.Realm, password), Method: "REGISTER", URI: "sip:example.com",
	}).String()
}
