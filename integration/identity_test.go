package integration

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/app"
	"github.com/sallyport/sallyport/integration/rest"
	"github.com/sallyport/sallyport/sbc"
)

// packets lets a SIPp write down every message, and gives what it wrote once there is this text in it.
func packets(t testing.TB) (args []string, read func(until string) string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "messages.log")
	return []string{"-trace_msg", "-message_file", path}, func(until string) string {
		t.Helper()
		var all string
		waitFor(t, func() bool {
			raw, err := os.ReadFile(path)
			all = string(raw)
			return err == nil && strings.Contains(all, until)
		}, until+" in the messages of SIPp")
		return all
	}
}

// TestPrivateCaller: a caller with P-Asserted-Identity and Privacy: id leaves no number and no name in any packet that an untrusted
// realm receives, and both where the realm is trusted; the record knows it in either case.
func TestPrivateCaller(t *testing.T) {
	needs(t, "sipp")
	pass := rest.Object{"pass_headers": []string{"X-Caller", "Diversion", "Remote-Party-ID"}}
	for _, c := range []struct {
		name, trust string
		east        rest.Object
		shown       []string
	}{
		{"untrusted", "access", nil, nil},
		{"untrusted, sent all", "access", rest.Object{"caller_identity": rest.Object{"send": []string{"pai", "ppi", "rpid"}, "user_phone": true}}, nil},
		{"trusted", "peer", nil, []string{"P-Asserted-Identity: \"Wilhelmine\" <sip:+12025550199@", "Privacy: id", "From: \"Wilhelmine\" <sip:2025550100@"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := startBorder(t, app.Options{})
			w := b.connect(newSides(t), wish{westTrunk: with(rest.Object{}, pass), eastTrunk: with(with(rest.Object{}, pass), c.east),
				eastRealm: rest.Object{"trust": c.trust}})
			trace, read := packets(t)
			sippServer(t, "callee.xml", w.eastPeer, trace...)
			if err := sipp(patience(t, 20*time.Second), t, "caller_private.xml", calling(w.sides, "u1", 1)...); err != nil {
				t.Fatal(err)
			}
			if r := b.cdrs(1)[0]; r.Caller != "+12025550199" || r.FinalCode != 200 {
				t.Errorf("the record has caller %q, code %d", r.Caller, r.FinalCode)
			}
			got := read("BYE sip:")
			for _, want := range c.shown {
				if !strings.Contains(got, want) {
					t.Errorf("a trusted realm does not hear %q:\n%s", want, got)
				}
			}
			for _, secret := range []string{"20255501", "Wilhelmine", "Privacy", "P-Asserted", "P-Preferred", "Remote-Party", "Diversion"} {
				if i := strings.Index(got, secret); len(c.shown) == 0 && i >= 0 {
					t.Errorf("%q shows:\n%s", secret, got)
				}
			}
			if len(c.shown) == 0 && !strings.Contains(got, "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>") {
				t.Errorf("no anonymous From:\n%s", got)
			}
			b.quiet()
		})
	}
}

// beside adds a trunk of the eastern realm with a peer of its own, to which calls to a number go.
func (b *border) beside(w wiring, number string, trunk rest.Object) netip.Addr {
	b.t.Helper()
	addr := netip.AddrFrom4([4]byte{127, w.eastPeer.As4()[1], w.eastPeer.As4()[2], 5})
	id := b.create("/trunks", with(rest.Object{"name": "third", "realm_id": w.eastRealm}, trunk))
	b.create("/trunks/"+id+"/identities", rest.Object{"name": "peer", "cidr": addr.String() + "/32"})
	b.create("/trunks/"+id+"/endpoints", rest.Object{"name": "peer", "address": addr.String(), "port": 5060})
	list := b.create("/route-lists", rest.Object{"name": "to-third"})
	b.create("/route-lists/"+list+"/targets", rest.Object{"name": "only", "trunk_id": id})
	b.create("/routing-plans/"+w.plan+"/rules", rest.Object{"name": "third", "prefix": number, "action": "route", "route_list_id": list})
	return addr
}

// TestRedirects: SIPp calls SIPp, which sends the call to a third one; and two that send it to each other.
func TestRedirects(t *testing.T) {
	needs(t, "sipp")
	follow := func(b *border) rest.Object {
		return rest.Object{"signalling_profile_id": b.create("/signalling-profiles", rest.Object{"name": "follow", "redirects": "follow",
			"retargeting": "diversion"})}
	}
	t.Run("followed", func(t *testing.T) {
		t.Parallel()
		b := startBorder(t, app.Options{})
		profile := follow(b)
		w := b.connect(newSides(t), wish{eastTrunk: profile})
		there := b.beside(w, "4930777", profile)
		trace, read := packets(t)
		sippServer(t, "callee_302.xml", w.eastPeer, "-key", "target", "4930777")
		sippServer(t, "callee.xml", there, trace...)
		if err := sipp(patience(t, 20*time.Second), t, "caller.xml", calling(w.sides, "u1", 3)...); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.cdrs(3) {
			if r.FinalCode != 200 || len(r.Attempts) != 2 || r.Attempts[0].Code != 302 || r.Attempts[1].Callee != "4930777" ||
				r.CalleeSent != "4930777" || r.EndReason != sbc.EndCallerBye {
				t.Errorf("record %+v", r)
			}
		}
		if got := read("BYE sip:"); !strings.Contains(got, "Diversion: <sip:4930123456@"+w.east.String()+">;reason=unconditional;counter=1;privacy=off") {
			t.Errorf("no Diversion in\n%s", got)
		}
		b.quiet()
	})
	t.Run("loop", func(t *testing.T) {
		t.Parallel()
		b := startBorder(t, app.Options{})
		profile := follow(b)
		w := b.connect(newSides(t), wish{eastTrunk: profile})
		there := b.beside(w, "4930777", profile)
		sippServer(t, "callee_302.xml", w.eastPeer, "-key", "target", "4930777")
		sippServer(t, "callee_302.xml", there, "-key", "target", "4930123456")
		if err := sipp(patience(t, 20*time.Second), t, "caller_refused_480.xml", calling(w.sides, "u1", 3)...); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.cdrs(3) {
			if r.FinalCode != 480 || len(r.Attempts) != 2 || r.Attempts[1].Code != 302 {
				t.Errorf("record %+v", r)
			}
		}
		b.quiet()
	})
}

// smuggling are rules that would tell each side of the other, if rules could.
func smuggling() []rest.Object {
	rule := func(stage, action, header, to, value string) rest.Object {
		r := rest.Object{"stage": stage, "messages": "both", "action": action, "header": header}
		if to != "" {
			r["to"] = to
		} else {
			r["value"] = value
		}
		return r
	}
	return []rest.Object{
		rule("in", "rename", "Organization", "X-Trace", ""), rule("in", "copy", "Call-Info", "X-Trace", ""),
		rule("in", "copy", "Reply-To", "Subject", ""), rule("in", "rename", "Warning", "X-Trace", ""),
		rule("in", "add", "X-Trace", "", "{source.ip}"), rule("in", "add", "X-Trace", "", "{header.Via} {header.Contact}"),
		rule("in", "add", "Subject", "", "{request.host}"), rule("in", "add", "X-Trace", "", "{header.Call-ID}"),
		rule("in", "add", "X-Trace", "", "{our.host} {from.display}"), rule("in", "remove", "Reply-To", "", "-"),
		rule("out", "add", "X-Out", "", "{caller} {callee} {source.ip} {call.id} {our.host}"), rule("out", "copy", "X-Trace", "X-Again", ""),
	}
}

// TestLeaksOfProfiles plays scenes with header rules that try to smuggle, and with History-Info and redirections let through.
func TestLeaksOfProfiles(t *testing.T) {
	t.Parallel()
	b := startBorder(t, app.Options{})
	more := rest.Object{
		"pass_headers":      append(passedHeaders(), "X-Trace", "Subject"),
		"header_profile_id": b.create("/header-profiles", rest.Object{"name": "smuggler", "rules": smuggling()}),
		"signalling_profile_id": b.create("/signalling-profiles", rest.Object{"name": "pass", "redirects": "pass", "retargeting": "history_info",
			"response_map": []rest.Object{{"from": "493", "to": 488}}}),
		"caller_identity": rest.Object{"send": []string{"pai", "ppi", "rpid"}, "accept": []string{"rpid", "pai", "from"}},
	}
	w := b.connect(newSides(t), wish{westTrunk: more, eastTrunk: more})
	eyes := w.watched(t, false)
	redirected := scene{"a redirection let through", func(a, b *peer) {
		call := a.dial("4930123456", a.sdp(), hostileHeaders(a)...)
		rings := b.ring()
		rings.say(rings.invite, 302, "moved to "+b.host("phrase"), "", append(hostileHeaders(b), "Contact: <sip:49308@"+b.addr.String()+">")...)
		m := call.answer(1, 302)
		if got := m.GetAll("Contact"); len(got) != 1 || !strings.HasPrefix(got[0], "<sip:49308@"+a.border.Addr().String()) {
			t.Errorf("Contact %q", got)
		}
		call.ack(m)
		rings.hear("ACK")
	}}
	list := append([]scene{redirected}, append(hostileScenes(), append(refusalScenes(), basicScenes()...)...)...)
	playAll(t, eyes, slices.DeleteFunc(list, func(s scene) bool { return strings.HasPrefix(s.name, "refused with 3") })) // they pass here
	b.quiet()
	eyes.finished(t)
	if !strings.Contains(string(eyes.east.bytes()), "X-Out: ") || !strings.Contains(string(eyes.east.bytes()), "History-Info: <sip:+4930333@") {
		t.Error("the profiles were not applied")
	}
}
