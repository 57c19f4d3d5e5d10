package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/mwi"
	"github.com/sallyport/sallyport/sbc/voicemail"
	"github.com/sallyport/sallyport/webhook"
)

// openVoicemail makes the mailboxes. Calls end before they are closed: what was recorded to the last moment is kept.
func (a *App) openVoicemail(context.Context) error {
	dir := filepath.Join(a.o.DataDir, "voicemail")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("app: where messages are recorded: %w", err)
	}
	a.voicemail = voicemail.New(voicemail.Options{
		Dir:   dir,
		Store: a.store, Domain: a.activeDomain, Log: a.o.Log, Events: a.events.Add,
		Find:    func(id string, done func(*sbc.Entry, error)) { a.directory.AskID(id, done) },
		Changed: func(id string) { a.parts.mwi.Changed(id) },
		Tell:    func(ctx context.Context, p webhook.Post) error { return a.hooks.Do(ctx, p) },
	})
	a.life.onStop("voicemail", a.voicemail.Close)
	a.life.background("old messages", a.voicemail.Run)
	return nil
}

// openMWI makes what tells phones of messages.
func (a *App) openMWI(context.Context) error {
	a.parts.mwi = mwi.New(mwi.Options{
		Wire: a.edge, Count: a.voicemail.Count, Domain: a.activeDomain, Phones: a.phones, ServerName: sbc.ServerName, Log: a.o.Log,
		Find: func(id string, done func(*sbc.Entry, error)) { a.directory.AskID(id, done) },
	})
	return nil
}

// phones are those of a subscriber that can be reached.
func (a *App) phones(subscriberID string) []mwi.Phone {
	contacts := a.registrar.Contacts(subscriberID)
	list := make([]mwi.Phone, len(contacts))
	for i, c := range contacts {
		list[i] = mwi.Phone{RegistrationID: c.RegistrationID, URI: c.URI, Path: c.Path, Target: c.Target}
	}
	return list
}
