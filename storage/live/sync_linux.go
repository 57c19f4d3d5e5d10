package live

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync forces what was written to the disk, without the times of the file.
func datasync(f *os.File) error { return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd()))) }
