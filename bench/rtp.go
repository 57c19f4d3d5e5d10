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

// rtp measures processor time per relayed packet with G.711 both ways in every call.
func (p *plan) rtp(ctx context.Context, s *server) (string, error) {
	pr, err := newProbe()
	if err != nil {
		return "", err
	}
	defer pr.close()
	var west, east []*net.UDPAddr // where the caller's and the callee's packets go
	for n := range p.streams {
		c, err := pr.call(ctx, "9"+strconv.Itoa(200000+n))
		if err != nil {
			return "", err
		}
		defer pr.hangup(c)
		w, err := wanted(c.answer)
		if err != nil {
			return "", err
		}
		e, err := wanted(c.offer)
		if err != nil {
			return "", err
		}
		west, east = append(west, w), append(east, e)
	}
	a, err := newSide("127.0.0.4", west)
	if err != nil {
		return "", err
	}
	defer a.conn.Close()
	b, err := newSide("127.0.0.5", east)
	if err != nil {
		return "", err
	}
	defer b.conn.Close()
	pace(ctx, 2, a, b)
	a.reset()
	b.reset()
	before := s.cpu()
	pace(ctx, p.seconds, a, b)
	time.Sleep(200 * time.Millisecond)
	used := s.cpu() - before
	sent, got := a.sent+b.sent, a.got.Load()+b.got.Load()
	delays := append(a.take(), b.take()...)
	if got == 0 || len(delays) == 0 {
		return "", errors.New("no packet came through")
	}
	slices.Sort(delays)
	return fmt.Sprintf("%.2f µs of CPU per packet with %d calls (%d packets, %.3f %% lost, added delay p50 %.0f µs, p99 %.0f µs)",
		float64(used.Microseconds())/float64(got), p.streams, got, 100*float64(sent-got)/float64(sent),
		float64(delays[len(delays)/2].Microseconds()), float64(delays[len(delays)*99/100].Microseconds())), nil
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
	return net.ResolveUDPAddr("udp", net.JoinHostPort(host, port))
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
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(host), Port: mediaPort})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(conn.SetReadBuffer(8<<20), conn.SetWriteBuffer(8<<20)); err != nil {
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

// tick sends the share of the packets that is due in one millisecond of a frame: all calls once in 20 ms.
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
			return
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
