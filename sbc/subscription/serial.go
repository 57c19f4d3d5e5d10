package subscription

import "sync"

// serial does jobs one at a time, in order, on the goroutine of whoever brings the first of them.
type serial struct {
	mu   sync.Mutex
	jobs []func()
	busy bool
	// fault hears a panic; the jobs behind it are done all the same.
	fault func(r any)
}

// maxJobs bounds what may wait: a peer that floods a dialog loses what is beyond.
const maxJobs = 256

// offer is do for what a peer sends; false if too much waits already.
func (s *serial) offer(job func()) bool {
	s.mu.Lock()
	full := len(s.jobs) >= maxJobs
	s.mu.Unlock()
	if !full {
		s.do(job)
	}
	return !full
}

// do brings a job.
func (s *serial) do(job func()) {
	s.mu.Lock()
	if s.busy {
		s.jobs = append(s.jobs, job)
		s.mu.Unlock()
		return
	}
	s.busy = true
	s.mu.Unlock()
	for job != nil {
		s.run(job)
		job = s.next()
	}
}

// next takes the oldest job that waits; nil ends the turn.
func (s *serial) next() func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.jobs) == 0 {
		s.jobs, s.busy = nil, false
		return nil
	}
	job := s.jobs[0]
	s.jobs = s.jobs[1:]
	return job
}

func (s *serial) run(job func()) {
	defer func() {
		if r := recover(); r != nil {
			s.fault(r)
		}
	}()
	job()
}
