package token

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// retryIn is when a client should try again: not all at the same time.
func retryIn() time.Duration { return time.Second + rand.N(2*time.Second) }

var errNoNews = errors.New("no news of revocations within the bound: the store cannot be read")

// news is how far this process has followed the feed, and when it last knew
// that there was nothing more.
type news struct {
	mu        sync.Mutex // one follower at a time
	at        Position
	confirmed atomic.Pointer[confirmation]
	doubt     atomic.Pointer[error] // why the clock is not believed since the last look at the store
}

// confirmation is when nothing was missing, and up to where.
type confirmation struct {
	at       time.Time
	position Position
}

// fresh reports whether the last confirmation is within the bound. The times
// carry a monotonic reading, so that a stepped clock makes nothing younger.
func (n *news) fresh(now time.Time, bound time.Duration) bool {
	c := n.confirmed.Load()
	return c != nil && now.Sub(c.at) <= bound
}

// clock says why the clock is not believed, nil while it is. A step since the
// last confirmation may be a wrong clock, or a machine that slept through it.
func (n *news) clock(now time.Time) error {
	if err := n.doubt.Load(); err != nil {
		return *err
	}
	if c := n.confirmed.Load(); c != nil {
		if by := step(c.at, now); by.Abs() > jump {
			return fmt.Errorf("%w: it stepped by %s", ErrClock, by.Round(time.Second))
		}
	}
	return nil
}

// confirm is called with mu held, once everything up to the position is in force.
func (n *news) confirm(at time.Time) {
	n.confirmed.Store(&confirmation{at, n.at})
	n.doubt.Store(nil)
}

func (n *news) refuse() { n.confirmed.Store(nil) }

// upToDate reports whether this process would vouch, and knows of everything that its own verbs have seen.
func (e *Engine) upToDate() bool {
	c := e.news.confirmed.Load()
	return c != nil && e.Fresh() == nil && c.position.Seq >= e.store.Seen()
}

// Fresh reports whether the engine would vouch for a token now, and if not, why.
func (e *Engine) Fresh() error { return e.freshAt(e.now()) }

func (e *Engine) freshAt(now time.Time) error {
	if err := e.news.clock(now); err != nil {
		return err
	}
	if e.news.fresh(now, e.bound) {
		return nil
	}
	return errNoNews
}

// vouching refuses as Unavailable while the engine would not vouch for a token.
func (e *Engine) vouching() error { return notNow(e.Fresh()) }

// onTime is the time, where it is believed, else Unavailable. What goes by the time goes by this reading: the next one may
// be wrong.
func (e *Engine) onTime() (time.Time, error) {
	now := e.now()
	return now, notNow(e.news.clock(now))
}

func notNow(reason error) error {
	if reason == nil {
		return nil
	}
	return &Error{Code: Unavailable, Err: reason, RetryAfter: retryIn()}
}

// Start loads all that makes tokens worse; from then on Verify answers.
func (e *Engine) Start(ctx context.Context) error {
	if err := e.openServiceKeys(ctx); err != nil {
		return err
	}
	e.news.mu.Lock()
	defer e.news.mu.Unlock()
	return e.load(ctx)
}

// load reads everything in force. Bits already set stay set.
func (e *Engine) load(ctx context.Context) error {
	asked := e.now()
	var rest []Entry
	at, err := e.store.Load(ctx, func(x Entry) {
		if x.Kind == EntryGrant {
			e.ended.grants([]int64{x.Grant})
		} else {
			rest = append(rest, x)
		}
	})
	if err != nil {
		return wrap("loading revocations", err)
	}
	lost, err := e.store.Lost(ctx)
	if err != nil {
		return wrap("loading lost grants", err)
	}
	e.ended.lost.Store(&lost)
	if err := e.reloadKeys(ctx); err != nil {
		return err
	}
	e.ended.apply(rest)
	e.holders.clear()
	e.history.forget()
	e.news.at = at
	e.news.confirm(asked)
	e.history.wake()
	return nil
}

// reloadKeys fails the reading of the feed when it fails: a key that was removed must not be believed for longer than
// the bound.
func (e *Engine) reloadKeys(ctx context.Context) error {
	if err := e.keys.Reload(ctx); err != nil {
		return wrap("reading the keys that changed", err)
	}
	return nil
}

// feedBatch is how many entries one read of the feed takes.
const feedBatch = 1000

// CatchUp reads what the feed has had since the last call. A store of another
// epoch, or one that went back, is loaded anew, and nothing is vouched for
// until that is done; nor is it by a clock that the store disbelieves. A store that answers is also told of the rotations whose
// outcome it left open.
func (e *Engine) CatchUp(ctx context.Context) error {
	e.news.mu.Lock()
	defer e.news.mu.Unlock()
	for {
		asked := e.now()
		entries, at, err := e.store.Since(ctx, e.news.at.Seq, feedBatch)
		if errors.Is(err, ErrClock) {
			e.news.doubt.Store(&err)
		}
		if err != nil {
			return wrap("following the feed", err)
		}
		if at.Epoch != e.news.at.Epoch || at.Seq < e.news.at.Seq {
			e.news.refuse()
			e.log.Warn("the store has another history; loading it anew",
				"had", fmt.Sprint(e.news.at), "has", fmt.Sprint(at))
			return e.load(ctx)
		}
		e.ended.apply(entries)
		e.holders.forget(entries)
		if slices.ContainsFunc(entries, func(x Entry) bool { return x.Kind == EntryKeys }) {
			if err := e.reloadKeys(ctx); err != nil {
				return err
			}
		}
		e.news.at = at
		e.history.add(entries, at.Epoch)
		if len(entries) < feedBatch {
			e.news.confirm(asked)
			e.history.wake()
			return e.resolve(ctx, 0)
		}
	}
}

// Follow keeps up with the feed until ctx ends. It waits 100 ms at a time for
// news, of which this process's own comes at once, and reads the feed when
// there was some, and at least every second or quarter of the bound. While
// that fails it says so once a minute.
func (e *Engine) Follow(ctx context.Context) {
	const look = 100 * time.Millisecond
	every := min(time.Second, e.bound/4)
	var last, said time.Time
	for ctx.Err() == nil {
		changed, err := e.store.Changed(ctx, min(look, every))
		if err != nil {
			pause(ctx, look)
		}
		due := e.now().Sub(last) >= every
		if !due && (err != nil || !changed) {
			continue
		}
		last = e.now()
		if err := e.CatchUp(ctx); err != nil && ctx.Err() == nil && last.Sub(said) >= time.Minute {
			said = last
			e.log.Error("following revocations fails", "err", err, "vouching", e.Fresh() == nil)
		}
	}
}

// pause returns after d or with ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
