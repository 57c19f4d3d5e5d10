package identify

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config/rowtext"
)

func rowsOf(all []sbc.Resource) Rows {
	return Rows{Identities: rowtext.Of[*sbc.Identity](all), Trunks: rowtext.Of[*sbc.Trunk](all),
		Interfaces: rowtext.Of[*sbc.SIPInterface](all)}
}

// ask reads "from <address> <port> <interface> <transport> <dialled>".
func ask(t *testing.T, line string) (Source, string) {
	t.Helper()
	w := strings.Fields(line)
	if len(w) != 6 || w[0] != "from" {
		t.Fatalf("%q is not a source", line)
	}
	port, err := strconv.Atoi(w[2])
	if err != nil {
		t.Fatal(err)
	}
	return Source{Addr: netip.MustParseAddr(w[1]), Port: port, Interface: w[3], Transport: sbc.Transport(w[4])}, w[5]
}

// TestTable runs testdata/identify.txt with the rows in several orders.
func TestTable(t *testing.T) {
	text, err := os.ReadFile("testdata/identify.txt")
	if err != nil {
		t.Fatal(err)
	}
	in, err := rowtext.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(5) {
		rows := slices.Clone(in.Rows)
		if seed > 0 {
			r := rand.New(rand.NewPCG(seed, 1))
			r.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		}
		table, conflicts := Compile(rowsOf(rows))
		if len(conflicts) > 0 {
			t.Fatalf("%+v", conflicts)
		}
		for _, c := range in.Cases {
			src, dialled := ask(t, c.Ask)
			got := "stranger"
			caller, ok := table.Identify(src, dialled)
			if ok {
				got = strings.TrimSpace(caller.TrunkID + " " + caller.IdentityID + " " + caller.Number)
			}
			if got != c.Want[0] || caller.Reason == "" {
				t.Errorf("line %d: %s: got %q (%s), want %q", c.Line, c.Ask, got, caller.Reason, c.Want[0])
			}
		}
	}
}

func TestKnownNeedsNoNumber(t *testing.T) {
	text, err := os.ReadFile("testdata/identify.txt")
	if err != nil {
		t.Fatal(err)
	}
	in, err := rowtext.Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	table, _ := Compile(rowsOf(in.Rows))
	for addr, want := range map[string]string{"203.0.113.1": "trk_t99", "192.0.2.5": "trk_host", "192.0.2.9": "trk_net",
		"8.8.8.8": ""} {
		c, ok := table.Known(Source{Addr: netip.MustParseAddr(addr), Port: 5060, Interface: "sif_1", Transport: sbc.TransportUDP})
		if c.TrunkID != want || ok != (want != "") {
			t.Errorf("%s is %q (%v), want %q", addr, c.TrunkID, ok, want)
		}
	}
}

func TestConflicts(t *testing.T) {
	base := `
interface sif_1 realm=rlm_1
interface sif_2 realm=rlm_2
trunk trk_a realm=rlm_1
trunk trk_b realm=rlm_1
trunk trk_c realm=rlm_2
identity idn_a trunk=trk_a cidr=192.0.2.0/24 revision=5
identity idn_p trunk=trk_a cidr=192.0.2.0/24 port=5070 tech=9 transport=udp interface=sif_1 revision=5
`
	tests := []struct {
		name, row        string
		blamed, other    string
		pointer, contain string
	}{
		{"equal", "identity idn_x trunk=trk_b cidr=192.0.2.0/24 revision=6", "idn_x", "idn_a", "#/cidr", "idn_a"},
		{"written otherwise", "identity idn_x trunk=trk_b cidr=192.0.2.77/24 revision=6", "idn_x", "idn_a", "#/cidr", "trk_a"},
		{"mapped", "identity idn_x trunk=trk_b cidr=::ffff:192.0.2.0/120 revision=6", "idn_x", "idn_a", "#/cidr", "trk_a"},
		{"the last writer is blamed", "identity idn_x trunk=trk_b cidr=192.0.2.0/24 revision=4", "idn_a", "idn_x", "#/cidr", "trk_b"},
		{"all five", "identity idn_x trunk=trk_b cidr=192.0.2.0/24 port=5070 tech=9 transport=udp interface=sif_1 revision=6",
			"idn_x", "idn_p",
			"#/cidr", "idn_p"},
		{"one trunk twice", "identity idn_x trunk=trk_a cidr=192.0.2.0/24", "", "", "", ""},
		{"longer network", "identity idn_x trunk=trk_b cidr=192.0.2.0/25", "", "", "", ""},
		{"other port", "identity idn_x trunk=trk_b cidr=192.0.2.0/24 port=5071", "", "", "", ""},
		{"a port", "identity idn_x trunk=trk_b cidr=192.0.2.0/24 port=5070", "", "", "", ""},
		{"a transport", "identity idn_x trunk=trk_b cidr=192.0.2.0/24 transport=udp", "", "", "", ""},
		{"an interface", "identity idn_x trunk=trk_b cidr=192.0.2.0/24 interface=sif_1", "", "", "", ""},
		{"longer prefix", "identity idn_x trunk=trk_b cidr=192.0.2.0/24 port=5070 tech=99 transport=udp interface=sif_1", "", "",
			"", ""},
		{"other realm", "identity idn_x trunk=trk_c cidr=192.0.2.0/24", "", "", "", ""},
		{"interface of another realm", "identity idn_x trunk=trk_c cidr=192.0.2.0/24 interface=sif_1", "idn_x", "",
			"#/sip_interface_id", "no request"},
		{"everyone", "identity idn_x trunk=trk_b cidr=0.0.0.0/0", "idn_x", "", "#/cidr", "0.0.0.0/0"},
		{"nonsense", "identity idn_x trunk=trk_b cidr=nonsense", "idn_x", "", "#/cidr", "nonsense"},
	}
	for _, tt := range tests {
		rows, err := rowtext.Rows(base + tt.row)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, conflicts := Compile(rowsOf(rows))
			slices.Reverse(rows)
			if tt.blamed == "" {
				if len(conflicts) > 0 {
					t.Errorf("%s: %+v", tt.name, conflicts[0].Fault)
				}
				continue
			}
			if len(conflicts) != 1 {
				t.Errorf("%s: %d conflicts", tt.name, len(conflicts))
				continue
			}
			c := conflicts[0]
			other := ""
			if c.Other != nil {
				other = c.Other.ID
			}
			if c.Identity.ID != tt.blamed || other != tt.other || c.Fault.Pointer != tt.pointer || !strings.Contains(c.Fault.Detail,
				tt.contain) {
				t.Errorf("%s: %s against %q: %+v", tt.name, c.Identity.ID, other, c.Fault)
			}
		}
	}
}

// TestIdentifyIsTheDocumentedRule compares the table with a walk over all identities.
func TestIdentifyIsTheDocumentedRule(t *testing.T) {
	interfaces := []*sbc.SIPInterface{{RealmID: "rlm_1"}, {RealmID: "rlm_1"}}
	interfaces[0].ID, interfaces[1].ID = "sif_1", "sif_2"
	trunk := &sbc.Trunk{RealmID: "rlm_1"}
	trunk.ID = "trk_1"
	rapid.Check(t, func(t *rapid.T) {
		rows := Rows{Interfaces: interfaces, Trunks: []*sbc.Trunk{trunk}}
		for i := range rapid.IntRange(0, 30).Draw(t, "n") {
			id := &sbc.Identity{
				TrunkID: "trk_1", CIDR: fmt.Sprintf("10.0.0.%d/%d", rapid.IntRange(0, 7).Draw(t, "host"), rapid.IntRange(28, 32).Draw(t,
					"bits")),
				Port:           rapid.SampledFrom([]int{0, 5060, 5070}).Draw(t, "port"),
				SIPInterfaceID: rapid.SampledFrom([]string{"", "sif_1", "sif_2"}).Draw(t, "interface"),
				Transport:      rapid.SampledFrom([]sbc.Transport{"", "udp", "tcp"}).Draw(t, "transport"),
				TechPrefix:     rapid.StringMatching(`[12]{0,2}`).Draw(t, "tech"),
			}
			id.ID = fmt.Sprintf("idn_%02d", i)
			rows.Identities = append(rows.Identities, id)
		}
		table, conflicts := Compile(rows)
		if len(conflicts) > 0 {
			t.Fatal(conflicts)
		}
		src := Source{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 8).Draw(t, "from"))}),
			Port: rapid.SampledFrom([]int{5060, 5070, 5080}).Draw(t, "source port"), Interface: rapid.SampledFrom([]string{"sif_1",
				"sif_2"}).Draw(t, "on"),
			Transport: rapid.SampledFrom([]sbc.Transport{"udp", "tcp"}).Draw(t, "over")}
		dialled := rapid.StringMatching(`[12]{0,3}`).Draw(t, "dialled")
		got, ok := table.Identify(src, dialled)
		if want := slow(rows.Identities, src, dialled); got.IdentityID != want || ok != (want != "") {
			t.Fatalf("%+v %q: %q, want %q", src, dialled, got.IdentityID, want)
		}
	})
}

// slow is the documented rule, word for word.
func slow(all []*sbc.Identity, src Source, dialled string) string {
	best, bestRank := "", []int(nil)
	set := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	for _, i := range all {
		p, err := sbc.ParseCIDR(i.CIDR)
		if err != nil || !p.Contains(src.Addr) || i.Port != 0 && i.Port != src.Port || i.SIPInterfaceID != "" &&
			i.SIPInterfaceID != src.Interface ||
			i.Transport != "" && i.Transport != src.Transport || !strings.HasPrefix(dialled, i.TechPrefix) {
			continue
		}
		rank := []int{p.Bits(), set(i.Port != 0), set(i.SIPInterfaceID != ""), set(i.Transport != ""), len(i.TechPrefix)}
		if slices.Compare(rank, bestRank) > 0 {
			best, bestRank = i.ID, rank
		}
	}
	return best
}

// many makes a table of n identities with many tech prefixes behind one address.
func many(n int) *Table {
	i := &sbc.SIPInterface{RealmID: "rlm_1"}
	i.ID = "sif_1"
	rows := Rows{Interfaces: []*sbc.SIPInterface{i}}
	for j := range n {
		tr := &sbc.Trunk{RealmID: "rlm_1"}
		tr.ID = fmt.Sprintf("trk_%d", j)
		id := &sbc.Identity{TrunkID: tr.ID, CIDR: fmt.Sprintf("10.%d.%d.%d", j>>16, j>>8&255, j&255)}
		if j%2 == 0 {
			id.CIDR, id.TechPrefix = "192.0.2.1", fmt.Sprintf("%05d#", j)
		}
		id.ID = fmt.Sprintf("idn_%d", j)
		rows.Trunks, rows.Identities = append(rows.Trunks, tr), append(rows.Identities, id)
	}
	t, _ := Compile(rows)
	return t
}

func TestIdentifyDoesNotAllocate(t *testing.T) {
	table := many(100)
	known := Source{Addr: netip.MustParseAddr("192.0.2.1"), Port: 5060, Interface: "sif_1", Transport: sbc.TransportUDP}
	stranger := Source{Addr: netip.MustParseAddr("8.8.8.8"), Port: 5060, Interface: "sif_1", Transport: sbc.TransportUDP}
	if n := testing.AllocsPerRun(100, func() {
		if c, ok := table.Identify(known, "00004#4930"); !ok || c.Number != "4930" {
			t.Fatal(c)
		}
		if _, ok := table.Identify(stranger, "4930"); ok {
			t.Fatal("a stranger is known")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkIdentify10000(b *testing.B) {
	table := many(10_000)
	src := Source{Addr: netip.MustParseAddr("192.0.2.1"), Port: 5060, Interface: "sif_1", Transport: sbc.TransportUDP}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := table.Identify(src, "08888#4930"); !ok {
			b.Fatal("nobody")
		}
	}
}

func BenchmarkCompile10000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		many(10_000)
	}
}
