package secure

const (
	// mostHunts is how many packets roll-over counters are tried for.
	mostHunts = 1000
	// mostROC is the highest that is tried: some 23 hours of 50 packets a second.
	mostROC = 64
)

// Hunt says that the one whose packets are opened has used its key for nobody knows how long: our process is a new one. How often its
// sequence numbers have run over (ROC, RFC 3711 3.3.1) is found out by the first packet that is authentic.
func (c *Context) Hunt() {
	c.mu.Lock()
	c.hunts = mostHunts
	c.mu.Unlock()
}

// hunt opens a packet under the first counter that fits. The lock is held.
func (c *Context) hunt(b []byte, ssrc uint32) ([]byte, error) {
	c.hunts--
	spare := append([]byte(nil), b...) // what fails leaves nothing of the packet
	for roc := range uint32(mostROC) {
		c.c.SetROC(ssrc, roc)
		if out, err := c.c.DecryptRTP(b, b, &c.rtp); err == nil {
			c.hunts = 0
			c.note(ssrc)
			return out, nil
		}
		copy(b, spare)
	}
	c.c.SetROC(ssrc, 0)
	return nil, ErrAuth
}
