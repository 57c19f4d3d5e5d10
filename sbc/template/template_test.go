package template

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func named(t *testing.T, name string) *Template {
	t.Helper()
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, tpl := range all {
		if tpl.Name == name {
			return tpl
		}
	}
	t.Fatalf("no template %s", name)
	return nil
}

const little = `{"name":"a","title":"b","description":"c","kind":"trunk","parameters":[
	{"name":"name","type":"string","description":"d","required":true},
	{"name":"realm_id","type":"reference","references":"realm","description":"d"},
	{"name":"user","type":"string","description":"d","pattern":"^[^0]"},
	{"name":"account","type":"string","description":"d","default":"${user}"},
	{"name":"secret","type":"string","description":"d","secret":true},
	{"name":"pin","type":"string","description":"d","secret":true,"needs":"user"},
	{"name":"port","type":"integer","description":"d","default":5060},
	{"name":"form","type":"string","description":"d","default":"plus","values":["plus","digits"]},
	{"name":"hosts","type":"list","description":"d"},
	{"name":"on","type":"boolean","description":"d","default":false}],"creates":[
	{"key":"plan","kind":"dialplan","when":"form=digits","body":{"name":"${name}"}},
	{"key":"trunk","kind":"trunk","body":{"name":"${name}","realm_id":"${realm_id}","egress_dialplan_id":"${plan.id}",
		"credentials":{"username":"${account}","password":"${secret}"},"list":["${user}","x"],
		"of":[{"a":"1${user}","b":2},{"a":"y","b":3}]}},
	{"key":"host","kind":"endpoint","part_of":"trunk","for_each":"hosts",
		"body":{"name":"${name} ${n}","address":"${each}","port":"${port}","priority":"${n}"}},
	{"key":"reg","kind":"registrant","part_of":"trunk","when":"on","body":{"name":"r"}}]}`

func filled(t *testing.T, given map[string]any) string {
	t.Helper()
	tpl, err := Parse([]byte(little))
	if err != nil {
		t.Fatal(err)
	}
	made, faults := tpl.Fill(given)
	if len(faults) > 0 {
		t.Fatalf("%v", faults)
	}
	var b strings.Builder
	for _, m := range made {
		raw, err := json.Marshal(m.Body(map[string]string{"plan": "dpl_1"}))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(m.Item.Key + " " + string(raw) + "\n")
	}
	return b.String()
}

func TestPlaceholdersAreFilledIn(t *testing.T) {
	for _, c := range []struct {
		given map[string]any
		want  string
	}{
		{map[string]any{"name": "n"}, `trunk {"list":["x"],"name":"n","of":[{"a":"y","b":3}]}` + "\n"},
		{map[string]any{"name": "n", "user": "u", "secret": "s", "form": "digits", "realm_id": "rlm_1", "on": true,
			"hosts": []any{"h", "i"}, "port": nil},
			`plan {"name":"n"}` + "\n" +
				`trunk {"credentials":{"password":"s","username":"u"},"egress_dialplan_id":"dpl_1","list":["u","x"],"name":"n",` +
				`"of":[{"a":"1u","b":2},{"a":"y","b":3}],"realm_id":"rlm_1"}` + "\n" +
				`host {"address":"h","name":"n 1","port":5060,"priority":1}` + "\n" +
				`host {"address":"i","name":"n 2","port":5060,"priority":2}` + "\n" +
				`reg {"name":"r"}` + "\n"},
		{map[string]any{"name": "${user}", "user": "${name}"},
			`trunk {"credentials":{"username":"${name}"},"list":["${name}","x"],"name":"${user}",` +
				`"of":[{"a":"1${name}","b":2},{"a":"y","b":3}]}` + "\n"},
	} {
		if got := filled(t, c.given); got != c.want {
			t.Errorf("%v:\n%s\nwant\n%s", c.given, got, c.want)
		}
	}
}

func TestFaultsNameParameters(t *testing.T) {
	tpl, err := Parse([]byte(little))
	if err != nil {
		t.Fatal(err)
	}
	_, faults := tpl.Fill(map[string]any{"user": 1.0, "port": 1.5, "form": "x", "hosts": []any{"a", 1.0, "", "a"}, "on": "yes", "a/b": 1,
		"realm_id": strings.Repeat("x", 600)})
	_, more := tpl.Fill(map[string]any{"name": "n", "pin": "p"})
	_, still := tpl.Fill(map[string]any{"name": "n", "user": "0"})
	faults = append(append(faults, more...), still...)
	var got []string
	for _, f := range faults {
		got = append(got, f.Pointer+" "+f.Code)
	}
	slices.Sort(got)
	want := []string{"#/parameters/account type", "#/parameters/a~1b unknown_field", "#/parameters/form enum", "#/parameters/hosts/1 type",
		"#/parameters/hosts/2 type", "#/parameters/hosts/3 repeated", "#/parameters/user required", "#/parameters/user pattern",
		"#/parameters/name required", "#/parameters/on type", "#/parameters/port type", "#/parameters/realm_id too_long",
		"#/parameters/user type"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	made, faults := tpl.Fill(map[string]any{"name": "n", "secret": "hush", "hosts": []any{"h", "i"}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, c := range []struct {
		made          int
		pointer, says string
	}{
		{0, "#/name", "#/parameters/name"}, {0, "#/realm_id", "#/parameters/realm_id"}, {0, "#/credentials/username",
			"#/parameters/account"},
		{0, "#/credentials/password", "#/parameters/secret"}, {2, "#/address", "#/parameters/hosts/1"}, {2, "#/port", "#/parameters/port"},
		{1, "#/weight", "#/parameters"}, {1, "#", "#/parameters"},
	} {
		f := made[c.made].Fault(sbc.Fault{Pointer: c.pointer, Detail: `"hush" is bad`})
		if f.Pointer != c.says || c.pointer == "#/credentials/password" && strings.Contains(f.Detail, "hush") {
			t.Errorf("%s: %+v", c.pointer, f)
		}
	}
}

func TestTemplatesThatDoNotFitTogetherAreRefused(t *testing.T) {
	for _, c := range [][2]string{
		{`"${name}","realm_id"`, `"${nome}","realm_id"`}, {`"part_of":"trunk"`, `"part_of":"trunks"`},
		{`"when":"form=digits"`, `"when":"form=dogits"`},
		{`"when":"on"`, `"when":"off"`}, {`"for_each":"hosts"`, `"for_each":"port"`}, {`"${plan.id}"`, `"${host.id}"`},
		{`"default":5060`, `"default":"x"`},
		{`"secret":true`, `"secret":true,"default":"x"`}, {`"kind":"trunk","par`, `"kind":"truck","par`}, {`"key":"reg"`, `"key":"plan"`},
		{`"references":"realm",`, ``}, {`"needs":"user"`, `"needs":"nobody"`}, {`^[^0]`, `(`}, {`{"name":"r"}`, `{}`},
		{`"title"`, `"titel"`}, {`"type":"list"`, `"type":"lists"`}, {`"for_each":"hosts",`, ``},
		{`"required":true`, `"required":true,"default":"x"`},
	} {
		bad := strings.Replace(little, c[0], c[1], 1)
		if _, err := Parse([]byte(bad)); err == nil || bad == little {
			t.Errorf("%s instead of %s is taken", c[1], c[0])
		}
	}
}
