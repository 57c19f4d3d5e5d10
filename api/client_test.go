package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sallyport/sallyport/api/client"
	"github.com/sallyport/sallyport/sbc"
)

// TestGeneratedClient goes the way of an integrator: over a real connection, with generated types only.
func TestGeneratedClient(t *testing.T) {
	t.Parallel()
	f := start(t)
	web := httptest.NewServer(f.h)
	defer web.Close()
	c, err := client.NewClientWithResponses(web.URL, client.WithKey(adminKey), client.WithHTTPClient(web.Client()))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	most := 5
	made, err := c.CreateTrunkWithResponse(ctx, nil, client.TrunkWrite{Name: "by client", RealmID: f.ids[sbc.KindRealm],
		MaxCalls: &most})
	if err != nil || made.JSON201 == nil || made.JSON201.MaxCalls != 5 {
		t.Fatalf("%v %s", err, made.Body)
	}
	list, err := c.ListTrunksWithResponse(ctx, &client.ListTrunksParams{Name: &made.JSON201.Name})
	if err != nil || list.JSON200 == nil || len(list.JSON200.Items) != 1 {
		t.Fatalf("%v %s", err, list.Body)
	}
	match := made.HTTPResponse.Header.Get("ETag")
	patch := client.TrunkPatch{}
	patch.MaxCalls.SetNull()
	patched, err := c.UpdateTrunkWithApplicationMergePatchPlusJSONBodyWithResponse(ctx, made.JSON201.ID,
		&client.UpdateTrunkParams{IfMatch: &match}, patch)
	if err != nil || patched.JSON200 == nil || patched.JSON200.MaxCalls != 0 {
		t.Fatalf("%v %s", err, patched.Body)
	}
	wrong, err := c.CreateTrunkWithResponse(ctx, nil, client.TrunkWrite{})
	if err != nil || wrong.ApplicationProblemJSONDefault == nil || wrong.ApplicationProblemJSONDefault.Code != "invalid" {
		t.Fatalf("%v %s", err, wrong.Body)
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	t.Parallel()
	f := start(t)
	web := httptest.NewServer(f.h)
	defer web.Close()
	r, err := web.Client().Head(web.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %s", r.StatusCode, r.Header.Get("Content-Type"))
	}
}
