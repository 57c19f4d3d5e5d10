package header

import (
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// Renumber gives a request with other numbers of its caller: in From and in the headers that say who calls, to gives what becomes of each.
// The request itself stays as it is; it is the other's Original. Where nothing changes it is given back.
func Renumber(in *msg.Message, to func(number string) string) *msg.Message {
	out := in
	change := func() {
		if out == in {
			out = in.Clone()
			out.Original = in
		}
	}
	if from, ok := renumbered(in.From, to); ok {
		change()
		out.SetFrom(from)
	}
	for _, name := range [...]string{hdrAsserted, hdrPreferred, hdrParty} {
		if !in.Has(name) {
			continue
		}
		values := in.Values(name)
		changed := false
		fresh := make([]string, len(values))
		for i, v := range values {
			fresh[i] = v
			if a, err := msg.ParseNameAddr(v); err == nil {
				if a, ok := renumbered(a, to); ok {
					fresh[i], changed = a.String(), true
				}
			}
		}
		if !changed {
			continue
		}
		change()
		out.Remove(name)
		for _, v := range fresh {
			out.Append(name, v)
		}
	}
	return out
}

// renumbered gives an address with another number; false where it has none or keeps it.
func renumbered(a msg.NameAddr, to func(string) string) (msg.NameAddr, bool) {
	old := a.URI.Number()
	if old == "" || strings.EqualFold(old, "anonymous") {
		return a, false
	}
	number := to(old)
	if number == old || number == "" {
		return a, false
	}
	a = a.Clone()
	a.URI.User = msg.EscapeUser(number)
	if a.Display == old {
		a.Display = number
	}
	return a, true
}
