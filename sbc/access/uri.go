package access

import (
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// about tells whether the uri of an answer means what the request is for (RFC 7616 3.4.6): else an answer that was overheard would
// serve for a call to somewhere else. The number or name must be the same, and so must the host, or both name the domain: its other
// names and our own addresses are the same place (RFC 3261 22.4 lets the two differ). Port, transport and other parameters may
// differ, for phones add and leave out both; so may sip, sips and tel. A domain may let the number be left out.
func (v *visit) about(uri string) bool {
	asked := v.req.RequestURI
	if uri == asked.Raw {
		return true
	}
	u, err := msg.ParseURI(uri)
	short := err == nil && v.domain.Digest.AllowShortURI && u.IsSIP() && u.User == ""
	if err != nil || !u.IsSIP() && !u.IsTel() || u.Number() != asked.Number() && !short {
		return false
	}
	return u.IsSIP() && asked.IsSIP() && strings.EqualFold(u.Host, asked.Host) || v.here(u) && v.here(asked)
}
