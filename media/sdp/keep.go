package sdp

import "fmt"

// AuthorState is an Author as it is kept for a later process.
type AuthorState struct {
	ID, Version uint64
	Host        string
	// Said is the description that was said last, as its peer got it; "" if none was.
	Said string
}

// State copies what an author knows.
func (a *Author) State() AuthorState {
	return AuthorState{ID: a.id, Version: a.version, Host: a.host, Said: string(a.bytes)}
}

// RestoreAuthor makes an author that goes on where another one was: with the same o= line, whose version rises from there.
func RestoreAuthor(s AuthorState) (*Author, error) {
	a := &Author{id: s.ID, version: s.Version, host: s.Host}
	if s.Said == "" {
		return a, nil
	}
	d, err := Parse([]byte(s.Said))
	if err != nil {
		return nil, fmt.Errorf("sdp: what was said: %w", err)
	}
	a.said, a.bytes = d, []byte(s.Said)
	return a, nil
}
