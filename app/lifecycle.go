package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// step is one thing that was started, and how it is stopped.
type step struct {
	name string
	stop func(context.Context) error
}

// lifecycle stops what was started, in the reverse order, once.
type lifecycle struct {
	log   *slog.Logger
	mu    sync.Mutex
	steps []step
}

// onStop registers how something that runs now is stopped.
func (l *lifecycle) onStop(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{name, stop})
}

// stop undoes every step. A step that fails or panics does not keep the others from being undone.
func (l *lifecycle) stop(ctx context.Context) error {
	l.mu.Lock()
	steps := l.steps
	l.steps = nil
	l.mu.Unlock()
	var faults []error
	for i := len(steps) - 1; i >= 0; i-- {
		if err := l.undo(ctx, steps[i]); err != nil {
			l.log.Error("stopping failed", "part", steps[i].name, "error", err)
			faults = append(faults, fmt.Errorf("%s: %w", steps[i].name, err))
		}
	}
	return errors.Join(faults...)
}

func (l *lifecycle) undo(ctx context.Context, s step) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.stop(ctx)
}

// grace is how long a background part may take to notice that it shall stop, whatever time the other parts took.
const grace = 5 * time.Second

// background runs f on a goroutine that the lifecycle waits for: its context ends when the step is stopped.
func (l *lifecycle) background(name string, f func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				l.log.Error("a background part panicked", "part", name, "panic", p)
			}
		}()
		f(ctx)
	}()
	l.onStop(name, func(context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-time.After(grace):
			return errors.New("does not stop")
		}
	})
}
