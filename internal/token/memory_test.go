package token

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestBits(t *testing.T) {
	e := newEnded()
	ids := []int64{1, 63, 64, blockBits - 1, blockBits, 1<<32 + 5}
	e.grants(ids)
	for _, id := range ids {
		if !e.has(id) {
			t.Errorf("%d is not set", id)
		}
		if e.has(id + 1000) {
			t.Errorf("%d is set", id+1000)
		}
	}
	if !e.has(-1) {
		t.Error("a grant below zero passes")
	}
}

// Many set bits of new blocks at once; none may be lost to a copy of the table.
func TestBitsFromManyGoroutines(t *testing.T) {
	e := newEnded()
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 64 {
				e.grants([]int64{int64(i*16+g) * blockBits})
			}
		})
	}
	wg.Wait()
	for i := range 16 * 64 {
		if !e.has(int64(i) * blockBits) {
			t.Fatalf("bit %d was lost", i)
		}
	}
}

func TestMarksMoveForwardOnly(t *testing.T) {
	e := newEnded()
	late, early := noon, noon.Add(-time.Hour)
	e.apply([]Entry{
		{Kind: EntryStale, Grant: 7, At: late}, {Kind: EntryStale, Grant: 7, At: early},
		{Kind: EntryCutoff, Service: "s", Name: "n", At: late, Until: late.Add(time.Hour)},
		{Kind: EntryCutoff, Service: "s", Name: "n", At: early, Until: early},
		{Kind: EntryNotBefore, Service: "s", At: late}, {Kind: EntryNotBefore, Service: "s", At: early},
	})
	if !e.stale("s", 7, late, 0) || e.stale("s", 7, late.Add(time.Second), 0) || !e.stale("s", 7, late.Add(time.Second), time.Minute) || e.stale("s", 8, early, 0) {
		t.Error("stale is wrong")
	}
	if !e.cutoff("s", "n").Equal(late) || !e.cutoff("s", "m").IsZero() {
		t.Error("cutoff is wrong")
	}
	if !e.beforeEpoch("s", late.Add(-time.Second)) || e.beforeEpoch("s", late) || e.beforeEpoch("other", early) {
		t.Error("not before is wrong")
	}
	e.apply([]Entry{{Kind: EntryNotBefore, At: late}})
	if !e.beforeEpoch("other", early) {
		t.Error("the installation's not_before does not count for every service")
	}
	e.forget(late.Add(time.Hour))
	if e.cutoff("s", "n").IsZero() {
		t.Error("a cut-off was forgotten before its time")
	}
	e.forget(late.Add(2 * time.Hour))
	if !e.cutoff("s", "n").IsZero() {
		t.Error("a cut-off was kept for ever")
	}
}

func TestCacheIsBoundedAndKeyedByAll(t *testing.T) {
	c := newCache()
	seen := map[[32]byte]bool{}
	for _, k := range [][32]byte{c.key("a", "bc", 1), c.key("ab", "c", 1), c.key("a", "bc", 2), c.key("a", "bd", 1)} {
		if seen[k] {
			t.Error("two tokens share a place")
		}
		seen[k] = true
	}
	for i := range 5 * cacheSize {
		c.put([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, Claims{Grant: int64(i)}, 1)
	}
	if n := len(c.new) + len(c.old); n > 2*cacheSize {
		t.Errorf("%d entries", n)
	}
	last := 5*cacheSize - 1
	if v, ok := c.get([32]byte{byte(last), byte(last >> 8), byte(last >> 16)}); !ok || v.Grant != int64(last) {
		t.Error("the newest entry is gone")
	}
	c.put([32]byte{1}, Claims{Grant: 7}, 2)
	if n := len(c.new) + len(c.old); n != 1 {
		t.Errorf("%d entries after a change of keys, of which one can be reached", n)
	}
}

func TestUsesAreBounded(t *testing.T) {
	u := newUses()
	for i := range maxUses + 100 {
		u.add(int64(i), noon, "")
	}
	u.add(3, noon.Add(time.Second), "192.0.2.3")
	all := u.take()
	if len(all) != maxUses || len(u.take()) != 0 {
		t.Errorf("%d uses", len(all))
	}
	for _, w := range all {
		if w.Grant == 3 && (w.Count != 2 || w.Addr != "192.0.2.3" || !w.At.Equal(noon.Add(time.Second))) {
			t.Errorf("got %+v", w)
		}
	}
}

func TestClockGuardAtStart(t *testing.T) {
	for name, c := range map[string]struct {
		high  time.Time
		hold  time.Duration // stored
		alarm bool
		held  time.Duration
	}{
		"first start ever":    {time.Time{}, 0, false, 0},
		"a minute of rest":    {noon.Add(-time.Minute), 0, false, 0},
		"a week-end of rest":  {noon.Add(-3 * 24 * time.Hour), 0, false, clockHold},
		"a year ahead":        {noon.Add(-365 * 24 * time.Hour), 0, true, clockHold},
		"a little behind":     {noon.Add(30 * time.Second), 0, false, 0},
		"an hour behind":      {noon.Add(time.Hour), 0, true, clockHold},
		"again, hours later":  {noon.Add(-5 * time.Hour), 7 * time.Hour, false, 7 * time.Hour},
		"soon after an alarm": {noon.Add(-time.Second), 7 * time.Hour, false, 7 * time.Hour},
	} {
		var g clockGuard
		if by := g.start(noon, c.high, c.hold); (by != 0) != c.alarm || g.hold != c.held {
			t.Errorf("%s: jumped by %v, holds %v", name, by, g.hold)
		}
	}
}

// The holding time is of running, and a restart goes on with what is left.
func TestClockGuardRunsOut(t *testing.T) {
	var g clockGuard
	g.start(noon, noon.Add(-time.Hour), 0)
	for range 23 {
		g.observe(g.last.Add(time.Hour))
	}
	if g.hold != time.Hour {
		t.Errorf("holds %v after 23 h", g.hold)
	}
	g.start(g.last.Add(time.Second), noon.Add(-time.Hour), g.hold)
	g.observe(g.last.Add(time.Hour))
	if g.held() {
		t.Errorf("holds %v after 24 h", g.hold)
	}
}

// quiet is a store that notes what upkeep asks of it.
type quiet struct {
	Store
	mu     sync.Mutex
	calls  []string
	touch  []Use
	cursor []int64
	fail   error
	hold   time.Duration
}

func (q *quiet) note(s string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, s)
	return q.fail
}

func (q *quiet) Touch(_ context.Context, u []Use) error {
	q.mu.Lock()
	q.touch = append(q.touch, u...)
	q.mu.Unlock()
	return q.note("touch")
}

func (q *quiet) Purge(_ context.Context, v PurgeVerb) (int64, int, error) {
	q.mu.Lock()
	q.cursor = append(q.cursor, v.Cursor)
	q.mu.Unlock()
	return v.Cursor + 10, 1, q.note("purge")
}

func (q *quiet) EndReplaced(context.Context, Caller, time.Time) (Ended, error) { return Ended{}, nil }

func (q *quiet) Since(context.Context, int64, int) ([]Entry, Position, error) {
	return nil, Position{}, nil
}

func (q *quiet) Start(context.Context, time.Time, map[string]string) (int64, ClockState, error) {
	return 1, ClockState{High: noon.Add(-1000 * time.Hour * 1000)}, q.note("start")
}

func (q *quiet) Alive(_ context.Context, v AliveVerb) error {
	q.mu.Lock()
	q.hold = v.Hold
	q.mu.Unlock()
	if v.Final {
		return q.note("final")
	}
	return q.note("alive")
}

func (q *quiet) count(s string) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range q.calls {
		if c == s {
			n++
		}
	}
	return n
}

// TestKeeperToldToStop: what the stop of a server breaks off is no error, and a stop that cannot be noted in time is one.
func TestKeeperToldToStop(t *testing.T) {
	var log lines
	e := New(Options{Store: &quiet{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	k := &Keeper{e: e}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	k.check(stopped, "purging", context.Canceled)
	if log.String() != "" {
		t.Errorf("a stop in good order logs %s", log.String())
	}
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	k.check(late, "noting the end of the server", context.DeadlineExceeded)
	if !strings.Contains(log.String(), "noting the end of the server failed") {
		t.Error("an end that was not noted goes unsaid")
	}
}

func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &quiet{}
		var log lines
		e := New(Options{Store: q, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))})
		k, err := e.Keep(t.Context(), Retention{AuditKeep: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		var tended atomic.Int64
		k.Tend(time.Second, func(context.Context, time.Time) error { tended.Add(1); return nil })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.Run(ctx) }()
		e.uses.add(5, time.Now(), "")
		time.Sleep(62 * time.Second)
		synctest.Wait()
		if q.count("alive") != 12 || q.count("touch") != 1 || len(q.touch) != 1 {
			t.Errorf("in a minute: %v", q.calls)
		}
		if q.hold < 23*time.Hour {
			t.Errorf("the hold of %v is not stored", q.hold)
		}
		// The stored time lies more than a week back, which may be a clock that jumped.
		if q.count("purge") != 0 || !strings.Contains(log.String(), "the clock jumped") {
			t.Errorf("purged after a jump of the clock: %v %s", q.calls, log.String())
		}
		if n := tended.Load(); n != 0 {
			t.Errorf("keys were tended %d times after a jump of the clock", n)
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if q.count("purge") == 0 || q.cursor[1] != q.cursor[0]+10 {
			t.Errorf("a day later: %d purges, cursors %v", q.count("purge"), q.cursor[:min(3, len(q.cursor))])
		}
		if n := tended.Load(); n < 3000 || n > 3700 {
			t.Errorf("keys were tended %d times in the hour since", n)
		}
		q.mu.Lock()
		q.fail = errors.New("the disk is full")
		q.mu.Unlock()
		e.uses.add(6, time.Now(), "")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !strings.Contains(log.String(), "the disk is full") {
			t.Error("a failing store goes unsaid")
		}
		stop()
		<-done
		if q.count("final") != 1 {
			t.Error("no orderly end")
		}
	})
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestCodesHaveNames(t *testing.T) {
	for _, c := range Codes() {
		if c.String() == "" || strings.HasPrefix(c.String(), "code ") {
			t.Errorf("code %d has no name", int(c))
		}
	}
	if CodeOf(errors.New("x")) != Unavailable || CodeOf(nil) != 0 {
		t.Error("an unknown error is not Unavailable")
	}
	if err := Refuse(Reused, "because %d", 7); err.Error() != "reused: because 7" {
		t.Errorf("got %q", err)
	}
}
