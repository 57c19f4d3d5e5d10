package msg

// OwnerFuncs is an Owner made of functions, of which any may be nil.
type OwnerFuncs struct {
	OnPrepare  func(req *Message, local Local)
	OnResponse func(tx ClientTx, res *Message)
	OnFailed   func(tx ClientTx, err error)
	OnSent     func(raw []byte, hop Hop)
}

var _ Owner = (*OwnerFuncs)(nil)

// Prepare calls OnPrepare.
func (f *OwnerFuncs) Prepare(req *Message, local Local) {
	if f.OnPrepare != nil {
		f.OnPrepare(req, local)
	}
}

// Response calls OnResponse.
func (f *OwnerFuncs) Response(tx ClientTx, res *Message) {
	if f.OnResponse != nil {
		f.OnResponse(tx, res)
	}
}

// Failed calls OnFailed.
func (f *OwnerFuncs) Failed(tx ClientTx, err error) {
	if f.OnFailed != nil {
		f.OnFailed(tx, err)
	}
}

// Sent calls OnSent.
func (f *OwnerFuncs) Sent(raw []byte, hop Hop) {
	if f.OnSent != nil {
		f.OnSent(raw, hop)
	}
}
