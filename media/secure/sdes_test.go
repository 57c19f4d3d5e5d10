package secure

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	key30 = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj" // RFC 4568 6.1
	key28 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaag=="
)

func TestParseCrypto(t *testing.T) {
	for line, want := range map[string]string{
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30:                         "1 AES_CM_128_HMAC_SHA1_80",
		"2 aes_cm_128_hmac_sha1_32 INLINE:" + key30 + "|2^20|1:32":          "", // an MKI of 32 octets
		"2 aes_cm_128_hmac_sha1_32 INLINE:" + key30 + "|2^20|1:4":           "2 AES_CM_128_HMAC_SHA1_32 00000001",
		"2 AES_CM_128_HMAC_SHA1_32 inline:" + key30 + "|1:4":                "2 AES_CM_128_HMAC_SHA1_32 00000001",
		"2 AES_CM_128_HMAC_SHA1_32 inline:" + key30 + "|256:1":              "",
		"2 AES_CM_128_HMAC_SHA1_32 inline:" + key30 + "|1000000":            "2 AES_CM_128_HMAC_SHA1_32",
		"2 AES_CM_128_HMAC_SHA1_32 inline:" + key30 + "|2^49":               "",
		"2 AES_CM_128_HMAC_SHA1_32 inline:" + key30 + "|0":                  "",
		"2 AES_CM_128_HMAC_SHA1_32 inline:" + key30 + "|2^20|1:4|x":         "",
		"1 AEAD_AES_128_GCM inline:" + key28:                                "1 AEAD_AES_128_GCM",
		"1 AEAD_AES_128_GCM inline:" + strings.TrimRight(key28, "="):        "1 AEAD_AES_128_GCM",
		"1 AEAD_AES_128_GCM inline:" + key30:                                "", // too long
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key28:                         "", // too short
		"1 AES_CM_128_HMAC_SHA1_80 inline:!" + key30[1:]:                    "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + ";inline:" + key30:    "",
		"1 AES_CM_128_HMAC_SHA1_80 uri:" + key30:                            "",
		"1 F8_128_HMAC_SHA1_80 inline:" + key30:                             "",
		"1 AES_CM_128_HMAC_SHA1_80":                                         "",
		"":                                                                  "",
		"x AES_CM_128_HMAC_SHA1_80 inline:" + key30:                         "",
		"01 AES_CM_128_HMAC_SHA1_80 inline:" + key30:                        "",
		"1234567890 AES_CM_128_HMAC_SHA1_80 inline:" + key30:                "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " KDR=1":              "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTP":   "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " UNENCRYPTED_SRTCP":  "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " FEC_ORDER=SRTP_FEC": "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " whatever":           "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " WSH=32":             "",
		"1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + " WSH=64 -whatever":   "1 AES_CM_128_HMAC_SHA1_80",
	} {
		c, err := ParseCrypto(line)
		got := ""
		if err == nil {
			got = strings.TrimSpace(fmt.Sprintf("%s %x", c, c.Keys.MKI))
		}
		if got != want || err != nil && !errors.Is(err, ErrCrypto) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), key30[5:15]) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}

func TestCryptoIsWrittenAsItIsRead(t *testing.T) {
	for i, s := range Suites() {
		k, err := Random(s)
		if err != nil {
			t.Fatal(err)
		}
		other, _ := Random(s)
		c := Crypto{Tag: fmt.Sprint(i), Keys: k}
		back, err := ParseCrypto(c.Value())
		if err != nil || !back.Keys.Equal(&k) || back.Tag != c.Tag || other.Equal(&k) {
			t.Errorf("%s: %v, %v", s, back, err)
		}
		if text := fmt.Sprintf("%v %+v %#v %s %v", c, c, c, c, k); strings.Contains(text, strings.Trim(fmt.Sprint(k.Key[:4]), "[]")) {
			t.Errorf("printed with its key: %s", text)
		}
	}
	if _, err := Random("NULL"); !errors.Is(err, ErrSuite) {
		t.Error(err)
	}
}

func FuzzParseCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + key30 + "|2^20|1:4 WSH=64")
	f.Fuzz(func(t *testing.T, line string) {
		c, err := ParseCrypto(line)
		if err != nil {
			return
		}
		c.Keys.MKI = nil
		back, err := ParseCrypto(c.Value())
		if err != nil || !back.Keys.Equal(&c.Keys) {
			t.Errorf("%q: %v", line, err)
		}
		if _, err := New(c.Keys); err != nil {
			t.Error(err)
		}
	})
}
