package call

import (
	"maps"
	"net/url"
	"strings"
	"sync"

	"github.com/sallyport/sallyport/sbc/dialog"
	"github.com/sallyport/sallyport/sbc/msg"
)

// replaces names a dialog (RFC 3891 3): toTag is that of whoever gets the INVITE with it, which is us.
type replaces struct {
	callID, toTag, fromTag string
	// early says that an answered dialog is not meant.
	early bool
}

// parseReplaces reads the value of a Replaces header.
func parseReplaces(value string) (r replaces, ok bool) {
	parts := strings.Split(value, ";")
	r.callID = strings.TrimSpace(parts[0])
	for _, p := range parts[1:] {
		name, v, _ := strings.Cut(p, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "to-tag":
			r.toTag = strings.TrimSpace(v)
		case "from-tag":
			r.fromTag = strings.TrimSpace(v)
		case "early-only":
			r.early = true
		}
	}
	return r, r.callID != "" && r.toTag != "" && r.fromTag != ""
}

// replacesOf reads the Replaces header that a Refer-To URI asks for (RFC 3261 19.1.1); named tells whether there is one.
func replacesOf(u msg.URI) (r replaces, named, ok bool) {
	value, named := msg.Param(u.Headers, "Replaces")
	if !named {
		return r, false, false
	}
	plain, err := url.PathUnescape(value)
	if err != nil {
		return r, true, false
	}
	r, ok = parseReplaces(plain)
	return r, true, ok
}

// names tells whether it is that dialog.
func (r replaces) names(d *dialog.Dialog) bool {
	return d != nil && d.CallID() == r.callID && d.LocalTag() == r.toTag && d.RemoteTag() == r.fromTag
}

// tokens find the dialogs that one side was told of by a token: Call-ID and tags are the other side's.
type tokens struct {
	mu  sync.Mutex
	all map[string]*endpoint
}

// maxTokens bounds the tokens; beyond it those of dialogs that are over are forgotten first.
const maxTokens = 10_000

// restoreToken makes a token of an earlier process name an endpoint's dialog again.
func (m *Manager) restoreToken(e *endpoint, token string) {
	m.tokens.mu.Lock()
	defer m.tokens.mu.Unlock()
	if m.tokens.all == nil {
		m.tokens.all = map[string]*endpoint{}
	}
	m.tokens.all[token] = e
	e.token.Store(&token)
}

// dialogToken names an endpoint's dialog where another side than its own is to name it (see passRefer); it is made once for each. ok is
// false if there are too many.
func (m *Manager) dialogToken(e *endpoint) (token string, ok bool) {
	m.tokens.mu.Lock()
	defer m.tokens.mu.Unlock()
	if t := e.token.Load(); t != nil {
		return *t, true
	}
	if len(m.tokens.all) >= maxTokens {
		maps.DeleteFunc(m.tokens.all, func(_ string, e *endpoint) bool { return e.over.Load() })
	}
	if len(m.tokens.all) >= maxTokens {
		return "", false
	}
	if m.tokens.all == nil {
		m.tokens.all = map[string]*endpoint{}
	}
	token = msg.NewTag() + msg.NewTag()
	e.token.Store(&token)
	m.tokens.all[token] = e
	return token, true
}

// named finds the endpoint that somebody names, by our tag or by a token.
func (m *Manager) named(r replaces) *endpoint {
	if e := m.calls.tag(r.toTag); e != nil {
		return e
	}
	m.tokens.mu.Lock()
	defer m.tokens.mu.Unlock()
	return m.tokens.all[r.toTag]
}

// knows tells whether somebody names the dialog by the token that we gave out.
func (e *endpoint) knows(r replaces) bool {
	token := e.token.Load()
	return token != nil && *token == r.callID && *token == r.fromTag && *token == r.toTag
}
