package app

import (
	"context"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/voicemail"
	"github.com/sallyport/sallyport/webhook"
)

// openVoicemail makes the mailboxes. Calls end before they are closed: what was recorded to the last moment is kept.
func (a *App) openVoicemail(context.Context) error {
	a.voicemail = voicemail.New(voicemail.Options{
		Store: a.store, Domain: a.activeDomain, Log: a.o.Log, Events: a.events.Add,
		Find: func(id string, done func(*sbc.Entry, error)) { a.directory.AskID(id, done) },
		Tell: func(ctx context.Context, p webhook.Post) error { return a.hooks.Do(ctx, p) },
	})
	a.life.onStop("voicemail", a.voicemail.Close)
	a.life.background("old messages", a.voicemail.Run)
	return nil
}
