package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/media/secure"
)

// secured is the phase in which the caller's media are encrypted.
const secured = "srtp"

// srtp measures processor time per packet between a caller with SRTP and a callee with RTP: half of the packets are sealed by the
// border and half are opened. The figure is that of AES_CM_128_HMAC_SHA1_80, which every phone has; GCM is told beside it. What this
// program seals and opens is not counted, as nothing of it is.
func (p *plan) srtp(ctx context.Context, s *server) (result, error) {
	var r result
	for i, suite := range []secure.Suite{secure.CM128HM80, secure.GCM128} {
		one, err := p.relayed(ctx, s, secured+"-"+string(suite), 300_000+i*100_000, suite)
		if err != nil {
			return result{}, fmt.Errorf("%s: %w", suite, err)
		}
		one.text, one.unit = string(suite)+": "+one.text, one.unit+", "+string(suite)
		if i == 0 {
			r = one
			continue
		}
		r.text += "; " + one.text
		r.more = append(r.more, result{value: one.value, unit: one.unit})
	}
	return r, nil
}

// keysInSDP is a media profile that encrypts by what the caller's SDP says, over UDP too.
func keysInSDP() rest.Object {
	return rest.Object{"name": "sdes", "srtp": "required", "srtp_keying": []string{"sdes"}, "srtp_keys_in_clear": true,
		"srtp_suites": []secure.Suite{secure.CM128HM80, secure.GCM128}}
}

// offered is the caller's SDP: with a key of its own for every call if a suite is named, else in the clear.
func offered(suite secure.Suite) (sdp []byte, keys secure.Keys, err error) {
	sdp = description(westHost)
	if suite == "" {
		return sdp, keys, nil
	}
	if keys, err = secure.Random(suite); err != nil {
		return nil, keys, err
	}
	line := secure.Crypto{Tag: "1", Keys: keys}
	sdp = bytes.Replace(sdp, []byte(" RTP/AVP "), []byte(" RTP/SAVP "), 1)
	return append(sdp, "a=crypto:"+line.Value()+"\r\n"...), keys, nil
}

// contexts are the caller's: it seals with the key it offered and opens with that of the answer, which must be of the same suite.
func contexts(keys secure.Keys, answer []byte) (seal, open *secure.Context, err error) {
	theirs, err := answered(answer)
	if err != nil {
		return nil, nil, err
	}
	if theirs.Suite != keys.Suite {
		return nil, nil, fmt.Errorf("%s was offered, %s answered", keys.Suite, theirs.Suite)
	}
	if seal, err = secure.New(keys); err != nil {
		return nil, nil, err
	}
	open, err = secure.New(theirs)
	return seal, open, err
}

// answered reads the key from an answer, which must say that the audio is encrypted.
func answered(m []byte) (keys secure.Keys, err error) {
	_, body, _ := bytes.Cut(m, []byte("\r\n\r\n"))
	encrypted := false
	for line := range strings.Lines(string(body)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "m=audio") && len(f) > 2 {
			encrypted = f[2] == "RTP/SAVP"
		}
		if value, ok := strings.CutPrefix(line, "a=crypto:"); ok && encrypted {
			line, err := secure.ParseCrypto(value)
			return line.Keys, err
		}
	}
	return keys, errors.New("the answer has no key for the audio")
}

// byPort gives the contexts that open, by the border's ports: it sends from where it is sent to. nil if all is in the clear.
func byPort(ends []end) map[int]*secure.Context {
	var out map[int]*secure.Context
	for _, e := range ends {
		if e.open == nil {
			continue
		}
		if out == nil {
			out = make(map[int]*secure.Context, len(ends))
		}
		out[e.to.Port] = e.open
	}
	return out
}
