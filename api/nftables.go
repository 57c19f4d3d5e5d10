package api

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// nftables writes bans as a script for nft(8): two sets, emptied and filled anew in one transaction. Elements of an interval set
// may not overlap, so of two bans the wider one is written; what it leaves out comes with the next script.
func nftables(bans []sbc.Ban, now time.Time) string {
	type element struct {
		network netip.Prefix
		left    time.Duration
	}
	var elements []element
	for _, b := range bans {
		n, err := netip.ParsePrefix(b.Source)
		if left := b.ExpiresAt.Sub(now); err == nil && !b.Observed && left >= time.Second {
			elements = append(elements, element{n, left})
		}
	}
	slices.SortFunc(elements, func(a, b element) int {
		return cmp.Or(a.network.Bits()-b.network.Bits(), a.network.Addr().Compare(b.network.Addr()), int(b.left/time.Second-a.left/time.Second))
	})
	var out strings.Builder
	out.WriteString("add table inet sallyport\n")
	for _, f := range []struct{ set, kind string }{{"banned4", "ipv4_addr"}, {"banned6", "ipv6_addr"}} {
		fmt.Fprintf(&out, "add set inet sallyport %s { type %s; flags interval, timeout; }\nflush set inet sallyport %s\n", f.set, f.kind, f.set)
		var written []netip.Prefix
		for _, e := range elements {
			if e.network.Addr().Is4() != (f.set == "banned4") ||
				slices.ContainsFunc(written, func(w netip.Prefix) bool { return w.Overlaps(e.network) }) {
				continue
			}
			written = append(written, e.network)
			fmt.Fprintf(&out, "add element inet sallyport %s { %s timeout %ds }\n", f.set, e.network, int(e.left.Seconds()))
		}
	}
	return out.String()
}
