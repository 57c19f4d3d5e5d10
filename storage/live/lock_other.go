//go:build !unix

package live

import (
	"os"
	"path/filepath"
)

// takeLock does not lock here: systems without flock are not what borders run on.
func takeLock(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, private)
}
