package integration

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
)

// opted says what a signalling profile lets show of one side to the other.
type opted struct{ user, callID, param bool }

// profile is the signalling profile that says so.
func (o opted) profile() rest.Object {
	params := []string{}
	if o.param {
		params = append(params, "X")
	}
	return rest.Object{"name": "opted out", "keep_user_in_contact": o.user, "keep_call_id": o.callID, "contact_params": params}
}

// ownContact is our Contact: user, address, parameters.
var ownContact = regexp.MustCompile(`(?m)^(Contact: <sip:)([^@>]*)(@[^;>]*)([^>]*)`)

// blind takes what may show out of what a side got, and only from where it may: the rest is searched as ever.
func (o opted) blind(got []byte, from string) []byte {
	got = ownContact.ReplaceAllFunc(got, func(line []byte) []byte {
		m := ownContact.FindSubmatch(line)
		if o.user && string(m[2]) == "leak"+from+"contact" {
			m[2] = []byte("shown")
		}
		if o.param {
			m[4] = bytes.Replace(m[4], []byte(";x=leak-"+from), nil, 1)
		}
		return bytes.Join(m[1:], nil)
	})
	if o.callID {
		got = regexp.MustCompile(`(?m)^Call-ID: .*$`).ReplaceAll(got, []byte("Call-ID: shown\r"))
	}
	return got
}

// unnamed takes the names of the other side's devices out of what a side got: they are no identifiers of the border's there.
func (o opted) unnamed(got []byte) []byte {
	if !o.user {
		return got
	}
	return ownContact.ReplaceAll(got, []byte("${1}${3}"))
}

// TestLeaksOfOptOuts: each opt-out of topology hiding shows what it says in every message of calls, and nothing else does.
func TestLeaksOfOptOuts(t *testing.T) {
	for name, o := range map[string]opted{
		"nothing": {}, "keep_user_in_contact": {user: true}, "keep_call_id": {callID: true}, "contact_params": {param: true},
		"all": {user: true, callID: true, param: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			trunk := rest.Object{"signalling_profile_id": b.create("/signalling-profiles", o.profile())}
			w := b.connect(newSides(t), wish{westTrunk: trunk, eastTrunk: trunk})
			eyes := w.watched(t, false)
			eyes.opted = o
			list := append(basicScenes(), forkScenes()...)
			list = append(append(list, refusalScenes()...), sessionScenes()...)
			if !o.callID { // devices here tell calls apart by it
				list = append(append(list, transferScenes()...), takeoverScenes()...)
			}
			playAll(t, eyes, list)
			b.quiet()
			eyes.finished(t)
			for _, p := range []*peer{eyes.west, eyes.east} {
				p.showed(o)
			}
		})
	}
}

// showed checks that every message that makes or refreshes a dialog showed what it should.
func (p *peer) showed(o opted) {
	p.t.Helper()
	other := "east"
	if p.side == other {
		other = "west"
	}
	contacts, kept, calls := 0, 0, 0
	for m := range bytes.SplitSeq(p.bytes(), []byte("\r\n\r\n")) {
		c := ownContact.FindSubmatch(m)
		if c == nil || bytes.HasPrefix(bytes.TrimSpace(m), []byte("SIP/2.0 3")) {
			continue
		}
		contacts++
		// After a transfer both may be of one side.
		if u := string(c[2]); (u == "leakwestcontact" || u == "leakeastcontact") != o.user {
			p.t.Errorf("%s sees the user of\n%s", p.side, m)
		}
		if strings.Contains(string(c[4]), ";x=leak-") != o.param {
			p.t.Errorf("%s sees the parameter of\n%s", p.side, m)
		}
		if id := regexp.MustCompile(`(?m)^Call-ID: (.*)\r$`).FindSubmatch(m); bytes.Contains(m, []byte("INVITE sip:")) && id != nil {
			if calls++; bytes.HasPrefix(id[1], []byte("leak"+other)) {
				kept++
			}
		}
	}
	if contacts == 0 || (kept > 0) != o.callID {
		p.t.Errorf("%s got %d Contacts, and %d Call-IDs of %s in %d INVITEs", p.side, contacts, kept, other, calls)
	}
}
