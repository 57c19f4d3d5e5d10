package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

// environmentKey is the external id of the key that SALLYPORT_API_KEY brings: another value replaces it instead of adding one.
const environmentKey = "env:SALLYPORT_API_KEY"

// Bootstrap sees to it that somebody can get in: with envKey (the value of SALLYPORT_API_KEY) that key is let in as an
// administrator; without it, and if no key exists, one is made and returned to be printed once.
func Bootstrap(ctx context.Context, config Provisioner, store sbc.Provisioning, envKey string) (printOnce string, err error) {
	keys := map[string]*sbc.APIKey{}
	err = each(ctx, store, sbc.KindAPIKey, func(r sbc.Resource) {
		if k, ok := r.(*sbc.APIKey); ok {
			keys[k.Hash] = k
		}
	})
	if err != nil {
		return "", fmt.Errorf("api: first key: %w", err)
	}
	if envKey == "" {
		if len(keys) > 0 {
			return "", nil
		}
		key := token.New()
		return key, admit(ctx, config, key, "first key", "")
	}
	if err := token.Check(envKey); err != nil {
		return "", fmt.Errorf("SALLYPORT_API_KEY: %w", err)
	}
	if is := keys[token.Sum(envKey).String()]; is != nil && keepsOpen(is) {
		return "", nil
	}
	return "", admit(ctx, config, envKey, "SALLYPORT_API_KEY", environmentKey)
}

// admit writes a system-wide administrator's key.
func admit(ctx context.Context, config Provisioner, key, name, externalID string) error {
	err := config.Update(ctx, false, func(tx sbc.Tx) error {
		made, ok := sbc.New(sbc.KindAPIKey).(*sbc.APIKey)
		if !ok {
			return errors.New("sbc.New does not make API keys")
		}
		made.ID, made.Name, made.ExternalID = sbc.NewID(sbc.PrefixAPIKey), name, externalID
		if externalID != "" {
			before, err := tx.ByExternalID(sbc.KindAPIKey, "", externalID)
			switch {
			case err == nil:
				made.ID, made.CreatedAt = before.Base().ID, before.Base().CreatedAt
			case sbc.CodeOf(err) != sbc.CodeNotFound:
				return err
			}
		}
		made.Scopes = []sbc.Scope{sbc.ScopeAdmin}
		made.Hash, made.Hint = token.Sum(key).String(), token.Hint(key)
		if err := tx.Put(made); err != nil {
			return err
		}
		return tx.Audit(sbc.AuditEvent{
			ID: sbc.NewID(sbc.PrefixAudit), At: time.Now().UTC(), Actor: "system", OperationID: "bootstrap", Kind: sbc.KindAPIKey,
			ResourceID: made.ID, After: map[string]any{"name": name, "scopes": made.Scopes}, Revision: tx.Revision(),
		})
	})
	if err != nil {
		return fmt.Errorf("api: first key: %w", err)
	}
	return nil
}
