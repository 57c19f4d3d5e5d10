package api

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

// TestAuthoritiesAndWhatTheyIssue: a root is made with the authority and can be had in three forms; certificates of it come with the
// write, and anew with other names.
func TestAuthoritiesAndWhatTheyIssue(t *testing.T) {
	t.Parallel()
	f := start(t)
	made := f.do("POST", "/v1/certificate-authorities", `{"name":"phones","common_name":"Our CA"}`).is(201)
	at, id := made.header.Get("Location"), made.text("id")
	root := parse(t, made.text("certificate_pem"))
	if !root.IsCA || root.Subject.CommonName != "Our CA" || made.json()["private_key_pem"] != nil {
		t.Errorf("%s", made.body)
	}
	for accept, want := range map[string]string{
		"": "application/x-pem-file", "text/html, application/pkix-cert;q=1": "application/pkix-cert",
		"application/x-apple-aspen-config": "application/x-apple-aspen-config",
	} {
		r := f.do("GET", at+"/root", "", "Accept", accept).is(200)
		if r.header.Get("Content-Type") != want {
			t.Errorf("%q gives %q", accept, r.header.Get("Content-Type"))
		}
		switch want {
		case "application/pkix-cert":
			if string(r.body) != string(root.Raw) {
				t.Error("not the root in DER")
			}
		case "application/x-pem-file":
			if string(r.body) != made.text("certificate_pem") {
				t.Error("not the root in PEM")
			}
		default:
			if !strings.Contains(string(r.body), "com.apple.security.root") {
				t.Errorf("%s", r.body)
			}
		}
	}
	f.do("PATCH", at, `{"common_name":"Other"}`).problem(422, "invalid")
	f.do("PATCH", at, `{"description":"for phones"}`).is(200)

	body := `{"name":"inside","source":"internal","names":["sbc.example","192.0.2.1"],"authority_id":"` + id + `"}`
	f.do("POST", "/v1/certificates?dry_run=true", body).is(201)
	crt := f.do("POST", "/v1/certificates", body).is(201)
	leaf := parse(t, crt.text("certificate_pem"))
	if leaf.CheckSignatureFrom(root) != nil || leaf.DNSNames[0] != "sbc.example" || leaf.IPAddresses[0].String() != "192.0.2.1" ||
		crt.json()["private_key_pem"] != nil {
		t.Errorf("%s", crt.body)
	}
	crtAt := crt.header.Get("Location")
	same := f.do("PATCH", crtAt, `{"description":"x"}`).is(200)
	if same.text("certificate_pem") != crt.text("certificate_pem") {
		t.Error("another description made another certificate")
	}
	put := f.do("PUT", crtAt, body).is(200)
	if put.text("certificate_pem") != crt.text("certificate_pem") {
		t.Error("the same once more made another certificate")
	}
	other := parse(t, f.do("PATCH", crtAt, `{"names":["new.example"]}`).is(200).text("certificate_pem"))
	if other.DNSNames[0] != "new.example" || other.Equal(leaf) {
		t.Error("other names made no other certificate")
	}
	f.do("PATCH", crtAt, `{"private_key_pem":"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}`).problem(422, "invalid")
	f.do("DELETE", at, "").problem(409, "referenced")
	f.do("PATCH", at, `{"enabled":false}`).is(200)
	f.do("PATCH", crtAt, `{"names":["newer.example"]}`).problem(422, "invalid")
	f.as(tenantKey, "GET", at+"/root", "").problem(404, "not_found")
}

// TestRequests: the key of a request is made with the certificate and stays.
func TestRequests(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.do("POST", "/v1/certificates", `{"name":"x","source":"csr"}`).problem(422, "invalid")
	made := f.do("POST", "/v1/certificates", `{"name":"asked","source":"csr","names":["sbc.example"],"key_type":"ecdsa_p384"}`).is(201)
	at := made.header.Get("Location")
	if status, _ := made.json()["status"].(map[string]any); status["state"] != "pending" {
		t.Errorf("%s", made.body)
	}
	request := func() *x509.CertificateRequest {
		r := f.do("GET", at+"/csr", "").is(200)
		b, _ := pem.Decode(r.body)
		if b == nil {
			t.Fatalf("%s", r.body)
		}
		csr, err := x509.ParseCertificateRequest(b.Bytes)
		if err != nil || csr.CheckSignature() != nil || len(csr.DNSNames) != 1 {
			t.Fatalf("%v %s", err, r.body)
		}
		return csr
	}
	first := request()
	f.do("PUT", at, `{"name":"asked","source":"csr","names":["sbc.example"],"key_type":"ecdsa_p384"}`).is(200)
	f.do("PATCH", at, `{"description":"x"}`).is(200)
	if string(request().RawSubjectPublicKeyInfo) != string(first.RawSubjectPublicKeyInfo) {
		t.Error("the key is another")
	}
	f.do("PATCH", at, `{"key_type":"rsa_2048"}`).problem(422, "invalid")
	kept, _ := f.m.state.resources[made.text("id")].(*sbc.Certificate)
	if kept == nil || kept.PrivateKeyPEM == "" {
		t.Fatal("no key was kept")
	}
	acme := f.do("POST", "/v1/certificates",
		`{"name":"got","source":"acme","names":["sbc.example"],"acme":{"terms_agreed":true}}`).is(201)
	f.do("GET", acme.header.Get("Location")+"/csr", "").problem(404, "not_found")
}

func parse(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	list, err := sbc.ParseCertificates(text)
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}
