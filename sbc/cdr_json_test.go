package sbc

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

// fill gives every field of a value something of its own, or now and then nothing, so that a field AppendJSON does not know is
// missed.
func fill(r *rand.Rand, v reflect.Value) {
	if r.IntN(8) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			at := time.Unix(r.Int64N(1e10), r.Int64N(1e9)).In(time.FixedZone("x", 60*(r.IntN(1440)-720)))
			v.Set(reflect.ValueOf(at))
			return
		}
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"a": "b\"", "ü": ""}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.String:
		pieces := []string{"plain", `"quoted\`, "ü電", "\x00\x1f\n\u2028\x7f", "<&>", "\xff"}
		v.SetString(fmt.Sprint(r.IntN(100), pieces[r.IntN(len(pieces))]))
	case reflect.Float64:
		v.SetFloat(math.Exp(r.NormFloat64() * 20))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(r.Uint32()) << r.IntN(10))
		if v.Kind() == reflect.Uint64 {
			v.SetUint(r.Uint64())
		}
	default:
		v.SetInt(r.Int64())
	}
}

// TestAppendJSON: whatever stands in a record, AppendJSON says the same as encoding/json.
func TestAppendJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		var c CDR
		fill(r, reflect.ValueOf(&c).Elem())
		reference, err := json.Marshal(&c)
		if err != nil {
			t.Fatal(err)
		}
		got := c.AppendJSON([]byte("x"))
		var a, b map[string]any
		if err := json.Unmarshal(got[1:], &a); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if err := json.Unmarshal(reference, &b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("got  %s\nwant %s", got, reference)
		}
	}
}

// TestAppendJSONNeverFails: what encoding/json refuses becomes zero.
func TestAppendJSONNeverFails(t *testing.T) {
	c := CDR{
		StartedAt: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC),
		Media:     []StreamStats{{MOS: math.NaN(), JitterMS: math.Inf(1), RoundTripMS: 2}},
	}
	var got CDR
	if err := json.Unmarshal(c.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	if m := got.Media[0]; m.MOS != 0 || m.JitterMS != 0 || m.RoundTripMS != 2 || !got.StartedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
}

func BenchmarkCDR(b *testing.B) {
	at := time.Now().UTC()
	s := StreamStats{Side: SideCaller, Media: "audio", LocalAddress: "192.0.2.1:30000", FirstPacket: &at, LastPacket: &at, MOS: 4.4}
	c := CDR{
		ID: NewID(PrefixCDR), CallID: NewID(PrefixCall), StartedAt: at, AnsweredAt: &at, EndedAt: at, Legs: make([]CDRLeg, 2),
		Attempts: make([]CDRAttempt, 1), Media: []StreamStats{s, s},
	}
	b.Run("AppendJSON", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = c.AppendJSON(buf[:0])
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(&c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
