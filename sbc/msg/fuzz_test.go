package msg

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seeds gives the torture messages and ours to a fuzz target.
func seeds(f *testing.F, add func([]byte)) {
	f.Helper()
	for _, dir := range []string{"rfc4475", "rfc5118"} {
		files, err := filepath.Glob("testdata/" + dir + "/*.dat")
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			add(b)
		}
	}
	add(bigInvite())
	add(plain("X : a", "k: b", `Contact: "a, b" <sip:a,b@[::1]:5060;x>;q="1,2", *`))
}

// FuzzParse: no panic; what is accepted is written so that it is accepted again and written the same; what is refused with a
// Partial can be answered; no line of what we write holds a line end of its own.
func FuzzParse(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Parse(raw)
		if err != nil {
			var pe *ParseError
			if !errors.As(err, &pe) || pe.Status < 400 {
				t.Fatalf("%v", err)
			}
			if pe.Partial != nil {
				answerable(t, pe)
			}
			return
		}
		touch(m)
		once := m.AppendTo(nil)
		head, _, _ := strings.Cut(string(once), "\r\n\r\n")
		if strings.Count(head, "\r") != strings.Count(head, "\n") || strings.ContainsRune(head, 0) {
			t.Fatalf("unclean: %q", head)
		}
		again, err := Parse(bytes.Clone(once))
		if err != nil {
			t.Fatalf("%v\n%q\nwritten from\n%q", err, once, raw)
		}
		if twice := again.AppendTo(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%q\nbecame\n%q", once, twice)
		}
		if m.IsRequest() {
			res := NewResponse(m, 200, "")
			res.SetToTag("t")
			if _, err := Parse(res.AppendTo(nil)); err != nil {
				t.Fatalf("our own response: %v\n%q", err, res.AppendTo(nil))
			}
		}
	})
}

// touch calls what reads a message.
func touch(m *Message) {
	for _, list := range []func() ([]NameAddr, error){m.Contacts, m.Routes, m.RecordRoutes} {
		addresses, err := list()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			_ = a.WithTag("x").String()
		}
	}
	vias, err := m.Vias()
	for _, v := range vias {
		v.RPort()
		_, _ = v.Received(), err
	}
	for _, h := range m.Headers {
		m.Values(Canonical(h.Name))
	}
	m.Clone().Set("Via", m.Get("Via"))
}

// FuzzFramer: cut in one piece or octet by octet, a stream gives the same messages, none longer than allowed; and what is framed
// has the length that Parse sees (one message, one decision).
func FuzzFramer(f *testing.F) {
	seeds(f, func(b []byte) { f.Add(b) })
	f.Add([]byte("\r\n\r\n" + message("1", "hello", "Content-Length: 5") + "\r\n" + message("2", "", "l: 0")))
	f.Fuzz(func(t *testing.T, stream []byte) {
		cut := func(size int) (out [][]byte) {
			fr, r := NewFramer(2048), bufio.NewReaderSize(bytes.NewReader(stream), size)
			for {
				raw, _, err := fr.Next(r)
				if err != nil {
					return out
				}
				if raw != nil {
					out = append(out, raw)
				}
			}
		}
		whole, pieces := cut(4096), cut(16)
		if len(whole) != len(pieces) {
			t.Fatalf("%d and %d messages", len(whole), len(pieces))
		}
		for i, raw := range whole {
			if !bytes.Equal(raw, pieces[i]) || len(raw) > 2048 {
				t.Fatalf("%q\nand\n%q", raw, pieces[i])
			}
			if m, err := Parse(raw); err == nil && !bytes.HasSuffix(raw, append([]byte("\r\n\r\n"), m.Body...)) {
				t.Fatalf("framed and parsed length differ: %q", raw)
			}
		}
	})
}

// FuzzURI: an accepted URI is written so that it is read as the same.
func FuzzURI(f *testing.F) {
	for _, s := range []string{
		"sip:a:b@[::1]:5060;x=y;lr?h=v&i=j", "sips:example.com", "tel:+49;ext=1", "urn:service:sos", "sip://a",
		"sip:[2001:db8:::192.0.2.1]", "sip:a?b@c", "sip:%00;x@h;;a==b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			return
		}
		text := u.String()
		v, err := ParseURI(text)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", s, text, err)
		}
		if v.String() != text || v.User != u.User || v.Host != u.Host || v.Port != u.Port || v.Scheme != u.Scheme {
			t.Fatalf("%q: %+v became %q: %+v", s, u, text, v)
		}
	})
}

// FuzzNameAddr: the same for addresses, alone and in lists.
func FuzzNameAddr(f *testing.F) {
	for _, s := range []string{
		`"a \" b" <sip:a@b;x>;tag=1;y="z;,"`, "sip:a@b;tag=abc==", "a, b <sip:a@b>", "*", "<sip:a,b@c>, sip:d@e ;x = y", `x <urn:a>;;`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if list, err := ParseNameAddrs(s); err == nil {
			for _, n := range list {
				if again, err := ParseNameAddr(n.String()); err != nil || again.Tag() != n.Tag() {
					t.Fatalf("%q: %q: %v", s, n.String(), err)
				}
			}
		}
		n, err := ParseNameAddr(s)
		if err != nil {
			return
		}
		text := n.String()
		again, err := ParseNameAddr(text)
		if err != nil || again.String() != text {
			t.Fatalf("%q was written as %q, then %q: %v", s, text, again.String(), err)
		}
	})
}
