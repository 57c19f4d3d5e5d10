package notify

import (
	"encoding/xml"
	"strings"
)

// conference is RFC 4575 5, as much of it as passes: who takes part and how, but no URIs to reach a conference or a device by.
type conference struct {
	XMLName     xml.Name              `xml:"urn:ietf:params:xml:ns:conference-info conference-info"`
	Entity      string                `xml:"entity,attr"`
	State       string                `xml:"state,attr,omitempty"`
	Version     uint64                `xml:"version,attr"`
	Description *conferenceText       `xml:"conference-description"`
	Status      *conferenceStatus     `xml:"conference-state"`
	Users       []conferenceUserGroup `xml:"users"`
}

type conferenceText struct {
	Display string `xml:"display-text,omitempty"`
	Subject string `xml:"subject,omitempty"`
	Most    string `xml:"maximum-user-count,omitempty"`
}

type conferenceStatus struct {
	Count  string `xml:"user-count,omitempty"`
	Active string `xml:"active,omitempty"`
	Locked string `xml:"locked,omitempty"`
}

type conferenceUserGroup struct {
	State string           `xml:"state,attr,omitempty"`
	Users []conferenceUser `xml:"user"`
}

type conferenceUser struct {
	Entity    string               `xml:"entity,attr"`
	State     string               `xml:"state,attr,omitempty"`
	Display   string               `xml:"display-text,omitempty"`
	Endpoints []conferenceEndpoint `xml:"endpoint"`
}

type conferenceEndpoint struct {
	Entity  string            `xml:"entity,attr"`
	State   string            `xml:"state,attr,omitempty"`
	Status  string            `xml:"status,omitempty"`
	Joining string            `xml:"joining-method,omitempty"`
	Leaving string            `xml:"disconnection-method,omitempty"`
	Media   []conferenceMedia `xml:"media"`
}

type conferenceMedia struct {
	ID     string `xml:"id,attr"`
	Type   string `xml:"type,omitempty"`
	Status string `xml:"status,omitempty"`
}

// conference writes the state of a conference anew; nil for what is none.
func (c *Cleaner) conference(body []byte) []byte {
	var d conference
	if xml.Unmarshal(body, &d) != nil {
		return nil
	}
	d.Entity, d.State = c.device(d.Entity, c.uri("")), change(d.State)
	if t := d.Description; t != nil {
		t.Display, t.Subject, t.Most = c.text(t.Display), c.text(t.Subject), digits(t.Most)
	}
	if s := d.Status; s != nil {
		s.Count, s.Active, s.Locked = digits(s.Count), truth(s.Active), truth(s.Locked)
	}
	n := 0
	for g := range d.Users {
		group := &d.Users[g]
		group.State = change(group.State)
		for i := range group.Users {
			n += c.participant(&group.Users[i])
		}
		n += len(group.Users)
	}
	if n > maxItems || len(d.Users) > maxItems {
		return nil
	}
	return marshal(d)
}

// participant writes one user anew and counts its devices.
func (c *Cleaner) participant(u *conferenceUser) int {
	u.Entity, u.State, u.Display = c.uri(u.Entity), change(u.State), c.text(u.Display)
	for i := range u.Endpoints {
		e := &u.Endpoints[i]
		e.Entity, e.State = c.device(e.Entity, u.Entity), change(e.State)
		e.Status = oneOf(strings.TrimSpace(e.Status), "", "connected", "disconnected", "on-hold", "muted-via-focus", "pending", "alerting",
			"dialing-in", "dialing-out", "disconnecting")
		e.Joining = oneOf(strings.TrimSpace(e.Joining), "", "dialed-in", "dialed-out", "focus-owner")
		e.Leaving = oneOf(strings.TrimSpace(e.Leaving), "", "departed", "booted", "failed", "busy")
		if len(e.Media) > maxItems {
			e.Media = nil
		}
		for k := range e.Media {
			m := &e.Media[k]
			m.ID = c.name(m.ID)
			m.Type = oneOf(strings.TrimSpace(m.Type), "", "audio", "video", "text", "message", "application")
			m.Status = oneOf(strings.TrimSpace(m.Status), "", "sendrecv", "sendonly", "recvonly", "inactive")
		}
	}
	return len(u.Endpoints)
}

// change is the state attribute of RFC 4575 4.1.
func change(s string) string { return oneOf(s, "", "full", "partial", "deleted") }

func truth(s string) string { return oneOf(strings.TrimSpace(s), "", "true", "false") }
