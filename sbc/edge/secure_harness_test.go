package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// authority issues certificates.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.key = newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue makes a certificate; names that begin with "sip:" are SIP domains.
func (a *authority) issue(names ...string) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if u, err := url.Parse(n); err == nil && u.Scheme == "sip" {
			tmpl.URIs = append(tmpl.URIs, u)
		} else if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// profile makes a profile that shows a certificate and believes the authority.
func (a *authority) profile(c tls.Certificate, client tls.ClientAuthType) TLS {
	return TLS{
		Server: &tls.Config{Certificates: []tls.Certificate{c}, ClientAuth: client, ClientCAs: a.pool, MinVersion: tls.VersionTLS12},
		Client: func(name string) *tls.Config {
			return &tls.Config{ServerName: name, RootCAs: a.pool, Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
		},
		Handshake: 2 * time.Second, VerifiesServers: true, VerifiesClients: client == tls.RequireAndVerifyClientCert,
		Names: func(c *x509.Certificate) []string { return c.DNSNames },
	}
}

// profiles are what Options.TLS answers with.
type profiles struct {
	mu sync.Mutex
	by map[string]TLS
}

func (p *profiles) get(id string) (TLS, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.by[id]
	return t, ok
}

func (p *profiles) set(id string, t TLS) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil {
		p.by = map[string]TLS{}
	}
	p.by[id] = t
}

// secured is an edge with profile "p" that answers 200 and keeps what it handled.
type secured struct {
	*Edge
	*owner
	profiles *profiles
}

func newSecured(t *testing.T, p TLS, with func(*Options), ls ...Listener) *secured {
	t.Helper()
	s := &secured{owner: &owner{}, profiles: &profiles{}}
	s.profiles.set("p", p)
	s.onHandle = func(tx msg.ServerTx, m *msg.Message) {
		if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
			t.Errorf("Respond: %v", err)
		}
	}
	o := s.options()
	o.TLS = s.profiles.get
	if with != nil {
		with(&o)
	}
	for i := range ls {
		if ls[i].Transport.Encrypted() {
			ls[i].TLSProfileID = "p"
		}
	}
	s.Edge = onLoopback(t, o, ls...)
	return s
}

// last is the newest request that came.
func (s *secured) last() *msg.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.handled) == 0 {
		return nil
	}
	return s.handled[len(s.handled)-1]
}

// ask sends a request by TLS and gives its final response or error.
func (s *secured) ask(t *testing.T, to netip.AddrPort, change func(*msg.Target, *msg.Message)) (*msg.Message, error) {
	t.Helper()
	type outcome struct {
		res *msg.Message
		err error
	}
	done := make(chan outcome, 4)
	o := msg.Outbound{
		Request: newRequest(msg.OPTIONS, to),
		Target:  msg.Target{Host: to.Addr().String(), Port: int(to.Port()), Transport: sbc.TransportTLS, Interfaces: []string{"tls"}},
		Owner: &msg.OwnerFuncs{
			OnPrepare: func(m *msg.Message, l msg.Local) { m.Set("Contact", l.Contact("x")) },
			OnResponse: func(_ msg.ClientTx, m *msg.Message) {
				if m.Status >= 200 {
					done <- outcome{res: m}
				}
			},
			OnFailed: func(_ msg.ClientTx, err error) { done <- outcome{err: err} },
		},
	}
	if change != nil {
		change(&o.Target, o.Request)
	}
	s.Send(o)
	select {
	case d := <-done:
		return d.res, d.err
	case <-time.After(deadline):
		t.Fatal("no outcome")
		return nil, nil
	}
}

// until waits for a condition.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(deadline)
	for !f() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: did not happen", what)
		}
	}
}
