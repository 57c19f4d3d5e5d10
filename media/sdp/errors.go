package sdp

import (
	"errors"
	"fmt"
)

// Errors of this package; what is returned wraps one of them and says where and why. The text quotes at most a short
// token of the input.
var (
	ErrSyntax   = errors.New("malformed session description")
	ErrTooLarge = errors.New("session description over a bound")
	ErrMismatch = errors.New("answer does not fit the offer")
	ErrView     = errors.New("view cannot be written")
)

// fault wraps one of the errors above with its place.
func fault(kind error, format string, args ...any) error {
	return fmt.Errorf("%w: %s", kind, fmt.Sprintf(format, args...))
}

// short bounds what of the input may stand in an error or note.
func short(s string) string {
	const most = 32
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
