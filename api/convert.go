package api

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/sallyport/sallyport/sbc"
)

// The words of sbc and the generated types have the same field names, so JSON is the mapping; a test proves that nothing is
// lost on the way. A field that the generated type does not have (the hash of an API key) does not get out.

// convert maps any value to a generated type. fields are put on top of the object: what the API shows and sbc does not hold.
func convert[G any](v any, fields ...field) (G, error) {
	var g G
	raw, err := json.Marshal(v)
	if err != nil {
		return g, fmt.Errorf("encode %T: %w", v, err)
	}
	for _, f := range fields {
		if raw, err = f.appendTo(raw); err != nil {
			return g, err
		}
	}
	if err := json.Unmarshal(raw, &g); err != nil {
		return g, fmt.Errorf("map %T to %T: %w", v, g, err)
	}
	fill(reflect.ValueOf(&g).Elem())
	return g, nil
}

// field is one more member of a JSON object.
type field struct {
	name  string
	value any
}

// appendTo puts the member behind the last one of a non-empty object.
func (f field) appendTo(object []byte) ([]byte, error) {
	raw, err := json.Marshal(f.value)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.name, err)
	}
	object = append(object[:len(object)-1], `,"`+f.name+`":`...)
	return append(append(object, raw...), '}'), nil
}

// fill makes nil slices empty ones: a required array is [] on the wire, never null. Optional arrays are behind pointers and stay
// absent.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f)
			}
		}
	case reflect.Slice:
		if v.IsNil() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			return
		}
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				fill(v.Index(i))
			}
		}
	}
}

// decodeOnto puts a body onto a resource that holds its defaults.
func decodeOnto(r sbc.Resource, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode body: %w", err)
	}
	if err := json.Unmarshal(raw, r); err != nil {
		return &sbc.Error{Code: sbc.CodeInvalid, Message: "the body does not fit", Cause: err,
			Faults: []sbc.Fault{{Pointer: "#", Code: "type", Detail: "holds a value that cannot be taken: " + clip(err.Error())}}}
	}
	return nil
}

// object is a value as a JSON object.
func object(v any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("decode %T: %w", v, err)
	}
	return m, nil
}

// merge applies a JSON Merge Patch (RFC 7396 2) to target.
func merge(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, value := range patch {
		switch v := value.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			inner, _ := target[name].(map[string]any)
			target[name] = merge(inner, v)
		default:
			target[name] = v
		}
	}
	return target
}
