package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/phone"
	"github.com/sallyport/sallyport/integration/rest"
)

// The addresses of the demo, all on loopback: two networks that know nothing of each other, and the border in both.
var (
	westBorder = netip.MustParseAddr("127.0.10.1")
	westPhone  = netip.MustParseAddr("127.0.10.2")
	eastBorder = netip.MustParseAddr("127.0.20.1")
	eastPhone  = netip.MustParseAddr("127.0.20.2")
	eastDead   = netip.MustParseAddr("127.0.20.9") // nobody listens here
)

// The numbers of the demo, and what happens to who calls them.
const (
	numberGood     = "1001"
	numberBusy     = "1002"
	numberSilent   = "1003" // rings until the caller gives up
	numberFailover = "2001" // routed to a dead endpoint first
	talkPackets    = 100    // two seconds of audio each way
)

// theDemo is everything the demo runs.
type theDemo struct {
	out   io.Writer
	app   *app.App
	api   rest.Client
	alice *phone.Phone
	bob   *phone.Phone
	port  uint16 // of the border's SIP interfaces
	good  string // the border's id of the good call
}

// demo starts a border in a temporary directory, provisions it through its own API, places four calls between two phones, and
// shows and checks what happened. An error means that something was not as promised.
func demo(ctx context.Context, o app.Options, out io.Writer) (err error) {
	fmt.Fprintln(out, "sallyport demo: a border, two networks, two phones, four calls (about ten seconds)")
	dir, err := os.MkdirTemp("", "sallyport-demo")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o.DataDir, o.Database, o.APIKey = filepath.Join(dir, "data"), "", ""
	o.APIAddress, o.ValidateResponses = "127.0.0.1:0", true
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	d := &theDemo{out: out}
	if d.app, err = app.Start(ctx, o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.app.Stop(context.Background())) }()
	d.api = rest.Client{URL: d.app.URL(), Key: d.app.FirstKey()}
	fmt.Fprintf(out, "\nAPI %s   documentation %s/docs\nkey %s\n\n", d.api.URL, d.api.URL, d.api.Key)
	if err := d.phones(); err != nil {
		return err
	}
	defer d.alice.Close()
	defer d.bob.Close()
	for _, step := range []func(context.Context) error{
		d.provision, d.goodCall, d.busyCall, d.cancelledCall, d.failoverCall, d.showLadder, d.showHiding, d.showRecords,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "\nEverything above was checked. Next: go run ./cmd/sallyport serve, and the tour in README.md.")
	return nil
}

// phones opens alice in the west and bob in the east.
func (d *theDemo) phones() (err error) {
	probe, err := phone.New(phone.Options{Address: westBorder})
	if err != nil {
		return fmt.Errorf("this machine does not let programs use %s; the demo needs the whole loopback network 127.0.0.0/8: %w", westBorder, err)
	}
	d.port = probe.Addr().Port() // free a moment ago; the border takes it
	probe.Close()
	d.alice, err = phone.New(phone.Options{Address: westPhone, Name: "alice", UserAgent: "Westphone/1.0", Tone: 400})
	if err != nil {
		return err
	}
	d.bob, err = phone.New(phone.Options{Address: eastPhone, Name: "bob", UserAgent: "Eastphone/2.0", Tone: 1000, Incoming: answer})
	if err != nil {
		d.alice.Close()
	}
	return err
}

// answer is how bob takes calls.
func answer(c *phone.Call) {
	switch c.Dialled() {
	case numberBusy:
		c.Reject(486)
	case numberSilent:
		c.Ring()
	default:
		c.Ring()
		_ = c.Answer() // the caller sees the 500 it sends
	}
}

// provision builds the border through its API: this is the tour of the README as a program.
func (d *theDemo) provision(ctx context.Context) error {
	s := rest.Script{Client: d.api, Ctx: ctx}
	side := func(name string, border netip.Addr, trust string) string {
		realm := s.Create("/v1/realms", rest.Object{"name": name, "trust": trust})
		s.Create("/v1/sip-interfaces", rest.Object{
			"name": name, "realm_id": realm, "transport": "udp", "bind_address": border.String(), "port": int(d.port),
		})
		s.Create("/v1/media-pools", rest.Object{
			"name": name, "realm_id": realm, "address": border.String(), "port_min": 31000, "port_max": 31999,
		})
		return realm
	}
	west, east := side("west", westBorder, "access"), side("east", eastBorder, "peer")
	plan := s.Create("/v1/routing-plans", rest.Object{"name": "from-west"})
	office := s.Create("/v1/trunks", rest.Object{"name": "office", "realm_id": west, "routing_plan_id": plan})
	s.Create("/v1/trunks/"+office+"/identities", rest.Object{"name": "phones", "cidr": westPhone.String() + "/32"})

	carrier := s.Create("/v1/trunks", rest.Object{"name": "carrier", "realm_id": east, "no_response_timeout_ms": 500})
	s.Create("/v1/trunks/"+carrier+"/endpoints", rest.Object{
		"name": "bob", "address": eastPhone.String(), "port": int(d.bob.Addr().Port()), "transport": "udp",
	})
	dead := s.Create("/v1/trunks", rest.Object{"name": "dead-carrier", "realm_id": east, "no_response_timeout_ms": 500})
	s.Create("/v1/trunks/"+dead+"/endpoints", rest.Object{"name": "nobody", "address": eastDead.String(), "port": 5060, "transport": "udp"})

	direct := s.Create("/v1/route-lists", rest.Object{"name": "direct"})
	s.Create("/v1/route-lists/"+direct+"/targets", rest.Object{"name": "carrier", "trunk_id": carrier})
	backup := s.Create("/v1/route-lists", rest.Object{"name": "dead-then-alive"})
	s.Create("/v1/route-lists/"+backup+"/targets", rest.Object{"name": "first", "trunk_id": dead, "priority": 1})
	s.Create("/v1/route-lists/"+backup+"/targets", rest.Object{"name": "second", "trunk_id": carrier, "priority": 2})
	rules := "/v1/routing-plans/" + plan + "/rules"
	s.Create(rules, rest.Object{"name": "default", "prefix": "", "action": "route", "route_list_id": direct})
	s.Create(rules, rest.Object{"name": "twenties", "prefix": "20", "action": "route", "route_list_id": backup})
	if s.Err == nil {
		fmt.Fprintf(d.out, "provisioned over REST: alice %v ─ west %v ║ east %v ─ bob %v\n\n",
			d.alice.Addr(), netip.AddrPortFrom(westBorder, d.port), netip.AddrPortFrom(eastBorder, d.port), d.bob.Addr())
	}
	return s.Err
}
