package sbc

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
)

// DigestUsername is the name in the subscriber's answers to challenges.
func (s *Subscriber) DigestUsername() string {
	if s.AuthUsername != "" {
		return s.AuthUsername
	}
	return s.Username
}

// Seal turns the password into hashes for the domain and forgets it, and notes in which algorithms the subscriber can answer a
// challenge with what is then kept (RFC 7616 3.4.2: H(username:realm:password)).
func (s *Subscriber) Seal(d *Domain) {
	if s.Password != "" {
		name, rest := s.DigestUsername(), ":"+d.DigestRealm()+":"+s.Password
		long := md5.Sum([]byte(name + "@" + d.Name + rest))
		plain := md5.Sum([]byte(name + rest))
		sha := sha256.Sum256([]byte(name + rest))
		sha512256 := sha512.Sum512_256([]byte(name + rest))
		s.Credentials = Credentials{
			HA1: hex.EncodeToString(plain[:]), HA1B: hex.EncodeToString(long[:]), HA1SHA256: hex.EncodeToString(sha[:]),
			HA1SHA512256: hex.EncodeToString(sha512256[:]),
		}
	}
	s.Algorithms = []DigestAlgorithm{}
	for _, h := range []struct {
		algorithm DigestAlgorithm
		there     bool
	}{{DigestMD5, s.HA1 != "" || s.HA1B != ""}, {DigestSHA256, s.HA1SHA256 != ""}, {DigestSHA512256, s.HA1SHA512256 != ""}} {
		if h.there {
			s.Algorithms = append(s.Algorithms, h.algorithm)
		}
	}
}

// Given tells whether there is a secret in any form.
func (c *Credentials) Given() bool {
	return c.Password != "" || c.HA1 != "" || c.HA1B != "" || c.HA1SHA256 != "" || c.HA1SHA512256 != ""
}

// SameHashes tells whether two credentials hold the same hashes.
func (c *Credentials) SameHashes(other *Credentials) bool {
	return c.HA1 == other.HA1 && c.HA1B == other.HA1B && c.HA1SHA256 == other.HA1SHA256 && c.HA1SHA512256 == other.HA1SHA512256
}

// Shown is the subscriber without its secret, as others may see it.
func (s *Subscriber) Shown() *Subscriber {
	shown := *s
	shown.Credentials = Credentials{Algorithms: s.Algorithms}
	return &shown
}

// Shown is the domain without the secrets of its webhooks, as others may see it.
func (d *Domain) Shown() *Domain {
	shown := *d
	shown.Authorization.Secret, shown.Push.Secret, shown.Voicemail.Webhook.Secret = "", "", ""
	return &shown
}

// Shown is the trunk without the password of its credentials.
func (t *Trunk) Shown() *Trunk {
	shown := *t
	shown.Credentials.hide()
	return &shown
}

// KeepSecrets takes over the password that the trunk does not bring, as long as the name that it belongs to stays.
func (t *Trunk) KeepSecrets(before *Trunk) { t.Credentials.keep(&before.Credentials) }

// Shown is the registrant without its password.
func (r *Registrant) Shown() *Registrant {
	shown := *r
	shown.Credentials.hide()
	return &shown
}

// KeepSecrets takes over the password that the registrant does not bring, as long as the name that it belongs to stays.
func (r *Registrant) KeepSecrets(before *Registrant) { r.Credentials.keep(&before.Credentials) }

func (c *ClientCredentials) hide() { c.Password = "" }

func (c *ClientCredentials) keep(before *ClientCredentials) {
	if c.Password == "" && c.Username == before.Username {
		c.Password = before.Password
	}
}

// Shown is the certificate without its key.
func (c *Certificate) Shown() *Certificate {
	shown := *c
	shown.PrivateKeyPEM = ""
	return &shown
}

// KeepSecrets takes over what the certificate does not bring: the key, and of one that is made here the certificate.
func (c *Certificate) KeepSecrets(before *Certificate) {
	if c.Source != before.Source {
		return
	}
	if c.PrivateKeyPEM == "" {
		c.PrivateKeyPEM = before.PrivateKeyPEM
	}
	if c.CertificatePEM == "" && c.Source != CertificateUpload {
		c.CertificatePEM = before.CertificatePEM
	}
}

// Shown is the authority without its key.
func (a *CertificateAuthority) Shown() *CertificateAuthority {
	shown := *a
	shown.PrivateKeyPEM = ""
	return &shown
}

// KeepSecrets takes over root and key where the authority brings neither.
func (a *CertificateAuthority) KeepSecrets(before *CertificateAuthority) {
	if a.PrivateKeyPEM == "" && (a.CertificatePEM == "" || a.CertificatePEM == before.CertificatePEM) {
		a.CertificatePEM, a.PrivateKeyPEM = before.CertificatePEM, before.PrivateKeyPEM
	}
}

// Shown is the rule without the secret of whom it asks.
func (r *Rule) Shown() *Rule {
	if r.HTTP == nil {
		return r
	}
	shown, asked := *r, *r.HTTP
	asked.Secret = ""
	shown.HTTP = &asked
	return &shown
}

// KeepSecrets takes over the secret that the rule does not bring, as long as the address stays that it is for.
func (r *Rule) KeepSecrets(before *Rule) {
	if r.HTTP != nil && before.HTTP != nil && r.HTTP.Secret == "" && r.HTTP.URL == before.HTTP.URL {
		r.HTTP.Secret = before.HTTP.Secret
	}
}

// KeepSecrets takes over the secrets of webhooks that the domain does not bring.
func (d *Domain) KeepSecrets(before *Domain) {
	for _, w := range []struct{ now, then *Webhook }{
		{&d.Authorization.Webhook, &before.Authorization.Webhook}, {&d.Push.Webhook, &before.Push.Webhook},
		{&d.Voicemail.Webhook, &before.Voicemail.Webhook},
	} {
		if w.now.Secret == "" {
			w.now.Secret = w.then.Secret
		}
	}
}

// WithoutSecrets is a resource without its secrets: what may be shown. One that has none is given back as it is.
func WithoutSecrets(r Resource) Resource {
	switch r := r.(type) {
	case *Domain:
		return r.Shown()
	case *Subscriber:
		return r.Shown()
	case *Trunk:
		return r.Shown()
	case *Registrant:
		return r.Shown()
	case *Rule:
		return r.Shown()
	case *Certificate:
		return r.Shown()
	case *CertificateAuthority:
		return r.Shown()
	}
	return r
}

// KeepSecrets takes over the secrets of a resource as it was, which one that replaces it does not bring. Those of subscribers are
// hashes and another matter.
func KeepSecrets(r, before Resource) {
	switch r := r.(type) {
	case *Domain:
		keep(r, before)
	case *Trunk:
		keep(r, before)
	case *Registrant:
		keep(r, before)
	case *Rule:
		keep(r, before)
	case *Certificate:
		keep(r, before)
	case *CertificateAuthority:
		keep(r, before)
	}
}

func keep[T interface{ KeepSecrets(before T) }](r T, before Resource) {
	if b, ok := before.(T); ok {
		r.KeepSecrets(b)
	}
}
