package sdp

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Equal reports whether two descriptions say the same, o= aside: then RFC 3264 section 8 wants the same version. Our own
// can be compared ([Author] does it), or two of a peer, whose version not every device raises.
func Equal(a, b *Description) bool {
	if a == b {
		return true
	}
	return slices.EqualFunc(a.Lines, b.Lines, sameButOrigin) &&
		slices.EqualFunc(a.Media, b.Media, func(x, y Media) bool {
			return x.Kind == y.Kind && x.Port == y.Port && x.PortCount == y.PortCount && x.Proto == y.Proto &&
				slices.Equal(x.Formats, y.Formats) && slices.EqualFunc(x.Lines, y.Lines, sameLine)
		})
}

func sameLine(a, b Line) bool { return a.Type == b.Type && a.Value == b.Value }

func sameButOrigin(a, b Line) bool { return a.Type == b.Type && (a.Type == 'o' || a.Value == b.Value) }

// Author writes our descriptions toward one peer in one dialog. It owns the o= line: same session and address for the
// dialog's life, a version that rises by one exactly when something changed (RFC 3264 section 8). One caller at a time.
type Author struct {
	id      uint64
	version uint64
	host    string // of the first description; o= must not change, c= may
	said    *Description
	bytes   []byte
}

// NewAuthor gives an author. The id should be unguessable to nobody's harm and below 1<<63, because some devices read
// signed figures; the first version is 1.
func NewAuthor(sessionID uint64) *Author { return &Author{id: sessionID &^ (1 << 63)} }

// Say gives the bytes for d, the work of [Rewrite] or [Answer]. The same description gives the same bytes; the caller
// must not change them. The version counts what was said, whether or not the peer took it.
func (a *Author) Say(d *Description) []byte {
	if a.said != nil && Equal(a.said, d) {
		return a.bytes
	}
	if a.host == "" {
		if rest, ok := strings.CutPrefix(d.Origin.Raw, emptyOrigin); ok { // as session wrote it
			a.host = rest
		} else {
			a.host = connectionValue(d.Connection.Addr)
		}
	}
	a.version++
	origin := make([]byte, 0, 64)
	origin = append(origin, "- "...)
	origin = strconv.AppendUint(origin, a.id, 10)
	origin = append(origin, ' ')
	origin = strconv.AppendUint(origin, a.version, 10)
	origin = append(origin, ' ')
	origin = append(origin, a.host...)
	var room [512]byte // what is kept is cut to size
	a.said, a.bytes = d, bytes.Clone(d.append(room[:0], string(origin)))
	return a.bytes
}

// Said is what was said last; nil if nothing was. It serves as [View.Former].
func (a *Author) Said() *Description { return a.said }
