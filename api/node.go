package api

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/prometheus/common/expfmt"

	"github.com/sallyport/sallyport"
	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// GetHealth is a sign of life: whoever can answer is alive.
func (s *server) GetHealth(context.Context, gen.GetHealthRequestObject) (gen.GetHealthResponseObject, error) {
	return gen.GetHealth200JSONResponse{Status: "ok"}, nil
}

// notReady carries the conditions into the problem document.
type notReady struct {
	cause      *sbc.Error
	conditions []gen.Condition
}

func (n *notReady) Error() string { return n.cause.Error() }

// Unwrap gives the code to the table of errors.
func (n *notReady) Unwrap() error { return n.cause }

// GetReadiness tells whether the node is ready for traffic.
func (s *server) GetReadiness(context.Context, gen.GetReadinessRequestObject) (gen.GetReadinessResponseObject, error) {
	conditions, err := convert[[]gen.Condition](s.o.Status.Ready())
	if err != nil {
		return nil, err
	}
	var wrong []string
	for _, c := range conditions {
		if !c.Ok {
			wrong = append(wrong, strings.TrimSuffix(c.Type+": "+value(c.Detail), ": "))
		}
	}
	if len(wrong) > 0 {
		return nil, &notReady{cause: sbc.Errorf(codeNotReady, "%s", strings.Join(wrong, "; ")), conditions: conditions}
	}
	return gen.GetReadiness200JSONResponse{Ready: true, Conditions: conditions}, nil
}

// GetVersion tells which program this is.
func (s *server) GetVersion(context.Context, gen.GetVersionRequestObject) (gen.GetVersionResponseObject, error) {
	v := gen.Version{Version: s.o.Version, Go: runtime.Version()}
	if v.Version == "" {
		v.Version = "unknown"
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				v.Commit = nonEmpty(setting.Value)
			}
		}
	}
	return gen.GetVersion200JSONResponse(v), nil
}

// GetMetrics shows the metrics in the text format of Prometheus.
func (s *server) GetMetrics(context.Context, gen.GetMetricsRequestObject) (gen.GetMetricsResponseObject, error) {
	if s.o.Gatherer == nil {
		return gen.GetMetrics200TextResponse(""), nil
	}
	families, err := s.o.Gatherer.Gather()
	if err != nil {
		// What could be gathered is still worth showing.
		s.log.Warn("api: metrics incomplete", "error", err)
	}
	var b bytes.Buffer
	encoder := expfmt.NewEncoder(&b, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := encoder.Encode(family); err != nil {
			return nil, fmt.Errorf("encode metrics: %w", err)
		}
	}
	return gen.GetMetrics200TextResponse(b.String()), nil
}

// GetSpecification serves openapi.yaml.
func (s *server) GetSpecification(
	context.Context, gen.GetSpecificationRequestObject,
) (gen.GetSpecificationResponseObject, error) {
	text := sallyport.Specification()
	return gen.GetSpecification200ApplicationYamlResponse{
		Body: strings.NewReader(text), ContentLength: int64(len(text)),
	}, nil
}

// GetRoot leads to the documentation.
func (s *server) GetRoot(context.Context, gen.GetRootRequestObject) (gen.GetRootResponseObject, error) {
	return gen.GetRoot307Response{Headers: gen.GetRoot307ResponseHeaders{Location: "/docs"}}, nil
}

// GetDocumentation serves the documentation page.
func (s *server) GetDocumentation(
	context.Context, gen.GetDocumentationRequestObject,
) (gen.GetDocumentationResponseObject, error) {
	page, err := s.docs.page()
	if err != nil {
		return nil, err
	}
	return gen.GetDocumentation200TextHTMLResponse{Body: bytes.NewReader(page), ContentLength: int64(len(page))}, nil
}

// GetErrorDocumentation serves the page about an error.
func (s *server) GetErrorDocumentation(
	_ context.Context, r gen.GetErrorDocumentationRequestObject,
) (gen.GetErrorDocumentationResponseObject, error) {
	page, ok := s.docs.errors[r.Code]
	if !ok {
		return nil, sbc.Errorf(sbc.CodeNotFound, "there is no error %s", clip(r.Code))
	}
	return gen.GetErrorDocumentation200TextHTMLResponse{Body: bytes.NewReader(page), ContentLength: int64(len(page))}, nil
}
