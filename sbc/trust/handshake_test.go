package trust_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/trust"
	"github.com/sallyport/sallyport/sbc/trust/trusttest"
)

// bench is a small world: profiles and certificates that are compiled again after each change.
type bench struct {
	t    *testing.T
	rows trust.Rows
	set  *trust.Set
}

// certificate adds one of ours.
func (b *bench) certificate(id string, i trusttest.Issued) {
	c := &sbc.Certificate{}
	c.Defaults()
	c.ID, c.Enabled, c.CertificatePEM, c.PrivateKeyPEM = id, true, i.Chain, i.PEM
	b.rows.Certificates = append(b.rows.Certificates, c)
}

// profile adds a profile.
func (b *bench) profile(id string, change func(p *sbc.TLSProfile)) {
	p := &sbc.TLSProfile{}
	p.Defaults()
	p.ID, p.Enabled, p.TrustSystem = id, true, false
	change(p)
	b.rows.Profiles = append(b.rows.Profiles, p)
}

// compile compiles what has changed.
func (b *bench) compile() {
	b.t.Helper()
	set, problems := trust.Compile(b.rows, b.set)
	for _, p := range problems {
		b.t.Fatalf("%s %s: %+v", p.Resource.Kind(), p.Resource.Base().ID, p.Fault)
	}
	b.set = set
}

// met is what both sides know after a handshake.
type met struct {
	client, server       tls.ConnectionState
	clientErr, serverErr error
}

// err is what became of the handshake.
func (m met) err() error {
	if m.clientErr != nil && !strings.Contains(m.clientErr.Error(), "remote error") {
		return m.clientErr
	}
	if m.serverErr != nil && !strings.Contains(m.serverErr.Error(), "remote error") {
		return m.serverErr
	}
	return m.clientErr
}

// shake makes a real handshake, and sends an octet each way so that tickets and refusals arrive.
func shake(t *testing.T, server, client *tls.Config) met {
	t.Helper()
	a, z := connected(t)
	deadline := time.Now().Add(5 * time.Second)
	for _, c := range []net.Conn{a, z} {
		if err := c.SetDeadline(deadline); err != nil {
			t.Fatal(err)
		}
	}
	var m met
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := tls.Server(a, server)
		if m.serverErr = s.Handshake(); m.serverErr == nil {
			m.server = s.ConnectionState()
			_, _ = s.Write([]byte("x"))
			_, _ = s.Read(make([]byte, 1))
		}
		_ = a.Close()
	}()
	c := tls.Client(z, client)
	if m.clientErr = c.Handshake(); m.clientErr == nil {
		m.client = c.ConnectionState()
		if _, m.clientErr = io.ReadFull(c, make([]byte, 1)); m.clientErr == nil {
			_, _ = c.Write([]byte("y"))
		}
	}
	_ = z.Close()
	<-done
	return m
}

// connected are the ends of a connection. It has room for what nobody reads yet, which net.Pipe has not: tickets may cross the client's
// last message.
func connected(t *testing.T) (a, z net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if z, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if a, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, z
}

// expect checks how a handshake ended: "" is well, else a word of the reason.
func expect(t *testing.T, what string, m met, word string) {
	t.Helper()
	switch err := m.err(); {
	case word == "" && err != nil:
		t.Errorf("%s: %v", what, err)
	case word != "" && (err == nil || !strings.Contains(err.Error(), word)):
		t.Errorf("%s: %v, want an error with %q", what, err, word)
	}
}

// TestServerShowsTheCertificateAskedFor: SNI exact, then wildcard, else the first.
func TestServerShowsTheCertificateAskedFor(t *testing.T) {
	ca := trusttest.NewAuthority(t, "root")
	b := &bench{t: t}
	for id, name := range map[string]string{"crt_a": "a.example", "crt_b": "B.example", "crt_w": "*.w.example", "crt_x": "x.w.example"} {
		b.certificate(id, ca.Issue(t, nil, name))
	}
	b.profile("tls_s", func(p *sbc.TLSProfile) { p.CertificateIDs = []string{"crt_a", "crt_w", "crt_b", "crt_x", "crt_gone"} })
	b.compile()
	server := b.set.Profile("tls_s").Server()
	for asked, want := range map[string]string{
		"a.example": "a.example", "b.example": "B.example", "y.w.example": "*.w.example", "x.w.example": "x.w.example",
		"z.y.w.example": "a.example", "other.example": "a.example", "": "a.example",
	} {
		m := shake(t, server, &tls.Config{ServerName: asked, InsecureSkipVerify: true})
		expect(t, asked, m, "")
		if got := m.client.PeerCertificates; len(got) != 1 || got[0].DNSNames[0] != want {
			t.Errorf("%q was shown %v, want %s", asked, got[0].DNSNames, want)
		}
	}
}

// TestVersionsAndSuites: nothing older than 1.2, nothing that the profile leaves out.
func TestVersionsAndSuites(t *testing.T) {
	ca := trusttest.NewAuthority(t, "root")
	b := &bench{t: t}
	b.certificate("crt_a", ca.Issue(t, nil, "a.example"))
	const suite = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
	b.profile("tls_12", func(p *sbc.TLSProfile) { p.CertificateIDs, p.CipherSuites = []string{"crt_a"}, []string{suite} })
	b.profile("tls_13", func(p *sbc.TLSProfile) { p.CertificateIDs, p.MinVersion = []string{"crt_a"}, sbc.TLS13 })
	b.compile()
	of := func(lowest, highest uint16, suites ...uint16) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, MinVersion: lowest, MaxVersion: highest, CipherSuites: suites}
	}
	s12, s13 := b.set.Profile("tls_12").Server(), b.set.Profile("tls_13").Server()
	expect(t, "1.1", shake(t, s12, of(tls.VersionTLS10, tls.VersionTLS11)), "version")
	expect(t, "another suite", shake(t, s12, of(0, tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)), "cipher suite")
	expect(t, "1.2 with 1.3", shake(t, s13, of(0, tls.VersionTLS12)), "version")
	m := shake(t, s12, of(0, tls.VersionTLS12))
	expect(t, "1.2", m, "")
	if tls.CipherSuiteName(m.server.CipherSuite) != suite {
		t.Error(tls.CipherSuiteName(m.server.CipherSuite))
	}
	m = shake(t, s13, of(0, 0))
	if expect(t, "1.3", m, ""); m.server.Version != tls.VersionTLS13 {
		t.Error(m.server.Version)
	}
}

// TestClientCertificates: who may connect, by what is asked of clients.
func TestClientCertificates(t *testing.T) {
	root, other := trusttest.NewAuthority(t, "root"), trusttest.NewAuthority(t, "other")
	between := root.Between(t, "between")
	good := between.Issue(t, nil, "phone.example")
	revoked, between2 := between.Issue(t, nil, "lost.example"), root.Between(t, "taken back")
	past := root.Issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "old.example")
	server := root.Issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "gw.example")
	mail := root.Issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }, "mx.example")
	sip := root.Issue(t, func(c *x509.Certificate) {
		c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 20}}
	}, "sip:gw.example")
	b := &bench{t: t}
	b.certificate("crt_s", root.Issue(t, nil, "s.example"))
	ids := []string{"crt_s"}
	lists := between.Revoke(t, revoked.Cert) + root.Revoke(t, between2.Cert)
	for _, how := range []sbc.ClientAuth{sbc.ClientAuthOff, sbc.ClientAuthRequest, sbc.ClientAuthRequire} {
		b.profile(string(how), func(p *sbc.TLSProfile) {
			p.CertificateIDs, p.ClientAuth, p.TrustAnchorsPEM, p.RevokedPEM = ids, how, root.PEM(), lists
		})
	}
	b.compile()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, tt := range []struct {
			name             string
			shown            *trusttest.Issued
			request, require string
		}{
			{"nothing", nil, "", "certificate"},
			{"good", &good, "", ""},
			{"by nobody we believe", ptr(other.Issue(t, nil, "phone.example")), "not believed", "not believed"},
			{"revoked", &revoked, "revoked", "revoked"},
			{"of an authority that is revoked", ptr(between2.Issue(t, nil, "phone.example")), "revoked", "revoked"},
			{"expired", &past, "not believed", "not believed"},
			{"for a server", &server, "", ""},
			{"for mail", &mail, "not believed", "not believed"},
			{"for SIP", &sip, "", ""},
		} {
			client := &tls.Config{InsecureSkipVerify: true, MaxVersion: version}
			if tt.shown != nil {
				pair, err := tls.X509KeyPair([]byte(tt.shown.Chain), []byte(tt.shown.PEM))
				if err != nil {
					t.Fatal(err)
				}
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			}
			expect(t, tt.name+", off", shake(t, b.set.Profile("off").Server(), client), "")
			expect(t, tt.name+", request", shake(t, b.set.Profile("request").Server(), client), tt.request)
			m := shake(t, b.set.Profile("require").Server(), client)
			expect(t, tt.name+", require", m, tt.require)
			if tt.require == "" && (len(m.server.PeerCertificates) == 0 || !b.set.Profile("require").Verifies(false)) {
				t.Errorf("%s: the server knows no peer", tt.name)
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

// TestServerNames: for whom the certificate has to be that a server shows us (RFC 5922 7).
func TestServerNames(t *testing.T) {
	ca := trusttest.NewAuthority(t, "root")
	b := &bench{t: t}
	b.profile("tls_c", func(p *sbc.TLSProfile) {
		p.TrustAnchorsPEM, p.PeerNames = ca.PEM(), []string{"alias.example", "*.literal.example", "192.0.2.7"}
	})
	b.profile("tls_any", func(p *sbc.TLSProfile) { p.VerifyPeer = false })
	b.compile()
	for _, tt := range []struct {
		asked, more string
		has         []string
		good        bool
	}{
		{"gw.example", "", []string{"gw.example"}, true},
		{"GW.Example.", "", []string{"gw.EXAMPLE"}, true},
		{"gw.example", "", []string{"sip:gw.example"}, true},
		{"gw.example", "", []string{"sips:gw.example"}, false},
		{"gw.example", "", []string{"sip:alice@gw.example"}, false},
		{"gw.example", "", []string{"*.example"}, false},
		{"gw.literal.example", "", []string{"*.literal.example"}, true},
		{"gw.example", "", []string{"alias.example"}, true},
		{"gw.example", "carrier.example", []string{"carrier.example"}, true},
		{"gw.example", "", []string{"carrier.example"}, false},
		{"gw.example", "", nil, false},
		{"198.51.100.1", "", []string{"198.51.100.1"}, true},
		{"[2001:db8::1]", "", []string{"2001:db8:0::1"}, true},
		{"198.51.100.2", "", []string{"198.51.100.1"}, false},
		{"198.51.100.2", "", []string{"192.0.2.7"}, true},
		{"peer", "", []string{"*"}, false},
	} {
		i := ca.Issue(t, nil, tt.has...) // its common name is "peer", which is read by nobody
		pair, err := tls.X509KeyPair([]byte(i.Chain), []byte(i.PEM))
		if err != nil {
			t.Fatal(err)
		}
		server := &tls.Config{Certificates: []tls.Certificate{pair}}
		word := "is for"
		if tt.good {
			word = ""
		}
		expect(t, tt.asked+" "+strings.Join(tt.has, ","),
			shake(t, server, b.set.Profile("tls_c").Client(tt.asked, []string{tt.more})), word)
		expect(t, "unverified "+tt.asked, shake(t, server, b.set.Profile("tls_any").Client(tt.asked, nil)), "")
	}
	if b.set.Profile("tls_any").Verifies(true) || !b.set.Profile("tls_c").Verifies(true) {
		t.Error("it is not told whether a server was verified")
	}
}

// TestServersThatAreNotBelieved: chain, time, purpose and revocation count in the role of a client, too.
func TestServersThatAreNotBelieved(t *testing.T) {
	ca, other := trusttest.NewAuthority(t, "root"), trusttest.NewAuthority(t, "root")
	revoked := ca.Issue(t, nil, "gw.example")
	b := &bench{t: t}
	b.profile("tls_c", func(p *sbc.TLSProfile) { p.TrustAnchorsPEM, p.RevokedPEM = ca.PEM(), ca.Revoke(t, revoked.Cert) })
	b.compile()
	for what, i := range map[string]trusttest.Issued{
		"other":   other.Issue(t, nil, "gw.example"),
		"revoked": revoked,
		"past":    ca.Issue(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }, "gw.example"),
		"future":  ca.Issue(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, "gw.example"),
		"client":  ca.Issue(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, "gw.example"),
	} {
		pair, err := tls.X509KeyPair([]byte(i.Chain), []byte(i.PEM))
		if err != nil {
			t.Fatal(err)
		}
		expect(t, what, shake(t, &tls.Config{Certificates: []tls.Certificate{pair}}, b.set.Profile("tls_c").Client("gw.example", nil)), "trust: ")
	}
}

// TestClientShowsWhatTheServerBelieves: of several certificates the one that the server's authorities issued.
func TestClientShowsWhatTheServerBelieves(t *testing.T) {
	one, two, three := trusttest.NewAuthority(t, "one"), trusttest.NewAuthority(t, "two"), trusttest.NewAuthority(t, "three")
	b := &bench{t: t}
	b.certificate("crt_1", one.Issue(t, nil, "us.one.example"))
	b.certificate("crt_2", two.Issue(t, nil, "us.two.example"))
	b.profile("tls_c", func(p *sbc.TLSProfile) { p.CertificateIDs, p.VerifyPeer = []string{"crt_1", "crt_2"}, false })
	for name, ca := range map[string]*trusttest.Authority{"one": one, "two": two, "three": three} {
		b.profile(name, func(p *sbc.TLSProfile) {
			p.CertificateIDs, p.ClientAuth, p.TrustAnchorsPEM = []string{"crt_1"}, sbc.ClientAuthRequest, ca.PEM()
		})
	}
	b.compile()
	for name, want := range map[string]string{"one": "us.one.example", "two": "us.two.example", "three": ""} {
		m := shake(t, b.set.Profile(name).Server(), b.set.Profile("tls_c").Client("s.example", nil))
		expect(t, name, m, "")
		got := ""
		if len(m.server.PeerCertificates) > 0 {
			got = m.server.PeerCertificates[0].DNSNames[0]
		}
		if got != want {
			t.Errorf("%s was shown %q, want %q", name, got, want)
		}
	}
}
