package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

// A stream without news says so every heartbeat, and its key is looked at again. A reader that takes nothing for as long as
// patience is cut off.
const (
	heartbeat = 15 * time.Second
	patience  = 10 * time.Second
)

// FollowEvents streams the events of this node as they happen.
func (s *server) FollowEvents(ctx context.Context, r gen.FollowEventsRequestObject) (gen.FollowEventsResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	tenant, err := c.choose(p.TenantID)
	if err != nil {
		return nil, err
	}
	feed, err := s.o.Follow(sbc.EventQuery{
		TenantID: tenant, CallID: value(p.CallID), Type: sbc.EventType(value(p.Type)), After: value(p.LastEventID),
	})
	if err != nil {
		return nil, err
	}
	return &stream{ctx: ctx, s: s, c: c, feed: feed}, nil
}

// stream is an answer that goes on until one of both wants no more (text/event-stream of the HTML standard, 9.2).
type stream struct {
	ctx  context.Context
	s    *server
	c    *caller
	feed sbc.EventFeed
	w    http.ResponseWriter
	rc   *http.ResponseController
}

// errSlow says that a reader does not keep up.
var errSlow = errors.New("api: the reader does not keep up")

// VisitFollowEventsResponse writes events until the reader goes away or is too slow, its key is taken away, or the API stops.
// None of that is an error of the request.
func (t *stream) VisitFollowEventsResponse(w http.ResponseWriter) error {
	t.w, t.rc = w, http.NewResponseController(w)
	if outer, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok { // echo's own Flush says nothing of errors
		t.rc = http.NewResponseController(outer.Unwrap())
	}
	// The deadlines of a connection are for requests that end. Not every writer has any.
	_ = t.rc.SetReadDeadline(time.Time{})
	stop := context.AfterFunc(t.s.o.Stopping, func() { _ = t.rc.SetWriteDeadline(time.Now()) }) // whatever is being written
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	err := t.write("retry: 2000\n\n")
	if err == nil && t.ctx.Value(headKey{}) == nil {
		err = t.follow()
	}
	slow := errors.Is(err, errSlow) || errors.Is(err, os.ErrDeadlineExceeded) && t.s.o.Stopping.Err() == nil
	t.feed.Close(slow)
	if err != nil {
		t.s.log.Debug("api: a stream of events ends", "request_id", t.c.requestID, "slow", slow, "error", err)
	}
	return nil
}

// follow writes what the feed gives.
func (t *stream) follow() error {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for first := true; ; {
		select {
		case <-t.ctx.Done():
			return t.ctx.Err()
		case <-t.s.o.Stopping.Done():
			return nil
		case _, more := <-t.feed.Wake():
			if err := t.news(first); err != nil || !more {
				return err
			}
			first = false
		case <-ticker.C:
			if err := t.write(": heartbeat\n\n"); err != nil {
				return err
			}
			if err := t.permitted(); err != nil {
				return err
			}
		}
	}
}

// news writes what has come.
func (t *stream) news(first bool) error {
	events, missed := t.feed.Read()
	if missed != "" {
		if !first {
			return errSlow
		}
		if err := t.write("id: %s\nevent: reset\ndata: {}\n\n", missed); err != nil {
			return err
		}
	}
	if len(events) == 0 {
		return nil
	}
	shown, err := convert[[]gen.Event](events)
	if err != nil {
		return err
	}
	var page []byte
	for i := range shown {
		data, err := json.Marshal(&shown[i])
		if err != nil {
			return err
		}
		page = fmt.Appendf(page, "id: %s\nevent: %s\ndata: %s\n\n", events[i].ID, events[i].Type, data)
	}
	return t.write("%s", page)
}

// write sends a piece at once.
func (t *stream) write(format string, args ...any) error {
	if err := t.rc.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if t.s.o.Stopping.Err() != nil { // whose deadline was just put off
		return t.s.o.Stopping.Err()
	}
	if _, err := fmt.Fprintf(t.w, format, args...); err != nil {
		return err
	}
	return t.rc.Flush()
}

// permitted tells whether the key still opens this, as it did when the stream began.
func (t *stream) permitted() error {
	key, err := t.s.keys.find(t.ctx, t.c.key.secret)
	switch {
	case sbc.CodeOf(err) == sbc.CodeUnavailable: // nothing can be revoked then
		return nil
	case err != nil:
		return err
	case key.tenant != t.c.key.tenant || !token.Covers(key.scopes, sbc.Scope(t.c.op.permission)):
		return sbc.Errorf(sbc.CodeForbidden, "the key does not cover this any more")
	}
	return nil
}
