package register

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// TestThrottling: a thousand phones refresh every 30 s for an hour; at least 90 % less reaches the upstream registrar.
func TestThrottling(t *testing.T) {
	const rounds, perUser = 120, 4
	phones := 1000
	if underRace {
		phones = 100
	}
	for _, mode := range []sbc.RegistrationMode{sbc.RegistrationThrottleContact, sbc.RegistrationThrottleAOR} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			virtual(t, func(w *world) {
				c := w.midway(mode, nil)
				sent := 0
				for round := range rounds {
					again := map[int]string{} // answers to challenges
					for first := true; first || len(again) > 0; first = false {
						list := make([]*tx, phones)
						for i := range phones {
							if answer, asked := again[i]; first || asked {
								list[i] = w.throw(i/perUser, i, answer)
								sent++
							}
						}
						synctest.Wait()
						clear(again)
						for i, x := range list {
							switch {
							case x == nil:
							case x.res == nil:
								t.Fatalf("phone %d has no answer", i)
							case x.res.Status == 401:
								again[i] = answerOf(t, x.res, "user"+strconv.Itoa(i/perUser), "secret")
							case x.res.Status != 200:
								t.Fatalf("phone %d in round %d: %s", i, round, x.res.StartLine())
							}
						}
					}
					time.Sleep(30 * time.Second)
				}
				told := c.took()
				t.Logf("%d REGISTERs of phones, %d upstream: %.1f %% fewer", sent, told, 100-100*float64(told)/float64(sent))
				if told*10 > sent || w.table.count.Load() != int64(phones) {
					t.Errorf("%d of %d REGISTERs went upstream; %d bindings", told, sent, w.table.count.Load())
				}
			})
		})
	}
}

// throw sends a REGISTER of phone i, which is a user's.
func (w *world) throw(user, i int, answer string) *tx {
	w.cseq++
	at := fmt.Sprintf("203.0.%d.%d:5062", 113+i/250, 1+i%250)
	if answer != "" {
		answer += "\r\n"
	}
	m, err := msg.Parse([]byte(fmt.Sprintf("REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\n"+
		"Max-Forwards: 70\r\nFrom: <sip:user%d@example.com>;tag=f\r\nTo: <sip:user%d@example.com>\r\nCall-ID: phone-%d\r\nCSeq: %d REGISTER\r\n"+
		"Contact: <sip:user%d@%s>\r\nExpires: 60\r\n%sContent-Length: 0\r\n\r\n", at, w.cseq, user, user, i, w.cseq, user, at, answer)))
	if err != nil {
		w.t.Fatal(err)
	}
	m.Hop = source(at)
	t := &tx{req: m}
	w.Handle(t, m, w.domain, w.domain.Guest("user"+strconv.Itoa(user)))
	return t
}
