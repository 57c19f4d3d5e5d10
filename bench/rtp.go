package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport/sallyport/media/secure"
	"golang.org/x/net/ipv4"
)

const (
	rtpBytes  = 172 // 12 of header, 160 of G.711
	frameTime = 20 * time.Millisecond
)

// rtp measures processor time per relayed packet with G.711 both ways in every call. On the peer it is that of rtpengine and
// Kamailio together, the latter having nothing to do meanwhile.
func (p *plan) rtp(ctx context.Context, s *server) (result, error) {
	return p.relayed(ctx, s, "rtp", 200_000, "")
}

// relayed measures calls whose numbers count from first, the caller's side encrypted by a suite if one is named. A profile gets the
// name given.
func (p *plan) relayed(ctx context.Context, s *server, name string, first int, suite secure.Suite) (result, error) {
	pr, err := newProbe()
	if err != nil {
		return result{}, err
	}
	defer pr.close()
	west, east, err := p.streamsThrough(ctx, pr, first, suite)
	if err != nil {
		return result{}, err
	}
	a, err := newSide(westHost, west)
	if err != nil {
		return result{}, err
	}
	defer a.conn.Close()
	b, err := newSide(eastHost, east)
	if err != nil {
		return result{}, err
	}
	defer b.conn.Close()
	pace(ctx, 2, a, b)
	time.Sleep(200 * time.Millisecond)
	a.reset()
	b.reset()
	warm := a.sent + b.sent
	stop := p.sample(s, name)
	before := s.cpu()
	pace(ctx, p.seconds, a, b)
	time.Sleep(200 * time.Millisecond)
	used := s.cpu()
	profile := stop(ctx)
	if err := errors.Join(a.fault, b.fault); err != nil {
		return result{}, err
	}
	r, err := rtpResult(used, before, a, b, warm)
	r.text += profile
	return r, err
}

// rtpResult does the arithmetic.
func rtpResult(used, before []time.Duration, a, b *side, warm int64) (result, error) {
	var total time.Duration
	for i := range used {
		total += used[i] - before[i]
	}
	sent, got := a.sent+b.sent-warm, a.got.Load()+b.got.Load()
	delays := append(a.take(), b.take()...)
	if got*100 < sent*99 || len(delays) == 0 {
		bad := a.unopened.Load() + b.unopened.Load()
		return result{}, fmt.Errorf("of %d packets %d came through, and %d could not be opened", sent, got, bad)
	}
	slices.Sort(delays)
	r := result{value: us(total) / float64(got), unit: "µs of CPU per packet"}
	r.text = fmt.Sprintf("%.2f µs of CPU per packet with %d calls (%d packets, %.3f %% lost, delay p50 %.0f µs, p99 %.0f µs)",
		r.value, len(a.batch), got, 100*float64(sent-got)/float64(sent), us(at(delays, 50)), us(at(delays, 99)))
	return r, nil
}

// end is one end of one call.
type end struct {
	to         *net.UDPAddr    // where its packets go: the border
	seal, open *secure.Context // nil where packets are in the clear
}

// streamsThrough sets up the calls and gives the caller's and the callee's ends.
func (p *plan) streamsThrough(ctx context.Context, pr *probe, first int, suite secure.Suite) (west, east []end, err error) {
	for n := range p.streams {
		offer, keys, err := offered(suite)
		if err != nil {
			return nil, nil, err
		}
		c, err := pr.call(ctx, "9"+strconv.Itoa(first+n), offer)
		if err != nil {
			return nil, nil, err
		}
		var w, e end
		if w.to, err = wanted(c.answer); err != nil {
			return nil, nil, err
		}
		if e.to, err = wanted(c.offer); err != nil {
			return nil, nil, err
		}
		if suite != "" {
			if w.seal, w.open, err = contexts(keys, c.answer); err != nil {
				return nil, nil, err
			}
		}
		west, east = append(west, w), append(east, e)
	}
	return west, east, nil
}

// wanted reads the address of the audio from a message with SDP.
func wanted(m []byte) (*net.UDPAddr, error) {
	_, body, _ := bytes.Cut(m, []byte("\r\n\r\n"))
	var host, port string
	for line := range strings.Lines(string(body)) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "c=") && len(f) == 3:
			host = f[2]
		case strings.HasPrefix(line, "m=audio") && len(f) > 2:
			port = f[1]
		}
	}
	addr, err := net.ResolveUDPAddr("udp", net.JoinHostPort(host, port))
	if err == nil && host != borderHost {
		err = errors.New("media is not anchored: the SDP says " + host)
	}
	return addr, err
}

// side is one end of all calls: one socket, so that this program's own cost stays small (sendmmsg, recvmmsg).
type side struct {
	conn  *ipv4.PacketConn
	batch []ipv4.Message
	seals []*secure.Context // of each call, nil in the clear
	seq   uint16
	sent  int64
	fault error // of sealing
	meter
}

func newSide(host string, ends []end) (*side, error) {
	conn, err := stamped(host, mediaPort)
	if err != nil {
		return nil, err
	}
	if err := conn.SetWriteBuffer(8 << 20); err != nil {
		conn.Close()
		return nil, err
	}
	s := &side{conn: ipv4.NewPacketConn(conn)}
	for _, e := range ends {
		s.batch = append(s.batch, ipv4.Message{Buffers: [][]byte{make([]byte, rtpBytes, rtpBytes+secure.Overhead)}, Addr: e.to})
		s.seals = append(s.seals, e.seal)
	}
	s.opens = byPort(ends)
	go s.listen(s.conn)
	return s, nil
}

// tick sends the share of the packets that is due in one part of a frame: all calls once in 20 ms.
func (s *side) tick(part, parts int) {
	from, to := len(s.batch)*part/parts, len(s.batch)*(part+1)/parts
	if part == 0 {
		s.seq++
	}
	for i := from; i < to; i++ {
		if err := s.fill(i); err != nil {
			s.fault = err
			return
		}
	}
	for rest := s.batch[from:to]; len(rest) > 0; {
		n, err := s.conn.WriteBatch(rest, 0)
		if err != nil {
			return // what was not sent is not counted as lost by the border
		}
		s.sent += int64(n)
		rest = rest[n:]
	}
}

// fill writes the next packet of a call: its payload begins with the time.
func (s *side) fill(i int) (err error) {
	packet := s.batch[i].Buffers[0][:rtpBytes]
	clear(packet) // of what was sealed there
	packet[0] = 2 << 6
	binary.BigEndian.PutUint16(packet[2:], s.seq)
	binary.BigEndian.PutUint32(packet[4:], uint32(s.seq)*160)
	binary.BigEndian.PutUint32(packet[8:], uint32(i+1))
	binary.BigEndian.PutUint64(packet[12:], uint64(time.Now().UnixNano()))
	if s.seals[i] != nil {
		packet, err = s.seals[i].SealRTP(packet)
	}
	s.batch[i].Buffers[0] = packet
	return err
}

// pace sends from all sides for some seconds, a twentieth of the calls each millisecond.
func pace(ctx context.Context, seconds int, sides ...*side) {
	const parts = 20
	begun := time.Now()
	for n := 0; n < seconds*1000 && ctx.Err() == nil; n++ {
		for _, s := range sides {
			s.tick(n%parts, parts)
		}
		time.Sleep(time.Until(begun.Add(time.Duration(n+1) * frameTime / parts)))
	}
}
