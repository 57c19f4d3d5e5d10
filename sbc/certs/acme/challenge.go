package acme

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"
)

// Where the answers to challenges are kept.
const (
	tokenPlace = "acme/token/"
	namePlace  = "acme/name/"
)

// byHTTP answers http-01.
type byHTTP struct{ c *Client }

// Present puts the answer where the listeners of all nodes find it.
func (s byHTTP) Present(ctx context.Context, ch acme.Challenge) error {
	s.c.mu.Lock()
	s.c.tokens[ch.Token] = ch.KeyAuthorization
	s.c.mu.Unlock()
	return s.c.o.State.PutState(ctx, tokenPlace+ch.Token, []byte(ch.KeyAuthorization))
}

// CleanUp takes it away.
func (s byHTTP) CleanUp(ctx context.Context, ch acme.Challenge) error {
	s.c.mu.Lock()
	delete(s.c.tokens, ch.Token)
	s.c.mu.Unlock()
	return s.c.o.State.DeleteState(context.WithoutCancel(ctx), tokenPlace+ch.Token)
}

// byTLS answers tls-alpn-01.
type byTLS struct{ c *Client }

// Present puts the challenge where the listeners of all nodes find it.
func (s byTLS) Present(ctx context.Context, ch acme.Challenge) error {
	name := strings.ToLower(ch.Identifier.Value)
	raw, err := json.Marshal(ch)
	if err != nil {
		return err
	}
	s.c.mu.Lock()
	s.c.names[name] = ch
	s.c.mu.Unlock()
	return s.c.o.State.PutState(ctx, namePlace+name, raw)
}

// CleanUp takes it away.
func (s byTLS) CleanUp(ctx context.Context, ch acme.Challenge) error {
	name := strings.ToLower(ch.Identifier.Value)
	s.c.mu.Lock()
	delete(s.c.names, name)
	s.c.mu.Unlock()
	return s.c.o.State.DeleteState(context.WithoutCancel(ctx), namePlace+name)
}

// wellKnown is where http-01 asks (RFC 8555 8.3).
const wellKnown = "/.well-known/acme-challenge/"

// ServeHTTP answers http-01; everything else is not found.
func (c *Client) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.URL.Path, wellKnown)
	if !ok || r.Method != http.MethodGet || !isToken(token) {
		http.NotFound(w, r)
		return
	}
	c.mu.Lock()
	answer := c.tokens[token]
	c.mu.Unlock()
	if answer == "" {
		if raw, err := c.o.State.State(r.Context(), tokenPlace+token); err == nil {
			answer = string(raw)
		}
	}
	if answer == "" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write([]byte(answer)) // the server asks again where it did not arrive
}

// isToken tells what may be a token (RFC 8555 8.1: base64url, at least 128 bits).
func isToken(s string) bool {
	if len(s) < 22 || len(s) > 128 {
		return false
	}
	for _, b := range []byte(s) {
		if !(b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_') {
			return false
		}
	}
	return true
}

// alpn is the protocol of tls-alpn-01 (RFC 8737 6.2).
const alpn = "acme-tls/1"

// errNoChallenge refuses a handshake of somebody else.
var errNoChallenge = errors.New("acme: no challenge of this name")

// TLS is for a listener that answers tls-alpn-01 and nothing else.
func (c *Client) TLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{alpn},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if !slices.Contains(hello.SupportedProtos, alpn) || hello.ServerName == "" || len(hello.ServerName) > 253 {
				return nil, errNoChallenge
			}
			name := strings.ToLower(hello.ServerName)
			c.mu.Lock()
			ch, ok := c.names[name]
			c.mu.Unlock()
			if !ok {
				raw, err := c.o.State.State(hello.Context(), namePlace+name)
				if err != nil || raw == nil || json.Unmarshal(raw, &ch) != nil {
					return nil, errNoChallenge
				}
			}
			return acmez.TLSALPN01ChallengeCert(ch)
		},
	}
}

// Beside is a config that answers the challenges tls-alpn-01 that are under way on this node, and otherwise is as it was: a SIP interface
// may have the port 443, at which the server knocks (RFC 8737 3).
func (c *Client) Beside(other *tls.Config) *tls.Config {
	c.mu.Lock()
	none := len(c.names) == 0
	c.mu.Unlock()
	if none {
		return other
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(hello.SupportedProtos, alpn) {
			return c.TLS(), nil
		}
		return other, nil
	}}
}
