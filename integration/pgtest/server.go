package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Server is a PostgreSQL of our own.
type Server struct {
	// URL reaches its database "postgres" by the Unix socket.
	URL string

	bin, dir string
	as       *syscall.Credential
}

// configuration makes the server small and quick; what it holds is thrown away.
const configuration = `
listen_addresses = ''
unix_socket_directories = '%s'
max_connections = 60
shared_buffers = 32MB
fsync = off
full_page_writes = off
synchronous_commit = off
autovacuum = off
log_min_messages = fatal
`

// startServer makes and starts a server in a new temporary folder.
func startServer(bin string) (*Server, error) {
	// The path of a Unix socket may have 107 characters at most, which TMPDIR can use up.
	dir, err := os.MkdirTemp("/tmp", "pgtest-")
	if err != nil {
		return nil, err
	}
	s := &Server{bin: bin, dir: dir, URL: "postgres://postgres@/postgres?" + url.Values{"host": {dir}}.Encode()}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *Server) start() error {
	if err := s.credentials(); err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	err := s.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(data, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, configuration, s.dir)
	if err := closing(err, f.Close()); err != nil {
		return err
	}
	return s.Start()
}

// Start starts a server that was stopped with Stop's kin Kill.
func (s *Server) Start() error {
	data := filepath.Join(s.dir, "data")
	return s.run("pg_ctl", "-D", data, "-w", "-t", "30", "-l", filepath.Join(s.dir, "log"), "start")
}

// Kill stops the server at once, as a crash would, and keeps its data.
func (s *Server) Kill() error {
	return s.run("pg_ctl", "-D", filepath.Join(s.dir, "data"), "-w", "-m", "immediate", "stop")
}

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	err := s.Kill()
	if err != nil && strings.Contains(err.Error(), "no server running") {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// credentials chooses the user to run as: not root.
func (s *Server) credentials() error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, int(uid), int(gid))
}

// run carries out one of PostgreSQL's programs. Its output goes to a file: the server inherits it, so that a pipe would never
// end.
func (s *Server) run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := os.CreateTemp(s.dir, program+"-*.out")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, program), args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	err = cmd.Run()
	said, readErr := os.ReadFile(out.Name())
	if err := closing(err, errors.Join(out.Close(), readErr)); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(said)))
	}
	return nil
}
