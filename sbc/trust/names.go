package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"net/netip"
	"strings"
)

// sipDomain is id-kp-sipDomain: a certificate that is for SIP by its extended key usage (RFC 5924 3).
func sipDomain() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 20} }

// forSIP tells whether a certificate says that it is for SIP.
func forSIP(c *x509.Certificate) bool {
	for _, usage := range c.UnknownExtKeyUsage {
		if usage.Equal(sipDomain()) {
			return true
		}
	}
	return false
}

// Names lists whose a certificate is (RFC 5922 7.1), in lower case: the hosts of its SIP URIs without a user, its DNS names, its addresses.
func Names(c *x509.Certificate) []string {
	var names []string
	for _, u := range c.URIs {
		if host, ok := sipHost(u.Scheme, u.Opaque); ok {
			names = append(names, host)
		}
	}
	for _, n := range c.DNSNames {
		names = append(names, canonical(n))
	}
	for _, ip := range c.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			names = append(names, a.Unmap().String())
		}
	}
	return names
}

// sipHost is the host of a SIP URI; one with a user names a user and no domain, and sips is no identity (RFC 5922 7.1).
func sipHost(scheme, rest string) (string, bool) {
	if !strings.EqualFold(scheme, "sip") || strings.Contains(rest, "@") {
		return "", false
	}
	host, _, _ := strings.Cut(rest, ";")
	host, _, _ = strings.Cut(host, "?")
	return canonical(host), host != ""
}

// Named tells whether a name is among the names of a certificate: as a whole, whatever the case (RFC 5922 7.2). No wildcard of a
// certificate stands for anything else.
func Named(has []string, name string) bool {
	want := canonical(name)
	if want == "" {
		return false
	}
	for _, n := range has {
		if n == want {
			return true
		}
	}
	return false
}

// canonical is the form in which names are compared.
func canonical(name string) string {
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return a.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
