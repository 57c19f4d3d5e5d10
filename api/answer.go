package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/bulk"
)

// answer holds a response back until it was checked against the specification. Without Options.ValidateResponses it is nil and
// does nothing.
type answer struct {
	http.ResponseWriter
	body   bytes.Buffer
	status int
	to     *echo.Response
	// streams says that the answer has no end, and that its beginning was right: it is let go as it is written.
	streams bool
}

// record begins to hold the response back.
func (s *server) record(c echo.Context) *answer {
	if !s.o.ValidateResponses {
		return nil
	}
	a := &answer{ResponseWriter: c.Response().Writer, to: c.Response()}
	c.Response().Writer = a
	return a
}

// WriteHeader and Write keep what would be sent.
func (a *answer) WriteHeader(status int) { a.status = status }

func (a *answer) Write(b []byte) (int, error) {
	if a.streams {
		return a.ResponseWriter.Write(b)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.body.Write(b)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// FlushError lets go what is there: from now on nothing is held back. What follows is not JSON and is not checked.
func (a *answer) FlushError() error {
	if !a.streams {
		a.streams = true
		a.ResponseWriter.WriteHeader(a.status)
		if _, err := a.ResponseWriter.Write(a.body.Bytes()); err != nil {
			return err
		}
		a.body.Reset()
	}
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// send lets the response go.
func (a *answer) send(log *slog.Logger) {
	if a == nil {
		return
	}
	if a.streams {
		a.to.Writer = a.ResponseWriter
		return
	}
	a.to.Writer = a.ResponseWriter
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.ResponseWriter.WriteHeader(a.status)
	if _, err := a.ResponseWriter.Write(a.body.Bytes()); err != nil {
		log.Debug("api: answer not delivered", "error", err)
	}
}

// check tells how the response breaks the specification, and takes it back if it does.
func (a *answer) check(op *operation, r *http.Request) error {
	if a == nil || op.id == "" {
		return nil
	}
	why := op.undocumented(a.status, a.Header(), a.body.Bytes())
	if why == "" {
		return nil
	}
	if a.streams { // too late to take it back
		return fmt.Errorf("api: a stream was not as specified: %s", why)
	}
	a.body.Reset()
	for name := range a.Header() {
		if strings.HasPrefix(name, "Content-") && name != "Content-Security-Policy" {
			a.Header().Del(name)
		}
	}
	a.to.Committed, a.status = false, 0
	return sbc.Errorf(codeUndocumented, "%s %s: %s", r.Method, r.URL.Path, why)
}

// undocumented says how a response differs from what the specification promises; "" if it does not.
func (op *operation) undocumented(status int, header http.Header, body []byte) string {
	rule, ok := op.responses[status]
	if !ok {
		return fmt.Sprintf("the status %d is not in the specification of %s", status, op.id)
	}
	for name, h := range rule.Headers {
		if h.Value.Required && header.Get(name) == "" {
			return "the header " + name + " is missing"
		}
	}
	if len(rule.Content) == 0 {
		if len(body) > 0 {
			return "there is a body where none should be"
		}
		return ""
	}
	given, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	media := rule.Content[given]
	if err != nil || media == nil {
		return "the type " + given + " is not in the specification"
	}
	if !strings.HasSuffix(given, "json") || given == bulk.NDJSON {
		return ""
	}
	value, err := decodeJSON(body)
	if err != nil {
		return err.Error()
	}
	err = media.Schema.Value.VisitJSON(value, openapi3.MultiErrors(), openapi3.VisitAsResponse(),
		openapi3.EnableFormatValidation())
	if faults := schemaFaults(err, nil); len(faults) > 0 {
		return faults[0].Pointer + " " + faults[0].Detail
	}
	return ""
}
