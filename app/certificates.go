package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sallyport/sallyport/sbc"
	"github.com/sallyport/sallyport/sbc/certs/acme"
	"github.com/sallyport/sallyport/sbc/config"
	"github.com/sallyport/sallyport/sbc/renew"
)

// The listeners of challenges are open to everybody: what may be under way on each at a time, and for how long, is bounded.
const (
	challengeTime  = 10 * time.Second
	challengeConns = 64
)

// openRenewal makes what keeps certificates alive. It runs once the configuration is served (keepCertificates).
func (a *App) openRenewal() {
	a.challenges = acme.New(acme.Options{
		State: a.store, HTTP: a.o.ACMEHTTPAddress != "", TLS: a.o.ACMETLSAddress != "", Log: a.o.Log,
	})
	rows := func() renew.Rows {
		s := a.config.Current()
		return renew.Rows{Certificates: s.Rows.Certificates, Authorities: s.Rows.Authorities}
	}
	a.renewal = renew.New(renew.Options{
		Rows: rows, State: a.store, Obtain: a.challenges.Obtain, Events: a.events.Add, Node: a.o.Node, Log: a.o.Log,
		Update: func(ctx context.Context, change func(tx sbc.Tx) error) error {
			return a.config.Update(ctx, false, change)
		},
	})
	a.metrics.MustRegister(renew.Expiry(rows))
}

// prepareRenewal has certificates looked at after each change of one.
func (a *App) prepareRenewal(old, next *config.Snapshot) (config.Change, error) {
	if old != nil && sameRows(old.Rows.Certificates, next.Rows.Certificates) && sameRows(old.Rows.Authorities, next.Rows.Authorities) {
		return nil, nil
	}
	return woken{a.renewal}, nil
}

// sameRows tells whether nothing was written of a kind: then the list is shared.
func sameRows[T any](x, y []T) bool { return len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0]) }

// woken is a change of certificates.
type woken struct{ keeper *renew.Keeper }

// Commit has them looked at.
func (w woken) Commit() { w.keeper.Wake() }

// Abort has nothing to undo.
func (w woken) Abort() {}

// keepCertificates opens the listeners of challenges, and begins to renew.
func (a *App) keepCertificates(context.Context) error {
	if err := a.listenHTTP(); err != nil {
		return err
	}
	if err := a.listenTLS(); err != nil {
		return err
	}
	a.life.background("certificates", a.renewal.Run)
	return nil
}

// listenHTTP answers http-01.
func (a *App) listenHTTP() error {
	if a.o.ACMEHTTPAddress == "" {
		return nil
	}
	l, err := net.Listen("tcp", a.o.ACMEHTTPAddress)
	if err != nil {
		return fmt.Errorf("the address of http-01: %w", err)
	}
	server := &http.Server{
		Handler: a.challenges, ReadTimeout: challengeTime, WriteTimeout: challengeTime, IdleTimeout: challengeTime, MaxHeaderBytes: 8 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(&bounded{Listener: l, room: make(chan struct{}, challengeConns)}) }()
	a.life.onStop("http-01", func(context.Context) error {
		err := server.Close()
		if end := <-served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return err
	})
	return nil
}

// listenTLS answers tls-alpn-01.
func (a *App) listenTLS() error {
	if a.o.ACMETLSAddress == "" {
		return nil
	}
	l, err := net.Listen("tcp", a.o.ACMETLSAddress)
	if err != nil {
		return fmt.Errorf("the address of tls-alpn-01: %w", err)
	}
	bounded, done := &bounded{Listener: l, room: make(chan struct{}, challengeConns)}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := bounded.Accept()
			if err != nil {
				return
			}
			go a.answerTLS(c)
		}
	}()
	a.life.onStop("tls-alpn-01", func(context.Context) error {
		err := l.Close()
		<-done
		return err
	})
	return nil
}

// answerTLS makes one handshake, which is all of the challenge (RFC 8737 3).
func (a *App) answerTLS(c net.Conn) {
	defer func() {
		if p := recover(); p != nil {
			a.o.Log.Error("a challenge panicked", "panic", p)
		}
		_ = c.Close() // it has served its purpose
	}()
	if c.SetDeadline(time.Now().Add(challengeTime)) == nil {
		if err := tls.Server(c, a.challenges.TLS()).Handshake(); err != nil {
			a.o.Log.Debug("a challenge failed", "from", c.RemoteAddr(), "error", err)
		}
	}
}

// bounded is a listener with so many connections at a time; others wait in the backlog.
type bounded struct {
	net.Listener
	room chan struct{}
}

// Accept waits for room, and for somebody.
func (b *bounded) Accept() (net.Conn, error) {
	b.room <- struct{}{}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.room
		return nil, err
	}
	return &roomed{Conn: c, leave: func() { <-b.room }}, nil
}

// roomed gives its place back once.
type roomed struct {
	net.Conn
	leave func()
	left  atomic.Bool
}

// Close closes the connection.
func (r *roomed) Close() error {
	if r.left.CompareAndSwap(false, true) {
		r.leave()
	}
	return r.Conn.Close()
}
