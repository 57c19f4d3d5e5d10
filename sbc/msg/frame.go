package msg

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unsafe"
)

// Framer cuts a stream into messages (RFC 3261 18.3). It belongs to one connection and is used by one goroutine. After an error
// other than a time-out before the first octet, the place where the next message begins is lost: close the connection.
type Framer struct {
	max    int
	head   []byte // the header section so far
	padded bool   // a CRLF came that may be the first half of a ping
}

// maxStartLine bounds the first line, so that what is not SIP is found out early.
const maxStartLine = 8192

// maxKeptHead bounds the memory an idle connection keeps.
const maxKeptHead = 8192

// NewFramer makes a framer that takes messages of at most max octets, headers and body together.
func NewFramer(max int) *Framer { return &Framer{max: max} }

// Next reads the next message. raw is freshly made and the caller's. keepalive with a nil raw is the double CRLF of RFC 5626
// 4.4.1, which wants a single CRLF back. A nil raw without keepalive or error is padding between messages: call again.
//
// An error that is a *ParseError is the sender's fault: 400 for lengths that are missing, doubled, negative or no number and for
// bare CR or LF, 513 for messages beyond max; Partial, where not nil, is the message to answer before closing. All other
// errors are the reader's. Nothing is allocated for octets that have not come.
func (f *Framer) Next(r *bufio.Reader) (raw []byte, keepalive bool, err error) {
	if ping, err := f.padding(r); ping || err != nil {
		return nil, ping, err
	}
	if f.padded && r.Buffered() == 0 {
		return nil, false, nil
	}
	f.padded = false
	if err := f.readHead(r); err != nil {
		return nil, false, err
	}
	n, err := f.bodyLength()
	if err != nil {
		return nil, false, err
	}
	raw, err = f.readBody(r, n)
	if cap(f.head) > maxKeptHead {
		f.head = nil
	}
	return raw, false, err
}

// padding reads CRLFs before a message until there is no more in the buffer. Two in a row are a ping.
func (f *Framer) padding(r *bufio.Reader) (ping bool, err error) {
	for {
		b, err := r.Peek(1)
		if err != nil {
			return false, err
		}
		if b[0] != '\r' && b[0] != '\n' {
			return false, nil
		}
		if b, err = r.Peek(2); err != nil {
			return false, err
		}
		if b[0] != '\r' || b[1] != '\n' {
			return false, &ParseError{Status: 400, Reason: "Bare CR, LF or NUL"}
		}
		if _, err = r.Discard(2); err != nil {
			return false, err
		}
		if f.padded {
			f.padded = false
			return true, nil
		}
		if f.padded = true; r.Buffered() == 0 {
			return false, nil
		}
	}
}

// readHead reads up to and including the empty line.
func (f *Framer) readHead(r *bufio.Reader) error {
	f.head = f.head[:0]
	lines, start := 0, 0
	for {
		part, err := r.ReadSlice('\n')
		if len(f.head)+len(part) > f.max {
			return f.refuse(513, StatusText(513))
		}
		f.head = append(f.head, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			if lines == 0 && len(f.head) > maxStartLine {
				return &ParseError{Status: 414, Reason: StatusText(414)}
			}
			continue
		}
		if err != nil {
			return noEOF(err)
		}
		line := f.head[start:]
		if len(line) < 2 || line[len(line)-2] != '\r' {
			return f.refuse(400, "Bare CR, LF or NUL")
		}
		if len(line) == 2 {
			return nil
		}
		if lines == 0 && !looksLikeSIP(line) {
			return &ParseError{Status: 400, Reason: "Not SIP"}
		}
		if lines++; lines > MaxHeaders+1 {
			return f.refuse(513, "Too Many Headers")
		}
		start = len(f.head)
	}
}

// looksLikeSIP is what a first line must show before more is read: the version at one of its ends. A TLS greeting or an HTTP
// request ends the connection here; Parse decides the rest.
func looksLikeSIP(line []byte) bool {
	line = bytes.TrimRight(line, " \r\n")
	last := line[bytes.LastIndexByte(line, ' ')+1:]
	version := []byte("SIP/")
	return len(line) > 4 && bytes.EqualFold(line[:4], version) || len(last) > 4 && bytes.EqualFold(last[:4], version)
}

// bodyLength finds the one Content-Length. On streams it must be there (RFC 3261 20.14).
func (f *Framer) bodyLength() (int, error) {
	sc := scanner{s: unsafe.String(unsafe.SliceData(f.head), len(f.head))} // not kept beyond this function
	sc.next(false)
	length, found := 0, false
	for {
		name, value, ok := sc.header()
		if !ok {
			break
		}
		if name == "" {
			return 0, f.refuse(400, "Malformed Header")
		}
		if identify(name) != idContentLength {
			continue
		}
		if found {
			return 0, f.refuse(400, "Duplicate Content-Length")
		}
		found = true
		n, ok := number(value, 1<<31-1)
		if !ok {
			return 0, f.refuse(400, "Malformed Content-Length")
		}
		length = int(n)
	}
	switch {
	case !found:
		return 0, f.refuse(400, "Missing Content-Length")
	case !sc.clean():
		return 0, f.refuse(400, "Bare CR, LF or NUL")
	case length > f.max-len(f.head):
		return 0, f.refuse(513, StatusText(513))
	}
	return length, nil
}

// readBody gives head and body in one piece. It grows with what has come, not with what was promised.
func (f *Framer) readBody(r *bufio.Reader, n int) ([]byte, error) {
	total := len(f.head) + n
	raw := make([]byte, len(f.head), min(total, len(f.head)+max(r.Buffered(), 2048)))
	copy(raw, f.head)
	for len(raw) < total {
		if len(raw) == cap(raw) {
			grown := make([]byte, len(raw), min(total, 2*cap(raw)))
			copy(grown, raw)
			raw = grown
		}
		got, err := r.Read(raw[len(raw):min(total, cap(raw))])
		raw = raw[:len(raw)+got]
		if err != nil && len(raw) < total {
			return nil, noEOF(err)
		}
	}
	return raw, nil
}

// refuse makes the error of a message that will not be read to its end. What came of its head says whom to answer.
func (f *Framer) refuse(status int, reason string) error {
	e := &ParseError{Status: status, Reason: reason}
	head := append(make([]byte, 0, len(f.head)), f.head...)
	m, err := Parse(head)
	var pe *ParseError
	switch {
	case err == nil && m.IsRequest() && m.Method != ACK:
		e.Partial = m
	case errors.As(err, &pe):
		e.Partial = pe.Partial
	}
	return e
}

// noEOF tells the end of a stream inside a message from the end between two.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
