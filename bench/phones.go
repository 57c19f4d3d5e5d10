package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/sallyport/sallyport/auth/digest"
)

const (
	phonePort    = 5062
	phoneRepeats = time.Second            // an unanswered request is sent again
	phoneTick    = 2 * time.Millisecond   // phones that are due are sent together
	phoneSweep   = 100 * time.Millisecond // how often unanswered requests are looked for
	phoneReports = 5
)

// phones are so many phones on one socket. Each has an address of its own in 127.64.0.0/10, so that a border sees as many sources as
// there are phones; what they send is the same for every server.
type phones struct {
	conn  *ipv4.PacketConn
	raw   *net.UDPConn
	wait  sync.WaitGroup
	limit int // answers waited for at a time

	mu       sync.Mutex
	all      []phone
	open     map[int]struct{} // phones that wait for an answer
	repeated int
	refused  int      // answers of 503: the phone tries again a little later, as phones do
	faults   []string // the first answers that were neither 401 nor 200
	failed   int
}

// phone is one of them.
type phone struct {
	ha1     string
	cseq    int
	request []byte // the last one
	sent    time.Time
	round   int // 1: it waits for a challenge, 2: for the 200, 0: to begin anew
}

func newPhones(n int) (*phones, error) {
	raw, err := net.ListenUDP("udp4", &net.UDPAddr{Port: phonePort}) // all addresses: each packet names its own
	if err != nil {
		return nil, err
	}
	ps := &phones{raw: raw, conn: ipv4.NewPacketConn(raw), all: make([]phone, n), open: map[int]struct{}{}, limit: 1000}
	for i := range ps.all {
		ps.all[i].ha1 = secretHash(i)
	}
	if err := errors.Join(raw.SetReadBuffer(16<<20), raw.SetWriteBuffer(4<<20)); err != nil {
		raw.Close()
		return nil, err
	}
	ps.wait.Go(ps.read)
	return ps, nil
}

func (ps *phones) close() {
	ps.raw.Close()
	ps.wait.Wait()
}

// phoneAddress is where phone i is.
func phoneAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 64 + byte(i>>16), byte(i >> 8), byte(i)})
}

// register has the phones from one to below another register at a rate each second, challenge and answer, and waits for all.
func (ps *phones) register(ctx context.Context, from, to, rate int) error {
	ticker := time.NewTicker(phoneTick)
	defer ticker.Stop()
	begun, swept, next := time.Now(), time.Now(), from
	credit, last := 0.0, begun
	for {
		select {
		case now := <-ticker.C:
			// What could not be sent in time is not made up for at once: a burst would measure another thing.
			credit = min(credit+now.Sub(last).Seconds()*float64(rate), float64(rate)/20)
			last = now
			for ; credit >= 1 && next < to && ps.begin(next); credit-- {
				next++
			}
			if now.Sub(swept) < phoneSweep {
				continue
			}
			swept = now
			if waiting := ps.repeat(now); waiting == 0 && next >= to {
				return ps.fault()
			}
		case <-ctx.Done():
			ps.mu.Lock()
			defer ps.mu.Unlock()
			return fmt.Errorf("%d of %d phones registered in %v: %w", next-from-len(ps.open), to-from, time.Since(begun), ctx.Err())
		}
	}
}

// fault tells of answers that should not have been.
func (ps *phones) fault() error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.failed == 0 {
		return nil
	}
	return fmt.Errorf("%d answers were neither 200 nor a challenge: %q", ps.failed, ps.faults)
}

// begin sends the first request of a registration; false where too many wait already.
func (ps *phones) begin(i int) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.open) >= ps.limit {
		return false
	}
	ps.open[i] = struct{}{}
	ps.all[i].round = 1
	ps.send(i, "")
	return true
}

// repeat sends again what was not answered, and tells how many wait.
func (ps *phones) repeat(now time.Time) int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i := range ps.open {
		switch {
		case now.Sub(ps.all[i].sent) < phoneRepeats:
		case ps.all[i].round == 0:
			ps.all[i].round = 1
			ps.send(i, "")
		default:
			ps.repeated++
			ps.write(i)
		}
	}
	return len(ps.open)
}

// send writes a REGISTER as phones write it, with the header that answers a challenge; the lock is held.
func (ps *phones) send(i int, authorization string) {
	f := &ps.all[i]
	f.cseq++
	user, at := username(i), netip.AddrPortFrom(phoneAddress(i), phonePort)
	f.request = fmt.Appendf(f.request[:0], "REGISTER sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKb%d-%d;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:%s@%s>;tag=f%d\r\nTo: <sip:%s@%s>\r\nCall-ID: %08d-1f2e-4d3c-8b5a@%s\r\nCSeq: %d REGISTER\r\n"+
		"Contact: <sip:%s@%s>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-%012x>\"\r\nExpires: 3600\r\n"+
		"User-Agent: Maker Model-T46S 66.85.0.5\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER, UPDATE\r\n%sContent-Length: 0\r\n\r\n",
		phoneDomain, at, i, f.cseq, user, phoneDomain, f.cseq, user, phoneDomain, i, at.Addr(), f.cseq, user, at, i, authorization)
	ps.write(i)
}

// write sends the last request of a phone from its address; the lock is held. What cannot be sent will be sent again.
func (ps *phones) write(i int) {
	f := &ps.all[i]
	f.sent = time.Now()
	_, _ = ps.conn.WriteTo(f.request, &ipv4.ControlMessage{Src: phoneAddress(i).AsSlice()}, borderUDP())
}

// borderUDP is where requests go.
func borderUDP() *net.UDPAddr {
	return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(border))
}

// read takes answers until the socket is closed.
func (ps *phones) read() {
	batch := make([]ipv4.Message, 64)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, 4096)}
	}
	for {
		n, err := ps.conn.ReadBatch(batch, 0)
		if err != nil {
			return
		}
		ps.mu.Lock()
		for _, m := range batch[:n] {
			ps.answer(m.Buffers[0][:m.N])
		}
		ps.mu.Unlock()
	}
}

// answer takes one answer; the lock is held.
func (ps *phones) answer(m []byte) {
	var i, cseq int
	_, err := fmt.Sscanf(header(m, "Call-ID"), "%d-", &i)
	if err == nil {
		_, err = fmt.Sscanf(header(m, "CSeq"), "%d REGISTER", &cseq)
	}
	if _, waiting := ps.open[i]; err != nil || !waiting || cseq != ps.all[i].cseq {
		return // of a repetition
	}
	if bytes.HasPrefix(m, []byte("SIP/2.0 401 ")) && ps.all[i].round == 1 {
		if challenge, err := digest.ParseChallenge(header(m, "WWW-Authenticate")); err == nil {
			ps.all[i].round = 2
			ps.send(i, ps.all[i].response(username(i), challenge))
			return
		}
	}
	if bytes.HasPrefix(m, []byte("SIP/2.0 503 ")) {
		ps.refused++
		ps.all[i].round = 0
		return
	}
	delete(ps.open, i)
	if bytes.HasPrefix(m, []byte("SIP/2.0 200 ")) && ps.all[i].round == 2 && header(m, "Contact") != "" {
		return
	}
	ps.failed++
	if len(ps.faults) < phoneReports {
		line, _, _ := bytes.Cut(m, []byte("\r\n"))
		ps.faults = append(ps.faults, string(line))
	}
}

// response is the header that answers a challenge: MD5 with qop=auth and a nonce used once (RFC 7616 3.4.1).
func (f *phone) response(user string, c digest.Challenge) string {
	const uri, cnonce = "sip:" + phoneDomain, "0a4f113b"
	hash := func(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }
	answer := hash(f.ha1 + ":" + c.Nonce + ":00000001:" + cnonce + ":auth:" + hash("REGISTER:"+uri))
	return fmt.Sprintf("Authorization: Digest username=%q, realm=%q, nonce=%q, uri=%q, response=%q, algorithm=MD5, cnonce=%q, qop=auth, "+
		"nc=00000001\r\n", user, c.Realm, c.Nonce, uri, answer, cnonce)
}
