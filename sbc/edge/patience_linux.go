package edge

import "golang.org/x/sys/unix"

// unackedFor is how long what was sent may stay unacknowledged before the system gives a connection up, in milliseconds: three
// keep-alives. Left alone it would go on for a quarter of an hour, and a phone whose battery is empty would count as there.
const unackedFor = 75_000

// impatient has the system notice a peer that is gone. It is called with the lock held.
func (c *conn) impatient() {
	if c.raw == nil {
		return
	}
	var failed error
	err := c.raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unackedFor)
	})
	if err != nil || failed != nil {
		c.sock.edge.log.Debug("edge: user timeout", "error", err, "failed", failed)
	}
}
