package edge

import (
	"cmp"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/sallyport/sallyport/sbc"
)

// naptrTransport gives the transport of a NAPTR service (RFC 3263 4.1), "" for one we do not speak.
func naptrTransport(service string) sbc.Transport {
	switch strings.ToUpper(service) {
	case "SIP+D2U":
		return sbc.TransportUDP
	case "SIP+D2T":
		return sbc.TransportTCP
	case "SIPS+D2T":
		return sbc.TransportTLS
	}
	return ""
}

// sortNAPTR keeps the records of transports we speak, in order and preference (RFC 3403 4.1).
func sortNAPTR(records []dns.RR) []*dns.NAPTR {
	var kept []*dns.NAPTR
	for _, r := range records {
		n, ok := r.(*dns.NAPTR)
		if ok && strings.EqualFold(n.Flags, "s") && naptrTransport(n.Service) != "" && len(kept) < maxServices {
			kept = append(kept, n)
		}
	}
	slices.SortStableFunc(kept, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	return kept
}

// orderSRV sorts by priority and draws among equals by weight (RFC 2782, "Usage rules").
func orderSRV(records []dns.RR, draw func(n int) int) []*dns.SRV {
	var kept []*dns.SRV
	for _, r := range records {
		if s, ok := r.(*dns.SRV); ok && len(kept) < maxServices {
			kept = append(kept, s)
		}
	}
	slices.SortStableFunc(kept, func(a, b *dns.SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Weight, b.Weight))
	})
	for from := 0; from < len(kept); {
		to := from + 1
		for to < len(kept) && kept[to].Priority == kept[from].Priority {
			to++
		}
		drawByWeight(kept[from:to], draw)
		from = to
	}
	return kept
}

// drawByWeight puts records of one priority in a random order in which each comes first as often as its weight says. The
// records come sorted by weight, so those of weight 0 stand first and have the small chance the RFC gives them.
func drawByWeight(group []*dns.SRV, draw func(n int) int) {
	for i := 0; i < len(group)-1; i++ {
		total := 0
		for _, s := range group[i:] {
			total += int(s.Weight)
		}
		chosen, running, point := i, 0, draw(total+1)
		for j, s := range group[i:] {
			running += int(s.Weight)
			if running >= point {
				chosen = i + j
				break
			}
		}
		s := group[chosen]
		copy(group[i+1:chosen+1], group[i:chosen])
		group[i] = s
	}
}
