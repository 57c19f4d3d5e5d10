package sbc

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestSecretsAreWhatIsNotShown: what is left out of answers is what is sealed, kind by kind; subscribers keep hashes only.
func TestSecretsAreWhatIsNotShown(t *testing.T) {
	for _, kind := range Kinds() {
		r := New(kind)
		if rule, ok := r.(*Rule); ok {
			rule.HTTP = &HTTPDecision{}
		}
		for _, f := range secretFields(r) {
			*f.value = "secret"
		}
		if HasSecrets(r) != (len(secretFields(r)) > 0) {
			t.Errorf("%s: has secrets: %v", kind, HasSecrets(r))
		}
		if kind == KindSubscriber || kind == KindAPIKey {
			continue
		}
		shown := text(t, WithoutSecrets(r))
		if err := MapSecrets(r, func(string, string) (string, error) { return "", nil }); err != nil {
			t.Fatal(err)
		}
		if without := text(t, r); without != shown {
			t.Errorf("%s: shown %s, sealed %s", kind, shown, without)
		}
		all := reflect.New(reflect.TypeOf(r).Elem())
		stuff(all.Elem(), 0)
		filled, ok := all.Interface().(Resource)
		if !ok {
			t.Fatal(kind)
		}
		hidden := text(t, WithoutSecrets(filled))
		if err := MapSecrets(filled, func(string, string) (string, error) { return "", nil }); err != nil {
			t.Fatal(err)
		}
		if text(t, filled) != hidden {
			t.Errorf("%s: something is hidden that is not sealed, or the other way", kind)
		}
	}
}

// TestPeerNames: a wildcard is a peer name where it is whole.
func TestPeerNames(t *testing.T) {
	for name, good := range map[string]bool{"a.example": true, "*.a.example": true, "192.0.2.1": true, "*": false, "a.*": false, "*.*.a": false} {
		p := &TLSProfile{}
		p.Defaults()
		p.Name, p.TenantID, p.PeerNames = "x", DefaultTenantID, []string{name}
		if faults := p.Validate(); (len(faults) == 0) != good {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

// stuff puts something into every string.
func stuff(v reflect.Value, depth int) {
	switch {
	case depth > 6:
	case v.Kind() == reflect.String && v.CanSet():
		v.SetString("x")
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			stuff(v.Field(i), depth+1)
		}
	case v.Kind() == reflect.Pointer && v.CanSet() && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.New(v.Type().Elem()))
		stuff(v.Elem(), depth+1)
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
