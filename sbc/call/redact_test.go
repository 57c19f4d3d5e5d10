package call

import (
	"bytes"
	"testing"
)

func TestRedacted(t *testing.T) {
	for in, want := range map[string]string{
		"INVITE sip:x SIP/2.0\r\nFrom: a\r\n\r\nAuthorization: Digest response=\"ab\"":                                                  "INVITE sip:x SIP/2.0\r\nFrom: a\r\n\r\nAuthorization: Digest response=\"ab\"",
		"INVITE sip:x SIP/2.0\r\nProxy-Authorization: Digest username=\"ada\", response=\"00ffAB12\", nc=00000001\r\nTo: b\r\n\r\nbody": "INVITE sip:x SIP/2.0\r\nProxy-Authorization: Digest username=\"ada\", response=\"xxxxxxxx\", nc=00000001\r\nTo: b\r\n\r\nbody",
		"INVITE sip:x SIP/2.0\r\nAUTHORIZATION : Digest RESPONSE = ab12 , x=1\r\n\r\n":                                                  "INVITE sip:x SIP/2.0\r\nAUTHORIZATION : Digest RESPONSE = xxxx , x=1\r\n\r\n",
		"INVITE sip:x SIP/2.0\r\nAuthorization: Digest username=\"a\",\r\n response=\"ab\"\r\nX-Response: ab\r\n\r\n":                   "INVITE sip:x SIP/2.0\r\nAuthorization: Digest username=\"a\",\r\n response=\"xx\"\r\nX-Response: ab\r\n\r\n",
		"INVITE sip:x SIP/2.0\r\n\r\nm=audio 9 RTP/SAVP 8\r\na=crypto:1 AEAD_AES_128_GCM inline:c2VjcmV0|2^20\r\na=x":                   "INVITE sip:x SIP/2.0\r\n\r\nm=audio 9 RTP/SAVP 8\r\na=crypto:1 AEAD_AES_128_GCM inline:xxxxxxxxxxxxx\r\na=x",
		"INVITE sip:x SIP/2.0\n\nA=Crypto:1 X c2Vj\na=ice-pwd:ab\nk=prompt":                                                             "INVITE sip:x SIP/2.0\n\nA=Crypto:xxxxxxxx\na=ice-pwd:xx\nk=xxxxxx",
		"": "",
	} {
		raw := []byte(in)
		if got := redacted(raw); string(got) != want || string(raw) != in {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func FuzzRedacted(f *testing.F) {
	f.Add([]byte("INVITE sip:x SIP/2.0\r\nAuthorization: Digest response=\"ab\"\r\n x\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got := redacted(bytes.Clone(raw)); len(got) != len(raw) {
			t.Errorf("%q became %q", raw, got)
		}
	})
}
