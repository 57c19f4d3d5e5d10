package route

import (
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Callee says of an attempt that it is for a subscriber: whom it rings, and where.
type Callee struct {
	// Entry is the subscriber. It is shared and not changed.
	Entry *sbc.Entry
	// Phones ring at once, and the first that answers has the call (RFC 3261 16.7).
	Phones []Phone
}

// Phone is one contact of a subscriber.
type Phone struct {
	RegistrationID string
	// URI is the Request-URI, Routes the values of Route headers in their order (RFC 3327 5.3); Target is where the request goes: the
	// way by which the phone registered.
	URI    msg.URI
	Routes []string
	Target msg.Target
	// Others are further flows of the same phone: one is tried when the one before it failed (RFC 5626 5.3).
	Others []Phone
}

// ID is the subscriber's; "" for the nil Callee, which is nobody.
func (c *Callee) ID() string {
	if c == nil {
		return ""
	}
	return c.Entry.Subscriber.ID
}
