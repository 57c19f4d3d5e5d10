package api

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport/sallyport/sbc"
)

// A POST with an Idempotency-Key is answered once; the answer is remembered in the transaction that made the resource, so that
// there is never one without the other, and given again to a repetition. What is done to calls cannot be rolled back: its
// answer is remembered after it. Only successes are remembered: a refused request may be corrected and sent again. The answer
// is sealed with the API key that got it, of which the store holds only a hash: the secret of a new API key does not lie
// readable in the database.

// retryKey identifies a POST that may be repeated.
type retryKey struct {
	key         string
	fingerprint string
}

// flights are the requests with an Idempotency-Key that are under way on this node, at most as many as there are requests.
type flights struct {
	mu   sync.Mutex
	keys map[string]bool
}

// begin takes the place of a key; false if another request has it.
func (f *flights) begin(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys[key] {
		return false
	}
	f.keys[key] = true
	return true
}

func (f *flights) end(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, key)
}

// fingerprintOf is a hash of everything that makes two requests the same.
func fingerprintOf(r *http.Request, body []byte) string {
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.Query().Encode()} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// idempotent runs a POST with an Idempotency-Key, or answers it as it was answered before.
func (s *server) idempotent(c echo.Context, who *caller, body []byte, next func() error) error {
	key := c.Request().Header.Get("Idempotency-Key")
	if key == "" || who.op.method != http.MethodPost || who.key == nil || c.QueryParam("dry_run") == "true" {
		return next()
	}
	flight := who.key.id + " " + key
	if !s.flights.begin(flight) {
		return sbc.Errorf(codeInFlight, "a request with this Idempotency-Key is being worked on; repeat this one in a moment")
	}
	defer s.flights.end(flight)
	who.retry = &retryKey{key: key, fingerprint: fingerprintOf(c.Request(), body)}
	before, err := s.o.Store.Recall(c.Request().Context(), who.key.id, key)
	switch {
	case err != nil && sbc.CodeOf(err) != sbc.CodeNotFound:
		return err
	case err != nil || before == nil:
		return next()
	case before.Fingerprint != who.retry.fingerprint:
		return sbc.Errorf(codeReused,
			"this Idempotency-Key belongs to an earlier request that was not the same; make a new key for a new request")
	}
	return s.replay(c, who, before)
}

// replay sends a remembered answer.
func (s *server) replay(c echo.Context, who *caller, r *sbc.Reply) error {
	body, err := unseal(who, r.Body)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	for name, value := range r.Header {
		h.Set(name, value)
	}
	h.Set("Idempotency-Replayed", "true")
	c.Response().WriteHeader(r.Status)
	if _, err := c.Response().Write(body); err != nil {
		s.log.Debug("api: answer not delivered", "request_id", who.requestID, "error", err)
	}
	return nil
}

// remember keeps the answer to a POST that has an Idempotency-Key, in the transaction of what it made or of its audit event. A
// nil body is none.
func (s *server) remember(tx sbc.Tx, c *caller, status int, header map[string]string, body any) error {
	if c.retry == nil {
		return nil
	}
	kept := map[string]string{}
	maps.Copy(kept, header)
	var raw bytes.Buffer
	if body != nil {
		kept["Content-Type"] = "application/json"
		// As the answer is written, final newline included.
		if err := json.NewEncoder(&raw).Encode(body); err != nil {
			return fmt.Errorf("encode answer: %w", err)
		}
	}
	sealed, err := seal(c, raw.Bytes())
	if err != nil {
		return err
	}
	err = tx.Remember(sbc.Reply{
		Actor: c.key.id, Key: c.retry.key, Fingerprint: c.retry.fingerprint, Status: status, Header: kept, Body: sealed,
		CreatedAt: time.Now().UTC(),
	})
	if err != nil && sbc.CodeOf(err) == sbc.CodeConflict {
		// Another node was faster: what this one did is rolled back, a repetition gets the other's answer.
		return &sbc.Error{Code: codeInFlight, Message: "another node works on this request; repeat it in a moment",
			Cause: err}
	}
	return err
}

// sealer encrypts with a key made of the API key in use and the Idempotency-Key.
func sealer(c *caller) (cipher.AEAD, error) {
	m := hmac.New(sha256.New, []byte(c.key.secret))
	fmt.Fprintf(m, "sallyport reply\x00%s", c.retry.key)
	block, err := aes.NewCipher(m.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return cipher.NewGCM(block)
}

func seal(c *caller, plain []byte) ([]byte, error) {
	aead, err := sealer(c)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) // never fails: crypto/rand ends the process instead
	return aead.Seal(nonce, nonce, plain, nil), nil
}

func unseal(c *caller, sealed []byte) ([]byte, error) {
	aead, err := sealer(c)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("a remembered answer is cut off")
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	if err != nil {
		return nil, fmt.Errorf("a remembered answer cannot be opened: %w", err)
	}
	return plain, nil
}

// background detaches what must be finished although the client hung up, and bounds it.
func background(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), most)
}
