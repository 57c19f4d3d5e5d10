package app

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/service"
)

const (
	// maxSwitching bounds the feature codes whose change is being written.
	maxSwitching = 64
	// switchTime is how long one may take.
	switchTime = 4 * time.Second
)

// features writes what subscribers change by dialling codes, as the API would.
type features struct {
	app *App
	// busy holds a token for each change under way.
	busy chan struct{}
}

func newFeatures(a *App) *features { return &features{app: a, busy: make(chan struct{}, maxSwitching)} }

// Switch changes a subscriber; then is called once, from another goroutine where the store has to be waited for.
func (f *features) Switch(subscriberID string, feature sbc.Feature, argument string, then func(error)) {
	select {
	case f.busy <- struct{}{}:
	default:
		then(sbc.Errorf(sbc.CodeUnavailable, "%d changes by feature codes are under way already", maxSwitching))
		return
	}
	go func() {
		defer func() {
			<-f.busy
			if p := recover(); p != nil { // of then: change has its own
				f.app.o.Log.Error("the end of a feature code panicked", "subscriber_id", subscriberID, "panic", p)
			}
		}()
		then(f.change(subscriberID, feature, argument))
	}()
}

// change is Switch, waiting; a panic is an error.
func (f *features) change(id string, feature sbc.Feature, argument string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("app: a feature code: panic: %v", p)
			f.app.o.Log.Error("a change by a feature code panicked", "subscriber_id", id, "panic", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), switchTime)
	defer cancel()
	var changed *sbc.Subscriber
	err = f.app.config.Update(ctx, false, func(tx sbc.Tx) error {
		r, err := tx.Get(sbc.KindSubscriber, "", id)
		if err != nil {
			return err
		}
		before, ok := r.(*sbc.Subscriber)
		if !ok {
			return sbc.Errorf(sbc.CodeNotFound, "no subscriber %s", id)
		}
		if changed, err = service.Apply(before, feature, argument); err != nil {
			return err
		}
		if err := sbc.Invalid(changed.Validate()); err != nil {
			return err
		}
		was, err := shown(before)
		if err != nil {
			return err
		}
		if err := tx.Put(changed); err != nil {
			return err
		}
		is, err := shown(changed)
		if err != nil {
			return err
		}
		return tx.Audit(sbc.AuditEvent{
			ID: sbc.NewID(sbc.PrefixAudit), At: time.Now().UTC(), TenantID: changed.TenantID, Actor: "subscriber:" + id,
			OperationID: "feature_code", Kind: sbc.KindSubscriber, ResourceID: id, Before: was, After: is, Revision: tx.Revision(),
		})
	})
	if err != nil {
		return err
	}
	data := map[string]string{"subscriber_id": id, "feature": string(feature), "target": targetOf(changed, feature)}
	f.app.events.Add(sbc.Event{Type: sbc.EventSubscriberChanged, At: time.Now().UTC(), TenantID: changed.TenantID, Data: data})
	return nil
}

// targetOf is where a feature now sends calls: a number, voicemail, or "" for nowhere.
func targetOf(s *sbc.Subscriber, feature sbc.Feature) string {
	var to sbc.Forward
	switch feature {
	case sbc.FeatureForwardAlways:
		to = s.Forwarding.Unconditional
	case sbc.FeatureForwardBusy:
		to = s.Forwarding.Busy
	case sbc.FeatureForwardNoAnswer:
		to = s.Forwarding.NoAnswer
	}
	if to.Voicemail {
		return "voicemail"
	}
	return to.Target
}

// shown is a subscriber for the audit log, without secrets.
func shown(s *sbc.Subscriber) (fields map[string]any, err error) {
	text, err := json.Marshal(s.Shown())
	if err != nil {
		return nil, fmt.Errorf("app: show a subscriber: %w", err)
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("app: show a subscriber: %w", err)
	}
	return fields, nil
}
