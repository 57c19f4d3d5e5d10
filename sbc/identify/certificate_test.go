package identify

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

func certificateRows() Rows {
	identity := func(id, trunk, cidr, name string, revision int64) *sbc.Identity {
		i := &sbc.Identity{TrunkID: trunk, CIDR: cidr, TLSName: name}
		i.ID, i.Name, i.Revision = id, id, revision
		return i
	}
	rows := Rows{Identities: []*sbc.Identity{
		identity("idn_net", "trk_net", "192.0.2.0/24", "", 1),
		identity("idn_cert", "trk_cert", "", "Carrier.example", 2),
		identity("idn_both", "trk_both", "192.0.2.7/32", "carrier.example", 3),
	}}
	for _, id := range []string{"trk_net", "trk_cert", "trk_both"} {
		trunk := &sbc.Trunk{RealmID: "rlm_1"}
		trunk.ID = id
		rows.Trunks = append(rows.Trunks, trunk)
	}
	i := &sbc.SIPInterface{RealmID: "rlm_1"}
	i.ID = "sif_1"
	rows.Interfaces = append(rows.Interfaces, i)
	return rows
}

// TestCertificates: what a certificate says counts before any address, and for nothing where it is not the name asked for.
func TestCertificates(t *testing.T) {
	table, conflicts := Compile(certificateRows())
	if len(conflicts) > 0 {
		t.Fatalf("%+v", conflicts[0].Fault)
	}
	for _, tt := range []struct {
		from, names, want string
	}{
		{"203.0.113.9", "carrier.example", "trk_cert"},
		{"2001:db8::9", "other.example carrier.example", "trk_cert"},
		{"192.0.2.8", "carrier.example", "trk_cert"},
		{"192.0.2.7", "carrier.example", "trk_both"},
		{"192.0.2.7", "", "trk_net"},
		{"192.0.2.8", "other.example", "trk_net"},
		{"203.0.113.9", "other.example", ""},
		{"203.0.113.9", "*.example", ""},
		{"203.0.113.9", "", ""},
	} {
		h := msg.Hop{Interface: "sif_1", Transport: sbc.TransportTLS, Remote: netip.AddrPortFrom(netip.MustParseAddr(tt.from), 4711)}
		if tt.names != "" {
			h.Peer = &msg.Peer{Names: strings.Fields(tt.names)}
		}
		c, ok := table.Identify(From(h), "4930")
		if c.TrunkID != tt.want || ok != (tt.want != "") || c.Reason == "" {
			t.Errorf("%s with %q is %q (%v): %s", tt.from, tt.names, c.TrunkID, ok, c.Reason)
		}
		if strings.Contains(tt.want, "cert") && !strings.HasSuffix(c.Reason, ": with a certificate of carrier.example") {
			t.Errorf("reason: %s", c.Reason)
		}
	}
}

// TestCertificateConflict: one name is one trunk's.
func TestCertificateConflict(t *testing.T) {
	rows := certificateRows()
	again := *rows.Identities[1]
	again.ID, again.TrunkID, again.TLSName, again.Revision = "idn_x", "trk_net", "CARRIER.example", 9
	rows.Identities = append(rows.Identities, &again)
	_, conflicts := Compile(rows)
	if len(conflicts) != 1 || conflicts[0].Identity.ID != "idn_x" || conflicts[0].Other.ID != "idn_cert" {
		t.Fatalf("%+v", conflicts)
	}
	again.Port = 5061
	if _, conflicts = Compile(rows); len(conflicts) > 0 {
		t.Errorf("with a port: %+v", conflicts[0].Fault)
	}
}
