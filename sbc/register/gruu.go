package register

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// gruus makes and reads addresses of phones (RFC 5627). A public one is the address of record with a name of the phone that only
// we can make; a temporary one hides also whose it is, and is good until the phone registers with another Call-ID (3.4.1).
type gruus struct{ secret []byte }

func newGRUUs(secret []byte) gruus {
	if len(secret) == 0 { // none was kept: what is made now ends with the process
		secret = make([]byte, 32)
		rand.Read(secret)
	}
	return gruus{slices.Clone(secret)}
}

var code = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (g gruus) mac(purpose string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, g.secret)
	h.Write([]byte(purpose))
	for _, p := range parts {
		h.Write([]byte{0})
		h.Write(p)
	}
	return h.Sum(nil)
}

// name is the phone in a public GRUU.
func (g gruus) name(subscriberID, instance string) string {
	return code.EncodeToString(g.mac("public", []byte(subscriberID), []byte(instance))[:15])
}

func (g gruus) public(o *owner, instance string) string {
	user, host := o.user, o.home.Value().host
	return "sip:" + msg.EscapeUser(user) + "@" + host + ";gr=" + g.name(o.subscriber, instance)
}

// A temporary GRUU is chance, the id of the registration under a pad made of it, and a seal that covers the Call-ID.
const (
	chanceLen = 8
	idLen     = 26
	sealLen   = 8
	tempMark  = "tgruu-"
)

func (g gruus) temporary(b *binding) string {
	raw := make([]byte, chanceLen, chanceLen+idLen+sealLen)
	rand.Read(raw)
	raw = append(raw, strings.TrimPrefix(b.id, sbc.PrefixRegistration+"_")...)
	g.pad(raw)
	raw = append(raw, g.mac("seal", raw, b.callID[:])[:sealLen]...)
	host := b.owner.home.Value().host
	return "sip:" + tempMark + code.EncodeToString(raw) + "@" + host + ";gr"
}

// pad covers or uncovers the id.
func (g gruus) pad(raw []byte) {
	for i, x := range g.mac("pad", raw[:chanceLen]) {
		if at := chanceLen + i; at < len(raw) {
			raw[at] ^= x
		}
	}
}

// registration gives the id in a temporary GRUU, and whether the seal is that of a Call-ID.
func (g gruus) registration(user string) (id string, sealed func(callID digest) bool, ok bool) {
	text, ok := strings.CutPrefix(user, tempMark)
	if !ok {
		return "", nil, false
	}
	raw, err := code.DecodeString(text)
	if err != nil || len(raw) != chanceLen+idLen+sealLen {
		return "", nil, false
	}
	body, seal := slices.Clone(raw[:chanceLen+idLen]), raw[chanceLen+idLen:]
	sealed = func(c digest) bool { return hmac.Equal(seal, g.mac("seal", raw[:chanceLen+idLen], c[:])[:sealLen]) }
	g.pad(body)
	return sbc.PrefixRegistration + "_" + string(body[chanceLen:]), sealed, true
}

// ByGRUU finds the phone that a GRUU of a domain names. ok is false for addresses that are no GRUU of ours; no contact means that
// the phone is not there now (RFC 5627 5.4: 480).
func (r *Registrar) ByGRUU(u msg.URI, subscriberID string) (contacts []Contact, owner string, ok bool) {
	name, there := u.Param("gr")
	if !there {
		return nil, "", false
	}
	if name != "" {
		for _, c := range r.Contacts(subscriberID) {
			if c.InstanceID != "" && r.gruus.name(subscriberID, c.InstanceID) == name {
				contacts = append(contacts, c)
			}
		}
		return contacts, subscriberID, subscriberID != ""
	}
	id, sealed, ok := r.gruus.registration(u.Number())
	if !ok {
		return nil, "", false
	}
	b := r.table.find(id)
	if b == nil {
		return nil, "", true
	}
	b.shard.mu.Lock()
	owner = b.owner.subscriber
	valid := b.present() && sealed(b.callID)
	b.shard.mu.Unlock()
	if !valid {
		return nil, "", true
	}
	for _, c := range r.Contacts(owner) {
		if c.RegistrationID == id {
			contacts = append(contacts, c)
		}
	}
	return contacts, owner, true
}
