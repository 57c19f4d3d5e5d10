package sql

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"

	"github.com/pressly/goose/v3"

	"github.com/sallyport/sallyport/sbc"
)

// audioVersion is the schema from which on the audio of announcements is among the blobs. Until then their documents held it, in
// base 64. What base 64 and SHA-256 have to do with it cannot be said in the SQL of both databases, hence this in Go.
const audioVersion = 5

// moveAudio is the migration.
func (s *Store) moveAudio() *goose.Migration {
	return goose.NewGoMigration(audioVersion, &goose.GoFunc{RunTx: s.audioOut}, &goose.GoFunc{RunTx: s.audioBack})
}

// audioOut moves the audio of every announcement to the blobs. A document that cannot be read stays as it is: a node that does
// not start would be worse than an announcement that is silent.
func (s *Store) audioOut(ctx context.Context, tx *stdsql.Tx) error {
	p := s.dialect.placeholder
	insert := fmt.Sprintf("INSERT INTO blobs (owner_id, name, content_type, size, sha256, created_at, content) "+
		"VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (owner_id, name) DO UPDATE SET content_type = excluded.content_type, "+
		"size = excluded.size, sha256 = excluded.sha256, created_at = excluded.created_at, content = excluded.content",
		p(1), p(2), p(3), p(4), p(5), p(6), p(7))
	return s.announcements(ctx, tx, func(id, document string) (string, error) {
		without, audio, err := sbc.TakeAudioOut([]byte(document))
		if err != nil {
			s.log.Warn("an announcement's audio cannot be read and is left where it is", "announcement_id", id, "error", err)
			return document, nil
		}
		if audio == nil {
			return document, nil
		}
		_, err = tx.ExecContext(ctx, insert, id, sbc.BlobAudio, sbc.AudioContentType, len(audio), sbc.HashBlob(audio),
			micros(now()), audio)
		return string(without), err
	})
}

// audioBack moves it back.
func (s *Store) audioBack(ctx context.Context, tx *stdsql.Tx) error {
	query := fmt.Sprintf("SELECT content FROM blobs WHERE owner_id = %s AND name = %s", s.dialect.placeholder(1),
		s.dialect.placeholder(2))
	return s.announcements(ctx, tx, func(id, document string) (string, error) {
		var audio []byte
		switch err := tx.QueryRowContext(ctx, query, id, sbc.BlobAudio).Scan(&audio); {
		case errors.Is(err, stdsql.ErrNoRows):
			return document, nil
		case err != nil:
			return "", err
		}
		with, err := sbc.PutAudioBack([]byte(document), audio)
		return string(with), err
	})
}

// announcements changes the documents of all announcements, one after the other, so that one of them is in memory at a time. The
// writers' lock is held: no other node writes one meanwhile.
func (s *Store) announcements(ctx context.Context, tx *stdsql.Tx, change func(id, document string) (string, error)) error {
	p := s.dialect.placeholder
	lock := fmt.Sprintf("SELECT value FROM counters WHERE name = %s%s", p(1), s.dialect.lock)
	next := fmt.Sprintf("SELECT id, document FROM resources WHERE kind = %s AND id > %s ORDER BY id LIMIT 1", p(1), p(2))
	update := fmt.Sprintf("UPDATE resources SET document = %s WHERE id = %s", p(1), p(2))
	var revision int64
	if err := tx.QueryRowContext(ctx, lock, counterRevision).Scan(&revision); err != nil {
		return err
	}
	for id := ""; ; {
		var document string
		switch err := tx.QueryRowContext(ctx, next, sbc.KindAnnouncement, id).Scan(&id, &document); {
		case errors.Is(err, stdsql.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		changed, err := change(id, document)
		if err == nil && changed != document {
			_, err = tx.ExecContext(ctx, update, changed, id)
		}
		if err != nil {
			return err
		}
	}
}
