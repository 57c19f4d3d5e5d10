package voicemail

import (
	"context"
	"slices"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// maxRead bounds the messages that are read to a subscriber in one call.
const maxRead = 200

// Messages lists those of a mailbox for its owner: the unheard ones first, then by age.
func (s *Service) Messages(subscriberID string, then func([]sbc.VoicemailMessage, error)) {
	fail := func(err error) { then(nil, err) }
	s.ask("messages", fail, func(ctx context.Context) {
		page, _, err := s.o.Store.ListVoicemail(ctx, sbc.VoicemailQuery{SubscriberID: subscriberID, Limit: maxRead})
		slices.SortStableFunc(page, func(a, b sbc.VoicemailMessage) int {
			switch {
			case a.Heard == b.Heard:
				return 0
			case b.Heard:
				return -1
			}
			return 1
		})
		then(page, err)
	})
}

// Sound gives a message's samples.
func (s *Service) Sound(subscriberID, messageID string, then func(pcm []byte, err error)) {
	s.ask("sound", func(err error) { then(nil, err) }, func(ctx context.Context) {
		then(s.Audio(ctx, subscriberID, messageID))
	})
}

// Count counts a mailbox's messages without waiting.
func (s *Service) Count(subscriberID string, then func(sbc.VoicemailCount, error)) {
	s.ask("count", func(err error) { then(sbc.VoicemailCount{}, err) }, func(ctx context.Context) {
		then(s.o.Store.CountVoicemail(ctx, subscriberID))
	})
}

// Heard notes that a message was heard.
func (s *Service) Heard(subscriberID, messageID string) {
	s.ask("heard", s.missed("heard", messageID), func(ctx context.Context) {
		if _, err := s.SetVoicemailHeard(ctx, subscriberID, messageID, true); err != nil {
			s.missed("heard", messageID)(err)
		}
	})
}

// Erase deletes a message.
func (s *Service) Erase(subscriberID, messageID string) {
	s.ask("erase", s.missed("erased", messageID), func(ctx context.Context) {
		if err := s.DeleteVoicemail(ctx, subscriberID, messageID); err != nil {
			s.missed("erased", messageID)(err)
		}
	})
}

// missed says in the log what was not done.
func (s *Service) missed(what, messageID string) func(error) {
	return func(err error) {
		s.o.Log.Warn("a message was not changed", "wish", what, "message_id", messageID, "error", err)
	}
}

// Voicemail, ListVoicemail, CountVoicemail and Audio read the store.
func (s *Service) Voicemail(ctx context.Context, subscriberID, id string) (*sbc.VoicemailMessage, error) {
	return s.o.Store.Voicemail(ctx, subscriberID, id)
}

// ListVoicemail gives a page of a mailbox.
func (s *Service) ListVoicemail(ctx context.Context, q sbc.VoicemailQuery) ([]sbc.VoicemailMessage, string, error) {
	return s.o.Store.ListVoicemail(ctx, q)
}

// CountVoicemail counts a mailbox's.
func (s *Service) CountVoicemail(ctx context.Context, subscriberID string) (sbc.VoicemailCount, error) {
	return s.o.Store.CountVoicemail(ctx, subscriberID)
}

// Audio gives the samples of a message, as sbc.VoicemailContentType says. Errors: CodeNotFound.
func (s *Service) Audio(ctx context.Context, subscriberID, id string) ([]byte, error) {
	if _, err := s.o.Store.Voicemail(ctx, subscriberID, id); err != nil { // a subscriber may have other blobs
		return nil, err
	}
	_, pcm, err := s.o.Store.Blob(ctx, subscriberID, id)
	return pcm, err
}

// SetVoicemailHeard says whether a message was heard; the phones are told.
func (s *Service) SetVoicemailHeard(ctx context.Context, subscriberID, id string, heard bool) (bool, error) {
	changed, err := s.o.Store.SetVoicemailHeard(ctx, subscriberID, id, heard)
	if changed {
		s.changed(subscriberID)
	}
	return changed, err
}

// DeleteVoicemail deletes a message; the phones are told.
func (s *Service) DeleteVoicemail(ctx context.Context, subscriberID, id string) error {
	err := s.o.Store.DeleteVoicemail(ctx, subscriberID, id)
	if err == nil {
		s.changed(subscriberID)
	}
	return err
}

const (
	// tidyEvery is how often old messages are looked for, tidyAtOnce how many are deleted in one transaction.
	tidyEvery  = 10 * time.Minute
	tidyAtOnce = 100
)

// Run makes messages of what an earlier process was recording, and deletes those whose time is over, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		s.salvage(ctx)
		s.tidy(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// tidy deletes what is old now.
func (s *Service) tidy(ctx context.Context) {
	defer s.recovered("tidy", nil)
	for {
		gone, err := s.o.Store.ExpireVoicemail(ctx, time.Now(), tidyAtOnce)
		if err != nil {
			if ctx.Err() == nil {
				s.o.Log.Warn("old messages are still there", "error", err)
			}
			return
		}
		for i := range gone {
			s.changed(gone[i].SubscriberID)
		}
		if len(gone) < tidyAtOnce {
			return
		}
	}
}
