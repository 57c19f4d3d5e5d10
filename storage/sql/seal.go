package sql

import (
	"context"
	"encoding/json"
	"errors"

	"gorm.io/gorm"

	"github.com/sallyport/sallyport/sbc"
)

// Sealer encrypts secrets, each for one place (auth/seal). A text that was sealed says so.
type Sealer interface {
	Sealed(text string) bool
	Seal(place, plain string) string
	// Open gives fresh as false where it was sealed with a key of before.
	Open(place, sealed string) (plain string, fresh bool, err error)
}

// codec writes resources as documents and reads them. Without a Sealer secrets are written as they are, and those that are sealed cannot
// be read.
type codec struct{ sealer Sealer }

// document spells a resource, its secrets sealed. The resource stays as it is.
func (c codec) document(r sbc.Resource) (string, error) {
	if c.sealer == nil || !sbc.HasSecrets(r) {
		return document(r)
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return "", &sbc.Error{Code: sbc.CodeInvalid, Message: "a value cannot be written as JSON", Cause: err}
	}
	sealed := sbc.New(r.Kind())
	if err := json.Unmarshal(plain, sealed); err != nil {
		return "", &sbc.Error{Code: sbc.CodeInternal, Message: "a resource cannot be read back", Cause: err}
	}
	err = sbc.MapSecrets(sealed, func(place, secret string) (string, error) {
		if c.sealer.Sealed(secret) { // would be opened when it is read
			return "", sbc.Errorf(sbc.CodeInvalid, "a secret must not look as if it were sealed")
		}
		return c.sealer.Seal(place, secret), nil
	})
	if err != nil {
		return "", err
	}
	return document(sealed)
}

// decode reads a document, its secrets opened.
func (c codec) decode(kind sbc.Kind, document string) (sbc.Resource, error) {
	r, err := decodeResource(kind, document)
	if err != nil || !sbc.HasSecrets(r) {
		return r, err
	}
	return r, sbc.MapSecrets(r, c.open)
}

// open opens a secret; one of before there was sealing is in clear.
func (c codec) open(place, secret string) (string, error) {
	switch {
	case c.sealer == nil && !sealedText(secret):
		return secret, nil
	case c.sealer == nil:
		return "", sbc.Errorf(sbc.CodeInternal, "the database is sealed, and there is no key")
	case !c.sealer.Sealed(secret):
		return secret, nil
	}
	plain, _, err := c.sealer.Open(place, secret)
	if err != nil {
		return "", &sbc.Error{Code: sbc.CodeInternal, Message: "a secret in the database cannot be opened", Cause: err}
	}
	return plain, nil
}

// sealedText tells a sealed text where there is no Sealer.
func sealedText(text string) bool { return len(text) > 7 && text[:7] == "sealed:" }

// proofName names what tells with which key a database is sealed, and proofText is what is sealed in it.
const (
	proofName = "sealing"
	proofText = "sallyport"
)

// seal checks that the key is that of the database, and seals what is not sealed with it: what was written before there was sealing, or
// with a key of before. Of nodes that start at the same time one does it.
func (s *Store) seal(ctx context.Context) error {
	if s.codec.sealer == nil {
		return nil
	}
	return s.run(ctx, "seal", sealTimeout, func(ctx context.Context) error {
		var clear int
		err := s.write.WithContext(ctx).Transaction(func(db *gorm.DB) (err error) {
			clear, err = s.proven(db)
			return err
		})
		if err == nil && clear > 0 {
			s.log.Info("the secrets in the database are sealed", "of_before", clear)
			s.shred(ctx)
		}
		return err
	})
}

// proven is seal within a transaction, which nobody else writes beside; it tells how many secrets were in clear.
func (s *Store) proven(db *gorm.DB) (clear int, err error) {
	if _, err := counterValue(db, counterRevision, s.dialect.lock); err != nil {
		return 0, err
	}
	proof, err := readSecret(db, proofName)
	if err != nil {
		return 0, err
	}
	if proof != nil {
		plain, fresh, err := s.codec.sealer.Open(proofName, string(proof))
		if err != nil || plain != proofText {
			return 0, &sbc.Error{Code: sbc.CodeInvalid, Cause: err,
				Message: "the database is sealed with another key than the one given (secret key): " + reason(err)}
		}
		if fresh {
			return 0, nil
		}
	}
	if clear, err = s.sealAll(db); err != nil {
		return 0, err
	}
	// Remembered replies may hold the key that was made for an API client. They live for a day and are not worth more.
	if err := db.Where("1 = 1").Delete(&replyRow{}).Error; err != nil {
		return 0, err
	}
	return clear, saveSecret(db, proofName, []byte(s.codec.sealer.Seal(proofName, proofText)))
}

// shred has SQLite write its file anew: what was in clear would stay in pages that are free else. (PostgreSQL keeps it until it vacuums.)
func (s *Store) shred(ctx context.Context) {
	if s.dialect.name != "sqlite" {
		return
	}
	db := s.write.WithContext(ctx)
	if err := errors.Join(db.Exec("VACUUM").Error, db.Exec("PRAGMA wal_checkpoint(TRUNCATE)").Error); err != nil {
		s.log.Warn("secrets that were in clear may still be in unused parts of the database file: run VACUUM on it", "error", err)
	}
}

func reason(err error) string {
	if err == nil {
		return "it holds something else"
	}
	return err.Error()
}

// sealAll seals every secret anew, and tells how many resources had one in clear. Revisions stay: nothing that anybody sees has changed.
func (s *Store) sealAll(db *gorm.DB) (clear int, err error) {
	var secrets []secretRow
	if err := db.Where("name <> ?", proofName).Find(&secrets).Error; err != nil {
		return 0, err
	}
	for _, row := range secrets {
		if !s.codec.sealer.Sealed(string(row.Value)) {
			clear++
		}
		plain, err := s.codec.openSecret(row.Name, row.Value)
		if err != nil {
			return 0, err
		}
		if err := saveSecret(db, row.Name, s.codec.sealSecret(row.Name, plain)); err != nil {
			return 0, err
		}
	}
	for after := ""; ; {
		var rows []resourceRow
		// Of rules there may be a million, hardly any of them with a secret.
		err := db.Select("id", "kind", "document").
			Where("kind IN ? AND id > ? AND (kind <> ? OR CAST(document AS TEXT) LIKE '%\"secret\"%')", sbc.SecretKinds(), after, sbc.KindRule).
			Order("id").Limit(bulkRows).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return clear, err
		}
		for _, row := range rows {
			after = row.ID
			was, err := s.sealRow(db, row)
			if err != nil {
				return 0, err
			}
			if was {
				clear++
			}
		}
	}
}

// sealRow seals the secrets of one resource, and tells whether one was in clear.
func (s *Store) sealRow(db *gorm.DB, row resourceRow) (clear bool, err error) {
	r, err := decodeResource(row.Kind, row.Document)
	if err != nil || !sbc.HasSecrets(r) {
		return false, err
	}
	err = sbc.MapSecrets(r, func(place, secret string) (string, error) {
		clear = clear || !s.codec.sealer.Sealed(secret)
		return s.codec.open(place, secret)
	})
	if err != nil {
		return false, err
	}
	document, err := s.codec.document(r)
	if err != nil {
		return false, err
	}
	return clear, db.Model(&resourceRow{}).Where("id = ?", row.ID).Update("document", document).Error
}

// sealSecret and openSecret are for what has a name and no resource.
func (c codec) sealSecret(name string, plain []byte) []byte {
	if c.sealer == nil {
		return plain
	}
	return []byte(c.sealer.Seal("secret "+name, string(plain)))
}

func (c codec) openSecret(name string, value []byte) ([]byte, error) {
	plain, err := c.open("secret "+name, string(value))
	return []byte(plain), err
}
