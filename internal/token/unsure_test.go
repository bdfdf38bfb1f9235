package token_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"symbolon/internal/token"
)

// mute is a store that commits rotations and fails to say so.
type mute struct{ token.Store }

func (m mute) Rotate(ctx context.Context, v token.RotateVerb) (token.Rotated, error) {
	if _, err := m.Store.Rotate(ctx, v); err != nil {
		return token.Rotated{}, err
	}
	return token.Rotated{}, errDown
}

// server is one more engine over the fixture's store, perhaps by another way to it.
func (f *fixture) server(store token.Store) *token.Engine {
	f.t.Helper()
	e := token.New(token.Options{Store: store, Keys: &keys{}, Services: services(), Now: f.clock.now, Log: slog.New(slog.DiscardHandler)})
	check(f.t, e.Start(f.ctx))
	return e
}

// A COMMIT whose outcome is not known is answered as unavailable; who asks again gets the pair that it made, here or at
// another server, and nobody a second successor.
func TestUnknownOutcomeOfRotation(t *testing.T) {
	for name, again := range map[string]func(f *fixture, muted *token.Engine, req token.RefreshRequest) (token.Tokens, error){
		"asked again there": func(f *fixture, muted *token.Engine, req token.RefreshRequest) (token.Tokens, error) {
			return muted.Refresh(f.ctx, token.Caller{}, req)
		},
		"asked again elsewhere, past the window": func(f *fixture, muted *token.Engine, req token.RefreshRequest) (token.Tokens, error) {
			check(f.t, muted.CatchUp(f.ctx))
			f.wait(5 * time.Minute)
			return f.Refresh(f.ctx, token.Caller{}, req)
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			first := f.issue("rot")
			req := token.RefreshRequest{Service: "rot", Token: first.Refresh.Reveal()}
			muted := f.server(mute{f.store})
			_, err := muted.Refresh(f.ctx, token.Caller{}, req)
			wantCode(t, err, token.Unavailable)
			f.clock.add(time.Second)
			var got token.Tokens
			if got, err = again(f, muted, req); name == "asked again there" {
				wantCode(t, err, token.Unavailable) // the way stays mute, so what it made is asked for elsewhere
				got, err = f.Refresh(f.ctx, token.Caller{}, req)
			}
			check(t, err)
			if got.Grant.Generation != 1 {
				t.Errorf("the answer is of generation %d, want 1", got.Grant.Generation)
			}
			f.mustRefresh("rot", got.Refresh.Reveal())
			_, err = f.refresh("rot", first.Refresh.Reveal())
			wantCode(t, err, token.Reused)
		})
	}
}

// A rotation that failed before it was done is not taken for lost when it is done later: its answer arrived.
func TestOutcomeThatWasNothing(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	f.flaky.set(errDown)
	_, err := f.refresh("rot", first.Refresh.Reveal())
	wantCode(t, err, token.Unavailable)
	f.flaky.set(nil)
	f.clock.add(time.Second)
	f.mustRefresh("rot", first.Refresh.Reveal())
	f.wait(5 * time.Minute)
	_, err = f.refresh("rot", first.Refresh.Reveal())
	wantCode(t, err, token.Reused)
}
