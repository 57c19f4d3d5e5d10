package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/edge"
	"github.com/sallyport/sallyport/sbc/msg"
	"github.com/sallyport/sallyport/sbc/probe"
)

const (
	// diagnoseBudget bounds a diagnosis, optionsPatience the wait for one answer, maxDiagnosed the endpoints asked.
	diagnoseBudget  = 10 * time.Second
	optionsPatience = 4 * time.Second
	maxDiagnosed    = 16
	// maxDatagram is the longest request that goes by UDP where the path is not known (RFC 3261 18.1.1); usualSDP is an offer of audio with
	// a few codecs, usualCredentials an answer to a challenge, both in octets.
	maxDatagram      = 1300
	usualSDP         = 350
	usualCredentials = 350
)

// effective shows the profiles that count in the configuration in service.
func (a *App) effective(kind sbc.Kind, id string) (sbc.EffectiveProfiles, bool) {
	return a.config.Current().Effective(kind, id)
}

// diagnosing is one diagnosis.
type diagnosing struct {
	app   *App
	snap  *config.Snapshot
	trunk *sbc.Trunk
	found sbc.Diagnosis
}

// diagnose finds out whether calls can go to a trunk. Errors: CodeUnavailable where it is not in service on this node.
func (a *App) diagnose(ctx context.Context, trunkID string) (sbc.Diagnosis, error) {
	ctx, cancel := context.WithTimeout(ctx, diagnoseBudget)
	defer cancel()
	d := diagnosing{app: a, snap: a.config.Current(), found: sbc.Diagnosis{TrunkID: trunkID, Verdict: sbc.DiagnosisOK}}
	if d.trunk = d.snap.Trunk(trunkID); d.trunk == nil {
		return d.found, sbc.Errorf(sbc.CodeUnavailable, "the trunk is not in the configuration of this node yet")
	}
	list := d.endpoints()
	d.configuration(len(list))
	answers := make([]<-chan probe.Answer, len(list))
	for i := range list {
		answers[i] = probe.Once(a.edge, &list[i], sbc.ServerName, optionsPatience)
	}
	for i := range list {
		d.dns(ctx, &list[i])
		d.options(ctx, &list[i], answers[i])
		if e := d.snap.Endpoint(list[i].ID); e != nil {
			d.size(e)
		}
	}
	return d.found, nil
}

// endpoints are those that calls could go to.
func (d *diagnosing) endpoints() (list []probe.Source) {
	for _, s := range endpoints(d.snap) {
		if s.TrunkID == d.trunk.ID && len(list) < maxDiagnosed {
			list = append(list, s)
		}
	}
	return list
}

// configuration looks at what keeps calls away whatever the network does.
func (d *diagnosing) configuration(endpoints int) {
	t, before := d.trunk, len(d.found.Checks)
	add := func(v sbc.DiagnosisVerdict, detail string) {
		d.found.Add(sbc.DiagnosisCheck{Check: "configuration", Verdict: v, Detail: detail})
	}
	switch {
	case !t.Enabled:
		add(sbc.DiagnosisFailed, "the trunk is disabled")
	case !d.snap.ActiveTrunk(t.ID):
		add(sbc.DiagnosisFailed, "its realm or tenant is disabled")
	case endpoints == 0:
		add(sbc.DiagnosisFailed, "it has no endpoint that is enabled, so no call can go to it")
	case len(d.snap.InterfacesOf(t.RealmID)) == 0:
		add(sbc.DiagnosisFailed, "its realm has no SIP interface that is enabled")
	case len(d.snap.PoolsOf(t.RealmID)) == 0:
		add(sbc.DiagnosisFailed, "its realm has no media pool that is enabled")
	}
	if t.Draining {
		add(sbc.DiagnosisWarning, "it is draining: it gets no new calls")
	}
	if t.RoutingPlanID == "" {
		add(sbc.DiagnosisWarning, "it has no routing plan: calls from it are refused with 403")
	}
	if len(d.found.Checks) == before {
		add(sbc.DiagnosisOK, fmt.Sprintf("it is in service with %d endpoints", endpoints))
	}
}

// dns looks an endpoint's address up.
func (d *diagnosing) dns(ctx context.Context, s *probe.Source) {
	c := sbc.DiagnosisCheck{Check: "dns", EndpointID: s.ID, Verdict: sbc.DiagnosisOK}
	host := strings.Trim(s.Target.Host, "[]")
	if _, err := netip.ParseAddr(host); err == nil {
		c.Verdict, c.Detail = sbc.DiagnosisSkipped, host+" is an address"
		d.found.Add(c)
		return
	}
	list, err := d.app.resolver.Lookup(ctx, host, s.Target.Port, s.Target.Transport)
	switch {
	case errors.Is(err, edge.ErrNoAddress):
		c.Verdict, c.Detail = sbc.DiagnosisFailed, host+" has no address that could be used"
	case err != nil:
		c.Verdict, c.Detail = sbc.DiagnosisFailed, host+" could not be looked up: no DNS server gave an answer"
	default:
		words := make([]string, len(list))
		for i, a := range list {
			words[i] = fmt.Sprintf("%s by %s", a.Addr, a.Transport)
		}
		c.Detail = fmt.Sprintf("%s leads to %s", host, strings.Join(words, ", then "))
	}
	d.found.Add(c)
}

// options waits for the answer of an endpoint, and proves who we are where it asks.
func (d *diagnosing) options(ctx context.Context, s *probe.Source, heard <-chan probe.Answer) {
	c := sbc.DiagnosisCheck{Check: "options", EndpointID: s.ID, Verdict: sbc.DiagnosisOK}
	a, ok := await(ctx, heard)
	switch {
	case !ok:
		c.Verdict, c.Detail = sbc.DiagnosisFailed, "no answer in time"
	case a.Response == nil:
		c.Verdict, c.Detail = sbc.DiagnosisFailed, fmt.Sprintf("%s: %s", s.Target.Host, a.Why)
	default:
		c.RoundTripMS = float64(a.Trip.Microseconds()) / 1000
		c.Detail = fmt.Sprintf("%s answered %d %s after %d ms", a.Hop.Remote, a.Response.Status, a.Response.Reason, a.Trip.Milliseconds())
		if !challenges(a.Response) && !d.trunk.Probe.Alive(a.Response.Status) {
			c.Verdict = sbc.DiagnosisWarning
			c.Detail += ", which is none of the codes of an endpoint that is alive"
		}
	}
	d.found.Add(c)
	if a.Response != nil {
		d.authentication(ctx, s, &a)
	}
}

// challenges tells whether a response asks for credentials.
func challenges(res *msg.Message) bool { return res.Status == 401 || res.Status == 407 }

// authentication answers the challenge of an endpoint.
func (d *diagnosing) authentication(ctx context.Context, s *probe.Source, met *probe.Answer) {
	c := sbc.DiagnosisCheck{Check: "authentication", EndpointID: s.ID, Verdict: sbc.DiagnosisSkipped}
	k := d.snap.Credentials(d.trunk)
	switch {
	case !challenges(met.Response) && k != nil:
		c.Detail = "OPTIONS was not challenged, so the credentials could not be tried"
	case !challenges(met.Response):
		c.Detail = "nothing was asked for, and the trunk has no credentials"
	case k == nil:
		c.Verdict, c.Detail = sbc.DiagnosisFailed, "it asks for credentials, and neither the trunk nor a registrant of it has any"
	default:
		c.Verdict, c.Detail = d.proven(ctx, s, met, k)
	}
	d.found.Add(c)
}

// proven tries credentials.
func (d *diagnosing) proven(ctx context.Context, s *probe.Source, met *probe.Answer, k *sbc.ClientCredentials) (sbc.DiagnosisVerdict, string) {
	heard, ok := met.Prove(d.app.edge, s, k, optionsPatience)
	if !ok {
		return sbc.DiagnosisFailed, "its challenge cannot be answered: its realm or its algorithm is not ours"
	}
	switch a, ok := await(ctx, heard); {
	case !ok || a.Response == nil:
		return sbc.DiagnosisFailed, "no answer to the credentials"
	case challenges(a.Response) || a.Response.Status == 403:
		return sbc.DiagnosisFailed, fmt.Sprintf("the credentials of %s are refused with %d: the name or the password is wrong", k.Username, a.Response.Status)
	}
	return sbc.DiagnosisOK, fmt.Sprintf("the credentials of %s are accepted", k.Username)
}

// await waits for one answer.
func await(ctx context.Context, heard <-chan probe.Answer) (probe.Answer, bool) {
	select {
	case a := <-heard:
		return a, true
	case <-ctx.Done():
		return probe.Answer{}, false
	}
}

// size tells whether an INVITE fits into a datagram.
func (d *diagnosing) size(e *sbc.Endpoint) {
	c := sbc.DiagnosisCheck{Check: "udp_size", EndpointID: e.ID, Verdict: sbc.DiagnosisSkipped, Detail: "calls go by a connection"}
	if !e.Transport.Stream() {
		n := len(d.app.calls.SampleInvite(e))
		if n == 0 {
			return
		}
		n += usualSDP
		if d.snap.Credentials(d.trunk) != nil {
			n += usualCredentials
		}
		c.Verdict, c.Detail = sbc.DiagnosisOK, fmt.Sprintf("an INVITE has about %d octets, at most %d go by UDP without risk", n, maxDatagram)
		if n > maxDatagram {
			c.Verdict = sbc.DiagnosisWarning
			c.Detail += ": it may be lost on the way; transport tcp avoids that"
		}
	}
	d.found.Add(c)
}
