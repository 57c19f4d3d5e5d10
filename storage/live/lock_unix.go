//go:build unix

package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// takeLock keeps a second process out of the folder for as long as the file is open; the system frees it when the process dies.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, private)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another process uses %s: %w", dir, err), f.Close())
	}
	return f, nil
}
