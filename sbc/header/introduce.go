package header

import "github.com/sallyport/sallyport/sbc/msg"

// Introduce gives a request as its sender is known to others, where the border knows by itself who that is: the number and name
// stand in From, and nothing else that the sender claims about itself is left. Anonymous is the sender's wish to stay unnamed,
// which becomes a Privacy header where it has none (RFC 3323 4.2, RFC 3325 9.3). The request itself stays as it is; it is the
// other's Original.
func Introduce(in *msg.Message, number, display string, anonymous bool) *msg.Message {
	out := in.Clone()
	out.Original = in
	var u msg.URI
	u.Scheme, u.User = "sip", msg.EscapeUser(number)
	if u.Host = in.From.URI.Host; anonymous {
		u.Host = ""
	}
	out.SetFrom(msg.NameAddr{Display: display, URI: u, Params: in.From.Params})
	for _, claim := range [...]string{hdrAsserted, hdrPreferred, hdrParty} {
		out.Remove(claim)
	}
	if anonymous && !out.Has("Privacy") {
		out.Append("Privacy", "id")
	}
	return out
}
