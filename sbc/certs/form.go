package certs

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"text/template"

	"github.com/sallyport/sallyport/sbc"
)

// The media types of a root certificate.
const (
	TypePEM    = "application/x-pem-file"
	TypeDER    = "application/pkix-cert"            // RFC 5280, RFC 2585 4.1
	TypeMobile = "application/x-apple-aspen-config" // a configuration profile, which Apple's phones install
)

// Root is the certificate of an authority in one of the media types.
func Root(a *sbc.CertificateAuthority, mediaType string) ([]byte, error) {
	chain, err := sbc.ParseCertificates(a.CertificatePEM)
	if err != nil {
		return nil, fmt.Errorf("certs: the authority: %w", err)
	}
	switch mediaType {
	case TypePEM:
		return []byte(a.CertificatePEM), nil
	case TypeDER:
		return chain[0].Raw, nil
	case TypeMobile:
		return mobile(a, chain[0].Raw)
	}
	return nil, errors.New("certs: not a media type of certificates")
}

// profile is Apple's configuration profile with one root certificate. The identifiers follow from the authority's id, so that a phone
// which gets it again replaces it.
const profile = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>PayloadContent</key><array><dict>
<key>PayloadCertificateFileName</key><string>root.cer</string>
<key>PayloadContent</key><data>{{.Content}}</data>
<key>PayloadDisplayName</key><string>{{.Name}}</string>
<key>PayloadIdentifier</key><string>sallyport.{{.ID}}.root</string>
<key>PayloadType</key><string>com.apple.security.root</string>
<key>PayloadUUID</key><string>{{.Inner}}</string>
<key>PayloadVersion</key><integer>1</integer>
</dict></array>
<key>PayloadDisplayName</key><string>{{.Name}}</string>
<key>PayloadIdentifier</key><string>sallyport.{{.ID}}</string>
<key>PayloadType</key><string>Configuration</string>
<key>PayloadUUID</key><string>{{.Outer}}</string>
<key>PayloadVersion</key><integer>1</integer>
</dict></plist>
`

// mobile writes the configuration profile.
func mobile(a *sbc.CertificateAuthority, raw []byte) ([]byte, error) {
	t, err := template.New("profile").Parse(profile)
	if err != nil {
		return nil, fmt.Errorf("certs: profile: %w", err)
	}
	var name, b bytes.Buffer
	if err := xml.EscapeText(&name, []byte(a.Name)); err != nil {
		return nil, fmt.Errorf("certs: profile: %w", err)
	}
	err = t.Execute(&b, map[string]string{
		"Content": base64Of(raw), "Name": name.String(), "ID": a.ID, "Inner": uuidOf(a.ID + " root"), "Outer": uuidOf(a.ID),
	})
	return b.Bytes(), err
}
