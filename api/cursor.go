package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"

	"github.com/sallyport/sallyport/sbc"
)

// A cursor is 8 bytes of hash of what it is bound to, 8 bytes of HMAC over all the rest, and the key after which the page begins.
// It carries no right: the tenant is put into the query from the API key, whatever the cursor says. The HMAC keeps clients from
// taking a cursor apart and building their own, so that what is inside may change; its key is therefore no secret and the same on
// every node and after every restart, which the CDR feed needs.
const (
	cursorScope = 8
	cursorSum   = 8
	cursorHead  = cursorScope + cursorSum
	cursorKey   = "sallyport cursor, issue 1"
)

// makeCursor packs the key after which the next page begins.
func makeCursor(scope, after string) string {
	bound := sha256.Sum256([]byte(scope))
	b := make([]byte, cursorHead, cursorHead+len(after))
	copy(b, bound[:cursorScope])
	b = append(b, after...)
	copy(b[cursorScope:], cursorMAC(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// openCursor gives the key in a cursor; "" for no cursor.
func openCursor(scope string, cursor *string) (string, error) {
	if cursor == nil || *cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*cursor)
	if err != nil || len(b) < cursorHead || !hmac.Equal(b[cursorScope:cursorHead], cursorMAC(b)) {
		return "", sbc.Errorf(codeCursor, "the cursor is not one of ours; begin again without")
	}
	if bound := sha256.Sum256([]byte(scope)); !hmac.Equal(b[:cursorScope], bound[:cursorScope]) {
		return "", sbc.Errorf(codeCursorScope,
			"the cursor belongs to a list with other filters; send the same filters as before or begin again without a cursor")
	}
	return string(b[cursorHead:]), nil
}

// cursorMAC is over everything but itself.
func cursorMAC(b []byte) []byte {
	m := hmac.New(sha256.New, []byte(cursorKey))
	m.Write(b[:cursorScope])
	m.Write(b[cursorHead:])
	return m.Sum(nil)[:cursorSum]
}
