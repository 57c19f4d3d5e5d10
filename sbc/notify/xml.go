package notify

import (
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"time"
)

// dialogInfo is RFC 4235 4.4, as much of it as passes: Call-IDs and tags are left out, because they are those of dialogs that the
// other side can do nothing with.
type dialogInfo struct {
	XMLName xml.Name     `xml:"urn:ietf:params:xml:ns:dialog-info dialog-info"`
	Version uint64       `xml:"version,attr"`
	State   string       `xml:"state,attr"`
	Entity  string       `xml:"entity,attr"`
	Dialogs []dialogItem `xml:"dialog"`
}

type dialogItem struct {
	ID        string      `xml:"id,attr"`
	Direction string      `xml:"direction,attr,omitempty"`
	State     dialogState `xml:"state"`
	Duration  string      `xml:"duration,omitempty"`
	Local     *dialogSide `xml:"local"`
	Remote    *dialogSide `xml:"remote"`
}

type dialogState struct {
	Event string `xml:"event,attr,omitempty"`
	Code  string `xml:"code,attr,omitempty"`
	Value string `xml:",chardata"`
}

type dialogSide struct {
	Identity *dialogIdentity `xml:"identity"`
	Target   *dialogTarget   `xml:"target"`
}

type dialogIdentity struct {
	Display string `xml:"display,attr,omitempty"`
	URI     string `xml:",chardata"`
}

type dialogTarget struct {
	URI string `xml:"uri,attr"`
}

// maxItems bounds the dialogs, tuples or lines of a body, maxNotes the texts of each.
const (
	maxItems = 256
	maxNotes = 16
)

// dialogInfo writes dialog information anew; nil for what is none.
func (c *Cleaner) dialogInfo(body []byte) []byte {
	var d dialogInfo
	if xml.Unmarshal(body, &d) != nil || len(d.Dialogs) > maxItems {
		return nil
	}
	d.State, d.Entity = oneOf(d.State, "full", "partial"), c.uri(d.Entity)
	for i := range d.Dialogs {
		x := &d.Dialogs[i]
		x.ID = c.name(x.ID)
		x.Direction = oneOf(x.Direction, "", "initiator", "recipient")
		x.State.Value = oneOf(strings.TrimSpace(x.State.Value), "terminated", "trying", "proceeding", "early", "confirmed")
		x.State.Event = oneOf(x.State.Event, "", "cancelled", "rejected", "replaced", "local-bye", "remote-bye", "error", "timeout")
		x.State.Code, x.Duration = digits(x.State.Code), digits(x.Duration)
		c.side(x.Local)
		c.side(x.Remote)
	}
	return marshal(d)
}

// side writes one participant anew.
func (c *Cleaner) side(s *dialogSide) {
	if s == nil {
		return
	}
	if s.Identity != nil {
		s.Identity.Display, s.Identity.URI = c.text(s.Identity.Display), c.uri(s.Identity.URI)
	}
	if s.Target != nil {
		whose := c.uri("")
		if s.Identity != nil {
			whose = s.Identity.URI
		}
		s.Target.URI = c.device(s.Target.URI, whose)
	}
}

// presence is RFC 3863, as much of it as passes.
type presence struct {
	XMLName xml.Name `xml:"urn:ietf:params:xml:ns:pidf presence"`
	Entity  string   `xml:"entity,attr"`
	Tuples  []tuple  `xml:"tuple"`
	Notes   []string `xml:"note"`
}

type tuple struct {
	ID        string   `xml:"id,attr"`
	Basic     string   `xml:"status>basic"`
	Contact   *contact `xml:"contact"`
	Notes     []string `xml:"note"`
	Timestamp string   `xml:"timestamp,omitempty"`
}

type contact struct {
	Priority string `xml:"priority,attr,omitempty"`
	URI      string `xml:",chardata"`
}

// presence writes a presence document anew; nil for what is none.
func (c *Cleaner) presence(body []byte) []byte {
	var p presence
	if xml.Unmarshal(body, &p) != nil || len(p.Tuples) > maxItems {
		return nil
	}
	p.Entity, p.Notes = c.uri(p.Entity), c.notes(p.Notes)
	for i := range p.Tuples {
		t := &p.Tuples[i]
		t.ID, t.Notes = c.name(t.ID), c.notes(t.Notes)
		t.Basic = oneOf(strings.TrimSpace(t.Basic), "closed", "open")
		if at, err := time.Parse(time.RFC3339, strings.TrimSpace(t.Timestamp)); err == nil {
			t.Timestamp = at.UTC().Format(time.RFC3339)
		} else {
			t.Timestamp = ""
		}
		if t.Contact != nil {
			t.Contact.URI = c.device(t.Contact.URI, p.Entity)
			if _, err := strconv.ParseFloat(t.Contact.Priority, 32); err != nil || len(t.Contact.Priority) > 5 {
				t.Contact.Priority = ""
			}
		}
	}
	return marshal(p)
}

// notes keeps what may show.
func (c *Cleaner) notes(in []string) (out []string) {
	for _, n := range in[:min(len(in), maxNotes)] {
		if n = c.text(n); n != "" {
			out = append(out, n)
		}
	}
	return out
}

// oneOf gives a word that is known, or the first.
func oneOf(s string, known ...string) string {
	if slices.Contains(known, s) {
		return s
	}
	return known[0]
}

// digits gives a number of at most nine digits, "" for anything else.
func digits(s string) string {
	if s = strings.TrimSpace(s); len(s) > 9 || strings.Trim(s, "0123456789") != "" {
		return ""
	}
	return s
}

// marshal writes a document; nil where that fails.
func marshal(v any) []byte {
	b, err := xml.Marshal(v)
	if err != nil {
		return nil
	}
	return append([]byte(xml.Header), b...)
}
