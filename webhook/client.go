package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Why a request failed, besides what the network says.
var (
	ErrForbidden = errors.New("webhook: the URL leads to an address of this machine, or one that is never called")
	ErrResting   = errors.New("webhook: left alone for a while after several failures")
	ErrCrowded   = errors.New("webhook: too many requests to the host are waiting")
	errURL       = errors.New("webhook: this is no http or https URL")
	ErrTooLong   = errors.New("webhook: the answer is longer than 64 KiB")
)

// StatusError is an answer that is not 2xx.
type StatusError int

func (e StatusError) Error() string { return fmt.Sprintf("webhook: answered with status %d", int(e)) }

const (
	maxAnswer   = 64 << 10
	maxAtOnce   = 64               // requests to one host
	maxFailures = 10               // in a row, then the host rests
	restFor     = 5 * time.Second  //
	dialTimeout = 5 * time.Second  // within the context's time
	idleTimeout = 90 * time.Second // of a connection that is kept
)

// Options are what a Client needs; the zero value will do.
type Options struct {
	// AllowLocal lets URLs lead to addresses of this machine and to link-local ones.
	AllowLocal bool
	// UserAgent names us; "" is "Sallyport".
	UserAgent string
	// Registerer takes the metrics; nil registers none.
	Registerer prometheus.Registerer
}

// Client makes requests. It is safe for concurrent use.
type Client struct {
	o       Options
	http    *http.Client
	hosts   hosts
	metrics *metrics
}

// New makes a Client.
func New(o Options) *Client {
	if o.UserAgent == "" {
		o.UserAgent = "Sallyport"
	}
	c := &Client{o: o, metrics: newMetrics(o.Registerer), hosts: hosts{byName: map[string]*host{}}}
	dialer := net.Dialer{Timeout: dialTimeout}
	if !o.AllowLocal {
		dialer.Control = refuseLocal
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8,
			MaxIdleConns: 256, MaxConnsPerHost: maxAtOnce,
			IdleConnTimeout: idleTimeout, TLSHandshakeTimeout: dialTimeout, MaxResponseHeaderBytes: maxAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close closes the connections that are kept.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Post is one request.
type Post struct {
	// Purpose is a word for the metrics: authorization, push, voicemail.
	Purpose string
	// URL and Secret are the other system's; without a secret nothing is signed.
	URL, Secret string
	// ID is the same for every repetition of what is told, so that it is not taken twice.
	ID string
	// Body becomes the JSON sent; the answer's JSON is read into Answer where that is not nil.
	Body, Answer any
}

// Do makes the request within the context's time. A 2xx is success; 204 and an empty body leave Answer as it is. Errors:
// ErrForbidden, ErrResting, ErrCrowded, ErrTooLong, StatusError, or what the network or the JSON says.
func (c *Client) Do(ctx context.Context, p Post) error {
	began := time.Now()
	err := c.do(ctx, p)
	c.metrics.done(p.Purpose, err, time.Since(began))
	return err
}

func (c *Client) do(ctx context.Context, p Post) error {
	u, err := url.Parse(p.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errURL
	}
	body, err := json.Marshal(p.Body)
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	h := c.hosts.of(u.Host)
	if err := h.enter(ctx); err != nil {
		return err
	}
	err = c.send(ctx, p, body)
	h.leave(err)
	return err
}

func (c *Client) send(ctx context.Context, p Post, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return errURL
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.o.UserAgent)
	sign(req.Header, p.Secret, p.ID, time.Now(), body)
	res, err := c.http.Do(req)
	if err != nil {
		if told := (*url.Error)(nil); errors.As(err, &told) { // it tells the whole URL, in which there may be a secret
			err = told.Err
		}
		return fmt.Errorf("webhook: %s: %w", req.URL.Host, err)
	}
	defer func() { _ = res.Body.Close() }() // all that is wanted of it was read
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("webhook: reading the answer: %w", err)
	case len(answer) > maxAnswer:
		return ErrTooLong
	case res.StatusCode/100 != 2:
		return StatusError(res.StatusCode)
	case p.Answer == nil || len(bytes.TrimSpace(answer)) == 0:
		return nil
	}
	if err := json.Unmarshal(answer, p.Answer); err != nil {
		return fmt.Errorf("webhook: the answer: %w", err)
	}
	return nil
}
