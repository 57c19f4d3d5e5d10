package config

import (
	"encoding/json"
	"errors"

	"github.com/sallyport/sallyport/sbc"
)

// sealedJSON spells a resource with its secrets sealed. The resource is shared and stays as it is.
func sealedJSON(r sbc.Resource, sealer Sealer) ([]byte, error) {
	body, err := json.Marshal(r)
	if err != nil || sealer == nil || !sbc.HasSecrets(r) {
		return body, err
	}
	sealed := sbc.New(r.Kind())
	if err := json.Unmarshal(body, sealed); err != nil {
		return nil, err
	}
	err = sbc.MapSecrets(sealed, func(place, secret string) (string, error) { return sealer.Seal(place, secret), nil })
	if err != nil {
		return nil, err
	}
	return json.Marshal(sealed)
}

// opened opens the secrets of a resource in place. Those in a file of before there was sealing are as they are.
func opened(r sbc.Resource, sealer Sealer) error {
	return sbc.MapSecrets(r, func(place, secret string) (string, error) {
		if sealer == nil || !sealer.Sealed(secret) {
			return secret, nil
		}
		plain, _, err := sealer.Open(place, secret)
		if err != nil {
			return "", errors.Join(errors.New("a secret in the cache file cannot be opened"), err)
		}
		return plain, nil
	})
}
