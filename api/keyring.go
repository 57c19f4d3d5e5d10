package api

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/auth/token"
	"github.com/sallyport/sallyport/sbc"
)

// Bounds of the keyring.
const (
	mostKeys   = 100_000          // keys beyond are not let in, and the log says so
	ringMaxAge = 10 * time.Second // a ring older than this is loaded again even if no revision rose
	ringRetry  = time.Second      // pause after a failed load
	ringPage   = 1000
)

// credential is an API key as the ring keeps it.
type credential struct {
	id, name, tenant string
	scopes           []sbc.Scope
	expires          time.Time // zero: never
	hash             token.Hash
	refusal          string // why it is not let in though it exists
	used             *atomic.Int64
	secret           string // the key as sent with this request; only in the copy a request holds
}

// ring is one loaded state of all keys.
type ring struct {
	byHash map[token.Hash]*credential
	byID   map[string]*credential
	tag    ringTag
	loaded time.Time
}

// ringTag changes with every revision, those that could not be activated included: a revoked key is out although another row
// keeps the configuration from being compiled.
type ringTag struct{ revision, active int64 }

// keyring lets keys in. Reading it is one atomic load; it is loaded anew when the revision changes.
type keyring struct {
	store   sbc.Provisioning
	status  Status
	log     *slog.Logger
	now     func() time.Time
	current atomic.Pointer[ring]
	stale   atomic.Bool
	mu      sync.Mutex // held while loading
	failed  time.Time
}

// find lets a key in, or says why not.
func (k *keyring) find(ctx context.Context, key string) (*credential, error) {
	if !token.Intact(key) {
		return nil, sbc.Errorf(sbc.CodeUnauthorized, "the API key is not whole; it looks like spk_…")
	}
	r, err := k.fresh(ctx)
	if err != nil {
		return nil, err
	}
	hash := token.Sum(key)
	c, ok := r.byHash[hash]
	switch {
	case !ok || !c.hash.Equal(hash):
		return nil, sbc.Errorf(sbc.CodeUnauthorized, "the API key is not known")
	case c.refusal != "":
		return nil, sbc.Errorf(sbc.CodeUnauthorized, "%s", c.refusal)
	case !c.expires.IsZero() && !k.now().Before(c.expires):
		return nil, sbc.Errorf(sbc.CodeUnauthorized, "the API key expired at %s", c.expires.UTC().Format(time.RFC3339))
	}
	c.used.Store(k.now().UnixNano())
	mine := *c
	mine.secret = key
	return &mine, nil
}

// fresh gives the ring of the newest revision known. While the store is gone the last one serves on: nothing can be revoked then.
func (k *keyring) fresh(ctx context.Context) (*ring, error) {
	s := k.status.ConfigStatus()
	tag := ringTag{s.Revision, s.Active}
	if r := k.current.Load(); k.good(r, tag) {
		return r, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.current.Load()
	if k.good(old, tag) {
		return old, nil
	}
	if old != nil && k.now().Sub(k.failed) < ringRetry {
		return old, nil
	}
	k.stale.Store(false)
	r, err := k.load(ctx, old, tag)
	if err != nil {
		k.failed = k.now()
		k.stale.Store(true)
		if old != nil {
			k.log.Warn("api: keys not loaded, the last ones serve on", "error", err)
			return old, nil
		}
		return nil, &sbc.Error{Code: sbc.CodeUnavailable, Message: "the API keys cannot be loaded now", Cause: err}
	}
	k.current.Store(r)
	return r, nil
}

func (k *keyring) good(r *ring, tag ringTag) bool {
	return r != nil && r.tag == tag && !k.stale.Load() && k.now().Sub(r.loaded) < ringMaxAge
}

// forget makes the next request load the keys: a key or a tenant was written here.
func (k *keyring) forget() { k.stale.Store(true) }

// load reads all keys and the tenants that are switched off.
func (k *keyring) load(ctx context.Context, old *ring, tag ringTag) (*ring, error) {
	off := map[string]bool{}
	err := each(ctx, k.store, sbc.KindTenant, func(r sbc.Resource) {
		if !r.Base().Enabled {
			off[r.Base().ID] = true
		}
	})
	if err != nil {
		return nil, err
	}
	next := &ring{byHash: map[token.Hash]*credential{}, byID: map[string]*credential{}, tag: tag, loaded: k.now()}
	err = each(ctx, k.store, sbc.KindAPIKey, func(r sbc.Resource) {
		key, ok := r.(*sbc.APIKey)
		if !ok || len(next.byID) >= mostKeys {
			k.log.Error("api: an API key was left out", "key_id", r.Base().ID, "bound", mostKeys)
			return
		}
		next.add(key, old, off)
	})
	return next, err
}

// add puts a key into the ring. One whose hash cannot be read lets nobody in.
func (r *ring) add(key *sbc.APIKey, old *ring, off map[string]bool) {
	hash, err := token.ParseHash(key.Hash)
	if err != nil {
		return
	}
	c := &credential{id: key.ID, name: key.Name, tenant: key.TenantID, scopes: key.Scopes, hash: hash,
		used: new(atomic.Int64)}
	if key.ExpiresAt != nil {
		c.expires = *key.ExpiresAt
	}
	switch {
	case !key.Enabled:
		c.refusal = "the API key is switched off"
	case off[key.TenantID]:
		c.refusal = "the tenant of the API key is switched off"
	}
	if old != nil && old.byID[key.ID] != nil {
		c.used = old.byID[key.ID].used
	}
	r.byHash[hash], r.byID[key.ID] = c, c
}

// lastUsed tells when a key was last let in by this node; zero for never.
func (k *keyring) lastUsed(id string) time.Time {
	r := k.current.Load()
	if r == nil || r.byID[id] == nil {
		return time.Time{}
	}
	if at := r.byID[id].used.Load(); at != 0 {
		return time.Unix(0, at).UTC()
	}
	return time.Time{}
}

// each visits all resources of a kind, page by page.
func each(ctx context.Context, store sbc.Provisioning, kind sbc.Kind, visit func(sbc.Resource)) error {
	for after := ""; ; {
		page, next, err := store.List(ctx, sbc.Query{Kind: kind, After: after, Limit: ringPage})
		if err != nil {
			return err
		}
		for _, r := range page {
			visit(r)
		}
		if next == "" {
			return nil
		}
		after = next
	}
}

// bearer takes the key out of an Authorization header (RFC 6750 2.1).
func bearer(header string) (string, error) {
	scheme, key, found := strings.Cut(header, " ")
	if header == "" {
		return "", sbc.Errorf(sbc.CodeUnauthorized, `send an API key as "Authorization: Bearer spk_…"`)
	}
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", sbc.Errorf(sbc.CodeUnauthorized, `the Authorization header must read "Bearer spk_…"`)
	}
	return strings.TrimSpace(key), nil
}
