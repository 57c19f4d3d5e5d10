package call

import (
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sallyport/sallyport/sbc"
)

// events keeps what was told.
type events struct {
	mu   sync.Mutex
	list []sbc.Event
	bomb *bomb
}

func (e *events) add(ev sbc.Event) {
	e.bomb.tick()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

// of gives the events of one type.
func (e *events) of(t sbc.EventType) (list []sbc.Event) {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.list {
		if ev.Type == t {
			list = append(list, ev)
		}
	}
	return list
}

// TestDetectorsTell: each detector that ends a call says which one it was.
func TestDetectorsTell(t *testing.T) {
	for detector, find := range map[string]func(w *world){
		"media_silence": func(w *world) { w.engine.sessions[0].o.OnSilence(nil, time.Now()) },
		"max_duration":  func(*world) { time.Sleep(14400 * time.Second) },
	} {
		run(t, nil, func(w *world) {
			_, _, _, _ = w.talk()
			id := w.m.List(sbc.CallFilter{})[0].ID
			find(w)
			got := w.events.of(sbc.EventCallDead)
			if len(got) != 1 || got[0].CallID != id || got[0].TenantID != sbc.DefaultTenantID || got[0].At.IsZero() ||
				!maps.Equal(got[0].Data, map[string]string{"detector": detector}) {
				t.Errorf("%s: %+v", detector, got)
			}
			w.wire.next("BYE").reply(200)
			w.wire.next("BYE").reply(200)
		})
	}
}
