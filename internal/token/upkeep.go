package token

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	aliveEvery = 5 * time.Second
	flushEvery = time.Minute
	purgeEvery = 10 * time.Second
	purgeBatch = 2000
)

// Keeper does what a server does by itself: it notes that it runs, ends what was
// replaced, writes last uses and purges. A process that serves has exactly one.
type Keeper struct {
	e       *Engine
	run     int64
	keep    Retention
	clock   clockGuard
	cursor  int64
	purged  time.Time
	flushed time.Time
	tends   func(ctx context.Context, now time.Time) error // what else is done, nil for nothing
	every   time.Duration
}

// Keep notes the start of a server, so that answers a crashed run may have
// lost are known and changed restrictions of a service reach tokens made
// before, and returns its keeper.
func (e *Engine) Keep(ctx context.Context, keep Retention) (*Keeper, error) {
	now := e.now()
	restrictions := map[string]string{}
	for name, svc := range e.services {
		restrictions[name] = fmt.Sprintf("types %q groups %q identity %q attribute %q", svc.Types, svc.Groups, svc.RequireIdentity, svc.RequireAttr)
	}
	run, before, err := e.store.Start(ctx, now, restrictions)
	if err != nil {
		return nil, wrap("noting the start of the server", err)
	}
	if err := e.CatchUp(ctx); err != nil && !errors.Is(err, ErrClock) { // which may be mended while it runs
		return nil, err
	}
	k := &Keeper{e: e, run: run, keep: keep, flushed: now, purged: now}
	if by := k.clock.start(now, before.High, before.Hold); by != 0 {
		k.alarm(by)
	}
	return k, nil
}

// Tend makes Run call do every so often, but never while the clock is not believed: for what changes by time and
// cannot be undone. It is called before Run.
func (k *Keeper) Tend(every time.Duration, do func(ctx context.Context, now time.Time) error) {
	k.tends, k.every = do, every
}

// Run tends the store until ctx ends, then notes an orderly end.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	var more <-chan time.Time
	if k.tends != nil {
		other := time.NewTicker(k.every)
		defer other.Stop()
		more = other.C
	}
	for {
		select {
		case <-ctx.Done():
			k.end(context.WithoutCancel(ctx))
			return
		case <-tick.C:
			k.tend(ctx)
		case <-more:
			k.more(ctx)
		}
	}
}

// more does what the keeper was given to do.
func (k *Keeper) more(ctx context.Context) {
	now := k.look()
	if !k.clock.held() {
		k.check(ctx, "tending the signing keys", k.tends(ctx, now))
	}
}

// look reads the clock and notices its jumps.
func (k *Keeper) look() time.Time {
	now := k.e.now()
	if by := k.clock.observe(now); by != 0 {
		k.alarm(by)
	}
	return now
}

// tend does what is due. A failure is logged and tried again next time.
func (k *Keeper) tend(ctx context.Context) {
	now := k.look()
	k.check(ctx, "noting that the server lives", k.e.store.Alive(ctx, AliveVerb{Run: k.run, Now: now, Hold: k.clock.hold}))
	k.check(ctx, "ending replaced grants", k.e.endReplaced(ctx))
	if now.Sub(k.flushed) >= flushEvery {
		k.flushed = now
		k.check(ctx, "writing last uses", k.e.FlushUses(ctx))
		k.check(ctx, "counting activity", k.e.flushActivity(ctx))
	}
	if now.Sub(k.purged) >= purgeEvery && !k.clock.held() {
		k.purged = now
		k.purge(ctx, now)
		k.e.ended.forget(now)
	}
}

func (k *Keeper) purge(ctx context.Context, now time.Time) {
	next, removed, err := k.e.store.Purge(ctx, PurgeVerb{Now: now, Cursor: k.cursor, Batch: purgeBatch, Retention: k.keep})
	if err != nil {
		k.check(ctx, "purging", err)
		return
	}
	k.cursor = next
	if removed > 0 {
		k.e.log.Info("purged", "rows", removed)
	}
}

// end writes what waits, within a few seconds.
func (k *Keeper) end(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	k.check(ctx, "writing last uses", k.e.FlushUses(ctx))
	k.check(ctx, "counting activity", k.e.flushActivity(ctx))
	k.check(ctx, "noting the end of the server", k.e.store.Alive(ctx, AliveVerb{Run: k.run, Now: k.e.now(), Hold: k.clock.hold, Final: true}))
}

// check logs a failure, unless it is that the server was told to stop in the middle.
func (k *Keeper) check(ctx context.Context, doing string, err error) {
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		k.e.log.Error(doing+" failed", "err", err)
	}
}

func (k *Keeper) alarm(by time.Duration) {
	k.e.log.Error("the clock jumped; nothing is purged and no key rotates for 24 h of running: check the system's time",
		"by", by.Round(time.Second).String())
}
