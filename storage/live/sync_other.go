//go:build !linux

package live

import "os"

// datasync forces what was written to the disk.
func datasync(f *os.File) error { return f.Sync() }
