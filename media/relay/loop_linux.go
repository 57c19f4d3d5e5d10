package relay

import (
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// slots maps the number epoll gives back to the port. Ports are added while the loop reads, so each cell is atomic; the table
// grows by copying to one twice as large.
type slots []atomic.Pointer[Port]

// loop is one thread of an Epoll mover.
type loop struct {
	m      *Epoll
	epfd   int
	wakefd int
	stop   atomic.Bool
	table  atomic.Pointer[slots]

	mu       sync.Mutex // guards what follows
	free     []int32
	commands []func()
	stopped  bool

	// What follows belongs to the thread.
	tally  tally
	buf    []byte
	from   sockaddr
	events []unix.EpollEvent
}

func newLoop(m *Epoll) (*loop, error) {
	l := &loop{m: m, buf: make([]byte, datagram), events: make([]unix.EpollEvent, batchEvents)}
	l.table.Store(new(slots))
	var err error
	if l.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if l.wakefd, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(l.epfd))
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot}
	if err = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, l.wakefd, &event); err != nil {
		return nil, errors.Join(os.NewSyscallError("epoll_ctl", err), unix.Close(l.epfd), unix.Close(l.wakefd))
	}
	return l, nil
}

// add makes the loop read a port.
func (l *loop) add(p *Port, w *epollWire) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return os.ErrClosed
	}
	if len(l.free) == 0 {
		l.grow()
	}
	slot := l.free[len(l.free)-1]
	w.slot = slot
	(*l.table.Load())[slot].Store(p)
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: slot}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, w.fd, &event); err != nil {
		(*l.table.Load())[slot].Store(nil)
		return os.NewSyscallError("epoll_ctl", err)
	}
	l.free = l.free[:len(l.free)-1]
	return nil
}

// grow doubles the table. The lock is held.
func (l *loop) grow() {
	old := *l.table.Load()
	table := make(slots, max(64, 2*len(old)))
	for i := range old {
		table[i].Store(old[i].Load())
	}
	for i := len(table) - 1; i >= len(old); i-- {
		l.free = append(l.free, int32(i))
	}
	l.table.Store(&table)
}

// remove closes a socket. It runs on the thread, between two batches, so no event of it is left over.
func (l *loop) remove(w *epollWire) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	cell := &(*l.table.Load())[w.slot]
	if p := cell.Load(); p == nil || p.wire != w {
		return nil
	}
	cell.Store(nil)
	l.free = append(l.free, w.slot)
	return os.NewSyscallError("close", unix.Close(w.fd)) // which also takes it out of the epoll set
}

// call runs f on the thread between two batches and waits for it; at once if the thread is gone.
func (l *loop) call(f func()) {
	done := make(chan struct{})
	l.mu.Lock()
	if l.stopped {
		l.mu.Unlock()
		f()
		return
	}
	l.commands = append(l.commands, func() { defer close(done); f() })
	l.mu.Unlock()
	l.wake()
	<-done
}

func (l *loop) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// It can only fail when the counter is full, and then the thread is awake.
	_, _ = unix.Write(l.wakefd, one[:])
}

// run is the thread. The lock to a system thread keeps its caches warm and the scheduler away: blocked in epoll_wait it is woken
// by the packet itself.
func (l *loop) run() {
	defer l.m.wg.Done()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for l.serve() {
		l.m.o.Log.Error("media thread restarted after a panic")
	}
	l.mu.Lock()
	l.stopped = true
	rest := l.commands
	l.commands = nil
	l.mu.Unlock()
	for _, f := range rest {
		f()
	}
}

// serve reads until told to stop. True says that a panic ended it.
func (l *loop) serve() (again bool) {
	defer func() {
		if r := recover(); r != nil {
			l.tally.panics++
			l.m.o.Log.Error("media thread panicked", "panic", r, "stack", string(debug.Stack()))
			again = true
		}
		l.m.board.publish(&l.tally)
	}()
	for !l.stop.Load() {
		n := l.wait()
		now := l.m.o.Clock()
		table := *l.table.Load()
		woken := false
		for i := range n {
			slot := l.events[i].Fd
			if slot == wakeSlot {
				woken = true
				continue
			}
			if int(slot) < len(table) {
				if p := table[slot].Load(); p != nil {
					l.read(p, now)
				}
			}
		}
		l.m.board.publish(&l.tally)
		if woken {
			l.obey()
		}
	}
	return false
}

// wait asks for events, first without and then with telling the scheduler. The first costs a third of a microsecond when nothing
// is there; under load something is, and then the thread keeps its processor instead of queueing for one behind signalling.
func (l *loop) wait() int {
	if n := poll(l.epfd, l.events); n > 0 {
		return n
	}
	n, err := unix.EpollWait(l.epfd, l.events, -1)
	if err != nil {
		return 0 // interrupted by a signal
	}
	return n
}

// read takes one datagram. What is left makes the port ready again, behind the others that are: a flood on one port delays no
// other. Time is that of the batch, which is nearer to the arrival than the moment it is read.
func (l *loop) read(p *Port, now int64) {
	w, ok := p.wire.(*epollWire)
	if !ok {
		return
	}
	n := receiveFrom(w.fd, l.buf, &l.from)
	if n < 0 {
		return
	}
	p.receive(l.buf[:n], l.from.addrPort(), now, &l.tally)
}

// obey runs what other goroutines asked for.
func (l *loop) obey() {
	var count [8]byte
	_, _ = unix.Read(l.wakefd, count[:]) // empties the counter
	l.mu.Lock()
	commands := l.commands
	l.commands = nil
	l.mu.Unlock()
	for _, f := range commands {
		f()
	}
}

// release closes all descriptors once the thread is gone.
func (l *loop) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for i := range *l.table.Load() {
		p := (*l.table.Load())[i].Swap(nil)
		if p == nil {
			continue
		}
		if w, ok := p.wire.(*epollWire); ok {
			w.once.Store(true)
			errs = append(errs, unix.Close(w.fd))
		}
	}
	errs = append(errs, unix.Close(l.epfd), unix.Close(l.wakefd))
	return errors.Join(errs...)
}
