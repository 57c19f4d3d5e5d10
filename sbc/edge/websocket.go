package edge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/sallyport/sallyport/sbc/msg"
)

const (
	// upgradeTime is how long a client may take to ask for a WebSocket.
	upgradeTime = 5 * time.Second
	// maxUpgrade bounds that request.
	maxUpgrade = 8 << 10
	// pongTime is how long the answer to a ping may take before the peer counts as gone.
	pongTime = 30 * time.Second
	// sipProtocol is the subprotocol (RFC 7118 4.1).
	sipProtocol = "sip"
)

// webServer makes WebSockets of the connections of one interface (RFC 7118). It is a net.Listener of connections that were accepted,
// counted and, for wss, secured elsewhere, each in a goroutine of its own.
type webServer struct {
	sock *socket
	http *http.Server
	in   chan net.Conn
	gone chan struct{}
	once sync.Once
}

// webConn is a connection on its way through package http.
type webConn struct {
	net.Conn
	of *conn
}

// connOf is the key of the connection in the context of its request.
type connOf struct{}

func newWebServer(s *socket) *webServer {
	w := &webServer{sock: s, in: make(chan net.Conn), gone: make(chan struct{})}
	w.http = &http.Server{
		Handler: http.HandlerFunc(w.upgrade), ReadHeaderTimeout: upgradeTime, ReadTimeout: upgradeTime, WriteTimeout: upgradeTime,
		MaxHeaderBytes: maxUpgrade, ErrorLog: slog.NewLogLogger(s.edge.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context { return context.WithValue(ctx, connOf{}, nc) },
		ConnState: func(nc net.Conn, state http.ConnState) {
			if c, ok := nc.(webConn); ok && state == http.StateClosed { // it did not become a WebSocket
				c.of.shut(msg.ErrClosed)
			}
		},
	}
	w.http.SetKeepAlivesEnabled(false)
	return w
}

func (w *webServer) run() {
	if err := w.http.Serve(w); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		w.sock.edge.log.Error("edge: WebSocket server", "address", w.sock.bound, "error", err)
	}
}

// take hands a connection on; it is false if the server is gone.
func (w *webServer) take(c *conn) bool {
	select {
	case w.in <- webConn{c.nc, c}:
		return true
	case <-w.gone:
		return false
	}
}

// Accept gives the next connection.
func (w *webServer) Accept() (net.Conn, error) {
	select {
	case c := <-w.in:
		return c, nil
	case <-w.gone:
		return nil, net.ErrClosed
	}
}

// Close is called by package http.
func (w *webServer) Close() error {
	w.once.Do(func() { close(w.gone) })
	return nil
}

// Addr is that of the interface.
func (w *webServer) Addr() net.Addr { return w.sock.listener.Addr() }

func (w *webServer) close() {
	_ = w.Close() // it cannot fail
	_ = w.http.Close()
}

// upgrade answers the one request of a connection. Pages of origins that nobody listed are refused: a browser sends what its user may
// do along with any page's request.
func (w *webServer) upgrade(out http.ResponseWriter, r *http.Request) {
	nc, ok := r.Context().Value(connOf{}).(webConn)
	i := w.sock.at()
	switch {
	case !ok || i == nil:
		http.Error(out, "gone", http.StatusServiceUnavailable)
		return
	case !i.allows(r.Header.Values("Origin")):
		w.sock.edge.metrics.drops.WithLabelValues("origin").Inc()
		http.Error(out, "origin not allowed", http.StatusForbidden)
		return
	case !offers(r.Header.Values("Sec-WebSocket-Protocol"), sipProtocol):
		http.Error(out, "WebSocket subprotocol sip required (RFC 7118)", http.StatusBadRequest)
		return
	}
	c := nc.of
	heard := func() { c.heard.Store(int64(c.sock.edge.txs.now())) }
	ws, err := websocket.Accept(out, r, &websocket.AcceptOptions{
		Subprotocols: []string{sipProtocol}, InsecureSkipVerify: true, // origins were looked at above
		OnPingReceived: func(context.Context, []byte) bool { heard(); return true },
		OnPongReceived: func(context.Context, []byte) { heard() },
	})
	if err != nil {
		w.sock.edge.log.Debug("edge: WebSocket", "from", c.remote, "error", err)
		return
	}
	ws.SetReadLimit(int64(i.MaxMessage))
	heard()
	web := &webSocket{of: c, ws: ws}
	web.timer = time.AfterFunc(time.Hour, web.watch)
	c.mu.Lock()
	c.web = web
	c.mu.Unlock()
	if !c.ready() {
		web.close()
		return
	}
	web.timer.Reset(time.Millisecond) // it finds out when it has to look next
	w.sock.edge.start("websocket reader", web.serve)
}

// allows tells whether a page of an origin may open a WebSocket. Clients that are no browsers name none.
func (i *iface) allows(origins []string) bool {
	for _, o := range origins {
		known := false
		for _, allowed := range i.Origins {
			known = known || allowed == "*" || strings.EqualFold(allowed, o)
		}
		if !known {
			return false
		}
	}
	return true
}

// offers looks for a token in the values of a header that is a list.
func offers(values []string, token string) bool {
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(one), token) {
				return true
			}
		}
	}
	return false
}

// webSocket is what SIP is spoken by on a connection with frames: one message in each, as text or not (RFC 7118 4.2).
type webSocket struct {
	of      *conn
	ws      *websocket.Conn
	timer   *time.Timer // of watch
	pinging atomic.Bool
}

// serve reads messages until the peer closes, or sends what is none. Idle times are for watch.
func (w *webSocket) serve() {
	cause := error(io.EOF)
	c := w.of
	defer func() { c.shut(cause) }()
	for {
		raw, err := w.next()
		if err != nil {
			cause = err
			return
		}
		c.received(raw, string(raw) == "\r\n\r\n")
	}
}

// next reads one message; from its first frame to its last it takes no longer than a message may.
func (w *webSocket) next() ([]byte, error) {
	e := w.of.sock.edge
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	_, r, err := w.ws.Reader(ctx)
	if err != nil {
		return nil, err
	}
	slow := time.AfterFunc(messageTime, cancel)
	defer slow.Stop()
	raw, err := io.ReadAll(r)
	switch reason := "framing"; {
	case err == nil:
		return raw, nil
	case ctx.Err() != nil:
		reason = "slow"
		fallthrough
	default:
		e.metrics.parseErrors.WithLabelValues(string(w.of.sock.transport), reason).Inc()
	}
	return nil, err
}

// watch closes the WebSocket when it has been silent for too long, or when nobody has authenticated on it in time.
func (w *webSocket) watch() {
	c := w.of
	e := c.sock.edge
	defer e.recovered("websocket timer")
	now := e.txs.now()
	rest := c.idle() - (now - time.Duration(c.heard.Load()))
	if held := time.Duration(c.held.Load()) - now; rest <= 0 && !c.sock.closed.Load() {
		rest = held
	}
	left, lapses := c.lapse()
	switch {
	case lapses && left <= 0:
		e.metrics.drops.WithLabelValues("unauthenticated").Inc()
		c.shut(msg.ErrClosed)
		return
	case rest <= 0:
		c.shut(os.ErrDeadlineExceeded)
		return
	case lapses:
		rest = min(rest, left)
	}
	w.timer.Reset(rest)
}

// write sends messages, each in a frame of its own. Browsers end a connection on which a text is none (RFC 6455 8.1).
func (w *webSocket) write(batch [][]byte) error {
	for _, raw := range batch {
		kind := websocket.MessageText
		if !utf8.Valid(raw) {
			kind = websocket.MessageBinary
		}
		ctx, cancel := context.WithTimeout(context.Background(), writeTime)
		err := w.ws.Write(ctx, kind, raw)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// close ends it without waiting for the peer.
func (w *webSocket) close() {
	w.timer.Stop()
	_ = w.ws.CloseNow() // nobody is left to hear of it
}

// ping asks whether the peer is there, and keeps what is between us awake (RFC 7118 6). Who does not answer is gone.
func (c *conn) ping() error {
	c.mu.Lock()
	web, closed := c.web, c.state == connClosed
	c.mu.Unlock()
	if closed {
		return msg.ErrClosed
	}
	if web == nil || web.pinging.Swap(true) {
		return nil
	}
	c.sock.edge.start("websocket ping", func() {
		defer web.pinging.Store(false)
		ctx, cancel := context.WithTimeout(c.sock.edge.ctx, pongTime)
		defer cancel()
		if err := web.ws.Ping(ctx); err != nil {
			c.cut()
		}
	})
	return nil
}
