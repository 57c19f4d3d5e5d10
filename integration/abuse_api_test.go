package integration

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
)

// TestAPIAbuse sends the API of a running border what it must refuse: clearly, and never with a 5xx.
func TestAPIAbuse(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	for _, c := range []struct {
		name, method, path, body, key string
		want                          int
	}{
		{"broken JSON", "POST", "/v1/realms", `{"name": `, b.Key, 400}, {"no JSON", "POST", "/v1/realms", "\x00\xff", b.Key, 400},
		{"wrong type", "POST", "/v1/realms", `{"name": 7}`, b.Key, 422}, {"an array", "POST", "/v1/realms", `[]`, b.Key, 422},
		{"unknown field", "POST", "/v1/realms", `{"name": "a", "nonsense": 1}`, b.Key, 422}, {"nothing", "POST", "/v1/realms", ``, b.Key, 400},
		{"reference to nothing", "POST", "/v1/trunks", `{"name": "a", "realm_id": "00000000-0000-0000-0000-000000000000"}`, b.Key, 422},
		{"oversized", "POST", "/v1/realms", `{"name": "` + strings.Repeat("a", 2<<20) + `"}`, b.Key, 413},
		{"deep", "POST", "/v1/realms", strings.Repeat("[", 100000), b.Key, 400}, {"unknown parameter", "GET", "/v1/realms?nonsense=1", "", b.Key, 400},
		{"no key", "GET", "/v1/realms", "", "", 401}, {"wrong key", "GET", "/v1/realms", "", "spk_wrong", 401}, {"unknown key", "GET", "/v1/realms", "", b.Key + "x", 401},
		{"no such page", "GET", "/v1/nonsense", "", b.Key, 404}, {"no such call", "DELETE", "/v1/calls/nonsense", "", b.Key, 404},
		{"wrong method", "PATCH", "/v1/realms", "{}", b.Key, 405}, {"false cursor", "GET", "/v1/cdrs?after=nonsense", "", b.Key, 400},
		{"header injection", "POST", "/v1/realms", `{"name": "a\r\nX-HK: 1"}`, b.Key, 422},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, b.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.key != "" {
			req.Header.Set("Authorization", "Bearer "+c.key)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		answer, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.want || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %v; %d was expected\n%.300s", c.name, res.StatusCode, res.Header.Get("Content-Type"), err, c.want, answer)
		}
	}
	if err := b.Get(t.Context(), "/v1/realms", nil); err != nil {
		t.Error(err)
	}
}
