//go:build !linux

package account

import "os"

// datasync forces what was written to the disk.
func datasync(f *os.File) error { return f.Sync() }
