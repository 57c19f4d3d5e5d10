package call

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/netip"
	"strings"

	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/route"
)

// maxParts bounds the parts of a multipart body that are looked at.
const maxParts = 16

// sessionBody finds the SDP of a message: the body, or the part of a multipart body (RFC 5621) that is application/sdp. ok is
// false if the body must be understood and is not: the request gets 415 (RFC 3261 8.2.3).
func sessionBody(m *msg.Message) (sdp []byte, ok bool) {
	if len(m.Body) == 0 {
		return nil, true
	}
	if e := m.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, false
	}
	kind := m.Get("Content-Type")
	name, params, err := mime.ParseMediaType(kind)
	if err != nil {
		name, _, _ = strings.Cut(kind, ";")
		name = strings.ToLower(strings.TrimSpace(name))
	}
	switch {
	case name == accepted:
		return m.Body, true
	case strings.HasPrefix(name, "multipart/") && params["boundary"] != "":
		if sdp = partSDP(m.Body, params["boundary"]); sdp != nil {
			return sdp, true
		}
	}
	return nil, strings.Contains(strings.ToLower(m.Get("Content-Disposition")), "handling=optional")
}

// partSDP finds the first part that is SDP.
func partSDP(body []byte, boundary string) []byte {
	r := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxParts {
		p, err := r.NextRawPart()
		if err != nil {
			return nil
		}
		if name, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(name), accepted) {
			continue
		}
		sdp, err := io.ReadAll(io.LimitReader(p, int64(len(body))))
		if err != nil || len(sdp) == 0 {
			return nil
		}
		return sdp
	}
	return nil
}

// inviteTo builds the INVITE to an address: the number is the plan's, every host is ours or the target's. The host of From may be
// empty; it is known when the interface is.
func inviteTo(at *route.Attempt, from msg.NameAddr, userPhone bool) *msg.Message {
	var uri, to msg.URI
	uri.Scheme, uri.User, uri.Host, uri.Port = "sip", escape(at.Number), strings.Trim(at.Address, "[]"), at.Port
	to.Scheme, to.User, to.Host = "sip", uri.User, uri.Host
	if userPhone && header.IsNumber(at.Number) {
		uri.UriParams = msg.SetParam(uri.UriParams, "user", "phone")
		to.UriParams = msg.SetParam(to.UriParams, "user", "phone")
	}
	if at.Transport != "" && at.Transport != "udp" {
		uri.UriParams = msg.SetParam(uri.UriParams, "transport", string(at.Transport))
	}
	return dialog.NewInvite(uri, from, msg.NameAddr{URI: to})
}

// escape spells a number as the user part of a URI.
func escape(user string) string { return msg.EscapeUser(user) }

// harmless tells whether a display name is a name and not an address: nothing in it may name a host.
func harmless(display, host string) bool {
	lower := strings.ToLower(display)
	if strings.ContainsAny(display, "@:/\\<>\"") || host != "" && strings.Contains(lower, strings.ToLower(strings.Trim(host,
		"[]"))) {
		return false
	}
	for word := range strings.FieldsSeq(lower) {
		if i := strings.IndexByte(word, '.'); i >= 0 && i < len(word)-1 { // "Dr." is a title, "pbx.example" a host
			return false
		}
	}
	return true
}

// literal reads an address, with or without brackets; a name gives the zero Addr.
func literal(host string) netip.Addr {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap()
}
