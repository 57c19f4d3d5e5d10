package api

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// memoryBlob is a blob of the tests' store.
type memoryBlob struct {
	about   sbc.Blob
	content []byte
}

func (t memoryTx) PutBlob(b sbc.Blob, content []byte) (sbc.Blob, error) {
	if err := sbc.Invalid(b.Validate(content)); err != nil {
		return sbc.Blob{}, err
	}
	if t.s.resources[b.OwnerID] == nil {
		return sbc.Blob{}, sbc.Errorf(sbc.CodeNotFound, "no resource %s", b.OwnerID)
	}
	b.Size, b.SHA256, b.CreatedAt = int64(len(content)), sbc.HashBlob(content), t.m.now
	t.s.blobs[b.OwnerID+" "+b.Name] = memoryBlob{b, slices.Clone(content)}
	return b, nil
}

func (t memoryTx) DeleteBlob(ownerID, name string) error {
	if _, ok := t.s.blobs[ownerID+" "+name]; !ok {
		return sbc.Errorf(sbc.CodeNotFound, "no blob %s", name)
	}
	delete(t.s.blobs, ownerID+" "+name)
	return nil
}

// without forgets the blobs of an owner.
func (t memoryTx) without(ownerID string) {
	for key := range t.s.blobs {
		if strings.HasPrefix(key, ownerID+" ") {
			delete(t.s.blobs, key)
		}
	}
}

func (m *memory) Blob(_ context.Context, ownerID, name string) (about sbc.Blob, content []byte, err error) {
	err = m.read(func(t memoryTx) error {
		b, ok := t.s.blobs[ownerID+" "+name]
		if !ok {
			return sbc.Errorf(sbc.CodeNotFound, "no blob %s", name)
		}
		about, content = b.about, b.content
		return nil
	})
	return about, content, err
}
