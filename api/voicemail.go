package api

import (
	"bytes"
	"context"
	"net/http"

	"github.com/sallyport/sallyport/api/gen"
	"github.com/sallyport/sallyport/sbc"
)

// mailbox sees that the caller may know of a subscriber.
func (s *server) mailbox(ctx context.Context, subscriberID string) error {
	_, err := top(sbc.KindSubscriber).find(s.stored(ctx), callerOf(ctx).tenant(), subscriberID)
	return err
}

// message finds one that the caller may know of.
func (s *server) message(ctx context.Context, subscriberID, id string) (*sbc.VoicemailMessage, error) {
	if err := s.mailbox(ctx, subscriberID); err != nil {
		return nil, err
	}
	return s.o.Voicemail.Voicemail(ctx, subscriberID, id)
}

// ListVoicemail serves the messages of a mailbox.
func (s *server) ListVoicemail(ctx context.Context, r gen.ListVoicemailRequestObject) (gen.ListVoicemailResponseObject, error) {
	c, p := callerOf(ctx), r.Params
	after, err := openCursor(c.scope, p.Cursor)
	if err != nil {
		return nil, err
	}
	if err := s.mailbox(ctx, r.SubscriberID); err != nil {
		return nil, err
	}
	found, next, err := s.o.Voicemail.ListVoicemail(ctx, sbc.VoicemailQuery{
		SubscriberID: r.SubscriberID, Heard: p.Heard, After: after, Limit: limitOf(p.Limit),
	})
	if err != nil {
		return nil, err
	}
	page := gen.ListVoicemail200JSONResponse{}
	if next != "" {
		cursor := makeCursor(c.scope, next)
		page.NextCursor = &cursor
	}
	if found == nil {
		found = []sbc.VoicemailMessage{}
	}
	page.Items, err = convert[[]gen.VoicemailMessage](found)
	return page, err
}

// GetVoicemail shows a message.
func (s *server) GetVoicemail(ctx context.Context, r gen.GetVoicemailRequestObject) (gen.GetVoicemailResponseObject, error) {
	m, err := s.message(ctx, r.SubscriberID, r.MessageID)
	if err != nil {
		return nil, err
	}
	body, tag, err := shownMessage(m)
	if err != nil {
		return nil, err
	}
	if err := unmodified(r.Params.IfNoneMatch, tag); err != nil {
		return nil, err
	}
	return gen.GetVoicemail200JSONResponse{Body: body, Headers: gen.GetVoicemail200ResponseHeaders{ETag: tag}}, nil
}

func shownMessage(m *sbc.VoicemailMessage) (body gen.VoicemailMessage, tag string, err error) {
	if body, err = convert[gen.VoicemailMessage](m); err == nil {
		tag, err = contentTag(body)
	}
	return body, tag, err
}

// UpdateVoicemail says whether a message was heard.
func (s *server) UpdateVoicemail(
	ctx context.Context, r gen.UpdateVoicemailRequestObject,
) (gen.UpdateVoicemailResponseObject, error) {
	m, err := s.message(ctx, r.SubscriberID, r.MessageID)
	if err != nil {
		return nil, err
	}
	if !value(r.Params.DryRun) {
		changed, err := s.o.Voicemail.SetVoicemailHeard(ctx, r.SubscriberID, m.ID, r.Body.Heard)
		if err != nil {
			return nil, err
		}
		if changed {
			s.tell(ctx, told{tenant: m.TenantID, subject: m.ID, status: http.StatusOK, after: map[string]any{
				"subscriber_id": m.SubscriberID, "heard": r.Body.Heard,
			}})
		}
	}
	m.Heard = r.Body.Heard
	body, tag, err := shownMessage(m)
	return gen.UpdateVoicemail200JSONResponse{Body: body, Headers: gen.UpdateVoicemail200ResponseHeaders{ETag: tag}}, err
}

// DeleteVoicemail deletes a message.
func (s *server) DeleteVoicemail(
	ctx context.Context, r gen.DeleteVoicemailRequestObject,
) (gen.DeleteVoicemailResponseObject, error) {
	m, err := s.message(ctx, r.SubscriberID, r.MessageID)
	if err != nil || value(r.Params.DryRun) {
		return gen.DeleteVoicemail204Response{}, err
	}
	if err := s.o.Voicemail.DeleteVoicemail(ctx, r.SubscriberID, m.ID); err != nil {
		return nil, err
	}
	s.tell(ctx, told{tenant: m.TenantID, subject: m.ID, status: http.StatusNoContent, after: map[string]any{
		"subscriber_id": m.SubscriberID, "deleted": true,
	}})
	return gen.DeleteVoicemail204Response{}, nil
}

// DownloadVoicemail answers with the audio of a message as a WAV file.
func (s *server) DownloadVoicemail(
	ctx context.Context, r gen.DownloadVoicemailRequestObject,
) (gen.DownloadVoicemailResponseObject, error) {
	if err := s.mailbox(ctx, r.SubscriberID); err != nil {
		return nil, err
	}
	pcm, err := s.o.Voicemail.Audio(ctx, r.SubscriberID, r.MessageID)
	if err != nil {
		return nil, err
	}
	file := s.o.EncodeAudio(pcm)
	return gen.DownloadVoicemail200AudioWavResponse{Body: bytes.NewReader(file), ContentLength: int64(len(file))}, nil
}
