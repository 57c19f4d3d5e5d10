package header

import (
	"strings"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// HostToken stands in header values where the border's own host belongs; Fill puts it there.
const HostToken = "{our-host}"

// Fill writes the host (IPv6 in brackets) in place of every HostToken of a value.
func Fill(value, host string) string { return strings.ReplaceAll(value, HostToken, host) }

// Flow says between whom a message passes.
type Flow struct {
	FromTrunk, ToTrunk *sbc.Trunk
	FromTrust, ToTrust sbc.Trust
	// Also are further words of the sending side that must not show: hosts, addresses, tags of earlier messages of the leg, and of its SDP.
	Also []string
}

// Rows are what a Table is made of, in any order. The rows are only read.
type Rows struct {
	Trunks     []*sbc.Trunk
	Endpoints  []*sbc.Endpoint
	Identities []*sbc.Identity
	Interfaces []*sbc.SIPInterface
	Pools      []*sbc.MediaPool
}

// Problem is an entry of a trunk's pass_headers that cannot be served.
type Problem struct {
	Trunk *sbc.Trunk
	Fault sbc.Fault
}

// Table knows the lists of every trunk.
type Table struct{}

// Compile builds the table. With problems it must not be used.
func Compile(rows Rows) (*Table, []Problem) { return &Table{}, nil }

// Request gives the headers that pass with a request.
func (t *Table) Request(in *msg.Message, f Flow) []msg.Header { return nil }

// Response gives the headers that pass with a response.
func (t *Table) Response(in *msg.Message, f Flow) []msg.Header { return nil }

// Content gives the headers that describe a body which passes unchanged (INFO, MESSAGE), without Content-Type and Content-Length.
func (t *Table) Content(in *msg.Message, f Flow) []msg.Header { return nil }

// Phrase gives the reason phrase for a response that passes: the peer's own if it tells nothing of its side, else the standard one.
func (t *Table) Phrase(in *msg.Message, f Flow) string { return "" }
