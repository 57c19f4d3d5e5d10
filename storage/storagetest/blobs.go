package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

func blobs(t *testing.T, fresh Fresh) {
	t.Run("put, read, replace, delete", func(t *testing.T) { blobLife(t, open(t, fresh)) })
	t.Run("refused", func(t *testing.T) { blobRefused(t, open(t, fresh)) })
	t.Run("with their owner", func(t *testing.T) { blobWithOwner(t, open(t, fresh)) })
	t.Run("listed", func(t *testing.T) { blobPages(t, open(t, fresh)) })
	t.Run("at once", func(t *testing.T) { blobsAtOnce(t, open(t, fresh)) })
}

// blob reads one; it must be there.
func (f *fixture) blob(ownerID, name string) (sbc.Blob, []byte) {
	f.t.Helper()
	b, content, err := f.Blob(f.ctx, ownerID, name)
	if err != nil {
		f.t.Fatalf("blob %s of %s: %v", name, ownerID, err)
	}
	return b, content
}

// owner makes a resource to which blobs can belong.
func (f *fixture) owner(name string) *sbc.Announcement {
	f.t.Helper()
	a := &sbc.Announcement{Meta: meta(sbc.KindAnnouncement, sbc.DefaultTenantID, name)}
	f.put(a)
	return a
}

func blobLife(t *testing.T, f *fixture) {
	owner := f.owner("a")
	before := f.revision()
	big := bytes.Repeat([]byte("\x00\xff'\\"), sbc.MaxBlobBytes/4)
	for _, content := range [][]byte{[]byte("\x00\xffRIFF"), nil, big} {
		begun := time.Now().Add(-time.Second)
		put, err := f.PutBlob(f.ctx, sbc.Blob{OwnerID: owner.ID, Name: "audio", ContentType: "audio/wav"}, content)
		if err != nil {
			t.Fatal(err)
		}
		got, back := f.blob(owner.ID, "audio")
		if !reflect.DeepEqual(got, put) || !bytes.Equal(back, content) {
			t.Errorf("got %+v with %d octets, want %+v with %d", got, len(back), put, len(content))
		}
		if got.OwnerID != owner.ID || got.Name != "audio" || got.ContentType != "audio/wav" || got.Size != int64(len(content)) ||
			got.SHA256 != sbc.HashBlob(content) || got.CreatedAt.Before(begun) {
			t.Errorf("got %+v", got)
		}
	}
	if f.revision() != before {
		t.Error("a blob made a revision")
	}
	if err := f.DeleteBlob(f.ctx, owner.ID, "audio"); err != nil {
		t.Fatal(err)
	}
	_, _, err := f.Blob(f.ctx, owner.ID, "audio")
	wantCode(t, err, sbc.CodeNotFound)
	wantCode(t, f.DeleteBlob(f.ctx, owner.ID, "audio"), sbc.CodeNotFound)
}

func blobRefused(t *testing.T, f *fixture) {
	owner := f.owner("a")
	for name, c := range map[string]struct {
		blob sbc.Blob
		size int
		want sbc.Code
	}{
		"no owner":        {sbc.Blob{Name: "x", ContentType: "x/y"}, 1, sbc.CodeInvalid},
		"no name":         {sbc.Blob{OwnerID: owner.ID, ContentType: "x/y"}, 1, sbc.CodeInvalid},
		"a long name":     {sbc.Blob{OwnerID: owner.ID, Name: strings.Repeat("x", 129), ContentType: "x/y"}, 1, sbc.CodeInvalid},
		"no content type": {sbc.Blob{OwnerID: owner.ID, Name: "x"}, 1, sbc.CodeInvalid},
		"too long":        {sbc.Blob{OwnerID: owner.ID, Name: "x", ContentType: "x/y"}, sbc.MaxBlobBytes + 1, sbc.CodeInvalid},
		"a strange owner": {sbc.Blob{OwnerID: "ann_none", Name: "x", ContentType: "x/y"}, 1, sbc.CodeNotFound},
	} {
		if _, err := f.PutBlob(f.ctx, c.blob, make([]byte, c.size)); err == nil || sbc.CodeOf(err) != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	if page, next, err := f.ListBlobs(f.ctx, sbc.BlobQuery{OwnerID: owner.ID}); err != nil || len(page) != 0 || next != "" {
		t.Errorf("%v are there, %q, %v", page, next, err)
	}
}

// blobWithOwner: a blob written with its owner is there exactly if the owner is.
func blobWithOwner(t *testing.T, f *fixture) {
	a := &sbc.Announcement{Meta: meta(sbc.KindAnnouncement, sbc.DefaultTenantID, "a")}
	thought := errors.New("better of it")
	write := func(content string, end error) error {
		return f.Update(f.ctx, func(tx sbc.Tx) error {
			if err := tx.Put(a); err != nil {
				return err
			}
			_, err := tx.PutBlob(sbc.Blob{OwnerID: a.ID, Name: "audio", ContentType: "x/y"}, []byte(content))
			return errors.Join(err, end)
		})
	}
	if err := write("never", thought); !errors.Is(err, thought) {
		t.Fatal(err)
	}
	_, _, err := f.Blob(f.ctx, a.ID, "audio")
	wantCode(t, err, sbc.CodeNotFound)
	if err := write("first", nil); err != nil {
		t.Fatal(err)
	}
	f.put(a) // a write of the owner alone leaves it
	if _, content := f.blob(a.ID, "audio"); string(content) != "first" {
		t.Errorf("got %q", content)
	}
	_ = write("second", thought) // the error is the one given
	if _, content := f.blob(a.ID, "audio"); string(content) != "first" {
		t.Errorf("got %q after a roll back", content)
	}
	f.update(func(tx sbc.Tx) error { return tx.DeleteBlob(a.ID, "audio") })
	_, _, err = f.Blob(f.ctx, a.ID, "audio")
	wantCode(t, err, sbc.CodeNotFound)
	if err := write("third", nil); err != nil {
		t.Fatal(err)
	}
	f.update(func(tx sbc.Tx) error { return tx.Delete(sbc.KindAnnouncement, a.ID) })
	_, _, err = f.Blob(f.ctx, a.ID, "audio")
	wantCode(t, err, sbc.CodeNotFound)
	f.put(a)
	_, _, err = f.Blob(f.ctx, a.ID, "audio")
	wantCode(t, err, sbc.CodeNotFound)
}

func blobPages(t *testing.T, f *fixture) {
	owner, other := f.owner("a"), f.owner("b")
	const n = 5
	for i := range n {
		for _, o := range []string{owner.ID, other.ID} {
			b := sbc.Blob{OwnerID: o, Name: fmt.Sprintf("msg_%d", n-i), ContentType: "x/y"}
			if _, err := f.PutBlob(f.ctx, b, []byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var names []string
	q := sbc.BlobQuery{OwnerID: owner.ID, Limit: 2}
	for {
		page, next, err := f.ListBlobs(f.ctx, q)
		if err != nil || len(page) > 2 {
			t.Fatalf("%d, %v", len(page), err)
		}
		for _, b := range page {
			if b.OwnerID != owner.ID || b.Size != 1 || len(b.SHA256) != 64 {
				t.Errorf("got %+v", b)
			}
			names = append(names, b.Name)
		}
		if q.After = next; next == "" {
			break
		}
	}
	if got := strings.Join(names, " "); got != "msg_1 msg_2 msg_3 msg_4 msg_5" {
		t.Errorf("got %s", got)
	}
}

// blobsAtOnce: blobs are written beside changes of the configuration, and none is lost.
func blobsAtOnce(t *testing.T, f *fixture) {
	owner := f.owner("a")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 4 {
				b := sbc.Blob{OwnerID: owner.ID, Name: fmt.Sprint(i, "/", k), ContentType: "x/y"}
				if _, err := f.PutBlob(f.ctx, b, make([]byte, 1<<16)); err != nil {
					t.Error(err)
				}
				f.put(newRealm(sbc.DefaultTenantID, b.Name))
			}
		})
	}
	wg.Wait()
	if page, _, err := f.ListBlobs(f.ctx, sbc.BlobQuery{OwnerID: owner.ID}); err != nil || len(page) != 16 {
		t.Errorf("%d of 16 blobs, %v", len(page), err)
	}
}
