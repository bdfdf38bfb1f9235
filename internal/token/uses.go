package token

import (
	"context"
	"sync"
	"time"
)

// maxUses bounds the grants whose uses wait for the next flush; uses beyond it are not counted.
const maxUses = 1 << 16

// uses counts in memory how often grants were used, so that using a token
// never writes. What waits when the store fails is dropped: the counts are "at least".
type uses struct {
	mu sync.Mutex
	m  map[int64]*Use // :: grant → uses since the last flush
}

func newUses() *uses { return &uses{m: map[int64]*Use{}} }

// add counts one use; addr is the caller's, "" where the verb has none.
func (u *uses) add(grant int64, at time.Time, addr string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w := u.m[grant]
	if w == nil {
		if len(u.m) >= maxUses {
			return
		}
		w = &Use{Grant: grant}
		u.m[grant] = w
	}
	w.At = at
	w.Count++
	if addr != "" {
		w.Addr = addr
	}
}

func (u *uses) take() []Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := make([]Use, 0, len(u.m))
	for _, w := range u.m {
		all = append(all, *w)
	}
	clear(u.m)
	return all
}

// FlushUses writes the uses counted since the last call.
func (e *Engine) FlushUses(ctx context.Context) error {
	all := e.uses.take()
	for len(all) > 0 {
		n := min(len(all), 500)
		if err := e.store.Touch(ctx, all[:n]); err != nil {
			return wrap("writing last uses", err)
		}
		all = all[n:]
	}
	return nil
}
