package sbc

// LiveChange is what became of the record of a call in progress, as it is kept for the case that the process dies.
type LiveChange struct {
	// ID names the call.
	ID string
	// Record is opaque to whoever keeps it and holds no newline; nil says that the call is over.
	Record []byte
}
