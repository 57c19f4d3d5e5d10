// Package rest speaks to the API the way curl does: paths and JSON objects. The demo and the scenarios of the integration tests
// provision borders with it, so that what they send reads like the documentation. Programs use api/client instead.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Object is a JSON object.
type Object map[string]any

// Client is an API and a key for it.
type Client struct {
	URL, Key string
}

// StatusError is an answer that was not the expected one.
type StatusError struct {
	Method, Path string
	Status       int
	Body         string
}

// Error shows the answer whole: problem documents say what to do.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: %d %s", e.Method, e.Path, e.Status, e.Body)
}

// Do sends a request and decodes the answer into out unless that is nil. Any status of 300 or more is a *StatusError.
func (c Client) Do(ctx context.Context, method, path string, body, out any) error {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, content)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return &StatusError{Method: method, Path: path, Status: res.StatusCode, Body: strings.TrimSpace(string(answer))}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// Create makes a resource and gives its id.
func (c Client) Create(ctx context.Context, path string, body Object) (string, error) {
	var made struct {
		ID string `json:"id"`
	}
	err := c.Do(ctx, http.MethodPost, path, body, &made)
	return made.ID, err
}

// Get reads path into out.
func (c Client) Get(ctx context.Context, path string, out any) error {
	return c.Do(ctx, http.MethodGet, path, nil, out)
}

// Script is a series of writes of which the first that fails stops the rest: its error stays in Err.
type Script struct {
	Client Client
	Ctx    context.Context
	Err    error
}

// Create makes a resource and gives its id, "" once something failed.
func (s *Script) Create(path string, body Object) string {
	if s.Err != nil {
		return ""
	}
	var id string
	id, s.Err = s.Client.Create(s.Ctx, path, body)
	return id
}

// Page is a list as the API gives it.
type Page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// Until reads path again and again until ok says that the answer is the one waited for, or the context ends.
func Until[T any](ctx context.Context, c Client, path string, ok func(T) bool) (T, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		var out T
		err := c.Get(ctx, path, &out)
		if err == nil && ok(out) {
			return out, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return out, fmt.Errorf("waiting for %s: %w (last answer %+v, error %v)", path, ctx.Err(), out, err)
		}
	}
}
