package dialog

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestRestore: a restored dialog says what the old one would have said, with a later number, and believes the same peer.
func TestRestore(t *testing.T) {
	h := hop("192.0.2.1:5066", sbc.TransportTCP)
	old, err := NewUAS(invite(t, h, "Contact: <sip:al%20ice;x=y@192.0.2.1:5066;transport=tcp>",
		`Record-Route: "Proxy, one" <sip:p2.example;lr;ob>;more, <sip:p1.example;lr>`), "ours")
	if err != nil {
		t.Fatal(err)
	}
	old.Confirm()
	old.Request(msg.INFO)
	text, err := json.Marshal(old.State())
	if err != nil {
		t.Fatal(err)
	}
	var s State
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	d, err := Restore(&s)
	if err != nil {
		t.Fatal(err)
	}
	if d.Peer().Conn != 0 || d.Peer().Remote != h.Remote || d.Peer().Interface != h.Interface {
		t.Errorf("peer %+v", d.Peer())
	}
	was, is := old.Request(msg.BYE), d.Request(msg.BYE)
	if is.CSeq.Seq < was.CSeq.Seq {
		t.Errorf("number %d after %d", is.CSeq.Seq, was.CSeq.Seq)
	}
	is.SetCSeq(was.CSeq.Seq, msg.BYE)
	if string(is.AppendTo(nil)) != string(was.AppendTo(nil)) {
		t.Errorf("was\n%s\nis\n%s", was.AppendTo(nil), is.AppendTo(nil))
	}
	if !d.Confirmed() || d.Owner() || d.LocalTag() != "ours" || d.RemoteTag() != "far" {
		t.Errorf("%+v", d)
	}
	if err := d.Check(request(t, "BYE", 9, "far", "ours")); err == nil {
		t.Error("an old number is taken")
	}
	if err := d.Check(request(t, "BYE", 11, "far", "ours")); err != nil {
		t.Error(err)
	}
	for _, bad := range []func(*State){
		func(s *State) { s.Local = "<" }, func(s *State) { s.Target = "" }, func(s *State) { s.Routes = []string{"<sip:"} },
	} {
		broken := s
		bad(&broken)
		if _, err := Restore(&broken); err == nil || !strings.HasPrefix(err.Error(), "dialog: restore") {
			t.Errorf("%+v: %v", broken, err)
		}
	}
}
