package media

import (
	"sync"
	"time"

	"github.com/sallyport/sallyport/media/secure"
)

const (
	// rotation is for how long one certificate is shown to new parties.
	rotation = 24 * time.Hour
	// handshakeRate and handshakesAtOnce bound what DTLS may cost: half a millisecond of a core for each, and some goroutines.
	handshakeRate, handshakesAtOnce = 250, 1000
)

// wardrobe has the certificate that is shown in handshakes. Safe for concurrent use.
type wardrobe struct {
	mu      sync.Mutex
	current *secure.Identity
	made    time.Time
}

// identity gives the certificate for a new party. One that has been told a fingerprint keeps it: in its dialog another one
// would ask for another handshake (RFC 8842 3.1).
func (w *wardrobe) identity() (*secure.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.current != nil && time.Since(w.made) < rotation {
		return w.current, nil
	}
	next, err := secure.NewIdentity()
	if err != nil {
		return nil, err
	}
	w.current, w.made = next, time.Now()
	return next, nil
}
