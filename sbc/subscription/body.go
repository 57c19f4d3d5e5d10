package subscription

import (
	"slices"
	"strings"

	"github.com/sallyport/sallyport/sbc/header"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/notify"
)

// bodyFits checks the body of a request outside a dialog; the code is that of a refusal, 0 for none.
func (e *errand) bodyFits() (code int, headers []msg.Header) {
	if len(e.in.Body) == 0 {
		return 0, nil
	}
	var known []string
	switch e.in.Method {
	case msg.MESSAGE:
		known = header.Bodies()
	case msg.PUBLISH:
		known = strings.Split(notify.Kinds, ", ")
	}
	if !slices.Contains(known, notify.KindOf(e.in)) || len(e.in.Body) > notify.MaxBody {
		return 415, []msg.Header{{Name: "Accept", Value: strings.Join(known, ", ")}}
	}
	return 0, nil
}

// body gives the request its body; false if that does not keep its format.
func (e *errand) body(out *outbound, f header.Flow) bool {
	switch {
	case len(e.in.Body) == 0:
	case e.in.Method == msg.MESSAGE:
		out.req.SetBody(header.BodyType(e.in.Get("Content-Type")), e.in.Body)
		out.pass(e.snap.Header.Content(e.in, f))
	default:
		c := &notify.Cleaner{Clean: e.snap.Header.Judge(e.in, f), In: e.in, Secret: e.m.secret}
		kind, body, ok := c.Rewrite()
		if !ok {
			return false
		}
		out.carries(kind, body)
	}
	return true
}
