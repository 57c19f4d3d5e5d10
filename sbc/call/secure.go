package call

// sips tells whether the call is for a sips URI: no attempt of it goes by anything else than TLS (RFC 5630 3.1.3, 6.1).
func (c *Call) sips() bool { return c.invite != nil && c.invite.RequestURI.Scheme == "sips" }
