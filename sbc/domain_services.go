package sbc

import (
	"fmt"
	"net/url"
)

// FailMode says what is done when somebody who was to decide does not answer in time.
type FailMode string

// The modes.
const (
	FailOpen   FailMode = "open"   // as if it had been permitted
	FailClosed FailMode = "closed" // refused with 503
)

// Webhook is an address of another system and the secret by which it knows our requests (Standard Webhooks signatures).
type Webhook struct {
	// URL is http or https; "" is none. Addresses of this machine and link-local ones are refused when it is called, except where the
	// node allows them (SALLYPORT_ALLOW_LOCAL_WEBHOOKS).
	URL string `json:"url,omitempty"`
	// Secret is never shown by the API.
	Secret string `json:"secret,omitempty"`
}

func (w *Webhook) validate(f *faults, at string) {
	if w.URL == "" {
		return
	}
	if u, err := url.Parse(w.URL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || len(w.URL) > 2048 {
		f.add(at+"/url", "url", "must be an http or https URL of at most 2048 characters")
	}
	f.text(at+"/secret", w.Secret, 0, 256)
}

// Authorization asks another system before a subscriber's call is routed: POST of who calls whom, answered with a decision. The body is
// {"type": "call.authorization", "at", "tenant_id", "domain_id", "domain", "subscriber_id", "username", "caller", "callee", "sip_call_id",
// "source", "transport", "authenticated_by"}; the answer {"allow": true or false, "code": 400 to 699 and "reason" of a refusal,
// "max_duration_s" from the answer of the call, "variables" of the call}, of which only allow has to be there.
type Authorization struct {
	Webhook
	// TimeoutMS is the time there is; Fail says what a late, broken or missing answer counts as.
	TimeoutMS int      `json:"timeout_ms"`
	Fail      FailMode `json:"fail"`
}

func (a *Authorization) defaults() { a.TimeoutMS, a.Fail = 500, FailClosed }

func (a *Authorization) validate(f *faults, at string) {
	a.Webhook.validate(f, at)
	f.between(at+"/timeout_ms", a.TimeoutMS, 50, 10_000)
	oneOf(f, at+"/fail", a.Fail, FailOpen, FailClosed)
}

// PushPolicy wakes phones that sleep (RFC 8599): a call to a subscriber whose contact has push parameters makes a POST of them, and
// the INVITE waits until the phone has registered anew.
type PushPolicy struct {
	Webhook
	// WaitS is how long the INVITE waits.
	WaitS int `json:"wait_s"`
}

func (p *PushPolicy) defaults() { p.WaitS = 10 }

func (p *PushPolicy) validate(f *faults, at string) {
	p.Webhook.validate(f, at)
	f.between(at+"/wait_s", p.WaitS, 1, 60)
}

// VoicemailBox is the mailboxes of a domain.
type VoicemailBox struct {
	// Target, where set, is a number that takes messages in place of the built-in mailbox; it is routed by the domain's plan, with the
	// Diversion of the subscriber.
	Target string `json:"target,omitempty"`
	// GreetingAnnouncementID is played to callers whose callee has no greeting of its own; then a tone.
	GreetingAnnouncementID string `json:"greeting_announcement_id,omitempty"`
	MaxMessageS            int    `json:"max_message_s"`
	MaxMessages            int    `json:"max_messages"`
	// RetentionDays is when a message is deleted.
	RetentionDays int `json:"retention_days"`
	// MWISubscribedOnly tells only phones that subscribed how many messages wait (RFC 3842). Otherwise those that merely registered are
	// told as well, with a NOTIFY they did not ask for: when that changes, and when they register while there are messages.
	MWISubscribedOnly bool `json:"mwi_subscribed_only"`
	// Webhook hears of each new message.
	Webhook Webhook `json:"webhook"`
}

func (v *VoicemailBox) defaults() { v.MaxMessageS, v.MaxMessages, v.RetentionDays = 120, 50, 90 }

func (v *VoicemailBox) validate(f *faults, at string) {
	f.number(at+"/target", v.Target)
	f.between(at+"/max_message_s", v.MaxMessageS, 5, 300)
	f.between(at+"/max_messages", v.MaxMessages, 1, 1000)
	f.between(at+"/retention_days", v.RetentionDays, 1, 3650)
	v.Webhook.validate(f, at+"/webhook")
}

// Feature is a service that a subscriber switches by dialling a code.
type Feature string

// The features. Those of forwarding take the target from what follows the code; "voicemail" alone forwards to the mailbox.
const (
	FeatureForwardAlways      Feature = "forward_unconditional_on"
	FeatureForwardAlwaysOff   Feature = "forward_unconditional_off"
	FeatureForwardBusy        Feature = "forward_busy_on"
	FeatureForwardBusyOff     Feature = "forward_busy_off"
	FeatureForwardNoAnswer    Feature = "forward_no_answer_on"
	FeatureForwardNoAnswerOff Feature = "forward_no_answer_off"
	FeatureDoNotDisturb       Feature = "do_not_disturb_on"
	FeatureDoNotDisturbOff    Feature = "do_not_disturb_off"
	FeatureRejectAnonymous    Feature = "reject_anonymous_on"
	FeatureRejectAnonymousOff Feature = "reject_anonymous_off"
	FeatureMailbox            Feature = "mailbox" // plays the subscriber's messages
)

// Features lists every feature.
func Features() []Feature {
	return []Feature{
		FeatureForwardAlways, FeatureForwardAlwaysOff, FeatureForwardBusy, FeatureForwardBusyOff, FeatureForwardNoAnswer,
		FeatureForwardNoAnswerOff, FeatureDoNotDisturb, FeatureDoNotDisturbOff, FeatureRejectAnonymous, FeatureRejectAnonymousOff,
		FeatureMailbox,
	}
}

// FeatureCode is what is dialled for a feature: exactly the code, or the code and a number after it.
type FeatureCode struct {
	Code    string  `json:"code"`
	Feature Feature `json:"feature"`
}

// DefaultFeatureCodes are those usual in North America.
func DefaultFeatureCodes() []FeatureCode {
	return []FeatureCode{
		{"*72", FeatureForwardAlways}, {"*73", FeatureForwardAlwaysOff}, {"*90", FeatureForwardBusy}, {"*91", FeatureForwardBusyOff},
		{"*92", FeatureForwardNoAnswer}, {"*93", FeatureForwardNoAnswerOff}, {"*78", FeatureDoNotDisturb},
		{"*79", FeatureDoNotDisturbOff}, {"*77", FeatureRejectAnonymous}, {"*87", FeatureRejectAnonymousOff}, {"*98", FeatureMailbox},
	}
}

func validateCodes(f *faults, at string, codes []FeatureCode) {
	f.entries(at, len(codes))
	seen := map[string]bool{}
	for i, c := range codes {
		p := fmt.Sprintf("%s/%d", at, i)
		if c.Code == "" {
			f.add(p+"/code", "required", "must not be empty")
		}
		f.number(p+"/code", c.Code)
		if seen[c.Code] {
			f.add(p+"/code", "duplicate", fmt.Sprintf("%q stands there twice", c.Code))
		}
		seen[c.Code] = true
		oneOf(f, p+"/feature", c.Feature, Features()...)
	}
}
