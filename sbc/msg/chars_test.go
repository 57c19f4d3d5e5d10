package msg

import (
	"strings"
	"testing"
)

// TestClassesOfBytes holds the table against the grammar spelled out (RFC 3261 25.1).
func TestClassesOfBytes(t *testing.T) {
	const alnum = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	const token = alnum + "-.!%*_+`'~"
	for i := range 256 {
		c, in := byte(i), func(set string) bool { return strings.IndexByte(set, byte(i)) >= 0 }
		s := string([]byte{c})
		for name, is := range map[string][2]bool{
			"token":       {isTokenByte(c), in(token)},
			"host":        {isHostByte(c), in(alnum + ".-_")},
			"plain value": {plainValue(s), in(token + "[]:=/@$&()?#|^{}")},
			"URI":         {isURIText(s), c > ' ' && c != 0x7f && !in(`"<>`)},
			"parameter":   {isParamText(s), c > ' ' && !in(`"<>,`)},
		} {
			if is[0] != is[1] {
				t.Errorf("%q as %s: %v", s, name, is[0])
			}
		}
		guarded := c <= ' ' || c == 0x7f || in(`"<>@:;?&`)
		if got := string(appendGuarded(nil, s, "@:;?&")); guarded == (got == s) {
			t.Errorf("%q is guarded as %q", s, got)
		}
	}
}
