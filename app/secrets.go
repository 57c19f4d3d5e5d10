package app

import (
	"cmp"
	"fmt"
	"path/filepath"

	"github.com/sallyport/sallyport/auth/seal"
)

// sealer makes what encrypts secrets at rest.
func (o *Options) sealer() (*seal.Box, error) {
	var before []seal.Key
	if o.PreviousSecretKey != "" {
		k, err := seal.ParseKey(o.PreviousSecretKey)
		if err != nil {
			return nil, fmt.Errorf("app: the previous secret key: %w", err)
		}
		before = append(before, k)
	}
	if o.SecretKey != "" {
		k, err := seal.ParseKey(o.SecretKey)
		if err != nil {
			return nil, fmt.Errorf("app: the secret key: %w", err)
		}
		return seal.New(k, before...)
	}
	k, err := seal.File(cmp.Or(o.SecretKeyFile, filepath.Join(o.DataDir, "secret.key")))
	if err != nil {
		return nil, fmt.Errorf("app: the secret key: %w", err)
	}
	return seal.New(k, before...)
}
