package sbc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// MaxBlobBytes bounds a blob: it is carried whole between node and store. 5 minutes of 8 kHz, 16 bits are 5 MB.
const MaxBlobBytes = 16 << 20

// The bounds of a blob's words, in characters.
const (
	maxBlobName        = 128
	maxBlobContentType = 127 // RFC 6838 4.2
)

// Blob tells of a piece of binary data that belongs to a resource: what is said of it, not its octets. It is deleted with the
// resource.
type Blob struct {
	// OwnerID is the id of the resource it belongs to; Name is what it is to it, unique there.
	OwnerID, Name string
	ContentType   string
	// Size is in octets.
	Size int64
	// SHA256 is the hash of the octets, in lower-case hexadecimal digits.
	SHA256    string
	CreatedAt time.Time
}

// HashBlob gives the SHA256 of a blob's octets.
func HashBlob(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Validate checks what whoever writes a blob says of it.
func (b *Blob) Validate(content []byte) []Fault {
	var f faults
	f.need("#/owner_id", b.OwnerID)
	f.text("#/name", b.Name, 1, maxBlobName)
	f.text("#/content_type", b.ContentType, 1, maxBlobContentType)
	if len(content) > MaxBlobBytes {
		f.add("#/content", "too_long", fmt.Sprintf("has %d octets; at most %d are allowed", len(content), MaxBlobBytes))
	}
	return f
}

// BlobQuery selects the blobs of an owner, by rising name.
type BlobQuery struct {
	OwnerID string
	// After is the name after which the page begins; Limit is its size.
	After string
	Limit int
}

// Blobs is the store of binary data. A blob that belongs to what a change of the configuration says is written by that change's
// transaction (Tx.PutBlob); these methods are for what comes about without one, such as recorded messages. They make no revision.
type Blobs interface {
	// PutBlob inserts or replaces by owner and name; it gives the blob with Size, SHA256 and CreatedAt set. Errors: CodeInvalid,
	// CodeNotFound where there is no such owner.
	PutBlob(ctx context.Context, b Blob, content []byte) (Blob, error)
	// Blob gives one with its octets. Errors: CodeNotFound.
	Blob(ctx context.Context, ownerID, name string) (Blob, []byte, error)
	// ListBlobs gives a page; next is "" on the last one, else the After of the next one.
	ListBlobs(ctx context.Context, q BlobQuery) (page []Blob, next string, err error)
	// DeleteBlob deletes one. Errors: CodeNotFound.
	DeleteBlob(ctx context.Context, ownerID, name string) error
}

// BlobOwner is a resource that has blobs which every node needs at hand, such as what is played to callers.
type BlobOwner interface {
	Resource
	// Blobs lists them with Size and SHA256.
	Blobs() []Blob
}
