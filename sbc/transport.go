package sbc

import (
	"fmt"
	"net/url"
)

// Encrypted tells whether what travels by it cannot be read on the way.
func (t Transport) Encrypted() bool { return t == TransportTLS || t == TransportWSS }

// Stream tells whether it has connections.
func (t Transport) Stream() bool { return t != TransportUDP && t != TransportAuto }

// WebSocket tells whether it is one of RFC 7118.
func (t Transport) WebSocket() bool { return t == TransportWS || t == TransportWSS }

// origins checks a list of origins of web pages.
func (f *faults) origins(pointer string, list []string) {
	f.entries(pointer, len(list))
	for i, o := range list {
		u, err := url.Parse(o)
		if o == "*" || err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && o == u.Scheme+"://"+u.Host {
			continue
		}
		f.add(fmt.Sprintf("%s/%d", pointer, i), "pattern", fmt.Sprintf("%q is not an origin such as https://phone.example", o))
	}
}

// url checks an address of the web.
func (f *faults) url(pointer, s string) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || len(s) > 2048 {
		f.add(pointer, "url", fmt.Sprintf("%q is not an https URL", s))
	}
}
