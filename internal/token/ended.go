package token

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// blockBits is the size of one block of the bit list, as in the status lists.
const blockBits = 1 << 17

type block [blockBits / 64]atomic.Uint64

// ended holds in memory everything that makes a token worse. Reading takes no
// lock; a bit once set is never cleared.
type ended struct {
	mu     sync.Mutex // one writer at a time
	blocks atomic.Pointer[map[int64]*block]
	marks  atomic.Pointer[marks]
	lost   atomic.Pointer[[]Range] // by a restore; in status lists alone, since here their tokens are too old
}

// marks is the small, seldom changed part; it is replaced, never changed.
type marks struct {
	stale     map[int64]time.Time     // :: grant → when its account last changed
	changed   map[string]time.Time    // :: service → when who may use it last changed
	cutoffs   map[[2]string]cutoffEnd // :: service, name → cut-off
	notBefore map[string]time.Time    // :: service ("" for all) → first iat accepted
}

type cutoffEnd struct{ at, until time.Time }

func newEnded() *ended {
	e := &ended{}
	e.blocks.Store(&map[int64]*block{})
	e.lost.Store(&[]Range{})
	e.marks.Store(&marks{map[int64]time.Time{}, map[string]time.Time{}, map[[2]string]cutoffEnd{}, map[string]time.Time{}})
	return e
}

// has reports whether the grant has been revoked.
func (e *ended) has(grant int64) bool {
	if grant < 0 {
		return true
	}
	b := (*e.blocks.Load())[grant/blockBits]
	return b != nil && b[grant%blockBits/64].Load()&(1<<(grant%64)) != 0
}

// grants sets the bits of grants.
func (e *ended) grants(ids []int64) {
	for _, id := range ids {
		e.block(id)[id%blockBits/64].Or(1 << (id % 64))
	}
}

// block returns the block of a grant, made when it is the first there.
func (e *ended) block(grant int64) *block {
	n := grant / blockBits
	if b := (*e.blocks.Load())[n]; b != nil {
		return b
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := (*e.blocks.Load())[n]; b != nil {
		return b
	}
	next := maps.Clone(*e.blocks.Load())
	next[n] = new(block)
	e.blocks.Store(&next)
	return next[n]
}

// stale reports whether, at or after born, the grant's account changed or who
// may use the service did. What was minted up to margin after the change may
// still say what was before it: its server had not heard of it.
func (e *ended) stale(service string, grant int64, born time.Time, margin time.Duration) bool {
	m := e.marks.Load()
	at := m.stale[grant]
	if changed := m.changed[service]; changed.After(at) {
		at = changed
	}
	return !at.IsZero() && !born.After(at.Add(margin))
}

// cutoff returns the instant up to which tokens naming the name are refused.
func (e *ended) cutoff(service, name string) time.Time {
	return e.marks.Load().cutoffs[[2]string{service, name}].at
}

// beforeEpoch reports whether the service refuses tokens born then.
func (e *ended) beforeEpoch(service string, born time.Time) bool {
	nb := e.marks.Load().notBefore
	return born.Before(nb[""]) || born.Before(nb[service])
}

// apply takes in entries of the feed; taking one in twice is harmless.
func (e *ended) apply(entries []Entry) {
	var rest []Entry
	for _, x := range entries {
		if x.Kind == EntryGrant {
			e.grants([]int64{x.Grant})
		} else {
			rest = append(rest, x)
		}
	}
	if len(rest) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.marks.Load()
	next := &marks{maps.Clone(old.stale), maps.Clone(old.changed), maps.Clone(old.cutoffs), maps.Clone(old.notBefore)}
	for _, x := range rest {
		next.add(x)
	}
	e.marks.Store(next)
}

// add moves marks forward only.
func (m *marks) add(x Entry) {
	switch x.Kind {
	case EntryStale:
		if x.Service != "" && x.At.After(m.changed[x.Service]) {
			m.changed[x.Service] = x.At
		}
		if x.Grant != 0 && x.At.After(m.stale[x.Grant]) {
			m.stale[x.Grant] = x.At
		}
	case EntryCutoff:
		k := [2]string{x.Service, x.Name}
		if x.At.After(m.cutoffs[k].at) {
			m.cutoffs[k] = cutoffEnd{x.At, x.Until}
		}
	case EntryNotBefore:
		if x.At.After(m.notBefore[x.Service]) {
			m.notBefore[x.Service] = x.At
		}
	}
}

// forget drops cut-offs that are no longer needed at now.
func (e *ended) forget(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.marks.Load()
	next := &marks{old.stale, old.changed, maps.Clone(old.cutoffs), old.notBefore}
	maps.DeleteFunc(next.cutoffs, func(_ [2]string, c cutoffEnd) bool { return c.until.Before(now) })
	e.marks.Store(next)
}
