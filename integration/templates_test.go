package integration

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/template"
)

// applied is what the API says of a template that it has applied.
type applied struct {
	Created []struct{ Kind, ID, Name, Location string }
}

// apply applies a template and gives the id of its trunk or number plan.
func (b *border) apply(name string, parameters rest.Object) (id string) {
	b.t.Helper()
	var a applied
	b.do(http.MethodPost, "/templates/"+name+"/apply", rest.Object{"parameters": parameters}, &a)
	for _, c := range a.Created {
		if sbc.Kind(c.Kind) == sbc.KindTrunk || sbc.Kind(c.Kind) == sbc.KindNumberPlan {
			id = c.ID
		}
	}
	if id == "" {
		b.t.Fatalf("%s made %+v", name, a)
	}
	return id
}

// TestSIPpTemplates: a number plan and a carrier, both made by templates, carry a call of SIPp that is dialled as people do in Berlin; the
// carrier gets digits and its codec, and what comes from its address is its own.
func TestSIPpTemplates(t *testing.T) {
	needs(t, "sipp")
	t.Parallel()
	b := startBorder(t, app.Options{})
	germany := b.apply("number-plan-de", rest.Object{"area_code": "30"})
	w := b.connect(newSides(t), wish{westTrunk: rest.Object{"number_plan_id": germany}})
	there := netip.AddrFrom4([4]byte{127, w.eastPeer.As4()[1], w.eastPeer.As4()[2], 5})
	trunk := b.apply("generic-carrier", rest.Object{
		"name": "carrier", "realm_id": w.eastRealm, "addresses": []string{there.String()}, "number_form": "digits", "probe": false,
		"codecs": []string{"PCMU"}, "routing_plan_id": w.westPlan,
	})
	list := b.create("/route-lists", rest.Object{"name": "carrier"})
	b.create("/route-lists/"+list+"/targets", rest.Object{"name": "carrier", "trunk_id": trunk})
	b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": "Germany", "prefix": "+49", "action": "route", "route_list_id": list})
	trace, read := packets(t)
	sippServer(t, "callee.xml", there, trace...)
	if err := sipp(patience(t, 20*time.Second), t, "caller.xml", calling(w.sides, "u1", 2, "-s", "030123456")...); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.cdrs(2) {
		if r.CalleeNormalised != "+4930123456" || r.CalleeSent != "4930123456" || r.FinalCode != 200 {
			t.Errorf("the record has %s, %s and %d", r.CalleeNormalised, r.CalleeSent, r.FinalCode)
		}
	}
	if got := read("BYE sip:"); !strings.Contains(got, "INVITE sip:4930123456@") || !strings.Contains(got, "sip:49302025550100@") {
		t.Errorf("the carrier got\n%s", got)
	}
	var e sbc.Explanation
	b.do(http.MethodPost, "/routing/explain", rest.Object{"source_address": there.String(), "sip_interface_id": w.eastInterface,
		"caller": "4930123456", "callee": "4930777"}, &e)
	if e.TrunkID != trunk {
		t.Errorf("what comes from %s is taken for %s's: %+v", there, e.TrunkID, e.Steps)
	}
	b.quiet()
}

// TestKamailioTemplate: a carrier that a template made registers with Debian's Kamailio.
func TestKamailioTemplate(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	w := b.connect(newSides(t), wish{})
	at := w.east.As4()
	at[3] = 7
	startKamailioAt(t, netip.AddrFrom4(at))
	var a applied
	b.do(http.MethodPost, "/templates/generic-carrier-registration/apply", rest.Object{"parameters": rest.Object{
		"name": "carrier", "realm_id": w.eastRealm, "registrar": netip.AddrFrom4(at).String(), "port": 5060, "username": "4930555",
		"password": password,
	}}, &a)
	for _, c := range a.Created {
		if sbc.Kind(c.Kind) == sbc.KindRegistrant {
			b.registrant(c.Location, sbc.RegistrantRegistered)
			return
		}
	}
	t.Errorf("nothing registers: %+v", a)
}

// TestEveryTemplateIsServed: a running border compiles and verifies what each template creates. Nobody is registered anywhere: what
// registers is only tried.
func TestEveryTemplateIsServed(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	realm := b.create("/realms", rest.Object{"name": "carriers", "trust": "peer"})
	plan := b.create("/routing-plans", rest.Object{"name": "in"})
	all, err := template.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, tpl := range all {
		parameters, registers := rest.Object{"name": "by " + tpl.Name}, false
		for _, p := range tpl.Parameters {
			switch {
			case p.Secret && p.Required:
				parameters[p.Name], registers = "a secret", true
			case p.Name == "realm_id":
				parameters[p.Name] = realm
			case p.Name == "routing_plan_id":
				parameters[p.Name] = plan
			case p.Name == "probe":
				parameters[p.Name] = false
			case p.Required && p.Name != "name":
				parameters[p.Name] = p.Example
			}
		}
		path := "/v1/templates/" + tpl.Name + "/apply"
		if err := b.Client.Do(t.Context(), http.MethodPost, path+"?dry_run=true", rest.Object{"parameters": parameters}, nil); err != nil {
			t.Errorf("%s is tried: %v", tpl.Name, err)
		}
		if registers {
			continue
		}
		var a applied
		if err := b.Client.Do(t.Context(), http.MethodPost, path, rest.Object{"parameters": parameters}, &a); err != nil {
			t.Errorf("%s: %v", tpl.Name, err)
			continue
		}
		parameters["name"] = "again " + tpl.Name
		err := b.Client.Do(t.Context(), http.MethodPost, path, rest.Object{"parameters": parameters}, nil)
		if collides := tpl.Kind == template.KindTrunk; collides != (err != nil) || collides && !collidesAt(err, parameters) {
			t.Errorf("%s again: %v", tpl.Name, err)
		}
		for _, c := range slices.Backward(a.Created) {
			b.do(http.MethodDelete, strings.TrimPrefix(c.Location, "/v1"), nil, nil)
		}
	}
}

// collidesAt tells whether an error names the address or the network that another trunk has.
func collidesAt(err error, parameters rest.Object) bool {
	for _, name := range []string{"address", "addresses", "networks"} {
		if _, given := parameters[name]; given || name == "networks" {
			return strings.Contains(err.Error(), `"pointer":"#/parameters/`+name)
		}
	}
	return false
}
