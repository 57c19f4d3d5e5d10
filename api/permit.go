package api

import (
	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

// tenantOf reads the tenant a body asks for and says which one it is.
func (ch *change) tenantOf(body any) (string, error) {
	probe := sbc.New(ch.place.kind)
	if err := decodeOnto(probe, body); err != nil {
		return "", err
	}
	return ch.c.assign(ch.place.kind, probe.Base().TenantID)
}

// assign decides the tenant of a new resource. A key of a tenant writes into it and nowhere else.
func (c *caller) assign(kind sbc.Kind, asked string) (string, error) {
	own := c.tenant()
	switch {
	case kind == sbc.KindTenant:
		return "", nil
	case own != "" && asked != "" && asked != own:
		return "", &sbc.Error{Code: sbc.CodeForbidden,
			Message: "the key writes into its own tenant only; leave tenant_id out",
			Faults:  []sbc.Fault{{Pointer: "#/tenant_id", Code: "forbidden", Detail: "must be " + own + " or left out"}}}
	case own != "":
		return own, nil
	case asked == "" && kind != sbc.KindAPIKey:
		return sbc.DefaultTenantID, nil
	}
	return asked, nil
}

// settle puts a new resource into its tenant and below its parent.
func (ch *change) settle(r, owner sbc.Resource) error {
	m := r.Base()
	if owner != nil {
		tenant := owner.Base().TenantID
		if m.TenantID != "" && m.TenantID != tenant {
			return sbc.Invalid([]sbc.Fault{{
				Pointer: "#/tenant_id", Code: "mismatch",
				Detail: "must be the tenant of the " + words(ch.place.parent) + ", " + tenant + ", or left out",
			}})
		}
		m.TenantID = tenant
		setParent(r, ch.place.id)
		return nil
	}
	tenant, err := ch.c.assign(ch.place.kind, m.TenantID)
	m.TenantID = tenant
	return err
}

// allowed checks preconditions and what scopes alone do not say. old is nil when a resource is made, r when it is deleted.
func (ch *change) allowed(tx sbc.Tx, old, r sbc.Resource) error {
	demanded, err := demands(tx, old)
	if err != nil {
		return err
	}
	if err := ch.check(old, demanded); err != nil {
		return err
	}
	switch ch.place.kind {
	case sbc.KindTenant:
		return ch.allowedTenant(old, r)
	case sbc.KindAPIKey:
		return ch.allowedKey(tx, old, r)
	}
	return nil
}

// demands tells whether the tenant of a resource wants If-Match on changes.
func demands(tx sbc.Tx, r sbc.Resource) (bool, error) {
	if r == nil {
		return false, nil
	}
	if t, ok := r.(*sbc.Tenant); ok {
		return t.RequirePreconditions, nil
	}
	if r.Base().TenantID == "" {
		return false, nil
	}
	t, err := tx.Get(sbc.KindTenant, "", r.Base().TenantID)
	if err != nil {
		return false, err
	}
	tenant, ok := t.(*sbc.Tenant)
	return ok && tenant.RequirePreconditions, nil
}

// allowedTenant: only the operator makes and deletes tenants, and the first one stays.
func (ch *change) allowedTenant(old, r sbc.Resource) error {
	switch {
	case ch.c.tenant() != "" && (old == nil || r == nil):
		return sbc.Errorf(sbc.CodeForbidden, "only a system-wide key makes and deletes tenants")
	case r == nil && old.Base().ID == sbc.DefaultTenantID:
		return sbc.Errorf(sbc.CodeConflict, "the tenant %s stays: what names no tenant belongs to it", sbc.DefaultTenantID)
	}
	return nil
}

// allowedKey: nobody gives, changes or takes a right that he does not have, and nobody locks the last door.
func (ch *change) allowedKey(tx sbc.Tx, old, r sbc.Resource) error {
	before, _ := old.(*sbc.APIKey)
	after, _ := r.(*sbc.APIKey)
	for _, key := range []*sbc.APIKey{before, after} {
		if key == nil {
			continue
		}
		for _, scope := range key.Scopes {
			if !token.Covers(ch.c.key.scopes, scope) {
				return sbc.Errorf(sbc.CodeForbidden, "the key in use does not have the scope %s itself", clip(string(scope)))
			}
		}
	}
	if keepsOpen(before) && !keepsOpen(after) {
		return lastDoor(tx, before.ID)
	}
	return nil
}

// lastDoor refuses to lose a key if no other one keeps the door open.
func lastDoor(tx sbc.Tx, id string) error {
	all, err := tx.All()
	if err != nil {
		return err
	}
	for _, one := range all {
		if key, ok := one.(*sbc.APIKey); ok && key.ID != id && keepsOpen(key) {
			return nil
		}
	}
	return sbc.Errorf(sbc.CodeConflict,
		"there must be an enabled system-wide key with the scope admin that does not expire: this is the last one")
}

// keepsOpen tells whether a key alone would keep the door open: system-wide, administrator, enabled, without end.
func keepsOpen(k *sbc.APIKey) bool {
	return k != nil && k.Enabled && k.TenantID == "" && k.ExpiresAt == nil && token.Covers(k.Scopes, sbc.ScopeAdmin)
}
