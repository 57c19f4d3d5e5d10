package msg

import (
	"bufio"
	"errors"

	"github.com/emiago/sipgo/sip"
)

var errStub = errors.New("msg: not built yet")

// Params are the parameters of a header or URI, in order.
type Params = sip.HeaderParams

func Param(p Params, name string) (string, bool)   { return "", false }
func SetParam(p Params, name, value string) Params { return p }
func RemoveParam(p Params, name string) Params     { return p }

type URI struct {
	Raw string
	sip.Uri
}

func (u URI) IsSIP() bool    { return false }
func (u URI) Clone() URI     { return u }
func (u URI) String() string { return "" }

type NameAddr struct {
	Display string
	URI     URI
	Params  Params
}

func (a NameAddr) Tag() string                 { return "" }
func (a NameAddr) String() string              { return "" }
func (a NameAddr) WithTag(tag string) NameAddr { return a }

type Via struct {
	Transport string
	Host      string
	Port      int
	Params    Params
}

func (v Via) Branch() string                  { return "" }
func (v Via) Received() string                { return "" }
func (v Via) RPort() (port int, present bool) { return 0, false }
func (v Via) String() string                  { return "" }

type CSeq struct {
	Seq    uint32
	Method Method
}

func (c CSeq) String() string { return "" }

type ParseError struct {
	Status  int
	Reason  string
	Partial *Message
}

func (e *ParseError) Error() string { return e.Reason }

func Parse(raw []byte) (*Message, error)             { return nil, errStub }
func IsKeepAlive(raw []byte) bool                    { return false }
func ParseURI(s string) (URI, error)                 { return URI{}, errStub }
func ParseNameAddr(s string) (NameAddr, error)       { return NameAddr{}, errStub }
func ParseNameAddrs(list string) ([]NameAddr, error) { return nil, errStub }
func ParseVia(s string) (Via, error)                 { return Via{}, errStub }
func ParseCSeq(s string) (CSeq, error)               { return CSeq{}, errStub }
func Canonical(name string) string                   { return name }
func StatusText(code int) string                     { return "" }
func NewTag() string                                 { return "" }
func NewBranch() string                              { return "" }
func NewCallID() string                              { return "" }

func NewRequest(method Method, uri URI) *Message                   { return nil }
func NewResponse(req *Message, status int, reason string) *Message { return nil }
func (m *Message) Clone() *Message                                 { return nil }
func (m *Message) Get(name string) string                          { return "" }
func (m *Message) Has(name string) bool                            { return false }
func (m *Message) GetAll(name string) []string                     { return nil }
func (m *Message) Values(name string) []string                     { return nil }
func (m *Message) Contacts() ([]NameAddr, error)                   { return nil, nil }
func (m *Message) Routes() ([]NameAddr, error)                     { return nil, nil }
func (m *Message) RecordRoutes() ([]NameAddr, error)               { return nil, nil }
func (m *Message) Vias() ([]Via, error)                            { return nil, nil }
func (m *Message) SetTopVia(v Via)                                 {}
func (m *Message) PrependVia(v Via)                                {}
func (m *Message) SetFrom(a NameAddr)                              {}
func (m *Message) SetTo(a NameAddr)                                {}
func (m *Message) SetToTag(tag string)                             {}
func (m *Message) SetCallID(id string)                             {}
func (m *Message) SetCSeq(seq uint32, method Method)               {}
func (m *Message) SetMaxForwards(n int)                            {}
func (m *Message) SetBody(contentType string, body []byte)         {}
func (m *Message) Append(name, value string)                       {}
func (m *Message) Prepend(name, value string)                      {}
func (m *Message) Set(name, value string)                          {}
func (m *Message) Remove(name string)                              {}
func (m *Message) AppendTo(buf []byte) []byte                      { return buf }

type Framer struct{}

func NewFramer(max int) *Framer { return &Framer{} }
func (f *Framer) Next(r *bufio.Reader) (raw []byte, keepalive bool, err error) {
	return nil, false, errStub
}

func appendEscaped(b []byte, s string) []byte               { return b }
func appendHostPort(b []byte, host string, port int) []byte { return b }
