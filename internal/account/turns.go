package account

import (
	"context"
	"sync"
)

// turns lets one caller at a time through for each key, so that guesses sent at once
// are counted like guesses sent in turn. The zero value is ready.
type turns struct {
	mu   sync.Mutex
	keys map[string]*turn
}

type turn struct {
	slot   chan struct{}
	people int // that hold it or wait for it
}

// enter waits for the key's turn; whoever gets it must call leave.
func (t *turns) enter(ctx context.Context, key string) (leave func(), err error) {
	busy := &Error{Kind: Busy, Text: "too many sign-ins of one name; try again in a moment", RetryAfter: lineWait}
	own := t.join(key)
	if own == nil {
		return nil, busy
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lineWait, busy)
	defer cancel()
	select {
	case own.slot <- struct{}{}:
		return func() {
			<-own.slot
			t.part(key, own)
		}, nil
	case <-ctx.Done():
		t.part(key, own)
		return nil, context.Cause(ctx)
	}
}

// join returns nil when the line is full.
func (t *turns) join(key string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil {
		t.keys = map[string]*turn{}
	}
	own := t.keys[key]
	if own == nil {
		own = &turn{slot: make(chan struct{}, 1)}
		t.keys[key] = own
	}
	if own.people > lineLength {
		return nil
	}
	own.people++
	return own
}

func (t *turns) part(key string, own *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if own.people--; own.people == 0 {
		delete(t.keys, key)
	}
}
