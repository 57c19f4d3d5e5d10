// Package seal keeps secrets that have to be read again, such as private keys and passwords towards carriers, from whoever gets hold of a
// database or a copy of it: they are encrypted with a key that is not in it (AES-256-GCM, NIST SP 800-38D).
//
// Each secret is bound to its place: what was sealed for one field of one resource does not open in another. A sealed text names the key
// that it was sealed with, so that a wrong key is told from a broken text and keys can be changed: what was sealed with a key of before
// opens too, where that is given.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// KeyBytes is the length of a key.
const KeyBytes = 32

// Key encrypts. Its methods never show it.
type Key [KeyBytes]byte

// String names the key without showing it.
func (k Key) String() string { return "key " + k.ID() }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// ID tells keys apart: the first octets of a hash of the key.
func (k Key) ID() string {
	sum := sha256.Sum256(append([]byte("sallyport key id "), k[:]...))
	return hex.EncodeToString(sum[:4])
}

// NewKey makes a key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k[:]) // never fails: crypto/rand ends the process instead
	return k
}

// ParseKey reads a key: 32 octets in base 64, as "openssl rand -base64 32" writes them, or in hexadecimal. No error quotes it.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != KeyBytes {
		raw, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil || len(raw) != KeyBytes {
		return Key{}, errors.New("seal: a key is 32 octets in base 64 or hexadecimal, as openssl rand -base64 32 makes them")
	}
	return Key(raw), nil
}

// File reads the key in a file, and makes file and key where there is none; nobody else may read the file.
func File(path string) (Key, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return makeFile(path)
	case err != nil:
		return Key{}, fmt.Errorf("seal: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return Key{}, fmt.Errorf("seal: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, fmt.Errorf("seal: %s can be read by others; its mode has to be 0600", path)
	}
	k, err := ParseKey(string(text))
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// makeFile makes a key and its file, on the disk before anything is sealed with it.
func makeFile(path string) (Key, error) {
	k := NewKey()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return Key{}, fmt.Errorf("seal: %w", err)
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(k[:]) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Key{}, fmt.Errorf("seal: %w", err)
	}
	return k, nil
}

// prefix begins every sealed text; the id of the key follows, and then nonce, ciphertext and tag in base 64.
const prefix = "sealed:v1:"

// Box seals and opens. It is safe for concurrent use.
type Box struct {
	current string
	keys    map[string]cipher.AEAD
}

// New makes a Box that seals with a key and opens what was sealed with it or with one of before.
func New(current Key, before ...Key) (*Box, error) {
	b := &Box{current: current.ID(), keys: map[string]cipher.AEAD{}}
	for _, k := range append([]Key{current}, before...) {
		block, err := aes.NewCipher(k[:])
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		if b.keys[k.ID()], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
	}
	return b, nil
}

// Sealed tells whether a text was sealed, by whatever key.
func (*Box) Sealed(text string) bool { return strings.HasPrefix(text, prefix) }

// Seal encrypts a text for one place.
func (b *Box) Seal(place, plain string) string {
	a := b.keys[b.current]
	nonce := make([]byte, a.NonceSize(), a.NonceSize()+len(plain)+a.Overhead())
	_, _ = rand.Read(nonce) // never fails
	return prefix + b.current + ":" + base64.RawStdEncoding.EncodeToString(a.Seal(nonce, nonce, []byte(plain), []byte(place)))
}

// Open decrypts what was sealed for the place. fresh is false where it was sealed with a key of before.
func (b *Box) Open(place, sealed string) (plain string, fresh bool, err error) {
	rest, ok := strings.CutPrefix(sealed, prefix)
	id, body, found := strings.Cut(rest, ":")
	if !ok || !found {
		return "", false, errors.New("seal: not a sealed text")
	}
	a := b.keys[id]
	if a == nil {
		return "", false, fmt.Errorf("seal: sealed with key %.16s, which is not the one given (%s)", id, b.current)
	}
	raw, err := base64.RawStdEncoding.DecodeString(body)
	if err != nil || len(raw) < a.NonceSize() {
		return "", false, errors.New("seal: a sealed text is broken")
	}
	open, err := a.Open(nil, raw[:a.NonceSize()], raw[a.NonceSize():], []byte(place))
	if err != nil {
		return "", false, errors.New("seal: a sealed text is broken, or of another place")
	}
	return string(open), id == b.current, nil
}
