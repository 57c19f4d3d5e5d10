package config

import (
	"slices"
	"testing"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/trust/trusttest"
)

// secured puts a certificate and a profile that shows it.
func secured(i trusttest.Issued) func(tx sbc.Tx) error {
	return func(tx sbc.Tx) error {
		c := sbc.New(sbc.KindCertificate).(*sbc.Certificate)
		c.ID, c.Name, c.Revision, c.CertificatePEM, c.PrivateKeyPEM = "crt_1", "crt_1", tx.Revision(), i.Chain, i.PEM
		if err := tx.Put(c); err != nil {
			return err
		}
		p := sbc.New(sbc.KindTLSProfile).(*sbc.TLSProfile)
		p.ID, p.Name, p.Revision, p.CertificateIDs = "tls_1", "tls_1", tx.Revision(), []string{"crt_1"}
		return tx.Put(p)
	}
}

// TestCertificatesAreLiveWithTheWrite: what a handshake shows is that of the Snapshot, and a write that changes none of it keeps it.
func TestCertificatesAreLiveWithTheWrite(t *testing.T) {
	ca := trusttest.NewAuthority(t, "root")
	n := start(t, newStore(t, basic), Options{Poll: time.Hour})
	if n.Current().TLS("tls_1") != nil {
		t.Error("a profile before there is one")
	}
	first, second := ca.Issue(t, nil, "a.example"), ca.Issue(t, nil, "b.example")
	if err := n.Update(t.Context(), false, secured(first)); err != nil {
		t.Fatal(err)
	}
	before := n.Current().TLS("tls_1")
	if before == nil {
		t.Fatal("no profile")
	}
	if err := n.Update(t.Context(), false, put(t, "trunk trk_3 realm=rlm_1")); err != nil || n.Current().TLS("tls_1") != before {
		t.Errorf("another write made the profile anew: %v", err)
	}
	if err := n.Update(t.Context(), false, func(tx sbc.Tx) error { return tx.Delete(sbc.KindTrunk, "trk_3") }); err != nil ||
		n.Current().TLS("tls_1") != before {
		t.Errorf("a write that loads everything made the profile anew: %v", err)
	}
	if err := n.Update(t.Context(), false, secured(second)); err != nil || n.Current().TLS("tls_1") == before {
		t.Errorf("the new certificate is not in service: %v", err)
	}
	mixed := second
	mixed.PEM = first.PEM
	err := n.Update(t.Context(), false, secured(mixed))
	if !slices.Equal(faultsOf(err), []string{"invalid", "#/private_key_pem mismatch"}) {
		t.Errorf("a key of another certificate: %q", faultsOf(err))
	}
}

// TestListenerWithNothingToShow: an interface over TLS needs a profile with a certificate.
func TestListenerWithNothingToShow(t *testing.T) {
	n := start(t, newStore(t, basic+"\ntls-profile tls_9\ntls-profile tls_8 certificate_ids=[\"crt_8\"]\n"+
		`certificate crt_8 source=acme names=["a.example"]`), Options{Poll: time.Hour})
	err := n.Update(t.Context(), false, put(t, "interface sif_9 realm=rlm_1 bind=127.0.0.9 transport=tls tls_profile_id=tls_9 revision=2"))
	if !slices.Equal(faultsOf(err), []string{"conflict", "#/tls_profile_id conflict"}) {
		t.Errorf("%q", faultsOf(err))
	}
	if err := n.Update(t.Context(), false,
		put(t, "interface sif_9 realm=rlm_1 bind=127.0.0.9 transport=tls tls_profile_id=tls_8 revision=2")); err != nil {
		t.Errorf("a certificate that is on its way: %v", err)
	}
}
