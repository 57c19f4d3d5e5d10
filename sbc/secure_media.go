package sbc

import "fmt"

// SRTPMode says whether media of a trunk or realm are encrypted (RFC 3711).
type SRTPMode string

// The modes.
const (
	SRTPOff      SRTPMode = "off"      // never: what is offered encrypted is refused
	SRTPOptional SRTPMode = "optional" // where the peer can (opportunistic, RFC 8643)
	SRTPRequired SRTPMode = "required" // or there is no call
	// SRTPNoKeys is what an explanation shows where encryption is wanted and keys may not be told: it is no mode of a profile.
	SRTPNoKeys SRTPMode = "no_keys"
)

// SRTPKeying is how the keys are agreed on.
type SRTPKeying string

// The ways.
const (
	KeyingSDES SRTPKeying = "sdes" // in SDP (RFC 4568)
	KeyingDTLS SRTPKeying = "dtls" // by a handshake beside the media (RFC 5763, RFC 5764)
)

// SRTPSuite is a way to encrypt, by its name in SDP.
type SRTPSuite string

// The suites.
const (
	SuiteGCM128    SRTPSuite = "AEAD_AES_128_GCM"        // RFC 7714
	SuiteGCM256    SRTPSuite = "AEAD_AES_256_GCM"        // RFC 7714
	SuiteCM128HM80 SRTPSuite = "AES_CM_128_HMAC_SHA1_80" // RFC 4568 6.2.1
	SuiteCM128HM32 SRTPSuite = "AES_CM_128_HMAC_SHA1_32" // RFC 4568 6.2.2
	SuiteCM256HM80 SRTPSuite = "AES_256_CM_HMAC_SHA1_80" // RFC 6188
	SuiteCM256HM32 SRTPSuite = "AES_256_CM_HMAC_SHA1_32" // RFC 6188
)

// SRTPSuites lists all suites, the preferred first.
func SRTPSuites() []SRTPSuite {
	return []SRTPSuite{SuiteGCM128, SuiteGCM256, SuiteCM128HM80, SuiteCM256HM80, SuiteCM128HM32, SuiteCM256HM32}
}

// ICEMode says whether ICE is spoken.
type ICEMode string

// The modes.
const (
	ICEOff  ICEMode = "off"  // what the peer offers of it is left out of the answer
	ICELite ICEMode = "lite" // RFC 8445 2.5: we answer checks, and send media to the pair that the peer chose
)

// ZRTPMode says what becomes of ZRTP (RFC 6189), which the phones speak among themselves.
type ZRTPMode string

// The modes.
const (
	ZRTPPass  ZRTPMode = "pass"
	ZRTPStrip ZRTPMode = "strip"
)

// SecureMedia is what a media profile says of encryption and of how a peer of the open internet is reached.
type SecureMedia struct {
	SRTP SRTPMode `json:"srtp"`
	// SRTPKeying are the ways that are accepted; the first is offered.
	SRTPKeying []SRTPKeying `json:"srtp_keying"`
	// SRTPSuites are accepted and, in this order, offered.
	SRTPSuites []SRTPSuite `json:"srtp_suites"`
	// SRTPKeysInClear takes and gives SDES keys over signalling that is not encrypted. Otherwise they count as not offered.
	SRTPKeysInClear bool    `json:"srtp_keys_in_clear"`
	ICE             ICEMode `json:"ice"`
	// RTCPMux puts RTCP on the port of RTP where the peer can (RFC 5761); it is asked for in our offers. With ICE or keys by DTLS that is
	// so in any case.
	RTCPMux bool     `json:"rtcp_mux"`
	ZRTP    ZRTPMode `json:"zrtp"`
}

// defaults: nothing encrypted, no ICE, ZRTP passes.
func (m *SecureMedia) defaults() {
	m.SRTP, m.SRTPKeying, m.SRTPSuites = SRTPOff, []SRTPKeying{KeyingSDES, KeyingDTLS}, SRTPSuites()
	m.ICE, m.ZRTP = ICEOff, ZRTPPass
}

func (m *SecureMedia) validate(f *faults) {
	oneOf(f, "#/srtp", m.SRTP, SRTPOff, SRTPOptional, SRTPRequired)
	oneOf(f, "#/ice", m.ICE, ICEOff, ICELite)
	oneOf(f, "#/zrtp", m.ZRTP, ZRTPPass, ZRTPStrip)
	list(f, "#/srtp_keying", m.SRTPKeying, KeyingSDES, KeyingDTLS)
	list(f, "#/srtp_suites", m.SRTPSuites, SRTPSuites()...)
}

// list checks a list of words, of which each stands once and one at least.
func list[T ~string](f *faults, pointer string, words []T, allowed ...T) {
	if len(words) == 0 {
		f.add(pointer, "required", "must not be empty")
	}
	seen := map[T]bool{}
	for i, w := range words {
		at := fmt.Sprintf("%s/%d", pointer, i)
		oneOf(f, at, w, allowed...)
		if seen[w] {
			f.add(at, "duplicate", "stands there twice")
		}
		seen[w] = true
	}
}
