package config

import (
	"context"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// loadPatience bounds how long a revision that others wrote waits for the blobs that it names.
const loadPatience = 3 * time.Second

// Blobs keeps this node's copies of the blobs that the configuration names; blob.Copies is one.
type Blobs interface {
	// Keep makes a copy. When it returns, the content can be read on this node.
	Keep(b sbc.Blob, content []byte) error
	// Load fetches what is missing of those named, until ctx ends.
	Load(ctx context.Context, named []sbc.Blob)
	// Want says what the configuration names from now on. It does not wait.
	Want(named []sbc.Blob)
}

// blobs lists the blobs that rows name.
func (r *Rows) blobs() (named []sbc.Blob) {
	for _, a := range r.Announcements {
		named = append(named, a.Blobs()...)
	}
	for _, d := range r.Decks {
		named = append(named, d.Blobs()...)
	}
	return named
}

// load fetches the blobs that resources of the store name, before they are served.
func (m *Manager) load(ctx context.Context, resources []sbc.Resource) {
	if m.o.Blobs == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	var named []sbc.Blob
	for _, r := range resources {
		if owner, ok := r.(sbc.BlobOwner); ok {
			named = append(named, owner.Blobs()...)
		}
	}
	m.o.Blobs.Load(ctx, named)
}

// keepBlob makes a copy of what a change brings, so that it is there when the change is live.
func (m *Manager) keepBlob(b sbc.Blob, content []byte) error {
	if m.o.Blobs == nil {
		return nil
	}
	if err := m.o.Blobs.Keep(b, content); err != nil {
		return m.failure("blob", err)
	}
	return nil
}

// PutBlob writes, and makes the node's copy.
func (r *recorder) PutBlob(b sbc.Blob, content []byte) (sbc.Blob, error) {
	kept, err := r.Tx.PutBlob(b, content)
	if err == nil && r.keep != nil {
		err = r.keep(kept, content)
	}
	return kept, err
}
