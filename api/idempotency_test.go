package api

import (
	"sync"
	"testing"

	"github.com/sallyport/sallyport/sbc"
)

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	f := start(t)
	body := trunkBody(f, "once")
	first := f.do("POST", "/v1/trunks", body, "Idempotency-Key", "k1").is(201)
	again := f.do("POST", "/v1/trunks", body, "Idempotency-Key", "k1").is(201)
	if string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" ||
		first.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("first %s\nagain %s", first.body, again.body)
	}
	for _, h := range []string{"ETag", "Location", "Content-Type"} {
		if first.header.Get(h) != again.header.Get(h) {
			t.Errorf("%s: %q, then %q", h, first.header.Get(h), again.header.Get(h))
		}
	}
	f.do("POST", "/v1/trunks", trunkBody(f, "other"), "Idempotency-Key", "k1").problem(422, "idempotency_key_reused")
	f.do("POST", "/v1/trunks", trunkBody(f, "other"), "Idempotency-Key", "k2").is(201)
	// Keys of different API keys do not meet.
	f.as(syncKey, "POST", "/v1/trunks", trunkBody(f, "third"), "Idempotency-Key", "k1").is(201)
	// A refused request is not remembered.
	f.do("POST", "/v1/trunks", trunkBody(f, "once"), "Idempotency-Key", "k3").problem(409, "conflict")
	f.do("POST", "/v1/trunks", trunkBody(f, "fourth"), "Idempotency-Key", "k3").is(201)
}

func TestIdempotencyKeyInFlight(t *testing.T) {
	t.Parallel()
	f := start(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	slow := func(tx sbc.Tx) error { close(inside); <-leave; return nil }
	var wg sync.WaitGroup
	wg.Go(func() { _ = f.m.update(true, slow) })
	<-inside // the store is busy: the next write waits in it
	wg.Go(func() { f.do("POST", "/v1/trunks", trunkBody(f, "slow"), "Idempotency-Key", "k") })
	wg.Go(func() { f.do("POST", "/v1/trunks", trunkBody(f, "slow"), "Idempotency-Key", "k") })
	close(leave)
	wg.Wait()
	// Whoever came second was told to wait or got the first one's answer: there is one trunk.
	if got := len(f.do("GET", "/v1/trunks?name=slow", "").is(200).json()["items"].([]any)); got != 1 {
		t.Errorf("%d trunks", got)
	}
}

func TestMarksOfFlights(t *testing.T) {
	t.Parallel()
	fl := &flights{keys: map[string]bool{}}
	if !fl.begin("a") || fl.begin("a") || !fl.begin("b") {
		t.Error("a mark was given twice or refused")
	}
	fl.end("a")
	if !fl.begin("a") {
		t.Error("the mark was not given back")
	}
}
