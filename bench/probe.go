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

// probe is a caller on westHost and a callee on eastHost in one process, so that one clock measures what the border adds.
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
	over                          bool
}

// mediaPort is where both sides of the probe want their RTP.
const mediaPort = 7000

func newProbe() (*probe, error) {
	caller, err := stamped(westHost, sipPort)
	if err != nil {
		return nil, err
	}
	callee, err := stamped(eastHost, sipPort)
	if err != nil {
		caller.Close()
		return nil, err
	}
	p := &probe{caller: caller, callee: callee, calls: map[string]*probed{}}
	p.wait.Go(func() { p.read(caller, p.response) })
	p.wait.Go(func() { p.read(callee, p.request) })
	return p, nil
}

// close hangs up what is still up and ends the probe.
func (p *probe) close() {
	p.mu.Lock()
	for _, c := range p.calls {
		if c.answer != nil && !c.over {
			p.hangup(c)
		}
	}
	p.mu.Unlock()
	time.Sleep(200 * time.Millisecond) // for the 200s to the BYEs
	p.caller.Close()
	p.callee.Close()
	p.wait.Wait()
}

// read hands on what arrives, with the time the kernel noted.
func (p *probe) read(conn *net.UDPConn, take func([]byte, time.Time, *net.UDPAddr)) {
	buf, oob := make([]byte, 65535), make([]byte, oobBytes)
	for {
		n, more, _, from, err := conn.ReadMsgUDP(buf, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			take(bytes.Clone(buf[:n]), arrival(oob[:more]), from)
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

// ringTime is between the callee's 180 and its 200, as in uas.xml.
const ringTime = 20 * time.Millisecond

// request is the callee: 180 at once, 200 after ringTime, 200 to BYE.
func (p *probe) request(m []byte, at time.Time, from *net.UDPAddr) {
	const contact = "Contact: <sip:callee@" + eastHost + ":5060>\r\n"
	c := p.find(m)
	switch {
	case bytes.HasPrefix(m, []byte("INVITE ")) && c != nil:
		p.mu.Lock()
		again := c.offer != nil
		if !again {
			c.arrived, c.offer, c.rang = at, m, time.Now()
		}
		p.mu.Unlock()
		if again {
			return
		}
		p.reply(m, from, "180 Ringing", contact, nil)
		time.AfterFunc(ringTime, func() {
			p.reply(m, from, "200 OK", contact+"Content-Type: application/sdp\r\n", description(eastHost))
		})
	case bytes.HasPrefix(m, []byte("BYE ")):
		p.reply(m, from, "200 OK", "", nil)
	}
}

// reply answers a request; an answer that is lost shows as a failed probe.
func (p *probe) reply(m []byte, to *net.UDPAddr, status, more string, body []byte) {
	var b strings.Builder
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for line := range strings.SplitSeq(string(m), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		switch name {
		case "To":
			if !strings.Contains(line, "tag=") {
				line += ";tag=probe"
			}
			b.WriteString(line + "\r\n")
		case "Via", "Record-Route", "From", "Call-ID", "CSeq":
			b.WriteString(line + "\r\n")
		}
	}
	fmt.Fprintf(&b, "%sContent-Length: %d\r\n\r\n%s", more, len(body), body)
	_, _ = p.callee.WriteToUDP([]byte(b.String()), to)
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
	case bytes.HasPrefix(m, []byte("SIP/2.0 180")) && c.heard.IsZero():
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
	return fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP "+westHost+":5060;branch=z9hG4bK%s%s\r\n%sFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\n"+
		"CSeq: %d %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", method, target, method, number(ok), strings.Join(routes, ""),
		header(ok, "From"), header(ok, "To"), header(ok, "Call-ID"), seq, method)
}

// patience is how long the probe waits for an answer: nothing is retransmitted, so that a lost packet shows.
const patience = 3 * time.Second

// call places a call with the SDP given and waits for its answer.
func (p *probe) call(ctx context.Context, number string, body []byte) (*probed, error) {
	c := &probed{answered: make(chan struct{})}
	invite := fmt.Appendf(nil, "INVITE sip:%[1]s@%[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[3]s:5060;branch=z9hG4bKi%[1]s\r\n"+
		"From: <sip:probe@%[3]s>;tag=f%[1]s\r\nTo: <sip:%[1]s@%[2]s>\r\nCall-ID: p%[1]s@%[3]s\r\nCSeq: 1 INVITE\r\n"+
		"Contact: <sip:probe@%[3]s:5060>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: %[4]d\r\n\r\n%[5]s",
		number, border, westHost, len(body), body)
	p.mu.Lock()
	p.calls[number] = c
	c.invited = time.Now()
	p.mu.Unlock()
	if _, err := p.caller.WriteToUDP(invite, borderAddr()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-c.answered:
		return c, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("call %s was not answered: %w", number, ctx.Err())
	}
}

// hangup ends an answered call; its 200 is not waited for. The caller holds the lock.
func (p *probe) hangup(c *probed) {
	c.over = true
	_, _ = p.caller.WriteToUDP(p.within(c.answer, "BYE", 2), borderAddr()) // calls left over go with the server
}

func borderAddr() *net.UDPAddr { return &net.UDPAddr{IP: net.ParseIP(borderHost), Port: sipPort} }

// description is SDP that wants G.711 at host.
func description(host string) []byte {
	return []byte("v=0\r\no=- 1 1 IN IP4 " + host + "\r\ns=-\r\nc=IN IP4 " + host + "\r\nt=0 0\r\nm=audio " + strconv.Itoa(mediaPort) +
		" RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n")
}
