package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/webhook"
)

// Poster makes requests to other systems; webhook.Client is one.
type Poster interface {
	Do(ctx context.Context, p webhook.Post) error
}

// Permit is what was said about a call by the system that its domain asks.
type Permit struct {
	// Code is what the call is refused with, 0 where it may pass; Reason is the phrase, "" for the standard one.
	Code   int
	Reason string
	// MaxDurationS bounds the call from its answer, 0 is no bound; Variables become the call's.
	MaxDurationS int
	Variables    map[string]string
}

// question is what is asked about a call.
type question struct {
	Type         string        `json:"type"`
	At           time.Time     `json:"at"`
	TenantID     string        `json:"tenant_id"`
	DomainID     string        `json:"domain_id"`
	Domain       string        `json:"domain"`
	SubscriberID string        `json:"subscriber_id"`
	Username     string        `json:"username"`
	Caller       string        `json:"caller"`
	Callee       string        `json:"callee"`
	SIPCallID    string        `json:"sip_call_id"`
	Source       string        `json:"source"`
	Transport    sbc.Transport `json:"transport"`
	How          string        `json:"authenticated_by"`
}

// verdict is what may be answered. Allow must be there.
type verdict struct {
	Allow        *bool             `json:"allow"`
	Code         int               `json:"code"`
	Reason       string            `json:"reason"`
	MaxDurationS int               `json:"max_duration_s"`
	Variables    map[string]string `json:"variables"`
}

// maxAsking bounds the calls that wait for an authorisation; for those beyond the policy of a failure holds at once.
const maxAsking = 5000

// authorize asks about a call and goes on with what is said, or with what the domain says for the case that nothing is.
func (v *visit) authorize(c Caller) {
	if v.d.o.Asks == nil || v.d.asking.Add(1) > maxAsking {
		if v.d.o.Asks != nil {
			v.d.asking.Add(-1)
		}
		v.authorized(c, verdict{}, errCrowded)
		return
	}
	go func() {
		defer v.recovered()
		answer, err := v.ask(c)
		v.d.asking.Add(-1)
		v.authorized(c, answer, err)
	}()
}

var errCrowded = errors.New("access: too many calls wait for an authorisation")

// ask makes the request within its time.
func (v *visit) ask(c Caller) (answer verdict, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("access: panic: %v", r)
		}
	}()
	a := &c.Domain.Authorization
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.TimeoutMS)*time.Millisecond)
	defer cancel()
	s := c.Entry.Subscriber
	err = v.d.o.Asks.Do(ctx, webhook.Post{
		Purpose: "authorization", URL: a.URL, Secret: a.Secret, ID: sbc.NewID("authz_"), Answer: &answer,
		Body: question{
			Type: "call.authorization", At: v.began.UTC(), TenantID: c.Domain.TenantID, DomainID: c.Domain.ID, Domain: c.Domain.Name,
			SubscriberID: s.ID, Username: s.Username, Caller: c.Identity.Outside, Callee: v.req.RequestURI.Number(),
			SIPCallID: v.req.CallID, Source: v.req.Hop.Remote.String(), Transport: v.req.Hop.Transport, How: c.How,
		},
	})
	if err == nil {
		err = answer.fault()
	}
	return answer, err
}

// fault tells what is wrong with an answer: it must say yes or no, and nothing that cannot be.
func (a *verdict) fault() error {
	order := sbc.CallChange{Variables: make(map[string]*string, len(a.Variables))}
	for name, value := range a.Variables {
		order.Variables[name] = &value
	}
	if a.MaxDurationS != 0 {
		order.MaxDurationS = &a.MaxDurationS
	}
	switch {
	case a.Allow == nil:
		return errors.New("access: the answer does not say whether the call is allowed")
	case a.Code != 0 && (a.Code < 400 || a.Code > 699):
		return fmt.Errorf("access: the answer refuses with code %d", a.Code)
	}
	return sbc.Invalid(order.Validate())
}

// authorized goes on with the verdict. A call that is refused goes on, too, and has its record.
func (v *visit) authorized(c Caller, a verdict, err error) {
	switch {
	case err == nil && *a.Allow:
		c.Permit = Permit{MaxDurationS: a.MaxDurationS, Variables: a.Variables}
	case err == nil:
		c.Permit = Permit{Code: 403, Reason: printable(a.Reason), Variables: a.Variables}
		if a.Code != 0 {
			c.Permit.Code = a.Code
		}
	default:
		v.d.o.Log.Warn("a call was not authorised in time", "domain_id", c.Domain.ID, "policy", c.Domain.Authorization.Fail, "error",
			err)
		if c.Domain.Authorization.Fail != sbc.FailOpen {
			c.Permit.Code = 503
		}
	}
	v.then(c)
}
