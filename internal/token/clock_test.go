package token_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// steppable is the system's clock, which can be set without its monotonic reading.
type steppable struct{ seconds atomic.Int64 }

func (c *steppable) now() time.Time {
	t := time.Now()
	wall := (*uint64)(unsafe.Pointer(&t)) // its first word: seconds above 30 bits of nanoseconds
	*wall += uint64(c.seconds.Load()) << 30
	return t
}

func (c *steppable) step(d time.Duration) { c.seconds.Add(int64(d / time.Second)) }

// doubting is a store that disbelieves the clock while told to.
type doubting struct {
	token.Store
	doubts atomic.Bool
}

func (d *doubting) Since(ctx context.Context, seq int64, limit int) ([]token.Entry, token.Position, error) {
	if d.doubts.Load() {
		return nil, token.Position{}, fmt.Errorf("%w: it is wrong", token.ErrClock)
	}
	return d.Store.Since(ctx, seq, limit)
}

// timed are what goes by the time.
var timed = map[string]func(f *fixture, e *token.Engine, t token.Tokens, key secret.Text) error{
	"verify": func(f *fixture, e *token.Engine, t token.Tokens, _ secret.Text) error {
		_, err := e.Verify(f.ctx, "rot", t.Access.Reveal(), token.Access)
		return err
	},
	"refresh": func(f *fixture, e *token.Engine, t token.Tokens, _ secret.Text) error {
		_, err := e.Refresh(f.ctx, token.Caller{}, token.RefreshRequest{Service: "rot", Token: t.Refresh.Reveal(), RetryKey: "same"})
		return err
	},
	"issue": func(f *fixture, e *token.Engine, _ token.Tokens, _ secret.Text) error {
		_, err := e.Issue(f.ctx, token.Operator(), token.IssueRequest{Service: "rot", Kind: token.Pair, Account: f.ann})
		return err
	},
	"exchange": func(f *fixture, e *token.Engine, _ token.Tokens, key secret.Text) error {
		_, err := e.Exchange(f.ctx, token.Caller{}, "ext", key)
		return err
	},
	"make key": func(f *fixture, e *token.Engine, _ token.Tokens, _ secret.Text) error {
		_, _, err := e.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Label: "x", To: time.Now().Add(1000 * time.Hour)})
		return err
	},
	"open browser": func(f *fixture, e *token.Engine, _ token.Tokens, _ secret.Text) error {
		_, _, err := e.OpenBrowser(f.ctx, token.Caller{}, f.ann, "password")
		return err
	},
}

// TestClockNotBelieved: what goes by the time is unavailable while the store disbelieves the clock, or it has stepped since
// the last look at the store; what ends tokens is not.
func TestClockNotBelieved(t *testing.T) {
	f := newFixture(t)
	clock, store := &steppable{}, &doubting{Store: f.store}
	e := token.New(token.Options{Store: store, Keys: &keys{}, Services: services(), Now: clock.now, Log: slog.New(slog.DiscardHandler)})
	check(t, e.Start(f.ctx))
	pair, err := e.Issue(f.ctx, token.Operator(), token.IssueRequest{Service: "rot", Kind: token.Pair, Account: f.ann})
	check(t, err)
	key, _, err := e.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Label: "k", To: time.Now().Add(1000 * time.Hour)})
	check(t, err)
	try := func(when string, believed bool) {
		t.Helper()
		for what, do := range timed {
			err := do(f, e, pair, key)
			if believed && errors.Is(err, token.ErrClock) {
				t.Errorf("%s: %s gets %v", when, what, err)
			}
			var refused *token.Error
			if !believed && (!errors.Is(err, token.ErrClock) || !errors.As(err, &refused) || refused.Code != token.Unavailable || refused.RetryAfter == 0) {
				t.Errorf("%s: %s gets %v, want %v, unavailable, with a time to retry after", when, what, err, token.ErrClock)
			}
		}
		if got := errors.Is(e.Fresh(), token.ErrClock); got == believed {
			t.Errorf("%s: fresh says %v", when, e.Fresh())
		}
	}
	try("at first", true)
	for _, d := range []time.Duration{time.Hour, -time.Hour, -2 * time.Minute} {
		clock.step(d)
		try("stepped by "+d.String(), false)
		clock.step(-d)
		try("back again", true)
	}
	clock.step(30 * time.Second)
	try("corrected by half a minute", true)
	store.doubts.Store(true)
	if err := e.CatchUp(f.ctx); !errors.Is(err, token.ErrClock) {
		t.Errorf("catching up gives %v", err)
	}
	try("disbelieved", false)
	if _, err := e.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: pair.Grant.ID}); err != nil {
		t.Errorf("revoking gives %v", err)
	}
	store.doubts.Store(false)
	check(t, e.CatchUp(f.ctx))
	try("believed again", true)
	if _, err := e.Verify(f.ctx, "rot", pair.Access.Reveal(), token.Access); token.CodeOf(err) != token.Revoked {
		t.Errorf("what was revoked meanwhile gets %v", err)
	}
}
