package api

import (
	"context"
	"strings"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// LookupDNS shows where a name leads.
func (s *server) LookupDNS(ctx context.Context, r gen.LookupDNSRequestObject) (gen.LookupDNSResponseObject, error) {
	name := strings.TrimSuffix(r.Name, ".")
	if !sbc.ValidHost(name) {
		return nil, sbc.Invalid([]sbc.Fault{{Pointer: "#/name", Code: "host", Detail: "is neither a name nor an address"}})
	}
	transport := sbc.Transport(value(r.Params.Transport))
	if transport == sbc.TransportAuto {
		transport = ""
	}
	body, err := convert[gen.DNSLookup](s.o.Resolve(ctx, name, value(r.Params.Port), transport))
	return gen.LookupDNS200JSONResponse(body), err
}
