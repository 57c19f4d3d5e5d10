package api

import (
	"maps"
	"slices"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/bulk"
)

// batch is some rows in one transaction.
type batch struct {
	*importer
	tx   *memo
	rows []bulk.Row
	out  *outcome
	// ready are the resources to be written, of are their rows.
	ready []sbc.Resource
	of    []*bulk.Row
	olds  []sbc.Resource
	// there is what rows are matched with, by parent and key.
	there map[[2]string]sbc.Resource
}

// run prepares all rows and writes those that are good.
func (b *batch) run() error {
	if err := b.resolve(); err != nil {
		return err
	}
	if err := b.match(); err != nil {
		return err
	}
	for i := range b.rows {
		row := &b.rows[i]
		if err := b.prepare(row); err != nil {
			if sbc.CodeOf(err) == sbc.CodeUnavailable || sbc.CodeOf(err) == sbc.CodeInternal {
				return err
			}
			b.refuse(row, err)
		}
	}
	return b.put()
}

func (b *batch) refuse(row *bulk.Row, err error) {
	b.out.failed++
	b.out.faults = append(b.out.faults, errorsOf(row, b.job.Kind, err)...)
}

// put writes what is ready.
func (b *batch) put() error {
	if len(b.ready) == 0 {
		return errUnchanged
	}
	refused, err := b.tx.PutAll(b.ready)
	if err != nil {
		return err
	}
	for i, r := range b.ready {
		switch {
		case refused[i] != nil:
			b.refuse(b.of[i], refused[i])
			continue
		case b.olds[i] == nil:
			b.out.created++
		default:
			b.out.updated++
		}
		b.name(r)
	}
	if len(refused) == len(b.ready) {
		return errUnchanged
	}
	return nil
}

// name notes that a row stands for a resource.
func (b *batch) name(r sbc.Resource) {
	if b.job.Mode == sbc.ImportSync {
		b.out.named = append(b.out.named, b.hash(r.Base().ID))
	}
}

// prepare makes the resource that a row asks for.
func (b *batch) prepare(row *bulk.Row) error {
	if err := sbc.Invalid(row.Faults); err != nil {
		return err
	}
	if err := b.within(row); err != nil {
		return err
	}
	old, err := b.matched(row)
	if err != nil {
		return err
	}
	r, err := b.asked(row, old)
	if err != nil {
		return err
	}
	parent := ""
	for _, ref := range r.References() {
		if ref.Owns {
			parent = ref.ID
		}
	}
	if err := sbc.Invalid(b.claim(row, r, parent)); err != nil {
		return err
	}
	if old != nil && same(old, r) {
		b.out.unchanged++
		b.name(old)
		return nil
	}
	b.ready, b.of, b.olds = append(b.ready, r), append(b.of, row), append(b.olds, old)
	return nil
}

// strip takes out what only the server sets, which an export has, and what the import itself says.
func (im *importer) strip(row *bulk.Row) {
	writable := im.create.body.schema.Properties
	for _, name := range []string{"id", "revision", "created_at", "updated_at", "status", "algorithms", "name"} {
		if writable[name] == nil {
			delete(row.Fields, name)
		}
	}
	tenant, there := row.Fields["tenant_id"]
	if delete(row.Fields, "tenant_id"); there && tenant != nil && tenant != im.job.TenantID {
		row.Faults = append(row.Faults, sbc.Fault{Pointer: "#/tenant_id", Code: "mismatch",
			Detail: "must be " + im.job.TenantID + ", the tenant of the import, or left out"})
	}
	if row.Fields["domain_id"] == nil && im.domain != "" {
		row.Fields["domain_id"] = im.domain
	}
}

// within refuses another domain than that of the import.
func (b *batch) within(row *bulk.Row) error {
	if b.domain == "" || row.Fields["domain_id"] == b.domain {
		return nil
	}
	return sbc.Invalid([]sbc.Fault{{Pointer: "#/domain_id", Code: "mismatch", Detail: "must be the domain of the import, or left out"}})
}

// asked is the resource as a row wants it. All that is wrong with it comes at once, as it does for one write.
func (b *batch) asked(row *bulk.Row, old sbc.Resource) (sbc.Resource, error) {
	op, fields := b.update, row.Fields
	if old == nil {
		op, fields = b.create, maps.Clone(row.Fields)
		maps.DeleteFunc(fields, func(_ string, v any) bool { return v == nil })
	}
	faults := op.validateBody(fields)
	wrong := map[string]bool{}
	for _, f := range faults {
		wrong[firstSegment(f.Pointer)] = true
	}
	if len(wrong) > 0 {
		fields = maps.Clone(fields)
		maps.DeleteFunc(fields, func(name string, _ any) bool { return wrong[name] })
	}
	r := sbc.New(b.job.Kind)
	if err := b.fill(r, old, fields); err != nil {
		return nil, also(faults, wrong, err)
	}
	if wrong["username"] {
		wrong["name"] = true // its copy
	}
	if err := faultsIn(b.tx.Get, r); err != nil || len(faults) > 0 {
		return nil, also(faults, wrong, err)
	}
	if old != nil {
		return r, guardSecrets(b.tx, old, r)
	}
	r.Base().ID = sbc.NewID(b.job.Kind.Prefix())
	return r, hashSecret(b.tx.Get, r)
}

// fill puts the fields of a row onto a resource.
func (b *batch) fill(r, old sbc.Resource, fields map[string]any) error {
	if old == nil {
		if err := decodeOnto(r, fields); err != nil {
			return err
		}
		r.Base().TenantID = b.job.TenantID
		alike(r)
		return nil
	}
	if err := patched(r, old, fields); err != nil {
		return err
	}
	ch := &change{s: b.s, c: b.c, write: write{place: top(b.job.Kind), body: fields}}
	if err := ch.keep(r, old); err != nil {
		return err
	}
	alike(r)
	return nil
}

// also adds faults to those of the schema, but for fields that it has spoken of.
func also(faults []sbc.Fault, wrong map[string]bool, err error) error {
	if err != nil && len(asError(err).Faults) == 0 {
		return err
	}
	if err != nil {
		for _, f := range asError(err).Faults {
			if !wrong[firstSegment(f.Pointer)] {
				faults = append(faults, f)
			}
		}
	}
	return sbc.Invalid(faults)
}

// match finds what the rows stand for.
func (b *batch) match() error {
	b.there = map[[2]string]sbc.Resource{}
	if b.job.Mode == sbc.ImportInsert {
		return nil
	}
	wanted := map[string][]string{}
	for i := range b.rows {
		if parent, key := b.key(&b.rows[i]); key != "" {
			wanted[parent] = append(wanted[parent], key)
		}
	}
	for _, parent := range slices.Sorted(maps.Keys(wanted)) {
		found, err := b.tx.Find(sbc.Lookup{
			Kind: b.job.Kind, TenantID: b.job.TenantID, ParentID: parent, By: b.job.MatchOn, Values: wanted[parent],
		})
		if err != nil {
			return err
		}
		for _, r := range found {
			key := r.Base().Name
			if b.job.MatchOn == sbc.LookupExternalID {
				key = r.Base().ExternalID
			}
			b.there[[2]string{parent, key}] = r
		}
	}
	return nil
}

// key is what a row is matched by, and where that is unique.
func (b *batch) key(row *bulk.Row) (parent, key string) {
	if b.job.MatchOn == sbc.LookupExternalID {
		key, _ = row.Fields["external_id"].(string)
		return "", key
	}
	key, _ = row.Fields[nameField(b.job.Kind)].(string)
	if b.create.body.schema.Properties["domain_id"] != nil {
		if parent, _ = row.Fields["domain_id"].(string); parent == "" {
			return "", "" // a name alone names nothing
		}
	}
	return parent, key
}

// matched is what a row stands for, nil for something new.
func (b *batch) matched(row *bulk.Row) (sbc.Resource, error) {
	if b.job.Mode == sbc.ImportInsert {
		return nil, nil
	}
	parent, key := b.key(row)
	if _, given := row.Fields["external_id"]; key == "" && b.job.MatchOn == sbc.LookupExternalID && !given {
		return nil, sbc.Invalid([]sbc.Fault{{Pointer: "#/external_id", Code: "required", Detail: "must be there: rows are matched by it"}})
	}
	return b.there[[2]string{parent, key}], nil
}
