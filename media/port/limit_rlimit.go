//go:build linux || darwin

package port

import "golang.org/x/sys/unix"

// RaiseFileLimit raises the number of files this process may hold open to want, or as far as its rights allow, and returns what
// it is now. Held calls need four sockets each.
func RaiseFileLimit(want uint64) (uint64, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, err
	}
	if uint64(r.Cur) >= want {
		return uint64(r.Cur), nil
	}
	// The hard limit rises only with CAP_SYS_RESOURCE; without it the soft one still rises to the hard one.
	if uint64(r.Max) < want {
		all := unix.Rlimit{Cur: want, Max: want}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &all); err == nil {
			return want, nil
		}
	}
	r.Cur = min(want, r.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, err
	}
	return uint64(r.Cur), nil
}
