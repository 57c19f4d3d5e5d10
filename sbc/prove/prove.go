// Package prove answers the challenges of trunks to requests outside of calls (RFC 3261 22.2, 22.3): MESSAGE, SUBSCRIBE, NOTIFY, PUBLISH
// and OPTIONS. Calls have their own way (sbc/call/prove.go), because there the credentials of one request serve the next.
//
// # Limits
//
// Nothing is remembered from one request to the next: each is challenged anew.
package prove

import (
	"github.com/sallyport/sallyport/auth/digest"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// headers are those of answers.
var headers = [...]string{"Authorization", "Proxy-Authorization"}

// Answerer answers the challenges to one request. It is for one goroutine at a time; nil is one that has no credentials.
type Answerer struct {
	client digest.Client
	try    digest.Try
	proofs []digest.Proof
}

// New makes an Answerer with credentials; of none it is nil.
func New(k *sbc.ClientCredentials) *Answerer {
	if k == nil || !k.Given() {
		return nil
	}
	return &Answerer{client: digest.Client{Username: k.Username, Password: k.Password, Realm: k.Realm}}
}

// Again gives the request that follows a response to one before, if that is a challenge that can be answered: the same with the next
// CSeq number, to the server that challenged, for another may not know the nonce. Put must be called for it when its Request-URI and body
// are complete. ok is false for any other response; how often it is true for one Answerer is bounded (digest.ErrLoop).
func (a *Answerer) Again(req, res *msg.Message, hop msg.Hop) (again *msg.Message, to msg.Target, ok bool) {
	if a == nil || res.Status != 401 && res.Status != 407 ||
		a.client.Heard(&a.try, res.GetAll("WWW-Authenticate"), res.GetAll("Proxy-Authenticate")) != nil {
		return nil, msg.Target{}, false
	}
	a.proofs = a.client.Proofs()
	again = req.Clone()
	again.Remove("Via")
	again.SetCSeq(req.CSeq.Seq+1, req.Method)
	return again, msg.Target{
		Host: hop.Remote.Addr().String(), Port: int(hop.Remote.Port()), Transport: hop.Transport, Flow: &hop,
		Interfaces: []string{hop.Interface},
	}, true
}

// Put writes the credentials on a request that is complete but for its Via.
func (a *Answerer) Put(req *msg.Message) {
	if a == nil || len(a.proofs) == 0 {
		return
	}
	for _, name := range headers {
		req.Remove(name)
	}
	for i := range a.proofs {
		req.Append(a.proofs[i].Header(string(req.Method), req.RequestURI.String(), req.Body))
	}
}
