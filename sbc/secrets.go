package sbc

// secretField is a secret of a resource, where it stands in it.
type secretField struct {
	name  string
	value *string
}

// secretFields lists the secrets of a resource that have to be read again. Those of subscribers and API keys are kept as hashes only.
func secretFields(r Resource) []secretField {
	switch r := r.(type) {
	case *Domain:
		return []secretField{
			{"authorization.secret", &r.Authorization.Secret}, {"push.secret", &r.Push.Secret},
			{"voicemail.webhook.secret", &r.Voicemail.Webhook.Secret},
		}
	case *Trunk:
		return []secretField{{"credentials.password", &r.Credentials.Password}}
	case *Registrant:
		return []secretField{{"credentials.password", &r.Credentials.Password}}
	case *Rule:
		if r.HTTP != nil {
			return []secretField{{"http.secret", &r.HTTP.Secret}}
		}
	case *Certificate:
		return []secretField{{"private_key_pem", &r.PrivateKeyPEM}}
	case *CertificateAuthority:
		return []secretField{{"private_key_pem", &r.PrivateKeyPEM}}
	}
	return nil
}

// HasSecrets tells whether there is a secret in a resource that has to be read again.
func HasSecrets(r Resource) bool {
	for _, f := range secretFields(r) {
		if *f.value != "" {
			return true
		}
	}
	return false
}

// MapSecrets replaces each secret of a resource, which is changed in place. change gets where it stands: kind, id and field.
func MapSecrets(r Resource, change func(place, secret string) (string, error)) error {
	for _, f := range secretFields(r) {
		if *f.value == "" {
			continue
		}
		changed, err := change(string(r.Kind())+" "+r.Base().ID+" "+f.name, *f.value)
		if err != nil {
			return err
		}
		*f.value = changed
	}
	return nil
}

// SecretKinds are the kinds that may have secrets.
func SecretKinds() []Kind {
	return []Kind{KindDomain, KindTrunk, KindRegistrant, KindRule, KindCertificate, KindCertificateAuthority}
}
