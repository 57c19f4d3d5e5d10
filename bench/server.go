package main

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sallyport/sallyport/integration/rest"
)

//go:embed testdata
var testdata embed.FS

// apiAddress is where Sallyport's API listens while it is measured.
const apiAddress = borderHost + ":18080"

// server is a border under measurement: it listens on borderHost and sends calls on to calleeHost or eastHost.
type server struct {
	name  string
	phase string
	parts []*process
}

func (s *server) stop() {
	for i := len(s.parts) - 1; i >= 0; i-- {
		s.parts[i].stop()
	}
}

// cpu is the processor time of each part so far.
func (s *server) cpu() []time.Duration {
	out := make([]time.Duration, len(s.parts))
	for i, part := range s.parts {
		out[i] = part.cpu()
	}
	return out
}

// idle is what each part uses per second with nothing to do.
func (s *server) idle(d time.Duration) []time.Duration {
	before := s.cpu()
	time.Sleep(d)
	out := s.cpu()
	for i := range out {
		out[i] = time.Duration(float64(out[i]-before[i]) / d.Seconds())
	}
	return out
}

// resident is the memory of all parts.
func (s *server) resident() int64 {
	var total int64
	for _, part := range s.parts {
		total += part.resident()
	}
	return total
}

// words are the last of what the parts said, for an error.
func (s *server) words() string {
	var b strings.Builder
	for _, part := range s.parts {
		fmt.Fprintf(&b, "\n%s (ended: %v) said:\n", part.name, part.ended())
		for line := range strings.Lines(part.output(300)) {
			if !strings.HasPrefix(strings.TrimSpace(line), "spk_") { // a key is for nobody's terminal
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// testdata writes one of our files to the scratch directory and gives its path.
func (p *plan) testdata(name string) (string, error) {
	path := filepath.Join(p.dir, name)
	content, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, content, 0o600)
}

// startServer starts a server by name, as a phase needs it, and waits until it answers.
func (p *plan) startServer(ctx context.Context, phase, name string) (*server, error) {
	starts := map[string]func(context.Context, *server) error{"sallyport": p.startSallyport, "kamailio": p.startKamailio}
	if phase == "registrar" {
		starts = map[string]func(context.Context, *server) error{"sallyport": p.startRegistrar, "kamailio": p.startKamailioRegistrar}
	}
	begin, ok := starts[name]
	if !ok {
		return nil, fmt.Errorf("unknown server %q", name)
	}
	s := &server{name: name, phase: phase}
	err := begin(ctx, s)
	if err == nil {
		err = answering(ctx, s)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("start: %w%s", err, s.words())
	}
	return s, nil
}

// run starts a part of the server.
func (s *server) run(dir, name string, args ...string) error {
	part, err := start(dir, name, args...)
	if err == nil {
		s.parts = append(s.parts, part)
	}
	return err
}

// startBinary starts the binary with an empty directory, and gives that and the API.
func (p *plan) startBinary(ctx context.Context, s *server) (data string, client rest.Client, err error) {
	data, err = os.MkdirTemp(p.dir, "data")
	if err != nil {
		return "", client, err
	}
	if err := s.run(p.dir, p.binary, "serve", "-data-dir", data, "-api-address", apiAddress, "-log-level", "warn"); err != nil {
		return "", client, err
	}
	key, err := s.firstKey(ctx)
	return data, rest.Client{URL: "http://" + apiAddress, Key: key}, err
}

// startSallyport starts the binary and provisions it through REST.
func (p *plan) startSallyport(ctx context.Context, s *server) error {
	_, client, err := p.startBinary(ctx, s)
	if err != nil {
		return err
	}
	if err := provision(ctx, client, s.phase == secured); err != nil {
		return fmt.Errorf("provisioning: %w", err)
	}
	return nil
}

// firstKey reads the API key that the first start prints.
func (s *server) firstKey(ctx context.Context) (string, error) {
	for ctx.Err() == nil && !s.parts[0].ended() {
		for lines := bufio.NewScanner(strings.NewReader(s.parts[0].output(2000))); lines.Scan(); {
			if word := strings.TrimSpace(lines.Text()); strings.HasPrefix(word, "spk_") {
				return word, nil
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "", errors.New("the server printed no API key")
}

// provision makes one realm with everything in it: SIPp calls from callerHost and answers on calleeHost, the probe and the RTP
// generator are at westHost and eastHost with numbers that begin with 9. If media are encrypted, the latter's caller has to.
func provision(ctx context.Context, client rest.Client, encrypted bool) error {
	script := rest.Script{Client: client, Ctx: ctx}
	create := func(path string, body rest.Object) string { return script.Create("/v1"+path, body) }
	realm := create("/realms", rest.Object{"name": "bench", "trust": "peer"})
	create("/sip-interfaces", rest.Object{"name": "udp", "realm_id": realm, "transport": "udp", "bind_address": borderHost, "port": sipPort})
	create("/media-pools", rest.Object{"name": "pool", "realm_id": realm, "address": borderHost, "port_min": 10000, "port_max": 59999})
	plan := create("/routing-plans", rest.Object{"name": "plan"})
	for _, way := range []struct{ name, from, to, prefix string }{
		{"sipp", callerHost, calleeHost, ""}, {"probe", westHost, eastHost, "9"},
	} {
		caller := rest.Object{"name": way.name + "-in", "realm_id": realm, "routing_plan_id": plan, "media_timeout_s": 0}
		if encrypted && way.from == westHost {
			caller["media_profile_id"] = create("/media-profiles", keysInSDP())
		}
		in := create("/trunks", caller)
		out := create("/trunks", rest.Object{"name": way.name + "-out", "realm_id": realm, "media_timeout_s": 0})
		create("/trunks/"+in+"/identities", rest.Object{"name": "source", "cidr": way.from + "/32"})
		create("/trunks/"+out+"/endpoints", rest.Object{"name": "callee", "address": way.to, "port": sipPort, "transport": "udp"})
		list := create("/route-lists", rest.Object{"name": way.name})
		create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": out})
		create("/routing-plans/"+plan+"/rules", rest.Object{"name": way.name, "prefix": way.prefix, "action": "route", "route_list_id": list})
	}
	return script.Err
}

// startKamailio starts Debian's Kamailio with testdata/kamailio.cfg and Debian's rtpengine in userspace. Kamailio asks rtpengine
// whether it is there only once at its start, so rtpengine has to be up before.
func (p *plan) startKamailio(ctx context.Context, s *server) error {
	if err := s.run(p.dir, "rtpengine", "--foreground", "--log-stderr", "--log-level=3", "--table=-1", "--interface="+borderHost,
		"--listen-ng="+borderHost+":2223", "--port-min=10000", "--port-max=59999", "--delete-delay=0", "--timeout=3600",
		"--silent-timeout=3600"); err != nil {
		return err
	}
	if err := ask(ctx, s, borderHost+":2223", func(int, string) string { return "bench d7:command4:pinge" }); err != nil {
		return err
	}
	config, err := p.testdata("kamailio.cfg")
	if err != nil {
		return err
	}
	args := []string{"-DD", "-E", "-m", "1024", "-f", config}
	if s.phase == secured {
		args = append(args, "-A", "SRTP")
	}
	return s.run(p.dir, "kamailio", args...)
}

// answering waits until the border answers an OPTIONS request.
func answering(ctx context.Context, s *server) error {
	return ask(ctx, s, border, func(n int, here string) string {
		return fmt.Sprintf("OPTIONS sip:bench@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKbench%d;rport\r\nMax-Forwards: 70\r\n"+
			"From: <sip:bench@%s>;tag=b%d\r\nTo: <sip:bench@%s>\r\nCall-ID: bench%d@%s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
			border, here, n, here, n, border, n, here)
	})
}

// ask sends a datagram from the caller's address until something answers it, the server has ended, or ten seconds are over.
func ask(ctx context.Context, s *server, addr string, say func(n int, here string) string) error {
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(callerHost)}}
	conn, err := dialer.DialContext(ctx, "udp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, 4096)
	for n := range 100 {
		if ctx.Err() != nil || s.parts[len(s.parts)-1].ended() {
			break
		}
		_, err := conn.Write([]byte(say(n, conn.LocalAddr().String())))
		if err == nil {
			err = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		}
		if err == nil {
			if _, err = conn.Read(buf); err == nil {
				return nil
			}
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			time.Sleep(100 * time.Millisecond) // the port is closed as yet
		}
	}
	return fmt.Errorf("nothing answers at %s", addr)
}
