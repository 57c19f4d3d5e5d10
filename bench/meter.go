package main

import (
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/media/secure"
	"golang.org/x/net/ipv4"
)

// meter counts what arrives and keeps the delay of every 16th packet.
type meter struct {
	opens    map[int]*secure.Context // of encrypted calls, by the border's port; nil in the clear
	unopened atomic.Int64
	got      atomic.Int64
	mu       sync.Mutex
	delays   []time.Duration
}

// listen reads in batches until the socket is closed.
func (m *meter) listen(conn *ipv4.PacketConn) {
	batch := make([]ipv4.Message, 64)
	for i := range batch {
		batch[i].Buffers, batch[i].OOB = [][]byte{make([]byte, 2048)}, make([]byte, oobBytes)
	}
	for {
		n, err := conn.ReadBatch(batch, 0)
		if err != nil {
			return
		}
		for _, packet := range batch[:n] {
			b := m.opened(packet.Buffers[0][:packet.N], packet.Addr)
			if len(b) != rtpBytes { // what is encrypted where it should not be is longer
				continue
			}
			if m.got.Add(1)%16 == 0 {
				sent := time.Unix(0, int64(binary.BigEndian.Uint64(b[12:])))
				m.keep(arrival(packet.OOB[:packet.NN]).Sub(sent))
			}
		}
	}
}

// opened is a packet in the clear, nil if it cannot be opened with the key of the call it belongs to.
func (m *meter) opened(b []byte, from net.Addr) []byte {
	if m.opens == nil {
		return b
	}
	if addr, ok := from.(*net.UDPAddr); ok && m.opens[addr.Port] != nil {
		if out, err := m.opens[addr.Port].OpenRTP(b); err == nil {
			return out
		}
	}
	m.unopened.Add(1)
	return nil
}

func (m *meter) keep(d time.Duration) {
	m.mu.Lock()
	m.delays = append(m.delays, d)
	m.mu.Unlock()
}

// take gives the delays seen so far.
func (m *meter) take() []time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]time.Duration(nil), m.delays...)
}

// reset forgets the warm-up.
func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got.Store(0)
	m.unopened.Store(0)
	m.delays = nil
}
