package storagetest

import (
	"strings"
	"testing"

	"github.com/sallyport/sallyport/auth/seal"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/storage"
)

// theKey is what all stores of the contract are sealed with.
func theKey() seal.Key { return seal.Key{1, 2, 3} }

func box(t testing.TB, current seal.Key, before ...seal.Key) *seal.Box {
	t.Helper()
	b, err := seal.New(current, before...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Secrets are resources with every kind of secret that a store seals, of a text that can be searched for. They come in an order in which
// they can be written.
func Secrets(secret string) []sbc.Resource {
	var all []sbc.Resource
	add := func(r sbc.Resource, id string) {
		m := r.Base()
		m.ID, m.Name, m.TenantID = id, id, sbc.DefaultTenantID
		all = append(all, r)
	}
	add(&sbc.Realm{}, "rlm_s")
	add(&sbc.RoutingPlan{}, "rpl_s")
	add(&sbc.Certificate{Source: sbc.CertificateUpload, Names: []string{}, PrivateKeyPEM: secret}, "crt_s")
	add(&sbc.CertificateAuthority{PrivateKeyPEM: secret}, "cau_s")
	trunk := &sbc.Trunk{RealmID: "rlm_s"}
	trunk.Credentials.Password = secret
	add(trunk, "trk_s")
	registrant := &sbc.Registrant{TrunkID: "trk_s"}
	registrant.Credentials.Password = secret
	add(registrant, "rgt_s")
	domain := &sbc.Domain{RealmID: "rlm_s"}
	domain.Authorization.Secret, domain.Push.Secret, domain.Voicemail.Webhook.Secret = secret, secret, secret
	add(domain, "dom_s")
	rule := &sbc.Rule{RoutingPlanID: "rpl_s", HTTP: &sbc.HTTPDecision{}}
	rule.HTTP.Secret = secret
	add(rule, "rul_s")
	return all
}

// sealing: secrets come back as they were written, by whatever way; another key opens nothing; keys can be changed.
func sealing(t *testing.T, fresh Fresh) {
	const secret = "carrier password 4711"
	f := open(t, fresh)
	for _, r := range Secrets(secret) {
		f.put(r)
		if sbc.HasSecrets(r) {
			whole(t, r, secret)
		}
	}
	for _, r := range Secrets(secret) {
		got, err := f.Get(f.ctx, r.Kind(), "", r.Base().ID)
		if err != nil {
			t.Fatal(err)
		}
		whole(t, got, secret)
		page, _, err := f.List(f.ctx, sbc.Query{Kind: r.Kind()})
		if err != nil || len(page) == 0 {
			t.Fatal(err)
		}
		whole(t, page[len(page)-1], secret)
	}
	all, _, err := f.All(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		whole(t, r, secret)
	}
	f.update(func(tx sbc.Tx) error {
		refused, err := tx.PutAll(Secrets("bulk " + secret)[7:])
		if len(refused) > 0 {
			t.Errorf("%v", refused)
		}
		return err
	})
	got, err := f.Get(f.ctx, sbc.KindRule, "", "rul_s")
	if err != nil {
		t.Fatal(err)
	}
	whole(t, got, "bulk "+secret)
	shared, err := f.Secret(f.ctx, "shared")
	if err != nil {
		t.Fatal(err)
	}
	if f.url != Lonely {
		rekeyed(t, f, secret, string(shared))
	}
}

// rekeyed opens the database with other keys.
func rekeyed(t *testing.T, f *fixture, secret, shared string) {
	t.Helper()
	other := seal.NewKey()
	if s, err := storage.Open(f.ctx, f.url, storage.Options{Sealer: box(t, other)}); err == nil {
		_ = s.Close()
		t.Fatal("another key opens the database")
	} else if sbc.CodeOf(err) != sbc.CodeInvalid || !strings.Contains(err.Error(), theKey().ID()) {
		t.Errorf("another key: %v", err)
	}
	none, err := storage.Open(f.ctx, f.url, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = none.Close() }()
	if r, err := none.Get(f.ctx, sbc.KindCertificate, "", "crt_s"); sbc.CodeOf(err) != sbc.CodeInternal || err == nil {
		t.Errorf("without a key: %+v %v", r, err)
	}
	plain := Secrets("in clear " + secret)[2]
	if err := none.Update(f.ctx, func(tx sbc.Tx) error { return tx.Put(plain) }); err != nil {
		t.Fatal(err)
	}
	before := f.revision()
	for _, sealer := range []*seal.Box{box(t, other, theKey()), box(t, other)} {
		s, err := storage.Open(f.ctx, f.url, storage.Options{Sealer: sealer})
		if err != nil {
			t.Fatal(err)
		}
		for id, want := range map[string]string{"crt_s": "in clear " + secret, "rul_s": "bulk " + secret, "dom_s": secret} {
			r, err := s.Get(f.ctx, kindOf(id), "", id)
			if err != nil {
				t.Fatal(err)
			}
			whole(t, r, want)
		}
		if got, err := s.Secret(f.ctx, "shared"); string(got) != shared || err != nil {
			t.Errorf("a shared secret changed: %v", err)
		}
		if n, err := s.Revision(f.ctx); n != before || err != nil {
			t.Errorf("another key made a revision: %d, %v", n, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if r, err := none.Get(f.ctx, sbc.KindCertificate, "", "crt_s"); err == nil {
		t.Errorf("what was in clear still is: %+v", r)
	}
}

func kindOf(id string) sbc.Kind {
	for _, k := range sbc.Kinds() {
		if strings.HasPrefix(id, k.Prefix()+"_") {
			return k
		}
	}
	return ""
}

// whole checks that all secrets of a resource are what was written.
func whole(t *testing.T, r sbc.Resource, want string) {
	t.Helper()
	err := sbc.MapSecrets(r, func(place, got string) (string, error) {
		if got != want {
			t.Errorf("%s is %q, want %q", place, got, want)
		}
		return got, nil
	})
	if err != nil {
		t.Error(err)
	}
}
