package msg

// headerID numbers the headers this package treats in some way of its own; 0 is any other.
type headerID uint8

const (
	idOther headerID = iota
	idVia
	idFrom
	idTo
	idCallID
	idCSeq
	idMaxForwards
	idContact
	idContentLength
	idContentType
	idContentDisposition
	idExpires
	idReferTo
	idReferredBy
	idReplaces
	idSessionExpires
	idMinSE
	idRSeq
	idRAck
	idEvent
	idContentEncoding
	idSubject
	idSupported
	idAllowEvents
	idAcceptContact
	idRejectContact
	idRequestDisposition
	idIdentity
	idIdentityInfo
	idRoute
	idRecordRoute
	idWWWAuthenticate
	idMIMEVersion
	idSIPETag
	idSIPIfMatch
	idPAccessNetworkInfo
	idCount
)

// known is a header with its spelling, its compact form (RFC 3261 7.3.3 and the IANA registry) and whether it may occur
// only once (RFC 3261 7.3.1: it is not defined as a list).
type known struct {
	name    string
	compact byte
	single  bool
}

// knownHeaders is read only.
var knownHeaders = [idCount]known{
	idVia:                {"Via", 'v', false},
	idFrom:               {"From", 'f', true},
	idTo:                 {"To", 't', true},
	idCallID:             {"Call-ID", 'i', true},
	idCSeq:               {"CSeq", 0, true},
	idMaxForwards:        {"Max-Forwards", 0, true},
	idContact:            {"Contact", 'm', false},
	idContentLength:      {"Content-Length", 'l', true},
	idContentType:        {"Content-Type", 'c', true},
	idContentDisposition: {"Content-Disposition", 0, true},
	idExpires:            {"Expires", 0, true},
	idReferTo:            {"Refer-To", 'r', true},
	idReferredBy:         {"Referred-By", 'b', true},
	idReplaces:           {"Replaces", 0, true},
	idSessionExpires:     {"Session-Expires", 'x', true},
	idMinSE:              {"Min-SE", 0, true},
	idRSeq:               {"RSeq", 0, true},
	idRAck:               {"RAck", 0, true},
	idEvent:              {"Event", 'o', true},
	idContentEncoding:    {"Content-Encoding", 'e', false},
	idSubject:            {"Subject", 's', false},
	idSupported:          {"Supported", 'k', false},
	idAllowEvents:        {"Allow-Events", 'u', false},
	idAcceptContact:      {"Accept-Contact", 'a', false},
	idRejectContact:      {"Reject-Contact", 'j', false},
	idRequestDisposition: {"Request-Disposition", 'd', false},
	idIdentity:           {"Identity", 'y', false},
	idIdentityInfo:       {"Identity-Info", 'n', false},
	idRoute:              {"Route", 0, false},
	idRecordRoute:        {"Record-Route", 0, false},
	idWWWAuthenticate:    {"WWW-Authenticate", 0, false},
	idMIMEVersion:        {"MIME-Version", 0, false},
	idSIPETag:            {"SIP-ETag", 0, false},
	idSIPIfMatch:         {"SIP-If-Match", 0, false},
	idPAccessNetworkInfo: {"P-Access-Network-Info", 0, false},
}

// maxKnown is the length of the longest name in knownHeaders.
const maxKnown = 21

// idsByLength narrows the search to names of one length; idsByCompact is indexed by letter. Both are read only.
var (
	idsByLength  = indexByLength()
	idsByCompact = indexByCompact()
)

func indexByLength() (index [maxKnown + 1][]headerID) {
	for id := idVia; id < idCount; id++ {
		n := len(knownHeaders[id].name)
		index[n] = append(index[n], id)
	}
	return index
}

func indexByCompact() (index [26]headerID) {
	for id := idVia; id < idCount; id++ {
		if c := knownHeaders[id].compact; c != 0 {
			index[c-'a'] = id
		}
	}
	return index
}

// identify finds the number of a header by its long or compact name.
func identify(name string) headerID {
	if len(name) == 1 {
		if c := lowerByte(name[0]); c >= 'a' && c <= 'z' {
			return idsByCompact[c-'a']
		}
		return idOther
	}
	if len(name) > maxKnown {
		return idOther
	}
	for _, id := range idsByLength[len(name)] {
		if known := knownHeaders[id].name; known == name || equalFold(known, name) {
			return id
		}
	}
	return idOther
}

// Canonical gives the long form of a header's name in its usual spelling: "i" and "CALL-ID" are "Call-ID". Names we do not
// know get a capital after each hyphen, so that names that differ only in case have one canonical form.
func Canonical(name string) string {
	if id := identify(name); id != idOther {
		return knownHeaders[id].name
	}
	up := true
	for i := range len(name) {
		if c := name[i]; c != capital(c, up) {
			return capitalise(name)
		}
		up = name[i] == '-'
	}
	return name
}

func capitalise(name string) string {
	b, up := []byte(name), true
	for i, c := range b {
		b[i] = capital(c, up)
		up = c == '-'
	}
	return string(b)
}

func capital(c byte, up bool) byte {
	c = lowerByte(c)
	if up && c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// matcher finds headers of one name in any spelling.
type matcher struct {
	id   headerID
	name string
}

func match(name string) matcher { return matcher{identify(name), name} }

func (m matcher) is(name string) bool {
	if m.id == idOther {
		return equalFold(m.name, name)
	}
	k := &knownHeaders[m.id]
	if len(name) == 1 {
		return k.compact != 0 && lowerByte(name[0]) == k.compact
	}
	return equalFold(k.name, name)
}
