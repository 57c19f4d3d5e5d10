package header

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// forbidden are the headers that pass by no list, canonical, in order: those of the dialog and of the way of a message, which
// are the border's own on each side; those by which each side and the border agree on extensions; those that name dialogs of
// one side to the other, which are passed only by functions that translate them; credentials; and Warning, whose first word is
// a host (RFC 3261 20.43).
var forbidden = []string{
	"Accept", "Accept-Contact", "Accept-Encoding", "Accept-Resource-Priority", "Allow", "Allow-Events", "Authentication-Info",
	"Authorization", "Call-Id", "Contact", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Type", "Cseq", "Event", "Expires", "Feature-Caps", "Flow-Timer", "From", "Geolocation-Routing", "Identity-Info",
	"In-Reply-To", "Join", "Max-Breadth", "Max-Forwards", "Mime-Version", "Min-Expires", "Min-Se", "P-Associated-Uri",
	"P-Called-Party-Id", "P-Visited-Network-Id", "Path", "Permission-Missing", "Proxy-Authenticate", "Proxy-Authentication-Info",
	"Proxy-Authorization", "Proxy-Require", "Rack", "Record-Route", "Recv-Info", "Refer-Events-At", "Refer-Sub", "Refer-To",
	"Referred-By", "Reject-Contact", "Replaces", "Reply-To", "Request-Disposition", "Require", "Route", "Rseq", "Security-Client",
	"Security-Server", "Security-Verify", "Server", "Service-Route", "Session-Expires", "Sip-Etag", "Sip-If-Match",
	"Subscription-State", "Supported", "Suppress-If-Match", "Target-Dialog", "Timestamp", "To", "Trigger-Consent", "Unsupported",
	"User-Agent", "Via", "Warning", "Www-Authenticate",
}

// claimed are headers by which a side says who is calling or what was done with the call: believed from a trusted realm only, by
// whatever list they pass.
var claimed = []string{
	"Diversion", "Geolocation", "History-Info", "Identity", "P-Access-Network-Info", "P-Asserted-Identity", "P-Asserted-Service",
	"P-Charge-Info", "P-Charging-Function-Addresses", "P-Charging-Vector", "P-Early-Media", "P-Preferred-Identity",
	"P-Preferred-Service", "P-Private-Network-Indication", "P-Served-User", "P-User-Database", "Remote-Party-Id",
	"Resource-Priority",
}

// asserted are those of the claimed that leave towards a trusted realm only (RFC 3325 7, RFC 7315 4).
var asserted = []string{
	"P-Access-Network-Info", "P-Asserted-Identity", "P-Asserted-Service", "P-Charge-Info", "P-Charging-Function-Addresses",
	"P-Charging-Vector", "P-Preferred-Identity", "P-Preferred-Service", "P-Private-Network-Indication", "P-Served-User",
	"P-User-Database",
}

// Forbidden tells whether a header passes by no list, whoever names it, in any spelling and in its compact form.
func Forbidden(name string) bool { return in(forbidden, name) }

// claims tells whether a header is believed from a trusted realm only.
func claims(name string) bool { return in(claimed, name) }

// asserts tells whether a header leaves towards a trusted realm only.
func asserts(name string) bool { return in(asserted, name) }

// in looks a name up in one of the lists.
func in(list []string, name string) bool {
	_, found := slices.BinarySearchFunc(list, msg.Canonical(strings.TrimSpace(name)), func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	})
	return found
}
