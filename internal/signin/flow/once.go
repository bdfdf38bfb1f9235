package flow

import (
	"slices"
	"sync"
	"time"
)

// Once remembers what was used up: answers of providers, forms that make something. The
// zero value is ready. Each server remembers its own.
type Once struct {
	mu   sync.Mutex
	used map[string]time.Time // :: id → when it may be forgotten
}

// maxUsed bounds the memory. When as many are all still good, the oldest half is forgotten.
const maxUsed = 10_000

// Spend reports whether id is met for the first time; it is remembered for life.
func (o *Once) Spend(id string, now time.Time, life time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if until, met := o.used[id]; met && now.Before(until) {
		return false
	}
	if o.used == nil {
		o.used = map[string]time.Time{}
	}
	if len(o.used) >= maxUsed {
		o.forget(now)
	}
	o.used[id] = now.Add(life)
	return true
}

// forget drops what is over, and then, by time, what is too much.
func (o *Once) forget(now time.Time) {
	var left []time.Time
	for id, until := range o.used {
		if !now.Before(until) {
			delete(o.used, id)
			continue
		}
		left = append(left, until)
	}
	if len(left) < maxUsed {
		return
	}
	slices.SortFunc(left, time.Time.Compare)
	middle := left[len(left)/2]
	for id, until := range o.used {
		if !until.After(middle) {
			delete(o.used, id)
		}
	}
}
