package token

import (
	"sync"
	"time"
)

// notes remembers what was written down within the last minute, so that a client
// in a loop fills no table.
type notes struct {
	mu    sync.Mutex
	since time.Time
	seen  map[string]bool // what was noted since
}

// maxNotes bounds what is remembered; past it everything is written.
const maxNotes = 1 << 14

// may reports whether something may be noted at now, and takes it as noted.
func (n *notes) may(what string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil || now.Sub(n.since).Abs() >= time.Minute {
		n.since, n.seen = now, map[string]bool{}
	}
	if n.seen[what] {
		return false
	}
	if len(n.seen) < maxNotes {
		n.seen[what] = true
	}
	return true
}
