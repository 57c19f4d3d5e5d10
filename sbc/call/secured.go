package call

import (
	"bytes"
	"errors"
	"slices"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// Whether media of a leg are encrypted is said by the media profile of its trunk. Keys of SDES travel in SDP, so they are told, and
// believed, only where the leg's signalling is encrypted, unless the profile has it otherwise. What a peer must not do without, or did not
// do without before, is refused with 488, and told by an event; the call that is up goes on as it was.

// secureMedia is what a media profile says of encryption, for a leg.
func (l *leg) secureMedia(p *sbc.MediaProfile) media.Secure {
	if p.SRTP != sbc.SRTPOptional && p.SRTP != sbc.SRTPRequired || l.desk != nil || l.gone || l.unsealed {
		return media.Secure{}
	}
	s := media.Secure{Mode: media.SRTPOptional, Keys: tellsKeys(p, l.sealed)}
	if p.SRTP == sbc.SRTPRequired {
		s.Mode = media.SRTPRequired
	}
	for _, way := range p.SRTPKeying {
		s.Keying = append(s.Keying, keying(way))
	}
	for _, suite := range p.SRTPSuites {
		s.Suites = append(s.Suites, media.SRTPSuite(suite))
	}
	return s
}

// keying is a way to agree on keys in the words of the media plane.
func keying(k sbc.SRTPKeying) media.Keying {
	if k == sbc.KeyingDTLS {
		return media.DTLS
	}
	return media.SDES
}

// reachMedia sets how media of a leg are reached.
func (l *leg) reachMedia(p *sbc.MediaProfile, o *media.PartyOptions) {
	o.ICE, o.RTCPMux = p.ICE == sbc.ICELite && l.desk == nil && !l.gone, p.RTCPMux
}

// unkeyed is a leg whose handshake failed for good, or was with somebody whose certificate signalling did not tell of: nothing passes to
// it or from it, and the call ends, since nobody can talk.
func (c *Call) unkeyed(l *leg, err error) {
	if l == nil { // it has left
		return
	}
	reason := "no handshake"
	if errors.Is(err, media.ErrFingerprint) {
		reason = "another certificate"
	}
	c.m.o.Log.Info("media without keys", "call_id", c.id, "side", l.side, "error", err)
	c.event(sbc.EventSecurityMedia, l, map[string]string{"side": string(l.side), "reason": reason})
	c.stop(stopOrder{reason: sbc.EndError})
}

// tellsKeys says whether keys may be told by SDES, where signalling is encrypted or not.
func tellsKeys(p *sbc.MediaProfile, sealed bool) bool {
	return slices.Contains(p.SRTPKeying, sbc.KeyingSDES) && (sealed || p.SRTPKeysInClear)
}

// sealedTo tells whether the INVITE of an attempt travels encrypted, to all phones that it rings.
func sealedTo(at *route.Attempt) bool {
	if at.Callee == nil {
		return at.Transport.Encrypted()
	}
	for i := range at.Callee.Phones {
		p := &at.Callee.Phones[i]
		if !sealedPhone(&p.Target) || slices.ContainsFunc(p.Others, func(o route.Phone) bool { return !sealedPhone(&o.Target) }) {
			return false
		}
	}
	return len(at.Callee.Phones) > 0
}

func sealedPhone(t *msg.Target) bool {
	if t.Flow != nil {
		return t.Flow.Secure || t.Flow.Transport.Encrypted()
	}
	return t.Secure || t.Transport.Encrypted()
}

// explainSRTP shows whether media of an attempt would be encrypted; "" where they are not.
func explainSRTP(snap *config.Snapshot, at *route.Attempt) sbc.SRTPMode {
	t := snap.Trunk(at.TrunkID)
	if t == nil || at.Agent != "" {
		return ""
	}
	p := snap.Media(t)
	if p.SRTP != sbc.SRTPOff && !slices.Contains(p.SRTPKeying, sbc.KeyingDTLS) && !tellsKeys(p, sealedTo(at)) {
		return sbc.SRTPNoKeys
	}
	return p.SRTP
}

// unsealedMedia tells by an event that media of a leg are not encrypted as they must be; other faults are none of that.
func (c *Call) unsealedMedia(l *leg, err error) {
	reason := ""
	switch {
	case errors.Is(err, media.ErrPlain):
		reason = "not offered encrypted"
	case errors.Is(err, media.ErrNoKeys):
		reason = "no keys can be agreed on"
	case errors.Is(err, media.ErrDeclined):
		reason = "encryption not answered"
	default:
		return
	}
	c.event(sbc.EventSecurityMedia, l, map[string]string{"side": string(l.side), "reason": reason})
}

// mediaWord is what the record says of an attempt whose media came to nothing.
func mediaWord(err error) string {
	if errors.Is(err, media.ErrPlain) || errors.Is(err, media.ErrNoKeys) || errors.Is(err, media.ErrDeclined) {
		return "not encrypted"
	}
	return "media"
}

// offersKeys says whether an offer of ours has keys, or a handshake, in it.
func offersKeys(body []byte) bool {
	return bytes.Contains(body, []byte("a=crypto:")) || bytes.Contains(body, []byte("a=fingerprint:"))
}

// opensUp makes the next attempt the same one again, in the clear, where the peer refused an offer for the keys in it that it need not
// have taken (RFC 8643 3): some do not know that they may leave them alone. False leaves the refusal a failure.
func (c *Call) opensUp(r *request, res *msg.Message) bool {
	l := r.leg
	if res.Status != 415 && res.Status != 488 && res.Status != 606 || l.unsealed || len(l.branches) > 1 || c.hunt.next == 0 ||
		c.snap.Media(l.trunk).SRTP != sbc.SRTPOptional || !offersKeys(r.req.Body) {
		return false
	}
	c.hunt.next--
	c.hunt.unsealed = c.hunt.next + 1
	return true
}
