package token

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Deed is what is counted for each hour and service.
type Deed string

// The deeds. Grants that are made and ended, and failed sign-ins, are audit lines and
// counted there; exchanged API keys count as issued.
const (
	DeedIssued    Deed = "issued"
	DeedRefreshed Deed = "refreshed"
	DeedRefused   Deed = "refused" // an issue, exchange or refresh; a verification is not counted
	DeedRevoked   Deed = "revoked"
)

// Activity is how often something was done within one hour. What no audit line says is
// counted in memory and written once a minute, so that it is at least Count.
type Activity struct {
	Hour    time.Time // its beginning
	Service string    // "" for API keys, browsers and sign-ins by password
	Deed    Deed
	Count   int64
}

// maxActivity is the longest time that one answer covers.
const maxActivity = 400 * 24 * time.Hour

// Activity returns what was done from since, to the full hour, up to until, by hour, service
// and deed; hours without any are left out. For operators; at most 400 days.
func (e *Engine) Activity(ctx context.Context, by Caller, since, until time.Time) ([]Activity, error) {
	switch {
	case !by.Operator:
		return nil, Refuse(Forbidden, "only operators see what was done")
	case until.Sub(since) > maxActivity:
		return nil, Refuse(Malformed, "ask for at most %d days", maxActivity/(24*time.Hour))
	}
	return e.store.Activity(ctx, since, until)
}

// tally counts in memory, so that a refresh that reads no store writes nothing either.
// There are few services and few hours between two flushes: it stays small.
type tally struct {
	mu sync.Mutex
	m  map[Activity]int64 // :: with Count 0 → how often
}

func newTally() *tally { return &tally{m: map[Activity]int64{}} }

// add counts a deed that was done, or where err refuses it, the refusal. A deed of "" is
// counted elsewhere, and a failure of ours is neither.
func (t *tally) add(at time.Time, service string, done Deed, err error) {
	if err != nil {
		done = DeedRefused
	}
	if done == "" || CodeOf(err) == Unavailable {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[Activity{Hour: at.UTC().Truncate(time.Hour), Service: service, Deed: done}]++
}

// take returns what was counted, in the one order in which all servers write.
func (t *tally) take() (all []Activity) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for a, n := range t.m {
		a.Count = n
		all = append(all, a)
	}
	clear(t.m)
	slices.SortFunc(all, func(a, b Activity) int {
		return cmp.Or(a.Hour.Compare(b.Hour), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Deed, b.Deed))
	})
	return all
}

func (e *Engine) flushActivity(ctx context.Context) error {
	all := e.tally.take()
	if len(all) == 0 {
		return nil
	}
	return e.store.AddActivity(ctx, all)
}
