package trust

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/sallyport/sallyport/sbc"
)

// revocations are lists of revoked certificates (RFC 5280 5).
type revocations []*revocation

// revocation is one list, with the serial numbers in it.
type revocation struct {
	list    *x509.RevocationList
	serials map[string]bool
}

// newRevocations reads lists. One that bears the name of an anchor has to be signed by it; who signed the others is seen when a peer brings
// the issuer along.
func newRevocations(text string, anchors []*x509.Certificate) (revocations, error) {
	if text == "" {
		return nil, nil
	}
	lists, err := sbc.ParseRevocations(text)
	if err != nil {
		return nil, err
	}
	var all revocations
	for i, l := range lists {
		for _, x := range l.Extensions {
			// A list of an extension that counts and is not understood must not be used (RFC 5280 5.2): one of changes only, or for a part of
			// the certificates.
			if x.Critical {
				return nil, fmt.Errorf("list %d has the critical extension %s, which is not known", i+1, x.Id)
			}
		}
		if !signed(l, anchors) {
			return nil, fmt.Errorf("list %d is not signed by %s, whose name it bears", i+1, l.Issuer)
		}
		r := &revocation{list: l, serials: make(map[string]bool, len(l.RevokedCertificateEntries))}
		for _, e := range l.RevokedCertificateEntries {
			r.serials[string(e.SerialNumber.Bytes())] = true
		}
		all = append(all, r)
	}
	return all, nil
}

// signed tells whether one of the anchors of the list's name signed it; true where none has the name.
func signed(l *x509.RevocationList, anchors []*x509.Certificate) bool {
	named := false
	for _, a := range anchors {
		if string(a.RawSubject) != string(l.RawIssuer) {
			continue
		}
		if named = true; l.CheckSignatureFrom(a) == nil {
			return true
		}
	}
	return !named
}

// errRevoked says that a certificate was taken back.
var errRevoked = errors.New("trust: the peer's certificate is revoked")

// check looks whether a certificate of a verified chain is revoked by its issuer, the next in the chain. A list that is out of date still
// counts: what it takes back stays so.
func (r revocations) check(chain []*x509.Certificate) error {
	for i := 0; i+1 < len(chain); i++ {
		for _, l := range r {
			if l.serials[string(chain[i].SerialNumber.Bytes())] && string(l.list.RawIssuer) == string(chain[i].RawIssuer) &&
				l.list.CheckSignatureFrom(chain[i+1]) == nil {
				return errRevoked
			}
		}
	}
	return nil
}
