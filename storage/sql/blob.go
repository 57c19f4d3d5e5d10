package sql

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/sallyport/sallyport/sbc"
)

// blobRow is a row of blobs.
type blobRow struct {
	OwnerID     string `gorm:"primaryKey"`
	Name        string `gorm:"primaryKey"`
	ContentType string
	Size        int64
	SHA256      string `gorm:"column:sha256"`
	Created     int64  `gorm:"column:created_at"`
	Content     []byte
}

// TableName tells gorm where the rows are.
func (blobRow) TableName() string { return "blobs" }

// aboutBlob are the columns besides the content.
const aboutBlob = "owner_id, name, content_type, size, sha256, created_at"

// about is what the row says of its content.
func (r *blobRow) about() sbc.Blob {
	return sbc.Blob{
		OwnerID: r.OwnerID, Name: r.Name, ContentType: r.ContentType, Size: r.Size, SHA256: r.SHA256,
		CreatedAt: fromMicros(r.Created),
	}
}

// putBlob writes a blob within a transaction.
func putBlob(db *gorm.DB, b sbc.Blob, content []byte) (sbc.Blob, error) {
	if err := sbc.Invalid(b.Validate(content)); err != nil {
		return sbc.Blob{}, err
	}
	var owners int64
	if err := db.Model(&resourceRow{}).Where("id = ?", b.OwnerID).Count(&owners).Error; err != nil {
		return sbc.Blob{}, translate(err)
	}
	if owners == 0 {
		return sbc.Blob{}, sbc.Errorf(sbc.CodeNotFound, "there is no resource %q to which a blob could belong", b.OwnerID)
	}
	if content == nil {
		content = []byte{} // nothing is not NULL
	}
	row := blobRow{
		OwnerID: b.OwnerID, Name: b.Name, ContentType: b.ContentType, Size: int64(len(content)), SHA256: sbc.HashBlob(content),
		Created: micros(now()), Content: content,
	}
	upsert := clause.OnConflict{Columns: []clause.Column{{Name: "owner_id"}, {Name: "name"}}, UpdateAll: true}
	if err := db.Clauses(upsert).Create(&row).Error; err != nil {
		return sbc.Blob{}, translate(err)
	}
	return row.about(), nil
}

// deleteBlob deletes a blob.
func deleteBlob(db *gorm.DB, ownerID, name string) error {
	done := db.Where("owner_id = ? AND name = ?", ownerID, name).Delete(&blobRow{})
	if done.Error == nil && done.RowsAffected == 0 {
		return noBlob(ownerID, name)
	}
	return translate(done.Error)
}

func noBlob(ownerID, name string) error {
	return sbc.Errorf(sbc.CodeNotFound, "%s has no blob %q", ownerID, name)
}

// PutBlob inserts or replaces.
func (t *tx) PutBlob(b sbc.Blob, content []byte) (sbc.Blob, error) { return putBlob(t.db, b, content) }

// DeleteBlob deletes.
func (t *tx) DeleteBlob(ownerID, name string) error { return deleteBlob(t.db, ownerID, name) }

// PutBlob inserts or replaces in a transaction of its own.
func (s *Store) PutBlob(ctx context.Context, b sbc.Blob, content []byte) (kept sbc.Blob, err error) {
	err = s.run(ctx, "put_blob", blobTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			kept, err = putBlob(db, b, content)
			return err
		})
	})
	return kept, err
}

// Blob reads one with its content.
func (s *Store) Blob(ctx context.Context, ownerID, name string) (sbc.Blob, []byte, error) {
	var rows []blobRow
	err := s.run(ctx, "blob", blobTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Where("owner_id = ? AND name = ?", ownerID, name).Find(&rows).Error
	})
	if err != nil {
		return sbc.Blob{}, nil, err
	}
	if len(rows) == 0 {
		return sbc.Blob{}, nil, noBlob(ownerID, name)
	}
	return rows[0].about(), rows[0].Content, nil
}

// ListBlobs gives a page of an owner's.
func (s *Store) ListBlobs(ctx context.Context, q sbc.BlobQuery) (page []sbc.Blob, next string, err error) {
	n := limit(q.Limit)
	var rows []blobRow
	err = s.run(ctx, "list_blobs", readTimeout, func(ctx context.Context) error {
		return s.read.WithContext(ctx).Select(aboutBlob).Where("owner_id = ? AND name > ?", q.OwnerID, q.After).
			Order("name").Limit(n + 1).Find(&rows).Error
	})
	if err != nil {
		return nil, "", err
	}
	if len(rows) > n {
		rows, next = rows[:n], rows[n-1].Name
	}
	for i := range rows {
		page = append(page, rows[i].about())
	}
	return page, next, nil
}

// DeleteBlob deletes one.
func (s *Store) DeleteBlob(ctx context.Context, ownerID, name string) error {
	return s.run(ctx, "delete_blob", readTimeout, func(ctx context.Context) error {
		return deleteBlob(s.write.WithContext(ctx), ownerID, name)
	})
}
