package secure

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// maxMKI is the longest MKI that is taken, in octets (RFC 4568 9.2 allows 128).
	maxMKI = 16
	// maxTag is the longest tag, in digits (RFC 4568 9.2).
	maxTag = 9
	// leastWindow is the smallest replay list a peer may ask for (RFC 4568 6.3.7).
	leastWindow = 64
)

// ErrCrypto says that an a=crypto line is none that can be taken; it wraps the detail, which never holds a key.
var ErrCrypto = errors.New("secure: crypto line not usable")

// Crypto is one a=crypto line (RFC 4568 4): the keys of who wrote it, by which it sends.
type Crypto struct {
	Tag  string // digits, without leading zeros
	Keys Keys
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrCrypto}, args...)...)
}

// ParseCrypto reads the value of an a=crypto attribute: tag, suite, key parameters and session parameters. What we do not know, or what
// asks for other things than encryption and authentication, makes the line unusable, as RFC 4568 6.3 wants it. Errors: ErrCrypto.
func ParseCrypto(value string) (Crypto, error) {
	words := strings.Fields(value)
	if len(words) < 3 {
		return Crypto{}, bad("it has %d words", len(words))
	}
	tag := words[0]
	if len(tag) > maxTag || strings.Trim(tag, "0123456789") != "" || len(tag) > 1 && tag[0] == '0' {
		return Crypto{}, bad("its tag is no number")
	}
	suite := Suite(strings.ToUpper(words[1]))
	if !suite.Known() {
		return Crypto{}, bad("suite %q", short(words[1]))
	}
	for _, parameter := range words[3:] {
		if !harmless(parameter) {
			return Crypto{}, bad("a session parameter that we do not know")
		}
	}
	keys, err := parseKeys(suite, words[2])
	return Crypto{Tag: tag, Keys: keys}, err
}

// harmless says whether a session parameter changes nothing for us: a window no larger than ours (RFC 4568 6.3.7), or what may be left
// out of account (a "-" in front, 6.3.8).
func harmless(parameter string) bool {
	if size, ok := strings.CutPrefix(strings.ToUpper(parameter), "WSH="); ok {
		n, err := strconv.Atoi(size)
		return err == nil && n >= leastWindow
	}
	return strings.HasPrefix(parameter, "-")
}

// parseKeys reads "inline:" key [ "|" lifetime ] [ "|" MKI ":" length ] (RFC 4568 6.1). More than one key needs rules about which is
// used when, which nobody implements.
func parseKeys(suite Suite, word string) (Keys, error) {
	const method = "inline:"
	if len(word) < len(method) || !strings.EqualFold(word[:len(method)], method) || strings.Contains(word, ";") {
		return Keys{}, bad("other than one inline key")
	}
	parts := strings.Split(word[len(method):], "|")
	b, err := base64.StdEncoding.DecodeString(parts[0])
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(parts[0]) // some leave the padding out
	}
	key, salt := suite.Sizes()
	if err != nil || len(b) != key+salt {
		return Keys{}, bad("a key of the wrong length for %s", suite)
	}
	k := Keys{Suite: suite, Key: b[:key:key], Salt: b[key:]}
	rest := parts[1:]
	if len(rest) > 0 && !strings.Contains(rest[0], ":") {
		if !lifetime(rest[0]) {
			return Keys{}, bad("a lifetime that is none")
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		if k.MKI, err = parseMKI(rest[0]); err != nil {
			return Keys{}, err
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return Keys{}, bad("more than a key, a lifetime and an MKI")
	}
	return k, nil
}

// lifetime says whether a word is a number of packets, "2^n" or decimal, within the life of a key (RFC 3711 9.2: 2^48).
func lifetime(s string) bool {
	if exponent, ok := strings.CutPrefix(s, "2^"); ok {
		n, err := strconv.Atoi(exponent)
		return err == nil && n > 0 && n <= 48
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && n > 0 && n <= 1<<48
}

// parseMKI reads "value:length".
func parseMKI(s string) ([]byte, error) {
	value, size, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(size)
	if err != nil || n < 1 || n > maxMKI {
		return nil, bad("an MKI of a length that we do not take")
	}
	v, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n < 8 && v>>(8*n) != 0 {
		return nil, bad("an MKI that does not fit its length")
	}
	mki := make([]byte, n)
	for i := n - 1; i >= 0; i-- {
		mki[i] = byte(v)
		v >>= 8
	}
	return mki, nil
}

// short bounds what of a line may stand in an error.
func short(s string) string {
	const most = 32
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// Value is the line's value, without "a=crypto:". MKIs are not written: our packets have none.
func (c *Crypto) Value() string {
	b := make([]byte, 0, len(c.Keys.Key)+len(c.Keys.Salt))
	b = append(append(b, c.Keys.Key...), c.Keys.Salt...)
	return c.Tag + " " + string(c.Keys.Suite) + " inline:" + base64.StdEncoding.EncodeToString(b)
}

// String leaves the key out.
func (c Crypto) String() string { return c.Tag + " " + c.Keys.String() }

// GoString is String.
func (c Crypto) GoString() string { return c.String() }
