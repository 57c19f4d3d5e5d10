package config

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

const (
	// cacheFormat is the version of the file; another one is not read.
	cacheFormat = 1
	// cacheDelay gathers writes that follow each other into one file.
	cacheDelay = time.Second
)

// cacheHead is the first line of the file. The resources follow, one a line, and then the checksum of all lines before it.
type cacheHead struct {
	Format   int   `json:"format"`
	Revision int64 `json:"revision"`
	Count    int   `json:"count"`
}

type cacheLine struct {
	Kind     sbc.Kind        `json:"kind"`
	Resource json.RawMessage `json:"resource"`
}

// resource reads the resource of a line.
func (l *cacheLine) resource(keep keepFunc, sealer Sealer) (sbc.Resource, error) {
	res := sbc.New(l.Kind)
	if res == nil {
		return nil, fmt.Errorf("kind %q is not known", l.Kind)
	}
	document, audio := []byte(l.Resource), []byte(nil)
	if l.Kind == sbc.KindAnnouncement {
		var err error
		if document, audio, err = sbc.TakeAudioOut(document); err != nil {
			return nil, err
		}
	}
	if err := json.NewDecoder(bytes.NewReader(document)).Decode(res); err != nil {
		return nil, err
	}
	if err := opened(res, sealer); err != nil {
		return nil, err
	}
	if a, ok := res.(*sbc.Announcement); ok && audio != nil {
		return res, keep(a.Audio(), audio)
	}
	return res, nil
}

type cacheTail struct {
	SHA256 string `json:"sha256"`
}

// keep writes the cache file some time after each commit. It reads the store once more instead of keeping every resource in
// memory only for this.
func (m *Manager) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.save:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(cacheDelay):
		}
		resources, revision, err := m.o.Store.All(ctx)
		if err != nil {
			continue // the next commit, or the next start, comes back to it
		}
		if revision != m.Current().Revision {
			continue // not proven to be servable; whoever serves it wakes us again
		}
		if err := writeCache(m.o.CacheFile, resources, revision, m.o.Sealer); err != nil {
			m.metrics.failures.WithLabelValues("cache").Inc()
			m.log.Warn("the configuration could not be cached", "file", m.o.CacheFile, "error", err)
		}
	}
}

// writeCache replaces the file in one step, readable by us alone: it holds the hashes of API keys. Secrets are sealed.
func writeCache(path string, resources []sbc.Resource, revision int64, sealer Sealer) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	err = encodeCache(f, resources, revision, sealer)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func encodeCache(w io.Writer, resources []sbc.Resource, revision int64, sealer Sealer) error {
	sum := sha256.New()
	buf := bufio.NewWriterSize(w, 1<<16)
	enc := json.NewEncoder(io.MultiWriter(buf, sum))
	if err := enc.Encode(cacheHead{cacheFormat, revision, len(resources)}); err != nil {
		return err
	}
	for _, r := range resources {
		body, err := sealedJSON(r, sealer)
		if err != nil {
			return err
		}
		if err := enc.Encode(cacheLine{r.Kind(), body}); err != nil {
			return err
		}
	}
	if err := json.NewEncoder(buf).Encode(cacheTail{hex.EncodeToString(sum.Sum(nil))}); err != nil {
		return err
	}
	return buf.Flush()
}

// keepFunc takes the content of a blob.
type keepFunc func(b sbc.Blob, content []byte) error

// readCache reads what writeCache wrote; a file that is torn, changed or of another format is refused as a whole. keep gets the
// audio that programs before schema 5 wrote into it.
func readCache(path string, keep keepFunc, sealer Sealer) ([]sbc.Resource, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	resources, revision, err := decodeCache(f, keep, sealer)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, 0, fmt.Errorf("cache file %s: %w", path, err)
	}
	return resources, revision, nil
}

func decodeCache(r io.Reader, keep keepFunc, sealer Sealer) ([]sbc.Resource, int64, error) {
	sum := sha256.New()
	in := bufio.NewReaderSize(r, 1<<16)
	next := func(v any) error {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("torn: %w", err)
		}
		if err := json.Unmarshal(line, v); err != nil {
			return err
		}
		if _, tail := v.(*cacheTail); !tail {
			sum.Write(line) // a hash never fails
		}
		return nil
	}
	var head cacheHead
	if err := next(&head); err != nil {
		return nil, 0, err
	}
	if head.Format != cacheFormat || head.Count < 0 {
		return nil, 0, fmt.Errorf("format %d is not known", head.Format)
	}
	var resources []sbc.Resource
	for range head.Count {
		var line cacheLine
		if err := next(&line); err != nil {
			return nil, 0, err
		}
		res, err := line.resource(keep, sealer)
		if err != nil {
			return nil, 0, err
		}
		resources = append(resources, res)
	}
	var tail cacheTail
	if err := next(&tail); err != nil {
		return nil, 0, err
	}
	if tail.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
		return nil, 0, errors.New("the checksum is wrong")
	}
	return resources, head.Revision, nil
}
