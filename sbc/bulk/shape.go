package bulk

import (
	"encoding"
	"reflect"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// The two forms of a table.
const (
	CSV    = "text/csv"
	NDJSON = "application/x-ndjson"
)

// form is how a value stands in a cell.
type form int

const (
	text   form = iota
	number      // digits
	truth       // true or false
	list        // words with ";" between them, or a JSON array
	object      // JSON; of a map also one cell for each key
)

// column is a field of a kind: its place in the JSON object, from the outside in.
type column struct {
	path []string
	form form
	// open says that any name may follow the path.
	open bool
}

// name is the head of the column.
func (c column) name() string { return strings.Join(c.path, ".") }

// columnsOf lists the fields of a kind, in the order of its type. Objects within are taken apart.
func columnsOf(kind sbc.Kind) []column {
	return fieldsOf(reflect.TypeOf(sbc.New(kind)).Elem(), nil)
}

func fieldsOf(t reflect.Type, path []string) []column {
	var all []column
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			all = append(all, fieldsOf(f.Type, path)...)
		case name != "" && name != "-":
			all = append(all, columnOf(f.Type, append(path[:len(path):len(path)], name))...)
		}
	}
	return all
}

func columnOf(t reflect.Type, path []string) []column {
	one := column{path: path, form: text}
	switch k := t.Kind(); {
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()), k == reflect.String:
	case k == reflect.Bool:
		one.form = truth
	case k >= reflect.Int && k <= reflect.Float64:
		one.form = number
	case k == reflect.Slice && t.Elem().Kind() == reflect.String:
		one.form = list
	case k == reflect.Struct:
		return fieldsOf(t, path)
	default:
		one.form, one.open = object, k == reflect.Map
	}
	return []column{one}
}

// synonyms are other names of a kind's fields: those of OpenSIPS' tables subscriber and dbaliases, and names that say more than
// an id where a name stands in the place of the id.
func synonyms(kind sbc.Kind) map[string]string {
	all := map[string]string{"domain": "domain_id", "groups": "group_ids", "subscriber": "subscriber_id"}
	switch kind {
	case sbc.KindSubscriber:
		all["ha1_sha512t256"] = "ha1_sha512_256"
	case sbc.KindAlias:
		all["alias_username"], all["alias_domain"], all["username"] = "name", "domain_id", "subscriber_id"
	}
	return all
}
