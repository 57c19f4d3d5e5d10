package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// probe is a caller on 127.0.0.4 and a callee on 127.0.0.5 in one process, so that one clock measures what the border adds.
type probe struct {
	caller, callee *net.UDPConn
	mu             sync.Mutex
	calls          map[string]*probed // by number
	wait           sync.WaitGroup
}

// probed is one call of the probe.
type probed struct {
	invited, arrived, rang, heard time.Time
	answer                        []byte // the 200 as the caller got it
	offer                         []byte // the INVITE as the callee got it
	answered                      chan struct{}
	once                          sync.Once
}

// mediaPort is where both sides of the probe want their RTP.
const mediaPort = 7000

func newProbe() (*probe, error) {
	caller, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 4), Port: 5060})
	if err != nil {
		return nil, err
	}
	callee, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 5), Port: 5060})
	if err != nil {
		caller.Close()
		return nil, err
	}
	p := &probe{caller: caller, callee: callee, calls: map[string]*probed{}}
	p.wait.Go(func() { p.read(caller, p.response) })
	p.wait.Go(func() { p.read(callee, p.request) })
	return p, nil
}

func (p *probe) close() {
	p.caller.Close()
	p.callee.Close()
	p.wait.Wait()
}

func (p *probe) read(conn *net.UDPConn, take func([]byte, time.Time, *net.UDPAddr)) {
	buf := make([]byte, 65535)
	for {
		n, from, err := conn.ReadFromUDP(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			take(bytes.Clone(buf[:n]), time.Now(), from)
		}
	}
}

// header finds a header's value in a message; ours and the peers' spellings are the long ones.
func header(m []byte, name string) string {
	_, rest, ok := bytes.Cut(m, []byte("\r\n"+name+": "))
	if !ok {
		return ""
	}
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return string(value)
}

// number is the called number, in the To header of either side.
func number(m []byte) string {
	_, rest, _ := strings.Cut(header(m, "To"), "sip:")
	n, _, _ := strings.Cut(rest, "@")
	return n
}

func (p *probe) find(m []byte) *probed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[number(m)]
}

// request is the callee: 180 and 200 at once, 200 to BYE.
func (p *probe) request(m []byte, at time.Time, from *net.UDPAddr) {
	c := p.find(m)
	reply := func(start, more string, body []byte) {
		var b strings.Builder
		b.WriteString("SIP/2.0 " + start + "\r\n")
		for line := range strings.SplitSeq(string(m), "\r\n") {
			if strings.HasPrefix(line, "Via:") || strings.HasPrefix(line, "Record-Route:") || strings.HasPrefix(line, "From:") ||
				strings.HasPrefix(line, "Call-ID:") || strings.HasPrefix(line, "CSeq:") {
				b.WriteString(line + "\r\n")
			}
			if strings.HasPrefix(line, "To:") {
				if !strings.Contains(line, "tag=") {
					line += ";tag=probe"
				}
				b.WriteString(line + "\r\n")
			}
		}
		fmt.Fprintf(&b, "%sContent-Length: %d\r\n\r\n%s", more, len(body), body)
		_, _ = p.callee.WriteToUDP([]byte(b.String()), from) // a lost answer shows as a failed probe
	}
	const contact = "Contact: <sip:callee@127.0.0.5:5060>\r\n"
	switch {
	case bytes.HasPrefix(m, []byte("INVITE ")) && c != nil:
		p.mu.Lock()
		c.arrived, c.offer, c.rang = at, m, time.Now()
		p.mu.Unlock()
		reply("180 Ringing", contact, nil)
		reply("200 OK", contact+"Content-Type: application/sdp\r\n", description("127.0.0.5"))
	case bytes.HasPrefix(m, []byte("BYE ")):
		reply("200 OK", "", nil)
	}
}

// response is the caller: it notes the 180 and acknowledges the 200.
func (p *probe) response(m []byte, at time.Time, from *net.UDPAddr) {
	c := p.find(m)
	if c == nil || !strings.HasSuffix(header(m, "CSeq"), "INVITE") {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case bytes.HasPrefix(m, []byte("SIP/2.0 180")):
		c.heard = at
	case bytes.HasPrefix(m, []byte("SIP/2.0 200")):
		c.answer = m
		_, _ = p.caller.WriteToUDP(p.within(m, "ACK", 1), from)
		c.once.Do(func() { close(c.answered) })
	}
}

// within builds a request inside the dialog of a 200.
func (p *probe) within(ok []byte, method string, seq int) []byte {
	_, target, _ := strings.Cut(header(ok, "Contact"), "<")
	target, _, _ = strings.Cut(target, ">")
	var routes []string
	for line := range strings.SplitSeq(string(ok), "\r\n") {
		if value, found := strings.CutPrefix(line, "Record-Route: "); found {
			routes = append(routes, "Route: "+value+"\r\n")
		}
	}
	slices.Reverse(routes)
	return fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.4:5060;branch=z9hG4bK%s%s\r\n%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\n"+
		"CSeq: %d %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", method, target, method, number(ok), strings.Join(routes, ""),
		header(ok, "From"), header(ok, "To"), header(ok, "Call-ID"), seq, method)
}

// call places a call and waits for its answer.
func (p *probe) call(ctx context.Context, number string) (*probed, error) {
	c := &probed{answered: make(chan struct{})}
	p.mu.Lock()
	p.calls[number] = c
	c.invited = time.Now()
	p.mu.Unlock()
	body := description("127.0.0.4")
	invite := fmt.Appendf(nil, "INVITE sip:%[1]s@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.4:5060;branch=z9hG4bKi%[1]s\r\n"+
		"From: <sip:probe@127.0.0.4>;tag=f%[1]s\r\nTo: <sip:%[1]s@127.0.0.1>\r\nCall-ID: p%[1]s@127.0.0.4\r\nCSeq: 1 INVITE\r\n"+
		"Contact: <sip:probe@127.0.0.4:5060>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: %[2]d\r\n\r\n%[3]s",
		number, len(body), body)
	border := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060}
	if _, err := p.caller.WriteToUDP(invite, border); err != nil {
		return nil, err
	}
	select {
	case <-c.answered:
		return c, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("call %s was not answered: %w", number, ctx.Err())
	}
}

// hangup ends a call; its answer is not waited for.
func (p *probe) hangup(c *probed) {
	_, _ = p.caller.WriteToUDP(p.within(c.answer, "BYE", 2), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060})
}

// description is SDP that wants G.711 at host.
func description(host string) []byte {
	return []byte("v=0\r\no=- 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=audio " + strconv.Itoa(mediaPort) +
		" RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n")
}

// delay measures what the border adds to the way of an INVITE and of a 180, while SIPp loads it at the rate.
func (p *plan) delay(ctx context.Context, s *server) (string, error) {
	uas, err := callee()
	if err != nil {
		return "", err
	}
	defer uas.stop()
	pr, err := newProbe()
	if err != nil {
		return "", err
	}
	defer pr.close()
	done := make(chan error, 1)
	go func() { done <- load(ctx, p.rate, (p.seconds+3)*p.rate, 0) }()
	var added []time.Duration
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for n := range p.seconds * 50 {
		<-ticker.C
		c, err := pr.call(ctx, "9"+strconv.Itoa(100000+n))
		if err != nil {
			return "", err
		}
		pr.mu.Lock()
		if n >= 100 && !c.heard.IsZero() {
			added = append(added, c.arrived.Sub(c.invited)+c.heard.Sub(c.rang))
		}
		pr.mu.Unlock()
		pr.hangup(c)
	}
	if err := <-done; err != nil {
		return "", err
	}
	slices.Sort(added)
	return fmt.Sprintf("added setup delay p50 %.2f ms, p99 %.2f ms at %d calls/s (%d probes)", ms(added[len(added)/2]),
		ms(added[len(added)*99/100]), p.rate, len(added)), nil
}
