package sql

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport/sallyport/sbc"
)

// resourceRow is a row of resources.
type resourceRow struct {
	ID         string `gorm:"column:id;primaryKey"`
	Kind       sbc.Kind
	TenantID   string
	ParentID   string
	Name       string
	ExternalID *string
	Enabled    bool
	Revision   int64
	Created    int64 `gorm:"column:created_at"`
	Updated    int64 `gorm:"column:updated_at"`
	Document   string
}

// TableName tells gorm where the rows are; so below.
func (resourceRow) TableName() string { return "resources" }

// refRow is a row of resource_refs.
type refRow struct {
	FromID  string
	Pointer string
	ToID    string
}

func (refRow) TableName() string { return "resource_refs" }

// labelRow is a row of resource_labels.
type labelRow struct {
	ResourceID string
	Label      string
	Value      string
}

func (labelRow) TableName() string { return "resource_labels" }

// row spells a resource for its row.
func (c codec) row(r sbc.Resource) (*resourceRow, error) {
	m := r.Base()
	document, err := c.document(r)
	if err != nil {
		return nil, err
	}
	row := &resourceRow{
		ID: m.ID, Kind: r.Kind(), TenantID: m.TenantID, ParentID: parentOf(r), Name: m.Name, Enabled: m.Enabled,
		Revision: m.Revision, Created: micros(m.CreatedAt), Updated: micros(m.UpdatedAt), Document: document,
	}
	if m.ExternalID != "" {
		row.ExternalID = &m.ExternalID
	}
	return row, nil
}

// decodeResource reads a row's document. It is decoded onto the kind's defaults, so that a field which did not exist when the
// document was written has its default and not zero.
func decodeResource(kind sbc.Kind, document string) (sbc.Resource, error) {
	r := sbc.New(kind)
	if r == nil {
		return nil, sbc.Errorf(sbc.CodeInternal, "the database holds a resource of the unknown kind %q", kind)
	}
	if err := json.Unmarshal([]byte(document), r); err != nil {
		return nil, &sbc.Error{Code: sbc.CodeInternal, Message: "the database holds a broken " + string(kind), Cause: err}
	}
	return r, nil
}

// parentOf is the resource that owns this one, "" if none does.
func parentOf(r sbc.Resource) string {
	for _, ref := range r.References() {
		if ref.Owns {
			return ref.ID
		}
	}
	return ""
}

// document spells anything as JSON that both databases can hold.
func document(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", &sbc.Error{Code: sbc.CodeInvalid, Message: "a value cannot be written as JSON", Cause: err}
	}
	return withoutNUL(string(b)), nil
}

// withoutNUL replaces the NUL characters of a JSON text by U+FFFD: PostgreSQL cannot hold them. A backslash before the escape
// may itself be escaped, so the text is walked and not replaced blindly.
func withoutNUL(s string) string {
	const escape = `\u0000`
	if !strings.Contains(s, escape) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
			i++
		case strings.HasPrefix(s[i:], escape):
			b.WriteString(`\ufffd`)
			i += len(escape)
		default:
			b.WriteString(s[i : i+2])
			i += 2
		}
	}
	return b.String()
}

// maxText is the length of the text columns of records: an index of PostgreSQL cannot hold more than 2.7 kB in an entry.
const maxText = 255

// text makes a string fit for a text column: valid UTF-8 without NUL, at most maxText characters.
func text(s string) string {
	if len(s) <= maxText && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
	n := 0
	for i := range s {
		if n == maxText {
			return s[:i]
		}
		n++
	}
	return s
}

func micros(t time.Time) int64 { return t.UnixMicro() }

// now is the time as both databases keep it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
