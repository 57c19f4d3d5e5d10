package call

import (
	"errors"
	"strconv"
	"strings"

	"github.com/sallyport/sallyport/media"
	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/msg"
)

// endError is the reason of ends that are nobody's wish.
const endError = sbc.EndError

// stopOrder says why we end a call.
type stopOrder struct {
	reason sbc.EndReason
	// text is said in the Reason header and in the record.
	text string
}

// Q.850 causes we name ourselves.
const (
	causeNormal    = 16
	causeBusy      = 17
	causeTemporary = 41
	causeRecovery  = 102 // recovery on timer expiry
	causeInterwork = 127
)

// causeOf maps a final code to a Q.850 cause by RFC 3398 8.2.6.1.
func causeOf(code int) int {
	if c, ok := causeTable[code]; ok {
		return c
	}
	switch code / 100 {
	case 4:
		return causeInterwork
	case 5:
		return causeTemporary
	case 6:
		return 21
	}
	return causeNormal
}

// causeTable is the table of RFC 3398 8.2.6.1; it is only read.
var causeTable = map[int]int{
	400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: causeRecovery, 410: 22, 413: 127, 414: 127,
	415: 79,
	416: 127, 420: 127, 421: 127, 423: 127, 480: 18, 481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: causeBusy, 487: causeNormal,
	488: 65, 500: 41, 501: 79, 502: 38, 503: 41, 504: 102, 505: 127, 513: 127, 600: 17, 603: 21, 604: 1, 606: 58,
}

// q850 reads the cause of a Reason header (RFC 3326), 0 if there is none.
func q850(m *msg.Message) int {
	for _, v := range m.Values("Reason") {
		parts := strings.Split(v, ";")
		if !strings.EqualFold(strings.TrimSpace(parts[0]), "Q.850") {
			continue
		}
		for _, p := range parts[1:] {
			name, value, _ := strings.Cut(p, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "cause") {
				continue
			}
			if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && n > 0 && n < 128 {
				return n
			}
		}
	}
	return 0
}

// reasonHeader spells a Reason header of our own (RFC 3326). Quotes and backslashes of the text are dropped.
func reasonHeader(cause int, text string) msg.Header {
	v := "Q.850;cause=" + strconv.Itoa(cause)
	if text = strings.NewReplacer(`"`, "", `\`, "", "\r", " ", "\n", " ").Replace(text); text != "" {
		v += `;text="` + text + `"`
	}
	return msg.Header{Name: "Reason", Value: v}
}

// stopCause gives the Q.850 cause and the words of an end that is ours.
func stopCause(o stopOrder) (cause int, text string) {
	cause, text = causeNormal, o.text
	switch o.reason {
	case sbc.EndMediaTimeout, sbc.EndNoAck, sbc.EndMaxDuration, sbc.EndSessionTimer, sbc.EndPeerDead:
		cause = causeRecovery
	case sbc.EndShutdown, sbc.EndError, sbc.EndStale, sbc.EndNodeFailure:
		cause = causeTemporary
	}
	if text == "" {
		text = strings.ReplaceAll(string(o.reason), "_", " ")
	}
	return cause, text
}

// endOf sorts a final failure of the callee's side into an end reason.
func endOf(code int) sbc.EndReason {
	switch code {
	case 486, 600:
		return sbc.EndBusy
	case 408, 480, 487:
		return sbc.EndNoAnswer
	}
	return sbc.EndRejected
}

// dispositionOf sorts ends as billing systems do.
func dispositionOf(answered bool, end sbc.EndReason) sbc.Disposition {
	switch {
	case answered:
		return sbc.DispositionAnswered
	case end == sbc.EndBusy:
		return sbc.DispositionBusy
	case end == sbc.EndNoAnswer:
		return sbc.DispositionNoAnswer
	case end == sbc.EndCallerCancel, end == sbc.EndCallerBye:
		return sbc.DispositionCanceled
	}
	return sbc.DispositionFailed
}

// translate gives the code with which a failure of one side is told to the other. Challenges and redirections are between the
// border and its peer: credentials never travel and a Contact of one side is never shown to the other.
func translate(code int) int {
	switch {
	case code/100 == 3:
		return 480
	case code == 401, code == 407:
		return 403
	case code == 482, code == 483, code == 481: // loops and dialogs are matters of one leg
		return 500
	case code == 420, code == 421, code == 422, code == 494: // the extension that was refused is not one the other side asked for
		return 500
	}
	return code
}

// failureCode gives the code that stands for a request without a final answer.
func failureCode(err error) (code int, word string) {
	switch {
	case errors.Is(err, msg.ErrNoResponse), errors.Is(err, msg.ErrTimeout):
		return 408, "timeout"
	case errors.Is(err, msg.ErrTransport), errors.Is(err, msg.ErrClosed):
		return 503, "unreachable"
	case errors.Is(err, msg.ErrForbidden):
		return 403, "forbidden"
	}
	return 500, "error"
}

// mediaCode gives the answer to an offer that media refused.
func mediaCode(err error) int {
	switch {
	case errors.Is(err, media.ErrNoPorts):
		return 503
	case errors.Is(err, media.ErrUnsupported):
		return 488
	case errors.Is(err, media.ErrBadSDP):
		return 488
	case errors.Is(err, media.ErrPending):
		return 491
	}
	return 500
}

// better tells whether a final code is to be preferred to the best so far when all attempts failed (RFC 3261 16.7 step 6): 6xx
// first, then the lowest class, 408 and 503 last because they tell the caller least; of equals the later one.
func better(code, best int) bool {
	return best == 0 || rank(code) <= rank(best)
}

func rank(code int) int {
	switch {
	case code >= 600:
		return 0
	case code == 408:
		return 6
	case code == 503:
		return 7
	}
	return code / 100 // 3, 4, 5
}
