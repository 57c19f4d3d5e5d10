package msg

import "strconv"

// ParseError says why a message was refused and what its sender shall hear.
type ParseError struct {
	// Status is the response due: 400, 416, 505, 513.
	Status int
	// Reason is a phrase for the status line. It never holds the input.
	Reason string
	// Partial is what could be read: enough for NewResponse to build the answer. It is nil where none may be sent (responses,
	// ACK, no usable Via, not SIP at all): drop in silence.
	Partial *Message
}

// Error gives status and reason.
func (e *ParseError) Error() string {
	return "msg: " + strconv.Itoa(e.Status) + " " + e.Reason
}
