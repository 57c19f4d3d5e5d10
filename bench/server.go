package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
)

// server is a border under measurement: it listens on 127.0.0.1:5060 and sends calls on to 127.0.0.3.
type server struct {
	name  string
	parts []*process
	dir   string
	api   string
	key   string
}

func (s *server) stop() {
	for i := len(s.parts) - 1; i >= 0; i-- {
		s.parts[i].stop()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // a temporary directory left behind does not change a figure
	}
}

// cpu and resident are of all the server's processes.
func (s *server) cpu() time.Duration { return cpu(s.parts...) }
func (s *server) resident() int64    { return resident(s.parts...) }

// startServer starts a border by name.
func startServer(ctx context.Context, name string) (*server, error) {
	switch name {
	case "sallyport":
		return startSallyport(ctx)
	case "kamailio":
		return startKamailio(ctx)
	}
	return nil, fmt.Errorf("unknown server %q", name)
}

// startSallyport builds the binary from this checkout, starts it with an empty directory and provisions it through REST.
func startSallyport(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp("", "sallyport-bench")
	if err != nil {
		return nil, err
	}
	s := &server{name: "sallyport", dir: dir, api: "http://127.0.0.1:18080", key: ""}
	binary := filepath.Join(dir, "sallyport")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/sallyport/sallyport/cmd/sallyport").CombinedOutput(); err != nil {
		s.stop()
		return nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	p, err := start(binary, "serve", "-data-dir", filepath.Join(dir, "data"), "-api-address", "127.0.0.1:18080")
	if err != nil {
		s.stop()
		return nil, err
	}
	s.parts = append(s.parts, p)
	if err := s.provision(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("provisioning: %w\n%s", err, p.log.String())
	}
	return s, answering(ctx, "127.0.0.2:0", "127.0.0.1:5060")
}

// firstKey reads the API key that the first start prints.
func (s *server) firstKey(ctx context.Context) error {
	for ctx.Err() == nil {
		for lines := bufio.NewScanner(strings.NewReader(s.parts[0].log.String())); lines.Scan(); {
			if word := strings.TrimSpace(lines.Text()); strings.HasPrefix(word, "spk_") {
				s.key = word
				return nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return errors.New("the server printed no API key")
}

// provision makes one realm with everything in it: SIPp calls from 127.0.0.2 and answers on 127.0.0.3, the probe of the delay
// and the RTP generator on 127.0.0.4 and 127.0.0.5 with numbers that begin with 9.
func (s *server) provision(ctx context.Context) error {
	if err := s.firstKey(ctx); err != nil {
		return err
	}
	script := rest.Script{Client: rest.Client{URL: s.api, Key: s.key}, Ctx: ctx}
	create := func(path string, body rest.Object) string { return script.Create("/v1"+path, body) }
	realm := create("/realms", rest.Object{"name": "bench", "trust": "peer"})
	create("/sip-interfaces", rest.Object{"name": "udp", "realm_id": realm, "transport": "udp", "bind_address": "127.0.0.1", "port": 5060})
	create("/media-pools", rest.Object{"name": "pool", "realm_id": realm, "address": "127.0.0.1", "port_min": 10000, "port_max": 59999})
	plan := create("/routing-plans", rest.Object{"name": "plan"})
	for _, way := range []struct{ name, from, to, prefix string }{
		{"sipp", "127.0.0.2", "127.0.0.3", ""}, {"probe", "127.0.0.4", "127.0.0.5", "9"},
	} {
		in := create("/trunks", rest.Object{"name": way.name + "-in", "realm_id": realm, "routing_plan_id": plan, "media_timeout_s": 0})
		out := create("/trunks", rest.Object{"name": way.name + "-out", "realm_id": realm, "media_timeout_s": 0})
		create("/trunks/"+in+"/identities", rest.Object{"name": "source", "cidr": way.from + "/32"})
		create("/trunks/"+out+"/endpoints", rest.Object{"name": "callee", "address": way.to, "port": 5060, "transport": "udp"})
		list := create("/route-lists", rest.Object{"name": way.name})
		create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": out})
		create("/routing-plans/"+plan+"/rules", rest.Object{"name": way.name, "prefix": way.prefix, "action": "route", "route_list_id": list})
	}
	return script.Err
}

// startKamailio starts Debian's Kamailio with testdata/kamailio.cfg and Debian's rtpengine in userspace.
func startKamailio(ctx context.Context) (*server, error) {
	s := &server{name: "kamailio"}
	engine, err := startRTPEngine()
	if err != nil {
		return nil, err
	}
	s.parts = append(s.parts, engine)
	k, err := start("kamailio", "-DD", "-E", "-m", "512", "-f", "bench/testdata/kamailio.cfg")
	if err != nil {
		s.stop()
		return nil, err
	}
	s.parts = append(s.parts, k)
	if err := answering(ctx, "127.0.0.2:0", "127.0.0.1:5060"); err != nil {
		defer s.stop()
		return nil, fmt.Errorf("kamailio: %w\n%s", err, k.log.String())
	}
	return s, nil
}

// startRTPEngine starts rtpengine without its kernel module.
func startRTPEngine() (*process, error) {
	return start("rtpengine", "--foreground", "--log-stderr", "--log-level=1", "--table=-1", "--interface=127.0.0.1",
		"--listen-ng=127.0.0.1:2223", "--port-min=10000", "--port-max=59999", "--delete-delay=0")
}
