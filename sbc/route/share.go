package route

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// share has pieces of work done by all processors and waits for them. If one panics, so does the caller.
func share(pieces int, work func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	faults := make(chan any, pieces+1)
	for range min(pieces, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					faults <- r
				}
			}()
			for i := next.Add(1) - 1; i < int64(pieces); i = next.Add(1) - 1 {
				work(int(i))
			}
		})
	}
	wg.Wait()
	select {
	case r := <-faults:
		panic(r)
	default:
	}
}
