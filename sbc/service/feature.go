package service

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/sallyport/sallyport/sbc"
)

// Find tells which feature a dialled number asks for: exactly its code, or the code and what follows it. The longest code decides. Only
// features that take a target have something after their code.
func Find(codes []sbc.FeatureCode, dialled string) (f sbc.Feature, argument string, ok bool) {
	best := -1
	for i, c := range codes {
		rest, begins := strings.CutPrefix(dialled, c.Code)
		if !begins || c.Code == "" || rest != "" && !takesTarget(c.Feature) {
			continue
		}
		if best < 0 || len(c.Code) > len(codes[best].Code) {
			best, f, argument = i, c.Feature, rest
		}
	}
	return f, strings.TrimPrefix(argument, "*"), best >= 0
}

// takesTarget tells whether a number may follow a feature's code.
func takesTarget(f sbc.Feature) bool {
	return f == sbc.FeatureForwardAlways || f == sbc.FeatureForwardBusy || f == sbc.FeatureForwardNoAnswer
}

var target = regexp.MustCompile(`^[+0-9A-Za-z*#._-]{1,32}$`)

// Apply gives the subscriber with a feature switched as its code asked; the one given is not changed. Without a target, forwarding goes to
// the mailbox of those who have one. Errors: CodeInvalid, with the reason; FeatureMailbox changes nothing and is not Apply's.
func Apply(s *sbc.Subscriber, f sbc.Feature, argument string) (*sbc.Subscriber, error) {
	changed := *s
	to, err := forwardTo(s, f, argument)
	if err != nil {
		return nil, err
	}
	w := &changed.Forwarding
	switch f {
	case sbc.FeatureForwardAlways, sbc.FeatureForwardAlwaysOff:
		w.Unconditional = to
	case sbc.FeatureForwardBusy, sbc.FeatureForwardBusyOff:
		w.Busy = to
	case sbc.FeatureForwardNoAnswer, sbc.FeatureForwardNoAnswerOff:
		w.NoAnswer = to
	case sbc.FeatureDoNotDisturb, sbc.FeatureDoNotDisturbOff:
		changed.DoNotDisturb = f == sbc.FeatureDoNotDisturb
	case sbc.FeatureRejectAnonymous, sbc.FeatureRejectAnonymousOff:
		changed.RejectAnonymous = f == sbc.FeatureRejectAnonymous
	default:
		return nil, sbc.Errorf(sbc.CodeInvalid, "the feature %s switches nothing", f)
	}
	return &changed, nil
}

// forwardTo is where a feature forwards to: nowhere for those that switch it off.
func forwardTo(s *sbc.Subscriber, f sbc.Feature, argument string) (sbc.Forward, error) {
	switch {
	case !takesTarget(f):
		return sbc.Forward{}, nil
	case argument == "" && s.VoicemailEnabled:
		return sbc.Forward{Voicemail: true}, nil
	case argument == "":
		return sbc.Forward{}, sbc.Errorf(sbc.CodeInvalid, "no number was dialled after the code")
	case !target.MatchString(argument):
		return sbc.Forward{}, sbc.Errorf(sbc.CodeInvalid, "%q is no number to forward to", argument)
	case argument == s.Username:
		return sbc.Forward{}, sbc.Errorf(sbc.CodeInvalid, "a subscriber cannot forward to itself")
	}
	return sbc.Forward{Target: argument}, nil
}

// Describe says what a feature did, for the audit log.
func Describe(f sbc.Feature, argument string) string {
	if argument == "" {
		return string(f)
	}
	return fmt.Sprintf("%s to %s", f, argument)
}
