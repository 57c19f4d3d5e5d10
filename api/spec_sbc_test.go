package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// TestDefaultsOfTheSpecificationAreThoseOfSBC compares each default in a body's schema with what sbc.New sets.
func TestDefaultsOfTheSpecificationAreThoseOfSBC(t *testing.T) {
	t.Parallel()
	doc := parsed(t)
	for _, kind := range sbc.Kinds() {
		is, err := object(sbc.New(kind))
		if err != nil {
			t.Fatal(err)
		}
		schema := doc.Components.Schemas[schemaName(kind)+"Write"].Value
		for name, p := range schema.Properties {
			def := p.Value.Default
			got, there := is[name]
			switch {
			case def == nil && there && !zero(got) && !slices.Contains(schema.Required, name):
				t.Errorf("%s.%s: sbc sets %v, the specification says nothing", kind, name, got)
			case def != nil && fmt.Sprint(def) != fmt.Sprint(got) && !(fmt.Sprint(def) == "[]" && got == nil):
				t.Errorf("%s.%s: the specification says %v, sbc sets %v", kind, name, def, got)
			}
		}
	}
}

func zero(v any) bool { return v == nil || reflect.ValueOf(v).IsZero() }

// TestBoundsOfTheSpecificationAreThoseOfSBC puts the edge of each bound, and what is beyond it, into a good resource and asks
// sbc.
func TestBoundsOfTheSpecificationAreThoseOfSBC(t *testing.T) {
	t.Parallel()
	doc := parsed(t)
	f := start(t)
	for _, kind := range sbc.Kinds() {
		for name, p := range doc.Components.Schemas[schemaName(kind)+"Write"].Value.Properties {
			for _, c := range edges(p.Value) {
				r := f.fromExample(doc, kind)
				loosen(r)
				is, err := object(r)
				if err != nil {
					t.Fatal(err)
				}
				is[name] = c.value
				next := sbc.New(kind)
				if err := decodeOnto(next, is); err != nil {
					t.Fatal(err)
				}
				wrong := slices.ContainsFunc(next.Validate(),
					func(f sbc.Fault) bool { return firstSegment(f.Pointer) == name })
				if wrong == c.good {
					t.Errorf("%s.%s = %.60v: the specification says good=%v, sbc says good=%v", kind, name, c.value,
						c.good, !wrong)
				}
			}
		}
	}
}

// loosen takes away rules between fields.
func loosen(r sbc.Resource) {
	switch r := r.(type) {
	case *sbc.Rule:
		r.Action = sbc.ActionReject
	case *sbc.MediaPool:
		r.PortMin, r.PortMax = 1024, 65535
	case *sbc.SignallingProfile:
		r.SessionExpiresS = 86_400
	case *sbc.FloodProfile:
		r.BanS, r.MaxBanS = 1, 2_592_000
	}
}

type edge struct {
	value any
	good  bool
}

// edges are values at and beyond the bounds of a schema.
func edges(s *openapi3.Schema) []edge {
	var all []edge
	add := func(v any, good bool) { all = append(all, edge{v, good}) }
	if s.Min != nil && s.Max != nil {
		add(*s.Min, true)
		add(*s.Max, true)
		add(*s.Min-1, false)
		add(*s.Max+1, false)
	}
	if s.MaxLength != nil && strings.HasPrefix(s.Pattern, `^[^\x00`) {
		add(strings.Repeat("ü", int(*s.MaxLength)), true)
		add(strings.Repeat("ü", int(*s.MaxLength)+1), false)
		add("a\x01b", false)
		add("", s.MinLength == 0)
	}
	if s.Pattern != "" && strings.HasPrefix(s.Pattern, "^[+0-9") {
		add(strings.Repeat("7", 32), true)
		add(strings.Repeat("7", 33), false)
		add("a b", false)
	}
	if len(s.AllOf) == 1 && len(s.AllOf[0].Value.Enum) > 0 {
		for _, v := range s.AllOf[0].Value.Enum {
			add(v, true)
		}
		add("nonsense", false)
	}
	return all
}

// TestNothingIsLostBetweenSBCAndTheWire fills every field of every resource and record, maps it to the generated type and back.
func TestNothingIsLostBetweenSBCAndTheWire(t *testing.T) {
	t.Parallel()
	for _, kind := range sbc.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			r := sbc.New(kind)
			full(reflect.ValueOf(r).Elem(), 1)
			if key, ok := r.(*sbc.APIKey); ok {
				key.Scopes = []sbc.Scope{"trunks:read"}
			}
			if kind == sbc.KindTenant {
				r.Base().TenantID = "" // a tenant belongs to none
			}
			back := sbc.New(kind)
			raw := wire(t, kind, r)
			for _, hidden := range append(secretFields(), "hash", "audio_sha256", "audio_bytes", "secret", "private_key_pem", "rates_sha256", "rates_bytes", "rates") {
				if strings.Contains(string(raw), `"`+hidden+`"`) {
					t.Errorf("what nobody may see gets out: %s", hidden)
				}
			}
			if err := json.Unmarshal(raw, back); err != nil {
				t.Fatal(err)
			}
			switch back := back.(type) {
			case *sbc.APIKey:
				back.Hash = r.(*sbc.APIKey).Hash
			case *sbc.Announcement:
				was := r.(*sbc.Announcement)
				back.AudioSHA256, back.AudioBytes = was.AudioSHA256, was.AudioBytes
			case *sbc.Domain:
				back.KeepSecrets(r.(*sbc.Domain))
			case *sbc.Trunk:
				back.KeepSecrets(r.(*sbc.Trunk))
			case *sbc.Registrant:
				back.KeepSecrets(r.(*sbc.Registrant))
			case *sbc.Rule:
				back.KeepSecrets(r.(*sbc.Rule))
			case *sbc.Certificate:
				back.KeepSecrets(r.(*sbc.Certificate))
			case *sbc.CertificateAuthority:
				back.KeepSecrets(r.(*sbc.CertificateAuthority))
			case *sbc.RateDeck:
				back.RatesSHA256, back.RatesBytes = r.(*sbc.RateDeck).RatesSHA256, r.(*sbc.RateDeck).RatesBytes
				back.Rates = r.(*sbc.RateDeck).Rates
			case *sbc.Subscriber:
				algorithms := back.Algorithms
				back.Credentials = r.(*sbc.Subscriber).Credentials
				back.Algorithms = algorithms
			}
			if !reflect.DeepEqual(r, back) {
				t.Errorf("got  %+v\nwant %+v", back, r)
			}
		})
	}
	t.Run("call", func(t *testing.T) { thereAndBack[sbc.CallInfo, gen.Call](t) })
	t.Run("cdr", func(t *testing.T) { thereAndBack[sbc.CDR, gen.CDR](t) })
	t.Run("message", func(t *testing.T) { thereAndBack[sbc.TraceMessage, gen.LadderMessage](t) })
	t.Run("stream", func(t *testing.T) { thereAndBack[sbc.StreamStats, gen.MediaStream](t) })
	t.Run("explanation", func(t *testing.T) { thereAndBack[sbc.Explanation, gen.Explanation](t) })
	t.Run("explain", func(t *testing.T) { thereAndBack[sbc.ExplainRequest, gen.ExplainRequest](t) })
	t.Run("interface status", func(t *testing.T) { thereAndBack[sbc.InterfaceStatus, gen.SIPInterfaceStatus](t) })
	t.Run("pool status", func(t *testing.T) { thereAndBack[sbc.PoolStatus, gen.MediaPoolStatus](t) })
	t.Run("config status", func(t *testing.T) { thereAndBack[sbc.ConfigStatus, gen.ConfigStatus](t) })
	t.Run("condition", func(t *testing.T) { thereAndBack[sbc.Condition, gen.Condition](t) })
	t.Run("fault", func(t *testing.T) { thereAndBack[sbc.Fault, gen.Fault](t) })
}

// wire is a resource as it goes out.
func wire(t *testing.T, kind sbc.Kind, r sbc.Resource) []byte {
	t.Helper()
	var status []field
	if kind == sbc.KindAPIKey {
		status = []field{{"status", gen.APIKeyStatus{}}}
	}
	g, err := presenters()[kind](bare(r), status...)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func thereAndBack[S, G any](t *testing.T) {
	t.Helper()
	var s, back S
	full(reflect.ValueOf(&s).Elem(), 1)
	if r, ok := any(&s).(*sbc.CDR); ok {
		r.Decision = nil // has an operation of its own
	}
	if f, ok := any(&s).(*sbc.Fault); ok {
		f.ResourceID = "" // not for the wire
	}
	g, err := convert[G](s)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(s, back) {
		t.Errorf("got  %+v\nwant %+v", back, s)
	}
}

// full puts something that is not zero into every field.
func full(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d", n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n) + 4_000_000_000)
	case reflect.Uint8:
		v.SetUint(uint64(n))
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(n) + 4_000_000_000)
	case reflect.Float64:
		v.SetFloat(float64(n) + .5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		full(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		full(v.Index(0), n)
		full(v.Index(1), n+1)
	case reflect.Map:
		if v.Type() == reflect.TypeFor[map[string]any]() {
			v.Set(reflect.ValueOf(map[string]any{"region": "eu", "seats": 2.5}))
			return
		}
		v.Set(reflect.ValueOf(map[string]string{"region": "eu"}))
	case reflect.Struct:
		if v.Type().String() == "time.Time" {
			v.Set(reflect.ValueOf(newMemory().now))
			return
		}
		for i := range v.NumField() {
			full(v.Field(i), n+i)
		}
	}
}

// TestEveryFieldOfSBCIsInTheSpecification, and the other way round: a field added to one and not to the other is found here.
func TestEveryFieldOfSBCIsInTheSpecification(t *testing.T) {
	t.Parallel()
	doc := parsed(t)
	for _, kind := range sbc.Kinds() {
		want := map[string]bool{}
		jsonNames(reflect.TypeOf(sbc.New(kind)).Elem(), want)
		for _, hidden := range append(secretFields(), "hash", "private_key_pem", "audio_sha256", "audio_bytes", "rates_sha256", "rates_bytes", "rates") {
			delete(want, hidden)
		}
		if kind == sbc.KindTenant {
			delete(want, "tenant_id")
		}
		has := map[string]bool{}
		for name := range doc.Components.Schemas[schemaName(kind)].Value.Properties {
			has[name] = true
		}
		delete(has, "status")
		delete(has, "effective")
		if !maps.Equal(want, has) {
			t.Errorf("%s: sbc has %v\nopenapi.yaml has %v", kind, slices.Sorted(maps.Keys(want)),
				slices.Sorted(maps.Keys(has)))
		}
	}
}

func jsonNames(t reflect.Type, into map[string]bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			jsonNames(f.Type, into)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		into[name] = true
	}
}
