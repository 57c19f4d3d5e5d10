package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/sbc"
)

// maxBody bounds a request body in bytes.
const maxBody = 1 << 20

// validatedBody is a body that was read and checked. The generated code takes the decoded value instead of decoding again.
type validatedBody struct {
	io.Reader
	value map[string]any
}

// ValidatedValue is what the generated code asks for.
func (b *validatedBody) ValidatedValue() any { return b.value }

// Close does nothing: the bytes are in memory.
func (b *validatedBody) Close() error { return nil }

// validateParameters checks path, query and header of a request against the specification; all faults come at once.
func (op *operation) validateParameters(c echo.Context) error {
	var faults []sbc.Fault
	for _, p := range op.path {
		faults = append(faults, p.check(pathValue(c, p.name))...)
	}
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		faults = append(faults, sbc.Fault{Parameter: "?", Code: "malformed",
			Detail: "the query cannot be read: use percent-encoding"})
	}
	for name, values := range query {
		faults = append(faults, op.checkQuery(name, values)...)
	}
	for _, p := range op.header {
		switch values := c.Request().Header.Values(p.name); {
		case len(values) > 1:
			faults = append(faults, sbc.Fault{Parameter: p.name, Code: "repeated", Detail: "is there more than once"})
		case len(values) == 1:
			faults = append(faults, p.check(values[0])...)
		}
	}
	slices.SortStableFunc(faults, func(a, b sbc.Fault) int { return strings.Compare(a.Parameter, b.Parameter) })
	return wrongParameters(faults)
}

// checkQuery checks all values of one query parameter.
func (op *operation) checkQuery(name string, values []string) []sbc.Fault {
	fault := func(code, detail string) []sbc.Fault {
		return []sbc.Fault{{Parameter: name, Code: code, Detail: detail}}
	}
	p, known := op.query[name]
	switch {
	case !known && op.known == "":
		return fault("unknown_parameter", "is not known; this operation has no query parameters")
	case !known:
		return fault("unknown_parameter", "is not known; known are "+op.known)
	case len(values) > 1 && !p.array:
		return fault("repeated", "is there more than once")
	case p.array && p.most > 0 && uint64(len(values)) > p.most:
		return fault("too_many", fmt.Sprintf("is there %d times; at most %d are allowed", len(values), p.most))
	}
	var faults []sbc.Fault
	for _, v := range values {
		faults = append(faults, p.check(v)...)
	}
	return faults
}

// check reads one value of a parameter as its schema says and validates it.
func (p *parameter) check(text string) []sbc.Fault {
	var value any = text
	switch {
	case p.schema.Type.Is("integer"):
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return []sbc.Fault{{Parameter: p.name, Code: "type", Detail: fmt.Sprintf("is %q; must be an integer",
				clip(text))}}
		}
		value = float64(n)
	case p.schema.Type.Is("boolean"):
		if text != "true" && text != "false" {
			return []sbc.Fault{{Parameter: p.name, Code: "type", Detail: fmt.Sprintf("is %q; must be true or false",
				clip(text))}}
		}
		return nil
	}
	faults := schemaFaults(p.schema.VisitJSON(value, openapi3.MultiErrors(), openapi3.EnableFormatValidation()), nil)
	for i := range faults {
		faults[i].Pointer, faults[i].Parameter = "", p.name
	}
	return faults
}

// readBody reads and decodes the body of an operation that has one. What comes back is the object, not yet checked.
func (op *operation) readBody(c echo.Context) (raw []byte, object map[string]any, err error) {
	r := c.Request()
	if err := op.contentType(r); err != nil {
		return nil, nil, err
	}
	if r.ContentLength > maxBody {
		return nil, nil, &http.MaxBytesError{Limit: maxBody}
	}
	if raw, err = readAll(c, maxBody); err != nil {
		return nil, nil, err
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil, sbc.Errorf(codeBody, "the body is empty; send a JSON object")
	}
	value, err := decodeJSON(raw)
	if err != nil {
		return nil, nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, nil, &sbc.Error{Code: sbc.CodeInvalid, Message: "the body must be a JSON object",
			Faults: []sbc.Fault{{Pointer: "#", Code: "type", Detail: "must be an object"}}}
	}
	return raw, object, nil
}

// decodeJSON decodes exactly one JSON value.
func decodeJSON(raw []byte) (any, error) {
	var value any
	err := json.Unmarshal(raw, &value)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, sbc.Errorf(codeBody, "the body is not JSON: at byte %d: %s", syntax.Offset, syntax.Error())
	case err != nil:
		return nil, &sbc.Error{Code: codeBody,
			Message: "the body is not JSON that can be taken: a number is out of all bounds", Cause: err}
	}
	return value, nil
}

// contentType wants the type of the specification. Merge patches may come as plain JSON, WAV files under any of their names,
// and a missing type is taken for the right one.
func (op *operation) contentType(r *http.Request) error {
	given := r.Header.Get("Content-Type")
	if given == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(given)
	wav := op.body.contentType == "audio/wav" && slices.Contains([]string{"audio/x-wav", "audio/wave", "audio/vnd.wave"}, media)
	if err == nil && (media == op.body.contentType || wav || media == "application/json" && op.method == http.MethodPatch) {
		return nil
	}
	return sbc.Errorf(codeMediaType, "the body is %q; send it as %s", clip(given), op.body.contentType)
}

// validateBody checks a decoded object against the schema.
func (op *operation) validateBody(object map[string]any) []sbc.Fault {
	return schemaFaults(op.body.schema.VisitJSON(object, openapi3.MultiErrors(), openapi3.VisitAsRequest(),
		openapi3.EnableFormatValidation()), nil)
}

// schemaFaults turns the validator's errors into ours; before is the path to where the schema was applied.
func schemaFaults(err error, before []string) []sbc.Fault {
	switch e := err.(type) {
	case nil:
		return nil
	case openapi3.MultiError:
		var all []sbc.Fault
		for _, one := range e {
			all = append(all, schemaFaults(one, before)...)
		}
		return all
	case *openapi3.SchemaError:
		path := append(slices.Clone(before), e.JSONPointer()...)
		if inner := (*openapi3.SchemaError)(nil); e.SchemaField == "allOf" && errors.As(e.Origin, &inner) {
			return schemaFaults(inner, path)
		}
		return []sbc.Fault{faultOf(e, path)}
	}
	return []sbc.Fault{{Pointer: pointer(before), Code: "invalid", Detail: clip(err.Error())}}
}

// faultOf words one error of the validator, with the codes that sbc's own checks use.
func faultOf(e *openapi3.SchemaError, path []string) sbc.Fault {
	f := sbc.Fault{Pointer: pointer(path), Code: e.SchemaField, Detail: e.Reason}
	s := e.Schema
	switch e.SchemaField {
	case "required":
		f.Detail = "must be given"
	case "properties":
		name := unknownName(e.Reason)
		f.Pointer, f.Code, f.Detail = pointer(append(path, name)), "unknown_field", "is not a field of this body"
	case "type":
		f.Detail = fmt.Sprintf("is %s; must be %s", typeName(e.Value), strings.Join(s.Type.Slice(), " or "))
	case "nullable":
		f.Code, f.Detail = "null", "must not be null; leave it out"
	case "enum":
		f.Detail = fmt.Sprintf("is %s; must be one of %v", shown(e.Value), s.Enum)
	case "minimum", "maximum":
		f.Code, f.Detail = "out_of_range", fmt.Sprintf("is %s; must be %s", shown(e.Value), bounds(s))
	case "minLength":
		f.Code, f.Detail = "required", "must not be empty"
	case "maxLength":
		f.Code, f.Detail = "too_long", fmt.Sprintf("is too long; at most %d characters are allowed", *s.MaxLength)
	case "minItems":
		f.Code, f.Detail = "required", "must hold at least one item"
	case "maxItems":
		f.Code, f.Detail = "too_many", fmt.Sprintf("holds too many; at most %d are allowed", *s.MaxItems)
	case "maxProperties":
		f.Code, f.Detail = "too_many", fmt.Sprintf("holds too many; at most %d are allowed", *s.MaxProps)
	case "pattern":
		f.Detail = fmt.Sprintf("is %s; must match %s", shown(e.Value), s.Pattern)
		if strings.HasPrefix(s.Pattern, `^[^\x00`) {
			f.Code, f.Detail = "control_character", "must not hold control characters"
		}
	case "format":
		f.Detail = fmt.Sprintf("is %s; must be a %s such as 2026-11-22T09:30:00Z", shown(e.Value), s.Format)
	}
	return f
}

// unknownName takes the name out of the validator's sentence: property "x" is unsupported.
func unknownName(reason string) string {
	var name string
	if _, err := fmt.Sscanf(reason, "property %q is unsupported", &name); err != nil {
		return "?"
	}
	return name
}

func bounds(s *openapi3.Schema) string {
	switch {
	case s.Min != nil && s.Max != nil:
		return fmt.Sprintf("from %.0f to %.0f", *s.Min, *s.Max)
	case s.Min != nil:
		return fmt.Sprintf("at least %.0f", *s.Min)
	}
	return fmt.Sprintf("at most %.0f", *s.Max)
}

// pointer spells a path as a JSON pointer in a URI fragment (RFC 6901 3 and 6).
func pointer(path []string) string {
	var b strings.Builder
	b.WriteByte('#')
	for _, p := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(clip(p)))
	}
	return b.String()
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "an array"
	}
	return "an object"
}

// shown spells a value for people, cut to a bearable length.
func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return clip(string(b))
}

// clip cuts what came from outside before it goes into an answer.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return strings.ToValidUTF8(s, "?")
	}
	return strings.ToValidUTF8(s[:most], "?") + "…"
}
