package sbc

import (
	"net"
	"strconv"
	"time"
)

const (
	// stunPort is where STUN servers are found (RFC 8489 8.1).
	stunPort = 3478
	// defaultSTUNRefresh is how often they are asked, in seconds.
	defaultSTUNRefresh = 300
)

// AdvertisedSTUN has a STUN server (RFC 8489) asked by which address the world sees one of ours. What it tells stands in place of the
// configured AdvertisedAddress, which counts until then. 1:1 NAT is meant: ports stay as they are.
type AdvertisedSTUN struct {
	// Server is "host" or "host:port"; "" asks nobody.
	Server string `json:"advertised_stun_server,omitempty"`
	// RefreshS is how often it is asked, in seconds; 0, as rows of earlier versions have it, is 300.
	RefreshS int `json:"advertised_stun_refresh_s"`
}

func (a *AdvertisedSTUN) validate(f *faults) {
	if a.RefreshS != 0 {
		f.between("#/advertised_stun_refresh_s", a.RefreshS, 5, 86_400)
	}
	if a.Server == "" {
		return
	}
	host, port := a.Asked()
	if port < 1 || port > 65535 || len(a.Server) > 260 {
		f.add("#/advertised_stun_server", "host", "must be a host with an optional port")
		return
	}
	f.host("#/advertised_stun_server", host, true)
}

// Asked gives host and port of the server; the port is 0 where it cannot be read.
func (a *AdvertisedSTUN) Asked() (host string, port int) {
	host, text, err := net.SplitHostPort(a.Server)
	if err != nil { // no port
		return a.Server, stunPort
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		return host, 0
	}
	return host, port
}

// Refresh is how often it is asked.
func (a *AdvertisedSTUN) Refresh() time.Duration {
	if a.RefreshS <= 0 {
		return defaultSTUNRefresh * time.Second
	}
	return time.Duration(a.RefreshS) * time.Second
}

// The states of an AdvertisedStatus.
const (
	AdvertisedPending = "pending" // nothing was told yet
	AdvertisedCurrent = "current"
	AdvertisedFailing = "failing" // the last question failed: what was told before stays
)

// AdvertisedStatus is what a STUN server says of an address of ours.
type AdvertisedStatus struct {
	State  string `json:"state"`
	Server string `json:"server"`
	// Address is what the newest answer told, "" for nothing yet. PortKept tells whether the port was told as it is.
	Address  string `json:"address,omitempty"`
	PortKept *bool  `json:"port_kept,omitempty"`
	// Since is since when it is that address, CheckedAt when it was last told.
	Since     *time.Time `json:"since,omitempty"`
	CheckedAt *time.Time `json:"checked_at,omitempty"`
	// Reason says why the last question failed.
	Reason string `json:"reason,omitempty"`
}
