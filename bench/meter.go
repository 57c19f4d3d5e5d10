package main

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"
)

// meter counts what arrives and keeps the delay of every 16th packet.
type meter struct {
	got    atomic.Int64
	mu     sync.Mutex
	delays []time.Duration
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
			if packet.N != rtpBytes {
				continue
			}
			if m.got.Add(1)%16 == 0 {
				sent := time.Unix(0, int64(binary.BigEndian.Uint64(packet.Buffers[0][12:])))
				m.keep(arrival(packet.OOB[:packet.NN]).Sub(sent))
			}
		}
	}
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
	m.delays = nil
}
