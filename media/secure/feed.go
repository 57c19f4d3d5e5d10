package secure

import (
	"net"
	"os"
	"sync"
	"time"
)

// queued is how many datagrams wait for a handshake; a flight has six at most.
const queued = 32

// feed is the socket that a handshake believes to have: what others read for it comes in, what it writes goes to whoever sends
// for it.
type feed struct {
	write func(b []byte)
	in    chan []byte
	done  chan struct{}
	once  sync.Once

	mu      sync.Mutex
	expired chan struct{} // closed when the deadline of reading has passed
	timer   *time.Timer
	muted   bool
}

func newFeed(write func([]byte)) *feed {
	return &feed{write: write, in: make(chan []byte, queued), done: make(chan struct{}), expired: make(chan struct{})}
}

// put hands a datagram over; what is too much is lost, as on the network.
func (f *feed) put(b []byte) {
	select {
	case f.in <- append([]byte(nil), b...):
	default:
	}
}

// mute keeps everything from the peer that is still written: the end of a call is told by signalling.
func (f *feed) mute() {
	f.mu.Lock()
	f.muted = true
	f.mu.Unlock()
}

// ReadFrom waits for a datagram.
func (f *feed) ReadFrom(b []byte) (int, net.Addr, error) {
	f.mu.Lock()
	expired := f.expired
	f.mu.Unlock()
	select {
	case d := <-f.in:
		return copy(b, d), f.LocalAddr(), nil
	case <-expired:
		return 0, nil, os.ErrDeadlineExceeded
	case <-f.done:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends a datagram to the peer, wherever that is.
func (f *feed) WriteTo(b []byte, _ net.Addr) (int, error) {
	f.mu.Lock()
	muted := f.muted
	f.mu.Unlock()
	if !muted {
		f.write(b)
	}
	return len(b), nil
}

// Close ends reading.
func (f *feed) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// LocalAddr is none: a peer is known by its certificate here.
func (f *feed) LocalAddr() net.Addr { return &net.UDPAddr{} }

// SetDeadline is SetReadDeadline: writing never waits.
func (f *feed) SetDeadline(t time.Time) error { return f.SetReadDeadline(t) }

// SetWriteDeadline does nothing: writing never waits.
func (f *feed) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline bounds the wait of ReadFrom, of one under way too if the moment is past; zero is never.
func (f *feed) SetReadDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	select {
	case <-f.expired:
		f.expired = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return nil
	}
	if d := time.Until(t); d > 0 {
		expired := f.expired
		f.timer = time.AfterFunc(d, func() { close(expired) })
		return nil
	}
	close(f.expired)
	return nil
}
