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
