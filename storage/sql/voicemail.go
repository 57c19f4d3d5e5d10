package sql

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sallyport/sallyport/sbc"
)

// voicemailRow is a row of voicemail_messages.
type voicemailRow struct {
	ID           string `gorm:"primaryKey"`
	TenantID     string
	DomainID     string
	SubscriberID string
	CallID       string
	Caller       string
	CallerName   string
	Received     int64 `gorm:"column:received_at"`
	Expires      int64 `gorm:"column:expires_at"`
	DurationMS   int64 `gorm:"column:duration_ms"`
	Bytes        int64
	Heard        bool
}

// TableName tells gorm where the rows are.
func (voicemailRow) TableName() string { return "voicemail_messages" }

func (r *voicemailRow) message() sbc.VoicemailMessage {
	return sbc.VoicemailMessage{
		ID: r.ID, TenantID: r.TenantID, DomainID: r.DomainID, SubscriberID: r.SubscriberID, CallID: r.CallID,
		Caller: r.Caller, CallerName: r.CallerName, ReceivedAt: fromMicros(r.Received), ExpiresAt: fromMicros(r.Expires),
		DurationMS: int(r.DurationMS), Bytes: int(r.Bytes), Heard: r.Heard,
	}
}

func noVoicemail(id string) error { return sbc.Errorf(sbc.CodeNotFound, "there is no message %q", id) }

// ofMailbox narrows to one message.
func ofMailbox(db *gorm.DB, subscriberID, id string) *gorm.DB {
	return db.Where("subscriber_id = ? AND id = ?", subscriberID, id)
}

// AddVoicemail keeps a message with its audio. The row of the subscriber is locked, so that two messages at once cannot both take
// the last place.
func (s *Store) AddVoicemail(ctx context.Context, m *sbc.VoicemailMessage, pcm []byte, most int) error {
	return s.run(ctx, "add_voicemail", blobTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			var owners []resourceRow
			lock := db.Clauses(clause.Locking{Strength: "UPDATE"})
			if db.Dialector.Name() == "sqlite" { // one writer at a time anyway
				lock = db
			}
			if err := lock.Select("id").Where("id = ?", m.SubscriberID).Find(&owners).Error; err != nil {
				return translate(err)
			}
			var have int64
			if err := db.Model(&voicemailRow{}).Where("subscriber_id = ?", m.SubscriberID).Count(&have).Error; err != nil {
				return translate(err)
			}
			if have >= int64(most) {
				return sbc.Errorf(sbc.CodeConflict, "the mailbox has %d messages, as many as it may", have)
			}
			b := sbc.Blob{OwnerID: m.SubscriberID, Name: m.ID, ContentType: sbc.VoicemailContentType}
			if _, err := putBlob(db, b, pcm); err != nil {
				return err
			}
			m.Bytes = len(pcm)
			return translate(db.Create(&voicemailRow{
				ID: m.ID, TenantID: m.TenantID, DomainID: m.DomainID, SubscriberID: m.SubscriberID, CallID: m.CallID,
				Caller: m.Caller, CallerName: m.CallerName, Received: micros(m.ReceivedAt), Expires: micros(m.ExpiresAt),
				DurationMS: int64(m.DurationMS), Bytes: int64(m.Bytes), Heard: m.Heard,
			}).Error)
		})
	})
}

// Voicemail reads one.
func (s *Store) Voicemail(ctx context.Context, subscriberID, id string) (*sbc.VoicemailMessage, error) {
	var rows []voicemailRow
	err := s.run(ctx, "voicemail", readTimeout, func(ctx context.Context) error {
		return ofMailbox(s.read.WithContext(ctx), subscriberID, id).Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, noVoicemail(id)
	}
	m := rows[0].message()
	return &m, nil
}

// ListVoicemail gives a page of a mailbox.
func (s *Store) ListVoicemail(ctx context.Context, q sbc.VoicemailQuery) (page []sbc.VoicemailMessage, next string, err error) {
	n := limit(q.Limit)
	var rows []voicemailRow
	err = s.run(ctx, "list_voicemail", readTimeout, func(ctx context.Context) error {
		db := s.read.WithContext(ctx).Where("subscriber_id = ? AND id > ?", q.SubscriberID, q.After)
		if q.Heard != nil {
			db = db.Where("heard = ?", *q.Heard)
		}
		return db.Order("id").Limit(n + 1).Find(&rows).Error
	})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > n {
		rows, next = rows[:n], rows[n-1].ID
	}
	for i := range rows {
		page = append(page, rows[i].message())
	}
	return page, next, nil
}

// CountVoicemail counts a mailbox's.
func (s *Store) CountVoicemail(ctx context.Context, subscriberID string) (n sbc.VoicemailCount, err error) {
	var rows []struct {
		Heard bool
		N     int
	}
	err = s.run(ctx, "count_voicemail", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Model(&voicemailRow{}).Select("heard, COUNT(*) AS n").
			Where("subscriber_id = ?", subscriberID).Group("heard").Scan(&rows).Error
	})
	for _, r := range rows {
		if r.Heard {
			n.Heard = r.N
		} else {
			n.Unheard = r.N
		}
	}
	return n, err
}

// SetVoicemailHeard says whether a message was heard.
func (s *Store) SetVoicemailHeard(ctx context.Context, subscriberID, id string, heard bool) (changed bool, err error) {
	err = s.run(ctx, "voicemail_heard", readTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			done := ofMailbox(db.Model(&voicemailRow{}), subscriberID, id).Where("heard <> ?", heard).Update("heard", heard)
			changed = done.RowsAffected > 0
			if done.Error != nil || changed {
				return translate(done.Error)
			}
			var there int64
			if err := ofMailbox(db.Model(&voicemailRow{}), subscriberID, id).Count(&there).Error; err != nil {
				return translate(err)
			}
			if there == 0 {
				return noVoicemail(id)
			}
			return nil
		})
	})
	return changed, err
}

// DeleteVoicemail deletes one with its audio.
func (s *Store) DeleteVoicemail(ctx context.Context, subscriberID, id string) error {
	return s.run(ctx, "delete_voicemail", readTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			done := ofMailbox(db, subscriberID, id).Delete(&voicemailRow{})
			if done.Error == nil && done.RowsAffected == 0 {
				return noVoicemail(id)
			}
			if done.Error != nil {
				return translate(done.Error)
			}
			return translate(db.Where("owner_id = ? AND name = ?", subscriberID, id).Delete(&blobRow{}).Error)
		})
	})
}

// ExpireVoicemail deletes those whose time is over.
func (s *Store) ExpireVoicemail(ctx context.Context, now time.Time, most int) (gone []sbc.VoicemailMessage, err error) {
	err = s.run(ctx, "expire_voicemail", blobTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			var rows []voicemailRow
			if err := db.Where("expires_at <= ?", micros(now)).Order("expires_at").Limit(most).Find(&rows).Error; err != nil {
				return translate(err)
			}
			gone = nil
			for i := range rows {
				done := ofMailbox(db, rows[i].SubscriberID, rows[i].ID).Delete(&voicemailRow{})
				if done.Error != nil {
					return translate(done.Error)
				}
				if done.RowsAffected == 0 { // another node was quicker
					continue
				}
				gone = append(gone, rows[i].message())
				if err := db.Where("owner_id = ? AND name = ?", rows[i].SubscriberID, rows[i].ID).Delete(&blobRow{}).Error; err != nil {
					return translate(err)
				}
			}
			return nil
		})
	})
	return gone, err
}
