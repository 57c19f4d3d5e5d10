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

	"golang.org/x/net/ipv4"
)

const (
	rtpBytes  = 172 // 12 of header, 160 of G.711
	frameTime = 20 * time.Millisecond
)

// rtp measures processor time per relayed packet with G.711 both ways in every call. On the peer it is that of rtpengine and
// Kamailio together, the latter having nothing to do meanwhile.
func (p *plan) rtp(ctx context.Context, s *server) (result, error) {
	pr, err := newProbe()
	if err != nil {
		return result{}, err
	}
	defer pr.close()
	west, east, err := p.streamsThrough(ctx, pr)
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
	stop := p.sample(s, "rtp")
	before := s.cpu()
	pace(ctx, p.seconds, a, b)
	time.Sleep(200 * time.Millisecond)
	used := s.cpu()
	profile := stop(ctx)
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
		return result{}, fmt.Errorf("of %d packets %d came through", sent, got)
	}
	slices.Sort(delays)
	r := result{value: us(total) / float64(got), unit: "µs of CPU per packet"}
	r.text = fmt.Sprintf("%.2f µs of CPU per packet with %d calls (%d packets, %.3f %% lost, delay p50 %.0f µs, p99 %.0f µs)",
		r.value, len(a.batch), got, 100*float64(sent-got)/float64(sent), us(at(delays, 50)), us(at(delays, 99)))
	return r, nil
}

// streamsThrough sets up the calls and gives where the caller's and where the callee's packets go.
func (p *plan) streamsThrough(ctx context.Context, pr *probe) (west, east []*net.UDPAddr, err error) {
	for n := range p.streams {
		c, err := pr.call(ctx, "9"+strconv.Itoa(200000+n))
		if err != nil {
			return nil, nil, err
		}
		w, err := wanted(c.answer)
		if err != nil {
			return nil, nil, err
		}
		e, err := wanted(c.offer)
		if err != nil {
			return nil, nil, err
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
	seq   uint16
	sent  int64
	meter
}

func newSide(host string, to []*net.UDPAddr) (*side, error) {
	conn, err := stamped(host, mediaPort)
	if err != nil {
		return nil, err
	}
	if err := conn.SetWriteBuffer(8 << 20); err != nil {
		conn.Close()
		return nil, err
	}
	s := &side{conn: ipv4.NewPacketConn(conn)}
	for i, addr := range to {
		packet := make([]byte, rtpBytes)
		packet[0] = 2 << 6
		binary.BigEndian.PutUint32(packet[8:], uint32(i+1))
		s.batch = append(s.batch, ipv4.Message{Buffers: [][]byte{packet}, Addr: addr})
	}
	go s.listen(s.conn)
	return s, nil
}

// tick sends the share of the packets that is due in one part of a frame: all calls once in 20 ms.
func (s *side) tick(part, parts int) {
	from, to := len(s.batch)*part/parts, len(s.batch)*(part+1)/parts
	if part == 0 {
		s.seq++
	}
	for _, m := range s.batch[from:to] {
		packet := m.Buffers[0]
		binary.BigEndian.PutUint16(packet[2:], s.seq)
		binary.BigEndian.PutUint32(packet[4:], uint32(s.seq)*160)
		binary.BigEndian.PutUint64(packet[12:], uint64(time.Now().UnixNano()))
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
