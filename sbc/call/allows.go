package call

import (
	"strings"

	"github.com/sallyport/sallyport/sbc/msg"
)

// answer is what is known of a question to a peer.
type answer uint8

const (
	answerUnknown answer = iota
	answerYes
	answerNo
)

// hears notes what a message of the leg's peer says about its methods: its Allow header, or that it sent an UPDATE itself.
// Allow holds for the whole dialog (RFC 3311 4); a message without one changes nothing.
func (l *leg) hears(m *msg.Message) {
	if m.Method == msg.UPDATE && m.Status == 0 {
		l.updates = answerYes
	}
	found, named := false, false
	for i := range m.Headers {
		if !strings.EqualFold(m.Headers[i].Name, "Allow") {
			continue
		}
		named = true
		for method := range strings.SplitSeq(m.Headers[i].Value, ",") {
			found = found || strings.EqualFold(strings.TrimSpace(method), string(msg.UPDATE))
		}
	}
	switch {
	case found:
		l.updates = answerYes
	case named:
		l.updates = answerNo
	}
}
