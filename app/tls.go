package app

import (
	"crypto/tls"

	"github.com/sallyport/sallyport/sbc/edge"
	"github.com/sallyport/sallyport/sbc/trust"
)

// speaks tells the edge how a TLS profile speaks TLS now; false where there is none of the id that is in service.
func (a *App) speaks(profileID string) (edge.TLS, bool) {
	p := a.config.Current().TLS(profileID)
	if p == nil {
		return edge.TLS{}, false
	}
	return edge.TLS{
		Server: a.challenges.Beside(p.Server()), Client: func(name string) *tls.Config { return p.Client(name, nil) }, Handshake: p.Timeout(),
		Names: trust.Names, VerifiesClients: p.Verifies(false), VerifiesServers: p.Verifies(true),
	}, true
}
