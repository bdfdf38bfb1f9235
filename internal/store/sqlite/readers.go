package sqlite

import "sync"

// maxReaders is how many snapshots can be read at once; more readers wait.
const maxReaders = 4

// readers are the idle sessions for reading. The last one used goes first: where one at a time reads there is one
// connection, with one cache, and a start reads the schema once.
type readers struct {
	free chan struct{} // a place for each that may be popped; none once closed
	mu   sync.Mutex
	idle []*session
}

func newReaders(one func() *session) *readers {
	r := &readers{free: make(chan struct{}, maxReaders)}
	for range maxReaders {
		r.giveBack(one())
	}
	return r
}

// pop takes a session; whoever calls has received from free.
func (r *readers) pop() *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.idle) - 1
	s := r.idle[last]
	r.idle = r.idle[:last]
	return s
}

func (r *readers) giveBack(s *session) {
	r.mu.Lock()
	r.idle = append(r.idle, s)
	r.mu.Unlock()
	r.free <- struct{}{}
}

// take waits for a session.
func (r *readers) take() *session {
	<-r.free
	return r.pop()
}
