package trust_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/trust"
	"github.com/sallyport/sallyport/sbc/trust/trusttest"
)

// TestResumption: a session is resumed while nothing of the profile changes, and never with a certificate or an authority of before.
func TestResumption(t *testing.T) {
	ca, next := trusttest.NewAuthority(t, "root"), trusttest.NewAuthority(t, "next")
	us, phone := ca.Issue(t, nil, "s.example"), ca.Issue(t, nil, "phone.example")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		b := &bench{t: t}
		b.certificate("crt_s", us)
		b.profile("tls_s", func(p *sbc.TLSProfile) {
			p.CertificateIDs, p.ClientAuth, p.TrustAnchorsPEM = []string{"crt_s"}, sbc.ClientAuthRequire, ca.PEM()
		})
		b.compile()
		pair, err := tls.X509KeyPair([]byte(phone.Chain), []byte(phone.PEM))
		if err != nil {
			t.Fatal(err)
		}
		client := &tls.Config{
			InsecureSkipVerify: true, ServerName: "s.example", MaxVersion: version, Certificates: []tls.Certificate{pair},
			ClientSessionCache: tls.NewLRUClientSessionCache(4),
		}
		connect := func(what string, resumed bool, word string) {
			t.Helper()
			m := shake(t, b.set.Profile("tls_s").Server(), client)
			expect(t, what, m, word)
			if word == "" && m.server.DidResume != resumed {
				t.Errorf("%s: resumed %v", what, m.server.DidResume)
			}
		}
		connect("first", false, "")
		connect("second", true, "")
		b.profile("tls_other", func(*sbc.TLSProfile) {})
		b.compile()
		connect("after a change of something else", true, "")
		loaded := *b.rows.Certificates[0]
		b.rows.Certificates[0] = &loaded
		b.compile()
		connect("after the same was loaded again", true, "")

		fresh := ca.Issue(t, nil, "s.example")
		swapped := loaded
		swapped.CertificatePEM, swapped.PrivateKeyPEM = fresh.Chain, fresh.PEM
		b.rows.Certificates[0] = &swapped
		b.compile()
		connect("after a swap of the certificate", false, "")
		connect("and again", true, "")

		revoking := *b.rows.Profiles[0]
		revoking.RevokedPEM = ca.Revoke(t, phone.Cert)
		b.rows.Profiles[0] = &revoking
		b.compile()
		connect("after the client was revoked", false, "revoked")
		believing := revoking
		believing.RevokedPEM, believing.TrustAnchorsPEM = "", next.PEM()
		b.rows.Profiles[0] = &believing
		b.compile()
		connect("after a change of the authority", false, "certificate")
	}
}

// TestResumedSessionsAreVerifiedAgain: a ticket that is understood does not stand for a certificate whose time is over.
func TestResumedSessionsAreVerifiedAgain(t *testing.T) {
	ca := trusttest.NewAuthority(t, "root")
	phone := ca.Issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Minute) }, "phone.example")
	b := &bench{t: t}
	b.certificate("crt_s", ca.Issue(t, nil, "s.example"))
	b.profile("tls_s", func(p *sbc.TLSProfile) {
		p.CertificateIDs, p.ClientAuth, p.TrustAnchorsPEM = []string{"crt_s"}, sbc.ClientAuthRequire, ca.PEM()
	})
	b.compile()
	pair, err := tls.X509KeyPair([]byte(phone.Chain), []byte(phone.PEM))
	if err != nil {
		t.Fatal(err)
	}
	client := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}, ClientSessionCache: tls.NewLRUClientSessionCache(4), ServerName: "s"}
	expect(t, "first", shake(t, b.set.Profile("tls_s").Server(), client), "")
	later := b.set.Profile("tls_s").Server().Clone()
	later.Time = func() time.Time { return time.Now().Add(time.Hour) }
	if m := shake(t, later, client); m.server.DidResume {
		t.Error("a session of a certificate that is over was resumed")
	}
}

// TestSwapInTheClientRole: the next connection shows the new certificate.
func TestSwapInTheClientRole(t *testing.T) {
	ca := trusttest.NewAuthority(t, "root")
	b := &bench{t: t}
	b.certificate("crt_c", ca.Issue(t, nil, "one.example"))
	b.certificate("crt_s", ca.Issue(t, nil, "s.example"))
	b.profile("tls_c", func(p *sbc.TLSProfile) { p.CertificateIDs, p.TrustAnchorsPEM = []string{"crt_c"}, ca.PEM() })
	b.profile("tls_s", func(p *sbc.TLSProfile) {
		p.CertificateIDs, p.TrustAnchorsPEM, p.ClientAuth = []string{"crt_s"}, ca.PEM(), sbc.ClientAuthRequire
	})
	b.compile()
	for _, name := range []string{"one.example", "two.example"} {
		m := shake(t, b.set.Profile("tls_s").Server(), b.set.Profile("tls_c").Client("s.example", nil))
		expect(t, name, m, "")
		if got := m.server.PeerCertificates[0].DNSNames[0]; got != name || m.client.DidResume {
			t.Errorf("shown %s, want %s", got, name)
		}
		fresh, swapped := ca.Issue(t, nil, "two.example"), *b.rows.Certificates[0]
		swapped.CertificatePEM, swapped.PrivateKeyPEM = fresh.Chain, fresh.PEM
		b.rows.Certificates[0] = &swapped
		b.compile()
	}
}

// TestWithoutCertificateOrDisabled: nothing is shown, and nobody falls back to something else.
func TestWithoutCertificateOrDisabled(t *testing.T) {
	b := &bench{t: t}
	b.rows.Certificates = []*sbc.Certificate{{Meta: sbc.Meta{ID: "crt_p", Enabled: true}, Source: sbc.CertificateACME}}
	b.profile("tls_p", func(p *sbc.TLSProfile) { p.CertificateIDs = []string{"crt_p"} })
	b.profile("tls_off", func(p *sbc.TLSProfile) { p.Enabled = false })
	b.compile()
	expect(t, "pending", shake(t, b.set.Profile("tls_p").Server(), &tls.Config{InsecureSkipVerify: true}), "no certificate yet")
	if b.set.Profile("tls_off") != nil || b.set.Profile("tls_none") != nil || (*trust.Set)(nil).Profile("x") != nil {
		t.Error("a profile that is not in service is found")
	}
}

// TestFaults: what a write is refused for, and where it is said to be.
func TestFaults(t *testing.T) {
	root := trusttest.NewAuthority(t, "root")
	between := root.Between(t, "between")
	good, other := between.Issue(t, nil, "a.example"), between.Issue(t, nil, "b.example")
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	reversed := between.PEM() + strings.TrimSuffix(good.Chain, between.PEM())
	for _, tt := range []struct{ name, chain, key, want string }{
		{"good", good.Chain, good.PEM, ""},
		{"root at the end", good.Chain + root.PEM(), good.PEM, ""},
		{"another's key", good.Chain, other.PEM, "#/private_key_pem mismatch"},
		{"no key", good.Chain, "", "#/private_key_pem required"},
		{"key that is none", good.Chain, root.PEM(), "#/private_key_pem key"},
		{"out of order", reversed, good.PEM, "#/certificate_pem chain"},
		{"with a stranger", good.Chain + other.Chain, good.PEM, "#/certificate_pem chain"},
		{"twice", good.Chain + good.Chain, good.PEM, "#/certificate_pem chain"},
		{"key inside", good.Chain + good.PEM, good.PEM, "#/certificate_pem pem"},
		{"endless", strings.Repeat(good.Chain, 20), good.PEM, "#/certificate_pem chain"},
		{"nothing", "", good.PEM, "#/certificate_pem pem"},
		{"ed25519 of another", good.Chain, pkcs8(t, ed), "#/private_key_pem mismatch"},
		{"weak", good.Chain, pkcs8(t, weak), "#/private_key_pem key"},
		{"P-224", good.Chain, pkcs8(t, p224), "#/private_key_pem key"},
		{"broken", good.Chain, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "#/private_key_pem key"},
		{"protected", good.Chain, strings.ReplaceAll(good.PEM, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "#/private_key_pem key"},
	} {
		c := &sbc.Certificate{Source: sbc.CertificateUpload, CertificatePEM: tt.chain, PrivateKeyPEM: tt.key}
		_, problems := trust.Compile(trust.Rows{Certificates: []*sbc.Certificate{c}}, nil)
		checkFault(t, tt.name, problems, tt.want, tt.key)
	}
	leaf := &sbc.CertificateAuthority{CertificatePEM: good.Chain, PrivateKeyPEM: good.PEM}
	_, problems := trust.Compile(trust.Rows{Authorities: []*sbc.CertificateAuthority{leaf}}, nil)
	checkFault(t, "no authority", problems, "#/certificate_pem authority", good.PEM)
}

// TestRevocationsOfAnother: a list that claims an anchor's name has to be signed by it; one that nobody here is named in is kept.
func TestRevocationsOfAnother(t *testing.T) {
	root, double := trusttest.NewAuthority(t, "root"), trusttest.NewAuthority(t, "root")
	for _, tt := range []struct{ name, list, want string }{
		{"its own", root.Revoke(t), ""},
		{"of a stranger", trusttest.NewAuthority(t, "stranger").Revoke(t), ""},
		{"of a double", double.Revoke(t), "#/revoked_pem crl"},
	} {
		p := &sbc.TLSProfile{TrustAnchorsPEM: root.PEM(), RevokedPEM: tt.list}
		_, problems := trust.Compile(trust.Rows{Profiles: []*sbc.TLSProfile{p}}, nil)
		checkFault(t, tt.name, problems, tt.want, "")
	}
}

func checkFault(t *testing.T, name string, problems []trust.Problem, want, secret string) {
	t.Helper()
	got := ""
	for _, p := range problems {
		got += p.Fault.Pointer + " " + p.Fault.Code
		if lines := strings.Split(secret, "\n"); len(lines) > 1 && strings.Contains(p.Fault.Detail, lines[1]) {
			t.Errorf("%s: the key is quoted", name)
		}
	}
	if got != want {
		t.Errorf("%s: %q, want %q (%+v)", name, got, want, problems)
	}
}

func pkcs8(t *testing.T, key any) string {
	t.Helper()
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}
