package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc/route"
)

// step lets virtual time pass, and everything that is due happen.
func step(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestPollServesOtherNodesWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, basic)
		n := start(t, s, Options{})
		n.log.take()
		s.write(t, "trunk trk_other realm=rlm_1")
		if n.Current().Trunk("trk_other") != nil {
			t.Fatal("seen before the poll")
		}
		step(DefaultPoll + time.Millisecond)
		if n.Current().Trunk("trk_other") == nil || n.Status().Active != 2 {
			t.Errorf("not seen: %+v", n.Status())
		}
		n.expect(t, "a prepare 1>2", "b prepare 1>2", "a commit 2", "b commit 2")
		n.Close()
	})
}

func TestPollKeepsServingWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t, basic)
		n := start(t, s, Options{})
		// The store goes and comes back.
		s.set(func() { s.down = errors.New("no store") })
		step(10 * time.Second)
		if st := n.Status(); !strings.Contains(st.LastError, "no store") || n.Current().Trunk("trk_1") == nil {
			t.Errorf("%+v", st)
		}
		s.set(func() { s.down = nil })
		step(3 * time.Second)
		if st := n.Status(); st.LastError != "" {
			t.Errorf("%+v", st)
		}
		// A revision that cannot be served is tried again, ever more seldom.
		n.b.refuse(errors.New("port taken"))
		n.log.take()
		s.write(t, "trunk trk_other realm=rlm_1")
		step(5 * time.Minute)
		if st := n.Status(); st.Active != 1 || st.Revision != 2 || !strings.Contains(st.LastError, "port taken") {
			t.Errorf("%+v", st)
		}
		if tries := len(n.log.take()) / 3; tries < 5 || tries > 15 {
			t.Errorf("%d tries in five minutes", tries)
		}
		n.b.refuse(nil)
		step(2 * time.Minute)
		if st := n.Status(); st.Active != 2 || st.LastError != "" {
			t.Errorf("%+v", st)
		}
		n.Close()
	})
}

func TestStartFromCacheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.cache")
	s := newStore(t, basic)
	synctest.Test(t, func(t *testing.T) {
		n := start(t, s, Options{CacheFile: file})
		if err := n.Update(t.Context(), false, put(t, "trunk trk_3 realm=rlm_1")); err != nil {
			t.Fatal(err)
		}
		step(2 * cacheDelay)
		n.Close()
	})
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", st, err)
	}
	s.set(func() { s.down = errors.New("no store") })
	synctest.Test(t, func(t *testing.T) {
		n := start(t, s, Options{CacheFile: file})
		if c := n.Current(); c.Revision != 2 || c.Trunk("trk_3") == nil || c.Route.Plan(route.Query{PlanID: "rpl_1",
			Number: "1"}).RuleID != "rul_1" {
			t.Errorf("revision %d", c.Revision)
		}
		if st := n.Status(); st.Active != 2 || !strings.Contains(st.LastError, "no store") {
			t.Errorf("%+v", st)
		}
		// The store comes back with more.
		s.set(func() { s.down = nil })
		s.write(t, "trunk trk_4 realm=rlm_1")
		step(DefaultPoll + time.Second)
		if st := n.Status(); n.Current().Trunk("trk_4") == nil || st.LastError != "" {
			t.Errorf("%+v", st)
		}
		n.Close()
	})
}

func TestCacheFileIsTakenWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.cache")
	s := newStore(t, basic)
	resources, revision, err := s.All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := writeCache(file, resources, revision, nil); err != nil {
		t.Fatal(err)
	}
	got, rev, err := readCache(file, nil, nil)
	if err != nil || rev != 1 || len(got) != len(resources) {
		t.Fatal(len(got), rev, err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.tmp")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	broken := map[string][]byte{
		"empty": {}, "torn": good[:len(good)/2], "without its end": good[:len(good)-10],
		"changed":      []byte(strings.Replace(string(good), "192.0.2.2", "192.0.2.9", 1)),
		"other format": []byte(strings.Replace(string(good), `"format":1`, `"format":2`, 1)),
		"other kind":   []byte(strings.Replace(string(good), `"kind":"realm"`, `"kind":"rhyme"`, 1)),
		"no text":      []byte("\x00\x01\x02\n"),
	}
	for name, content := range broken {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readCache(file, nil, nil); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	s.set(func() { s.down = errors.New("no store") })
	m := New(Options{Store: s, CacheFile: file})
	if err := m.Start(t.Context()); err == nil || m.Current() == nil {
		t.Error("started with neither store nor cache")
	}
	m.Close()
	if err := writeCache(filepath.Join(dir, "nowhere", "x"), nil, 1, nil); err == nil {
		t.Error("written into a folder that is not there")
	}
}
