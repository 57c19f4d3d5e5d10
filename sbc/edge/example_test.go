package edge_test

import (
	"fmt"
	"net/netip"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/edge"
	"github.com/sallyport/sallyport/sbc/msg"
)

// Two edges on loopback: one asks, the other answers.
func Example() {
	loopback := func(o edge.Options) *edge.Edge {
		e := edge.New(o)
		c, err := e.Prepare([]edge.Listener{{
			ID: "sif_1", Transport: sbc.TransportUDP, Bind: netip.MustParseAddrPort("127.0.0.1:0"),
		}})
		if err != nil {
			fmt.Println(err)
			return e
		}
		c.Commit()
		return e
	}
	callee := loopback(edge.Options{Handle: func(tx msg.ServerTx, m *msg.Message) {
		fmt.Println("asked:", m.Method)
		if err := tx.Respond(msg.NewResponse(m, 200, "")); err != nil {
			fmt.Println(err)
		}
	}})
	defer func() { _ = callee.Close() }()
	caller := loopback(edge.Options{})
	defer func() { _ = caller.Close() }()

	to, _ := callee.Bound("sif_1")
	uri, err := msg.ParseURI("sip:" + to.String())
	if err != nil {
		fmt.Println(err)
		return
	}
	req := msg.NewRequest(msg.OPTIONS, uri)
	req.Append("From", "<sip:a@example.org>;tag="+msg.NewTag())
	req.Append("To", "<sip:b@example.org>")
	req.SetCallID(msg.NewCallID())
	req.SetCSeq(1, msg.OPTIONS)
	req.SetMaxForwards(70)
	done := make(chan struct{})
	caller.Send(msg.Outbound{
		Request: req,
		Target:  msg.Target{Host: to.Addr().String(), Port: int(to.Port()), Interfaces: []string{"sif_1"}},
		Owner: &msg.OwnerFuncs{OnResponse: func(_ msg.ClientTx, res *msg.Message) {
			fmt.Println("answered:", res.Status)
			close(done)
		}},
	})
	<-done
	// Output:
	// asked: OPTIONS
	// answered: 200
}
