// Package acme gets certificates by ACME (RFC 8555). It orders, and shows that our names are ours (http-01, RFC 8555 8.3; tls-alpn-01, RFC
// 8737); who needs a certificate, when, and what becomes of it is decided by others.
//
// Accounts, and the answers to challenges while they last, are kept in the state that all nodes share: whichever node the server comes to
// can answer.
package acme

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/certs"
	"github.com/sallyport/sallyport/sbc/trust"
)

// LetsEncrypt is the server where a certificate names none.
const LetsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

const (
	// orderTime bounds a whole order, answerTime one request to the server.
	orderTime  = 3 * time.Minute
	answerTime = 20 * time.Second
	// maxAnswer bounds what the server may answer, in bytes.
	maxAnswer = 1 << 20
)

// Options are what a Client needs.
type Options struct {
	// State keeps accounts and challenges for all nodes.
	State sbc.SharedState
	// HTTP and TLS say whether there is a listener for the challenges http-01 and tls-alpn-01.
	HTTP, TLS bool
	// Log may be nil.
	Log *slog.Logger
}

// Client orders certificates and answers challenges. It is safe for concurrent use.
type Client struct {
	o Options

	mu sync.Mutex
	// tokens are the answers of http-01 by token, names the challenges of tls-alpn-01 by name.
	tokens map[string]string
	names  map[string]acme.Challenge
}

// New makes a Client.
func New(o Options) *Client {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{o: o, tokens: map[string]string{}, names: map[string]acme.Challenge{}}
}

// Obtain orders a certificate as the resource describes it, with a new key; both come as PEM.
func (c *Client) Obtain(ctx context.Context, crt *sbc.Certificate) (chain, key string, err error) {
	ctx, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	client, err := c.client(crt)
	if err != nil {
		return "", "", err
	}
	defer client.HTTPClient.CloseIdleConnections()
	signer, key, err := certs.NewKey(crt.KeyType)
	if err != nil {
		return "", "", err
	}
	csr, err := acmez.NewCSR(signer, crt.Names)
	if err != nil {
		return "", "", fmt.Errorf("acme: request: %w", err)
	}
	place := account(crt)
	for attempt := range 2 {
		who, err := c.account(ctx, client, crt, place)
		if err != nil {
			return "", "", err
		}
		params, err := acmez.OrderParametersFromCSR(who, csr)
		if err != nil {
			return "", "", fmt.Errorf("acme: request: %w", err)
		}
		chains, err := client.ObtainCertificate(ctx, params)
		var problem acme.Problem
		if errors.As(err, &problem) && problem.Type == acme.ProblemTypeAccountDoesNotExist && attempt == 0 {
			// The server has forgotten us: it was made anew.
			if err := c.o.State.DeleteState(ctx, place); err != nil {
				return "", "", err
			}
			continue
		}
		if err != nil {
			return "", "", plain(err)
		}
		return checked(chains, key)
	}
	return "", "", errors.New("acme: the server does not know the account that it has just made")
}

// checked is the first chain, which has to fit the key.
func checked(chains []acme.Certificate, key string) (chain, keyPEM string, err error) {
	if len(chains) == 0 {
		return "", "", errors.New("acme: the server gave no certificate")
	}
	chain = string(chains[0].ChainPEM)
	if _, fault := trust.Pair(&sbc.Certificate{CertificatePEM: chain, PrivateKeyPEM: key}); fault != nil {
		return "", "", fmt.Errorf("acme: what the server gave is no certificate of ours: %s", fault.Detail)
	}
	return chain, key, nil
}

// plain is an error as people read it: what the server said, without the addresses of its resources.
func plain(err error) error {
	var problem acme.Problem
	if errors.As(err, &problem) {
		text := problem.Detail
		for _, sub := range problem.Subproblems {
			text += "; " + sub.Identifier.Value + ": " + sub.Detail
		}
		return fmt.Errorf("acme: the server refused: %.500s (%s)", text, strings.TrimPrefix(problem.Type, "urn:ietf:params:acme:error:"))
	}
	return fmt.Errorf("acme: %.500s", err.Error())
}

// client makes the client of one server, with the one challenge that is asked for.
func (c *Client) client(crt *sbc.Certificate) (*acmez.Client, error) {
	var solver acmez.Solver
	switch {
	case crt.ACME.Challenge == sbc.ChallengeALPN && c.o.TLS:
		solver = byTLS{c}
	case crt.ACME.Challenge == sbc.ChallengeHTTP && c.o.HTTP:
		solver = byHTTP{c}
	default:
		return nil, fmt.Errorf("acme: nobody listens for the challenge %s on this node: give its address at the start", crt.ACME.Challenge)
	}
	anchors, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("acme: the system's anchors: %w", err)
	}
	anchors.AppendCertsFromPEM([]byte(crt.ACME.TrustAnchorsPEM))
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: anchors, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: answerTime, ResponseHeaderTimeout: answerTime, MaxResponseHeaderBytes: 64 << 10,
	}
	return &acmez.Client{
		Client: &acme.Client{
			Directory: cmp.Or(crt.ACME.DirectoryURL, LetsEncrypt), UserAgent: "Sallyport", PollTimeout: orderTime,
			HTTPClient: &http.Client{Transport: bounded{transport}, Timeout: answerTime},
		},
		ChallengeSolvers: map[string]acmez.Solver{string(crt.ACME.Challenge): solver},
	}, nil
}

// bounded bounds the body of answers.
type bounded struct{ next *http.Transport }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	return answer, nil
}

// CloseIdleConnections lets go of the connections to the server.
func (b bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

// kept is an account as it is kept.
type kept struct {
	Account acme.Account `json:"account"`
	Key     string       `json:"key"`
}

// account is where the account of a certificate is kept: of one server and e-mail address, for all certificates of a tenant.
func account(crt *sbc.Certificate) string {
	sum := sha256.Sum256([]byte(cmp.Or(crt.ACME.DirectoryURL, LetsEncrypt) + "\n" + crt.ACME.Email + "\n" + crt.TenantID))
	return "acme/account/" + hex.EncodeToString(sum[:])
}

// account finds our account at the server, or makes one.
func (c *Client) account(ctx context.Context, client *acmez.Client, crt *sbc.Certificate, place string) (acme.Account, error) {
	raw, err := c.o.State.State(ctx, place)
	if err != nil {
		return acme.Account{}, err
	}
	var k kept
	if raw != nil && json.Unmarshal(raw, &k) == nil {
		if k.Account.PrivateKey, err = trust.ParseKey(k.Key); err == nil {
			return k.Account, nil
		}
	}
	signer, key, err := certs.NewKey(sbc.KeyECDSA256)
	if err != nil {
		return acme.Account{}, err
	}
	who := acme.Account{TermsOfServiceAgreed: crt.ACME.TermsAgreed, PrivateKey: signer}
	if crt.ACME.Email != "" {
		who.Contact = []string{"mailto:" + crt.ACME.Email}
	}
	if who, err = client.NewAccount(ctx, who); err != nil {
		return acme.Account{}, plain(err)
	}
	if raw, err = json.Marshal(kept{Account: who, Key: key}); err != nil {
		return acme.Account{}, fmt.Errorf("acme: account: %w", err)
	}
	return who, c.o.State.PutState(ctx, place, raw)
}
