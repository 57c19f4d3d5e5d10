package sbc

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Drain takes a trunk or an endpoint out of service without cutting anybody off.
type Drain struct {
	// Draining: it gets no new call, those in progress go on. From DrainDeadline on, where one is set, they are ended. New calls from a
	// trunk that drains are refused with 503 and Retry-After. Calls for help pass, and are not ended.
	Draining      bool       `json:"draining"`
	DrainDeadline *time.Time `json:"drain_deadline,omitempty"`
}

// Probe asks the endpoints of a trunk with OPTIONS whether they are alive (RFC 3261 11).
type Probe struct {
	Enabled   bool `json:"enabled"`
	IntervalS int  `json:"interval_s"`
	TimeoutMS int  `json:"timeout_ms"`
	// DownAfter probes in a row without success an endpoint is down, UpAfter with success it is up again.
	DownAfter int `json:"down_after"`
	UpAfter   int `json:"up_after"`
	// AliveCodes are the final answers that count as success: "200", or "4xx" for a class; DeadCodes those that do not, though their
	// class does.
	AliveCodes []string `json:"alive_codes"`
	DeadCodes  []string `json:"dead_codes"`
	// FromUser is who asks.
	FromUser string `json:"from_user,omitempty"`
}

// defaults: not probed; else every 30 s, 2 s for an answer, down after 3, up after 2, and any final answer but 408 and 503 is one.
func (p *Probe) defaults() {
	p.IntervalS, p.TimeoutMS, p.DownAfter, p.UpAfter = 30, 2000, 3, 2
	p.AliveCodes, p.DeadCodes = []string{"2xx", "3xx", "4xx", "5xx", "6xx"}, []string{"408", "503"}
}

func (p *Probe) validate(f *faults, at string) {
	f.between(at+"/interval_s", p.IntervalS, 1, 3600)
	f.between(at+"/timeout_ms", p.TimeoutMS, 100, 32_000)
	f.between(at+"/down_after", p.DownAfter, 1, 100)
	f.between(at+"/up_after", p.UpAfter, 1, 100)
	for name, list := range map[string][]string{"/alive_codes": p.AliveCodes, "/dead_codes": p.DeadCodes} {
		f.entries(at+name, len(list))
		for i, c := range list {
			if c != "2xx" && !(len(c) == 3 && c[0] == '2' && digits.MatchString(c)) {
				f.codes(fmt.Sprintf("%s%s/%d", at, name, i), c)
			}
		}
	}
	f.number(at+"/from_user", p.FromUser)
}

// Alive tells whether a final answer to a probe is one of an endpoint that can take calls.
func (p *Probe) Alive(code int) bool {
	for _, c := range p.DeadCodes {
		if codeFits(c, code) {
			return false
		}
	}
	for _, c := range p.AliveCodes {
		if codeFits(c, code) {
			return true
		}
	}
	return false
}

// Outlier takes an endpoint out for a while that fails calls, whatever its probes say.
type Outlier struct {
	// Failures attempts in a row that ended in no answer, 500, 502, 503 or 504 take it out; 0 never does.
	Failures int `json:"failures"`
	// EjectS is for how long; it doubles with each time that follows soon, up to eight times.
	EjectS int `json:"eject_s"`
	// SlowStartS is how long an endpoint that comes back takes to its full weight; 0 is at once.
	SlowStartS int `json:"slow_start_s"`
}

// defaults: after 5 failures for 30 s, and back at full weight.
func (o *Outlier) defaults() { o.Failures, o.EjectS = 5, 30 }

func (o *Outlier) validate(f *faults, at string) {
	f.between(at+"/failures", o.Failures, 0, 1000)
	f.between(at+"/eject_s", o.EjectS, 1, 3600)
	f.between(at+"/slow_start_s", o.SlowStartS, 0, 3600)
}

// EndpointState is whether calls go to an endpoint.
type EndpointState string

// The states.
const (
	EndpointUnknown  EndpointState = "unknown" // nothing was heard of it yet; it gets calls
	EndpointUp       EndpointState = "up"
	EndpointDown     EndpointState = "down"     // its probes fail
	EndpointEjected  EndpointState = "ejected"  // its calls failed
	EndpointDraining EndpointState = "draining" // it, or its trunk, is taken out of service
	EndpointDisabled EndpointState = "disabled" // it, its trunk, realm or tenant is
)

// EndpointStatus is the runtime state of an endpoint.
type EndpointStatus struct {
	State  EndpointState `json:"state"`
	Since  time.Time     `json:"since"`
	Reason string        `json:"reason,omitempty"`
	// WeightPercent is what is left of its weight while it comes back.
	WeightPercent int `json:"weight_percent"`
	// ActiveCalls are those in progress on it. LastProbeAt, LastCode and RoundTripMS are of the last probe.
	ActiveCalls int        `json:"active_calls"`
	LastProbeAt *time.Time `json:"last_probe_at,omitempty"`
	LastCode    int        `json:"last_code"`
	RoundTripMS float64    `json:"round_trip_ms"`
}

// TrunkStatus is the runtime state of a trunk, made of those of its endpoints: "up", "degraded" (some endpoints get no calls), "down"
// (none does), "draining", "disabled" or "unknown".
type TrunkStatus struct {
	State       string    `json:"state"`
	Since       time.Time `json:"since"`
	Reason      string    `json:"reason,omitempty"`
	ActiveCalls int       `json:"active_calls"`
}

// SplitHost takes "host", "host:port" or "[2001:db8::1]:port" apart; port is 0 where there is none.
func SplitHost(s string) (host string, port int, ok bool) {
	if ValidHost(s) {
		return s, 0, true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		host = s[1 : len(s)-1]
		return host, 0, ValidHost(host)
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, false
	}
	port, err = strconv.Atoi(text)
	return host, port, err == nil && port > 0 && port < 65536 && ValidHost(host)
}
