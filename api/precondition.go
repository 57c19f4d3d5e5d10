package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// etag is the strong validator of a configured resource: its revision (RFC 9110 8.8.3).
func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// contentTag is the validator of what has no revision: a hash of what the API shows.
func contentTag(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	sum := sha256.Sum256(raw)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, nil
}

// matches tells whether a list of entity tags names one. Weak tags count only where weak is true (RFC 9110 8.8.3.2).
func matches(list, tag string, weak bool) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if weak {
			one = strings.TrimPrefix(one, "W/")
		}
		if one == "*" || one == tag {
			return true
		}
	}
	return false
}

// unmodified ends a conditional GET whose resource the client has (RFC 9110 13.1.2).
func unmodified(ifNoneMatch *string, tag string) error {
	if ifNoneMatch != nil && matches(*ifNoneMatch, tag, true) {
		return notModified{tag}
	}
	return nil
}

// check holds the preconditions against the resource as it is; current is nil where there is none. demanded says that the tenant
// wants If-Match on changes (RFC 6585 3).
func (w write) check(current sbc.Resource, demanded bool) error {
	if current == nil {
		if w.ifMatch != nil {
			return sbc.Errorf(sbc.CodePrecondition, "there is no such resource to match")
		}
		return nil
	}
	revision := current.Base().Revision
	changed := &sbc.Error{
		Code: sbc.CodePrecondition, Revision: revision,
		Message: fmt.Sprintf("it is at revision %d now; read it again", revision),
	}
	switch {
	case w.ifNoneMatch != nil && *w.ifNoneMatch == "*":
		changed.Message = fmt.Sprintf("it exists already, at revision %d", revision)
		return changed
	case w.ifMatch == nil && demanded:
		return &sbc.Error{
			Code: sbc.CodeRequired, Revision: revision,
			Message: fmt.Sprintf("the tenant demands If-Match on changes; the current ETag is %s", etag(revision)),
		}
	case w.ifMatch != nil && !matches(*w.ifMatch, etag(revision), false):
		return changed
	}
	return nil
}
