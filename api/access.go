package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// What is particular about the kinds of the access side: names that follow other fields, secrets of which only hashes are kept,
// and fields that cannot change while others rely on them.

// alike sets what follows from other fields: the name of a subscriber is its username.
func alike(r sbc.Resource) {
	if s, ok := r.(*sbc.Subscriber); ok {
		s.Name = s.Username
	}
}

// secretFields are what a subscriber's secret is written as, each in place of all others.
func secretFields() []string {
	return []string{"password", "ha1", "ha1b", "ha1_sha256", "ha1_sha512_256"}
}

// replaceSecret takes the old hashes out of a subscriber's fields where a patch brings a secret: what is left of an old password
// would still open the door.
func replaceSecret(is, patch map[string]any) {
	brings := false
	for _, name := range secretFields() {
		text, _ := patch[name].(string)
		brings = brings || text != ""
	}
	for _, name := range secretFields() {
		if brings {
			delete(is, name)
		}
	}
}

// whole tells whether the body is the whole resource and not some fields of it.
func (ch *change) whole() bool { return ch.c.op.method == http.MethodPut }

// keepAccess carries over the secrets that a body does not bring, and refuses another domain.
func (ch *change) keepAccess(r, old sbc.Resource) error {
	if ch.whole() {
		sbc.KeepSecrets(r, old)
	}
	switch r := r.(type) {
	case *sbc.Subscriber:
		before, ok := old.(*sbc.Subscriber)
		if !ok {
			return nil
		}
		if r.DomainID != before.DomainID && r.DomainID != "" {
			return immutable("domain_id", before.DomainID)
		}
		if ch.whole() && !r.Credentials.Given() {
			r.Credentials = before.Credentials
		}
	case *sbc.Alias:
		if before, ok := old.(*sbc.Alias); ok && r.DomainID != before.DomainID && r.DomainID != "" {
			return immutable("domain_id", before.DomainID)
		}
	case *sbc.AccessRule:
		if before, ok := old.(*sbc.AccessRule); ok && r.DomainID != before.DomainID && r.DomainID != "" {
			return immutable("domain_id", before.DomainID)
		}
	}
	return nil
}

// hashSecret turns a subscriber's password into hashes.
func hashSecret(get getter, r sbc.Resource) error {
	s, ok := r.(*sbc.Subscriber)
	if !ok {
		return nil
	}
	d, err := get(sbc.KindDomain, s.TenantID, s.DomainID)
	if err != nil {
		return err
	}
	if domain, ok := d.(*sbc.Domain); ok {
		s.Seal(domain)
	}
	return nil
}

// containsFold tells whether a list has a name, in whatever case.
func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

// guardSecrets is hashSecret for a subscriber that was there before: hashes hold the name that answers challenges, so a new name
// needs a new secret. Likewise the hashes of a whole domain hold its realm, and those of user@domain its name: that must stay one.
func guardSecrets(tx sbc.Tx, old, r sbc.Resource) error {
	switch r := r.(type) {
	case *sbc.Subscriber:
		before, ok := old.(*sbc.Subscriber)
		if ok && before.DigestUsername() != r.DigestUsername() && r.Password == "" && before.SameHashes(&r.Credentials) &&
			before.Given() {
			return sbc.Invalid([]sbc.Fault{{Pointer: "#/password", Code: "required",
				Detail: "must be given with another name: the hashes that are kept hold the old one"}})
		}
	case *sbc.Domain:
		before, ok := old.(*sbc.Domain)
		lost := ok && !strings.EqualFold(before.Name, r.Name) && !containsFold(r.Aliases, before.Name)
		if !ok || before.DigestRealm() == r.DigestRealm() && !lost {
			return nil
		}
		some, _, err := tx.List(sbc.Query{Kind: sbc.KindSubscriber, Ref: r.ID, Limit: 1})
		if err != nil || len(some) == 0 {
			return err
		}
		if before.DigestRealm() == r.DigestRealm() {
			return &sbc.Error{Code: sbc.CodeConflict, Message: "hashes of the subscribers' secrets (ha1b) hold the name",
				Faults: []sbc.Fault{{Pointer: "#/aliases", Code: "required",
					Detail: "must have " + clip(before.Name) + ": phones that answer as user@domain can do so in that name only"}}}
		}
		pointer := "#/digest/realm"
		if before.Digest.Realm == r.Digest.Realm {
			pointer = "#/name"
		}
		return &sbc.Error{Code: sbc.CodeConflict, Message: "the hashes of the subscribers' secrets hold the realm",
			Faults: []sbc.Fault{{Pointer: pointer, Code: "immutable",
				Detail: "the digest realm is " + clip(before.DigestRealm()) + " and cannot change while there are subscribers"}}}
	}
	return hashSecret(tx.Get, r)
}
