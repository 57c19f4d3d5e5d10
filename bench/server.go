package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
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

// object is a JSON object on its way to or from the API.
type object map[string]any

// post creates a resource and gives its id.
func (s *server) post(ctx context.Context, path string, body object) (string, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.api+"/v1"+path, bytes.NewReader(raw))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"id"`
	}
	if res.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("POST %s: %s: %s", path, res.Status, answer)
	}
	err = json.Unmarshal(answer, &made)
	return made.ID, err
}

// provision makes one realm with everything in it: SIPp calls from 127.0.0.2 and answers on 127.0.0.3, the probe of the delay
// and the RTP generator on 127.0.0.4 and 127.0.0.5 with numbers that begin with 9.
func (s *server) provision(ctx context.Context) error {
	if err := s.firstKey(ctx); err != nil {
		return err
	}
	var fault error
	create := func(path string, body object) string {
		if fault != nil {
			return ""
		}
		var id string
		id, fault = s.post(ctx, path, body)
		return id
	}
	realm := create("/realms", object{"name": "bench", "trust": "peer"})
	create("/sip-interfaces", object{"name": "udp", "realm_id": realm, "transport": "udp", "bind_address": "127.0.0.1", "port": 5060})
	create("/media-pools", object{"name": "pool", "realm_id": realm, "address": "127.0.0.1", "port_min": 10000, "port_max": 59999})
	plan := create("/routing-plans", object{"name": "plan"})
	for _, way := range []struct{ name, from, to, prefix string }{
		{"sipp", "127.0.0.2", "127.0.0.3", ""}, {"probe", "127.0.0.4", "127.0.0.5", "9"},
	} {
		in := create("/trunks", object{"name": way.name + "-in", "realm_id": realm, "routing_plan_id": plan, "media_timeout_s": 0})
		out := create("/trunks", object{"name": way.name + "-out", "realm_id": realm, "media_timeout_s": 0})
		create("/trunks/"+in+"/identities", object{"name": "source", "cidr": way.from + "/32"})
		create("/trunks/"+out+"/endpoints", object{"name": "callee", "address": way.to, "port": 5060, "transport": "udp"})
		list := create("/route-lists", object{"name": way.name})
		create("/route-lists/"+list+"/targets", object{"name": "only", "trunk_id": out})
		create("/routing-plans/"+plan+"/rules", object{"name": way.name, "prefix": way.prefix, "action": "route", "route_list_id": list})
	}
	return fault
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
