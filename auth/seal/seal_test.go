package seal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func box(t *testing.T, current Key, before ...Key) *Box {
	t.Helper()
	b, err := New(current, before...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatIsSealedOpensInItsPlaceOnly(t *testing.T) {
	k := NewKey()
	b := box(t, k)
	sealed := b.Seal("trunk trk_1 password", "s3cret")
	if !b.Sealed(sealed) || strings.Contains(sealed, "s3cret") || sealed == b.Seal("trunk trk_1 password", "s3cret") {
		t.Error(sealed)
	}
	if plain, fresh, err := b.Open("trunk trk_1 password", sealed); plain != "s3cret" || !fresh || err != nil {
		t.Error(plain, fresh, err)
	}
	if _, _, err := b.Open("trunk trk_2 password", sealed); err == nil {
		t.Error("it opened in another place")
	}
	for _, broken := range []string{"", "s3cret", prefix, prefix + "x", sealed[:len(sealed)-2], sealed[:len(sealed)-2] + "AA", prefix + k.ID() + ":!"} {
		if _, _, err := b.Open("trunk trk_1 password", broken); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", broken, err)
		}
	}
}

func TestKeysChange(t *testing.T) {
	old, next := NewKey(), NewKey()
	sealed := box(t, old).Seal("x", "s")
	if _, _, err := box(t, next).Open("x", sealed); err == nil || !strings.Contains(err.Error(), old.ID()) {
		t.Error(err)
	}
	if plain, fresh, err := box(t, next, old).Open("x", sealed); plain != "s" || fresh || err != nil {
		t.Error(plain, fresh, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", old, old, old); !strings.Contains(text, old.ID()) || strings.Contains(text, fmt.Sprint(old[0], " ", old[1])) {
		t.Error(text)
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	k, err := File(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := File(path); again != k || err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := File(path); err == nil {
		t.Error("a key that others can read was taken")
	}
	for _, text := range []string{"", "short", strings.Repeat("a", 63), strings.Repeat("=", 44)} {
		if _, err := ParseKey(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if _, err := ParseKey(strings.Repeat("0f", 32) + "\n"); err != nil {
		t.Error(err)
	}
}
