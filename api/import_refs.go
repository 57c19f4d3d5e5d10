package api

import (
	"maps"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// referenceFields are the references of the kinds that can be imported, by field.
func referenceFields() map[string]sbc.Kind {
	return map[string]sbc.Kind{
		"domain_id": sbc.KindDomain, "group_ids": sbc.KindGroup, "incoming_list_ids": sbc.KindNumberList,
		"outgoing_list_ids": sbc.KindNumberList, "greeting_announcement_id": sbc.KindAnnouncement,
		"sip_interface_id": sbc.KindSIPInterface, "subscriber_id": sbc.KindSubscriber,
	}
}

// reference is one reference of a row, which can be written anew.
type reference struct {
	kind sbc.Kind
	row  int
	text string
	set  func(id string)
}

// resolve puts ids where rows name other resources, domains first: the names of subscribers are those of a domain.
func (b *batch) resolve() error {
	var first, then []reference
	for i := range b.rows {
		for field, kind := range referenceFields() {
			for _, ref := range b.refs(i, field, kind) {
				if kind == sbc.KindSubscriber {
					then = append(then, ref)
				} else {
					first = append(first, ref)
				}
			}
		}
	}
	if err := b.find(first, func(reference) string { return "" }); err != nil {
		return err
	}
	return b.find(then, func(ref reference) string {
		id, _ := b.rows[ref.row].Fields["domain_id"].(string)
		return id
	})
}

// refs are the references in one field of a row.
func (b *batch) refs(row int, field string, kind sbc.Kind) []reference {
	fields := b.rows[row].Fields
	switch v := fields[field].(type) {
	case string:
		if v == "" {
			return nil
		}
		return []reference{{kind, row, v, func(id string) { fields[field] = id }}}
	case []any:
		var refs []reference
		for i, one := range v {
			if text, ok := one.(string); ok {
				refs = append(refs, reference{kind, row, text, func(id string) { v[i] = id }})
			}
		}
		return refs
	}
	return nil
}

// nameSpace is where names are looked for.
type nameSpace struct {
	kind   sbc.Kind
	parent string
}

// find looks references up, by id what looks like one, the rest by name within its parent. What is found by neither stays as it is, and is a
// fault of its row later.
func (b *batch) find(refs []reference, parent func(reference) string) error {
	byID, byName := map[sbc.Kind]map[string]bool{}, map[nameSpace]map[string]string{}
	for _, ref := range refs {
		if strings.HasPrefix(ref.text, ref.kind.Prefix()+"_") {
			if byID[ref.kind] == nil {
				byID[ref.kind] = map[string]bool{}
			}
			byID[ref.kind][ref.text] = true
		}
	}
	for kind, ids := range byID {
		found, err := b.tx.Find(sbc.Lookup{Kind: kind, TenantID: b.job.TenantID, By: sbc.LookupID, Values: slices.Sorted(maps.Keys(ids))})
		if err != nil {
			return err
		}
		b.tx.add(found...)
	}
	for _, ref := range refs {
		if s := (nameSpace{ref.kind, parent(ref)}); b.tx.known[ref.text] == nil && (ref.kind != sbc.KindSubscriber || s.parent != "") {
			if byName[s] == nil {
				byName[s] = map[string]string{}
			}
			byName[s][ref.text] = ""
		}
	}
	for s, names := range byName {
		found, err := b.tx.Find(sbc.Lookup{
			Kind: s.kind, TenantID: b.job.TenantID, ParentID: s.parent, By: sbc.LookupName, Values: slices.Sorted(maps.Keys(names)),
		})
		if err != nil {
			return err
		}
		b.tx.add(found...)
		for _, r := range found {
			names[r.Base().Name] = r.Base().ID
		}
	}
	for _, ref := range refs {
		if id := byName[nameSpace{ref.kind, parent(ref)}][ref.text]; id != "" {
			ref.set(id)
		}
	}
	return nil
}
