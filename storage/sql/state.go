package sql

import (
	"context"
	"encoding/json"
	"time"

	"gorm.io/gorm"
)

// statePrefix keeps what is state apart from the secrets in one table.
const statePrefix = "state/"

// State gives what is kept under a name, nil where there is nothing.
func (s *Store) State(ctx context.Context, name string) (value []byte, err error) {
	err = s.run(ctx, "state", readTimeout, func(ctx context.Context) error {
		value, err = s.openedSecret(s.read.WithContext(ctx), statePrefix+name)
		return err
	})
	return value, err
}

// PutState keeps something under a name.
func (s *Store) PutState(ctx context.Context, name string, value []byte) error {
	return s.run(ctx, "put_state", updateTimeout, func(ctx context.Context) error {
		return saveSecret(s.write.WithContext(ctx), statePrefix+name, s.codec.sealSecret(statePrefix+name, value))
	})
}

// DeleteState forgets what is kept under a name.
func (s *Store) DeleteState(ctx context.Context, name string) error {
	return s.run(ctx, "delete_state", updateTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Where("name = ?", statePrefix+name).Delete(&secretRow{}).Error
	})
}

// lease says who has something, and until when.
type lease struct {
	Holder string    `json:"holder"`
	Until  time.Time `json:"until"`
}

// Lease takes something for a time, or tells that somebody else has it. The writers' lock makes it one decision.
func (s *Store) Lease(ctx context.Context, name, holder string, life time.Duration) (taken bool, err error) {
	name = statePrefix + "lease/" + name
	err = s.run(ctx, "lease", updateTimeout, func(ctx context.Context) error {
		return s.write.WithContext(ctx).Transaction(func(db *gorm.DB) error {
			taken = false
			if _, err := counterValue(db, counterRevision, s.dialect.lock); err != nil {
				return err
			}
			raw, err := s.openedSecret(db, name)
			if err != nil {
				return err
			}
			var l lease
			if raw != nil && json.Unmarshal(raw, &l) == nil && l.Holder != holder && now().Before(l.Until) {
				return nil
			}
			if raw, err = json.Marshal(lease{holder, now().Add(life)}); err != nil {
				return err
			}
			taken = true
			return saveSecret(db, name, s.codec.sealSecret(name, raw))
		})
	})
	return taken && err == nil, err
}
