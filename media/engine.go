package media

import (
	"net/netip"
	"time"
)

// Engine owns the pools, the sockets and the threads that move packets.
type Engine struct{}

// New starts an engine without pools.
func New(o Options) (*Engine, error) { return &Engine{}, nil }

// Change is a prepared set of pools, not yet in use.
type Change struct{}

// Prepare checks pools: addresses can be bound and ranges do not overlap (*PoolError). Nothing changes until Commit.
func (e *Engine) Prepare(pools []Pool) (*Change, error) { return &Change{}, nil }

// Commit puts the pools to use. Removed pools drain: calls keep their ports.
func (c *Change) Commit() {}

// Abort forgets the change.
func (c *Change) Abort() {}

// PoolStatus counts the ports of a pool.
func (e *Engine) PoolStatus(id string) (PoolStatus, bool) { return PoolStatus{}, false }

// Open begins the media of a call; it costs no port.
func (e *Engine) Open(o SessionOptions) *Session { return &Session{} }

// Close stops the threads and closes every socket.
func (e *Engine) Close() error { return nil }

// Session is the media of one call.
type Session struct{}

// Party adds a side to the call; it gets ports with the first exchange it takes part in.
func (s *Session) Party(o PartyOptions) *Party { return &Party{} }

// Party is one side of a call.
type Party struct{}

// SetSignalling tells where the party's signalling really comes from, known only when a response arrived; it acts from the next
// Offer or Answer on.
func (p *Party) SetSignalling(source netip.Addr) {}

// Offer begins a round: offer came from one party and shall go to the other. The running path keeps running.
// Errors: ErrNoPorts, ErrBadSDP, ErrUnsupported, ErrPending, ErrClosed.
func (s *Session) Offer(from, to *Party, offer []byte) (*Exchange, error) { return &Exchange{}, nil }

// Exchange is one round of offer and answer (RFC 3264).
type Exchange struct{}

// Offer is the SDP for the party that is offered to.
func (x *Exchange) Offer() []byte { return nil }

// Answer completes the round and gives the SDP for the party that offered. It may be called again (183 then 200, or another
// fork's SDP): the same answer gives the same bytes.
func (x *Exchange) Answer(answer []byte) ([]byte, error) { return nil, nil }

// Reject forgets the round: ports taken only for it are released, the old path stays. Harmless after Answer.
func (x *Exchange) Reject() {}

// Drop removes a party whose attempt failed; its ports go back.
func (s *Session) Drop(p *Party) {}

// Answered arms the supervision of silence.
func (s *Session) Answered() {}

// Stats gives the figures of every stream, party by party.
func (s *Session) Stats() []StreamStats { return nil }

// LastMedia is when the last media packet of any party arrived; zero if none did.
func (s *Session) LastMedia() time.Time { return time.Time{} }

// Close releases everything and gives the final figures. Idempotent.
func (s *Session) Close() []StreamStats { return nil }
