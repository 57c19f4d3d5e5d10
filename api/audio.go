package api

import (
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/sbc"
)

// maxAudio bounds an uploaded WAV file in bytes: what an announcement may have at 48 kHz, 16 bits, two channels, and its header.
const maxAudio = 24 << 20

// bytesPerMS is the length of a millisecond of an announcement's audio (sbc.Announcement).
const bytesPerMS = 16

// takeAudio reads the body of an upload. What it holds is looked at when it is decoded.
func (op *operation) takeAudio(c echo.Context) ([]byte, error) {
	r := c.Request()
	if err := op.contentType(r); err != nil {
		return nil, err
	}
	if r.ContentLength > maxAudio {
		return nil, &http.MaxBytesError{Limit: maxAudio}
	}
	return readAll(c, maxAudio)
}

// readAll reads a body of at most so many bytes.
func readAll(c echo.Context, most int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, most))
	if err != nil && asError(err).Code != codeTooLarge {
		return nil, &sbc.Error{Code: codeBody, Message: "the body broke off", Cause: err}
	}
	return raw, err
}

// uploadAudio puts the audio of a WAV file in the place of an announcement's.
func (s *server) uploadAudio(c echo.Context, who *caller) error {
	audio, err := s.o.DecodeAudio(who.audio, sbc.MaxAnnouncementBytes)
	if err != nil {
		return sbc.Invalid([]sbc.Fault{{Pointer: "#", Code: "audio", Detail: err.Error()}})
	}
	ctx := c.Request().Context()
	ch := s.newChange(ctx, who.asked(c.Request()))
	ch.audio = audio
	err = ch.run(ctx, func(tx sbc.Tx) error {
		old, err := ch.place.find(inTx(tx), who.tenant(), ch.id)
		if err != nil {
			return err
		}
		return ch.exchange(tx, old, func(r sbc.Resource) error { return decodeOnto(r, bare(old)) })
	})
	v, err := ch.finish(err)
	return v.send(c, err)
}

// putAudio writes uploaded audio with its announcement.
func (ch *change) putAudio(tx sbc.Tx, r sbc.Resource) error {
	a, ok := r.(*sbc.Announcement)
	if !ok || ch.audio == nil {
		return nil
	}
	_, err := tx.PutBlob(a.Audio(), ch.audio)
	return err
}

// downloadAudio answers with the audio of an announcement as a WAV file.
func (s *server) downloadAudio(c echo.Context, who *caller) error {
	ctx := c.Request().Context()
	p, id := who.where()
	r, err := p.find(s.stored(ctx), who.tenant(), id)
	if err != nil {
		return err
	}
	a, ok := r.(*sbc.Announcement)
	if !ok || !a.HasAudio() {
		return sbc.Errorf(sbc.CodeNotFound, "the announcement %s has no audio yet", clip(id))
	}
	tag := etag(a.Revision)
	if err := unmodified(who.op.given(c.Request(), "If-None-Match"), tag); err != nil {
		return err
	}
	_, audio, err := s.o.Blobs.Blob(ctx, a.ID, sbc.BlobAudio)
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", tag)
	return c.Blob(http.StatusOK, "audio/wav", s.o.EncodeAudio(audio))
}
