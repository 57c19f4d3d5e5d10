package certs

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

func base64Of(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

// uuidOf is a UUID that follows from a text (RFC 9562 5.8).
func uuidOf(text string) string {
	h := sha256.Sum256([]byte(text))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
