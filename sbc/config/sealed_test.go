package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/auth/seal"
	"github.com/sallyport/sallyport/sbc"
)

// TestNoSecretInTheCacheFile: the file from which a node starts without its store holds no secret that can be read.
func TestNoSecretInTheCacheFile(t *testing.T) {
	const secret = "carrier-password-4711"
	trunk := &sbc.Trunk{Meta: sbc.Meta{ID: "trk_1", Name: "x"}}
	trunk.Credentials.Password = secret
	sealer, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cache")
	if err := writeCache(file, []sbc.Resource{trunk}, 1, sealer); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(file)
	if err != nil || strings.Contains(string(raw), secret) || trunk.Credentials.Password != secret {
		t.Errorf("%v %s", err, raw)
	}
	got, _, err := readCache(file, nil, sealer)
	if back, ok := got[0].(*sbc.Trunk); err != nil || !ok || back.Credentials.Password != secret {
		t.Errorf("%+v %v", got, err)
	}
	other, err := seal.New(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := readCache(file, nil, other); err == nil {
		t.Error("another key opens it")
	}
}
