package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/certs"
)

// complete makes what a certificate or authority leaves to us: keys, roots, what an authority of ours issues.
func complete(get getter, r, before sbc.Resource) error {
	return certs.Complete(r, before, func(id string) (*sbc.CertificateAuthority, error) {
		found, err := get(sbc.KindCertificateAuthority, r.Base().TenantID, id)
		if err != nil {
			return nil, err
		}
		a, ok := found.(*sbc.CertificateAuthority)
		if !ok {
			return nil, missing(sbc.KindCertificateAuthority, id)
		}
		return a, nil
	}, time.Now())
}

// readSecurity answers with the request of a certificate or the root of an authority.
func (s *server) readSecurity(c echo.Context, who *caller) error {
	p, id := who.where()
	r, err := p.find(s.stored(c.Request().Context()), who.tenant(), id)
	if err != nil {
		return err
	}
	switch r := r.(type) {
	case *sbc.Certificate:
		if r.PrivateKeyPEM == "" {
			return sbc.Errorf(sbc.CodeNotFound, "the certificate has no key yet")
		}
		text, err := certs.Request(r)
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, certs.TypePEM, []byte(text))
	case *sbc.CertificateAuthority:
		form := rootForm(c.Request().Header.Get("Accept"))
		body, err := certs.Root(r, form)
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, form, body)
	}
	return missing(p.kind, id)
}

// rootForm is the first media type that is accepted and can be had, PEM where none is.
func rootForm(accept string) string {
	for part := range strings.SplitSeq(accept, ",") {
		media, _, _ := strings.Cut(part, ";")
		switch m := strings.ToLower(strings.TrimSpace(media)); m {
		case certs.TypePEM, certs.TypeDER, certs.TypeMobile:
			return m
		}
	}
	return certs.TypePEM
}
