package storagetest

import (
	"reflect"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/storage"
)

// The versions of the schema that the tests walk over.
const (
	versionConfiguration = 1
	versionRecords       = 2
)

func schema(t *testing.T, fresh Fresh) {
	t.Run("down and up over kept data", func(t *testing.T) { downAndUp(t, open(t, fresh)) })
	t.Run("opened again", func(t *testing.T) {
		f := open(t, fresh)
		if f.url == Lonely {
			t.Skip("this database cannot be opened twice")
		}
		openedAgain(t, f)
	})
	t.Run("closed", func(t *testing.T) { closed(t, open(t, fresh)) })
}

func downAndUp(t *testing.T, f *fixture) {
	current, wanted, err := f.Version(f.ctx)
	if err != nil || current != wanted || wanted <= versionRecords {
		t.Fatalf("version %d, wanted %d, %v", current, wanted, err)
	}
	migrate := func(version int64) {
		t.Helper()
		if err := f.Migrate(f.ctx, version); err != nil {
			t.Fatalf("to version %d: %v", version, err)
		}
		if got, _, err := f.Version(f.ctx); err != nil || got != version {
			t.Fatalf("version %d, want %d, %v", got, version, err)
		}
	}
	all := oneOfEach()
	audio := []byte("\x00\xffsound")
	spoken := &sbc.Announcement{
		Meta: meta(sbc.KindAnnouncement, sbc.DefaultTenantID, "spoken"), AudioSHA256: sbc.HashBlob(audio), AudioBytes: len(audio),
	}
	all = append(all, spoken)
	f.put(all...)
	if _, err := f.PutBlob(f.ctx, spoken.Audio(), audio); err != nil {
		t.Fatal(err)
	}
	record := newCDR(sbc.DefaultTenantID)
	f.add(record)
	revision := f.revision()
	for version := wanted - 1; version >= versionRecords; version-- { // what both versions hold is kept
		migrate(version)
		if got := f.cdrs(sbc.CDRQuery{Caller: record.Caller}); len(got) != 1 {
			t.Fatalf("version %d lost the record", version)
		}
	}
	migrate(wanted)
	migrate(versionConfiguration)
	migrate(wanted)
	for _, want := range all {
		if got, err := f.Get(f.ctx, want.Kind(), "", want.Base().ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
	}
	if _, content := f.blob(spoken.ID, sbc.BlobAudio); string(content) != string(audio) { // older schemata keep it elsewhere
		t.Errorf("the audio came back as %q", content)
	}
	if f.revision() != revision {
		t.Errorf("revision %d, want %d", f.revision(), revision)
	}
	if got := f.cdrs(sbc.CDRQuery{}); len(got) != 0 {
		t.Errorf("records survived a schema without them: %d", len(got))
	}
	f.add(record)
	migrate(0)
	migrate(wanted)
	defaultTenant(t, f)
	if all, _, err := f.All(f.ctx); err != nil || len(all) != 1 {
		t.Errorf("all: %d, %v", len(all), err)
	}
	for _, version := range []int64{-1, wanted + 1} {
		wantCode(t, f.Migrate(f.ctx, version), sbc.CodeInvalid)
	}
}

func openedAgain(t *testing.T, f *fixture) {
	realm := newRealm(sbc.DefaultTenantID, "r")
	f.put(realm)
	f.add(newCDR(sbc.DefaultTenantID))
	again := openURL(t, f.url)
	get(again, "", realm)
	if again.revision() != f.revision() || len(again.cdrs(sbc.CDRQuery{})) != 1 {
		t.Error("what was written is not there")
	}
	if err := f.Migrate(f.ctx, versionConfiguration); err != nil {
		t.Fatal(err)
	}
	old, err := storage.Open(f.ctx, f.url, storage.Options{NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Close() }()
	if current, wanted, err := old.Version(f.ctx); err != nil || current != versionConfiguration || wanted <= current {
		t.Errorf("NoMigrate: version %d, wanted %d, %v", current, wanted, err)
	}
}

func closed(t *testing.T, f *fixture) {
	if err := f.Ping(f.ctx); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Ping(f.ctx); err == nil {
		t.Error("a closed store answers")
	}
	if _, err := f.Get(f.ctx, sbc.KindTenant, "", sbc.DefaultTenantID); err == nil {
		t.Error("a closed store gives resources")
	}
}
