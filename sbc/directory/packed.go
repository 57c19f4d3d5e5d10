package directory

import (
	"encoding/hex"
	"math"
	"reflect"
	"time"
	"unique"

	"github.com/sallyport/sallyport/sbc"
)

// packed is an entry in a third of the memory: a subscriber that has names, hashes and a bound of calls, and nothing else that differs
// from the defaults. Most subscribers of a large domain are such.
type packed struct {
	id, tenant, domain, username, display string
	revision                              int64
	created, updated                      int64 // nanoseconds since 1970
	maxCalls                              int32
	ha1, ha1b                             [16]byte
	sha256, sha512                        [32]byte
	has                                   uint8 // of the hashes, a bit each
}

// The bits of packed.has.
const (
	hasHA1 = 1 << iota
	hasHA1B
	hasSHA256
	hasSHA512
)

// pack packs an entry, sharing the strings of its key; nil for one that would not be the same when unpacked.
func pack(k key, e *sbc.Entry) *packed {
	s := e.Subscriber
	if s == nil || e.Via != nil || len(e.Aliases) > 0 {
		return nil
	}
	p := &packed{
		id: s.ID, tenant: unique.Make(s.TenantID).Value(), domain: s.DomainID, username: s.Username,
		display: s.DisplayName, revision: s.Revision, created: s.CreatedAt.UnixNano(), updated: s.UpdatedAt.UnixNano(),
		maxCalls: int32(min(s.MaxCalls, math.MaxInt32)),
	}
	if k.domain == s.DomainID {
		p.domain = k.domain
	}
	if k.name == s.Username {
		p.username = k.name
	}
	for _, h := range p.hashes(&s.Credentials) {
		if *h.text == "" {
			continue
		}
		if raw, err := hex.DecodeString(*h.text); err != nil || copy(h.raw, raw) != len(raw) {
			return nil
		}
		p.has |= h.bit
	}
	if !reflect.DeepEqual(p.entry(), e) {
		return nil
	}
	return p
}

// lean is an entry without what people and other systems keep with a subscriber: no call looks at it.
func lean(e *sbc.Entry) *sbc.Entry {
	s := e.Subscriber
	if s == nil || s.Custom == nil && s.Labels == nil && s.Description == "" && s.ExternalID == "" {
		return e
	}
	kept, thin := *e, *s
	thin.Custom, thin.Labels, thin.Description, thin.ExternalID = nil, nil, "", ""
	kept.Subscriber = &thin
	return &kept
}

// hash is one hash in both forms.
type hash struct {
	text *string
	raw  []byte
	bit  uint8
}

func (p *packed) hashes(c *sbc.Credentials) [4]hash {
	return [4]hash{
		{&c.HA1, p.ha1[:], hasHA1}, {&c.HA1B, p.ha1b[:], hasHA1B},
		{&c.HA1SHA256, p.sha256[:], hasSHA256}, {&c.HA1SHA512256, p.sha512[:], hasSHA512},
	}
}

// entry unpacks.
func (p *packed) entry() *sbc.Entry {
	s := &sbc.Subscriber{DomainID: p.domain, Username: p.username, DisplayName: p.display}
	s.Defaults()
	s.MaxCalls = int(p.maxCalls)
	s.Meta = sbc.Meta{
		ID: p.id, TenantID: p.tenant, Name: p.username, Enabled: true, Revision: p.revision,
		CreatedAt: time.Unix(0, p.created).UTC(), UpdatedAt: time.Unix(0, p.updated).UTC(),
	}
	for _, h := range p.hashes(&s.Credentials) {
		if p.has&h.bit != 0 {
			*h.text = hex.EncodeToString(h.raw)
		}
	}
	if p.has&(hasHA1|hasHA1B) != 0 {
		s.Algorithms = append(s.Algorithms, sbc.DigestMD5)
	}
	if p.has&hasSHA256 != 0 {
		s.Algorithms = append(s.Algorithms, sbc.DigestSHA256)
	}
	if p.has&hasSHA512 != 0 {
		s.Algorithms = append(s.Algorithms, sbc.DigestSHA512256)
	}
	return &sbc.Entry{Subscriber: s}
}
