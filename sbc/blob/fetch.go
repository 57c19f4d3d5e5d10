package blob

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// The wait before what could not be fetched is tried again, doubled up to the second.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// errOther says that the store holds something else by now: another revision is on its way.
var errOther = errors.New("the store holds another content")

// Load fetches what is missing of a list, until ctx ends or the store fails. What it leaves, Run fetches once it is wanted.
func (c *Copies) Load(ctx context.Context, named []sbc.Blob) {
	for _, b := range named {
		if ctx.Err() != nil {
			return
		}
		if c.has(b) {
			continue
		}
		if err := c.fetch(ctx, b); err != nil && sbc.CodeOf(err) == sbc.CodeUnavailable {
			return
		}
	}
}

// Run fetches what is wanted and missing, and deletes what is too much, until ctx ends.
func (c *Copies) Run(ctx context.Context) {
	wait := time.Duration(0)
	for {
		var retry <-chan time.Time
		if wait > 0 {
			retry = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-retry:
		}
		c.sweep()
		if c.fetchAll(ctx) {
			wait = 0
		} else {
			wait = min(max(2*wait, firstRetry), lastRetry)
		}
	}
}

// fetchAll fetches everything that is missing; false if something is still.
func (c *Copies) fetchAll(ctx context.Context) bool {
	all := true
	for _, b := range c.missing() {
		if ctx.Err() != nil {
			return false
		}
		if err := c.fetch(ctx, b); err != nil {
			all = false
			c.log.Warn("a blob cannot be fetched yet", "owner_id", b.OwnerID, "name", b.Name, "error", err)
			if sbc.CodeOf(err) == sbc.CodeUnavailable {
				return false
			}
		}
	}
	return all
}

// fetch makes a copy of what the store holds, if that is what is meant.
func (c *Copies) fetch(ctx context.Context, b sbc.Blob) error {
	_, content, err := c.o.Source.Blob(ctx, b.OwnerID, b.Name)
	if err == nil && sbc.HashBlob(content) != b.SHA256 {
		err = errOther
	}
	if err != nil {
		c.metrics.failures.WithLabelValues("store").Inc()
		return fmt.Errorf("blob %s of %s: %w", b.Name, b.OwnerID, err)
	}
	return c.Keep(b, content)
}

// sweep deletes the copies that are too much.
func (c *Copies) sweep() {
	c.acquire()
	defer c.release()
	for _, hash := range c.surplus() {
		if err := os.Remove(c.path(hash)); err != nil && !errors.Is(err, os.ErrNotExist) {
			c.log.Warn("a copy of a blob cannot be deleted", "error", err)
		}
	}
}
