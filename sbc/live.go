package sbc

// LiveChange is what became of the record of a call in progress, or of a registration, as it is kept for the case that the process
// dies.
type LiveChange struct {
	// ID names the call or the registration.
	ID string
	// Record is opaque to whoever keeps it and holds no newline; nil says that it is over.
	Record []byte
}
