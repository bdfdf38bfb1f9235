package account

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// slow makes each hashing take a second of the bubble's clock and returns the
// most that ran at once.
func slow(h *Hasher) *atomic.Int64 {
	var running, most atomic.Int64
	h.derive = func(_, _ []byte, _ Cost, size int) []byte {
		n := running.Add(1)
		defer running.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(time.Second)
		return make([]byte, size)
	}
	return &most
}

func TestHashingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.hasher.slots = make(chan struct{}, 3)
		most := slow(b.hasher)
		var mu sync.Mutex
		outcomes := map[string]int{}
		var wg sync.WaitGroup
		for i := range 500 {
			wg.Go(func() {
				began := time.Now()
				err := b.try(t, "192.0.2.7", fmt.Sprint("guess", i), wrong)
				outcome := fmt.Sprintf("%v", err)
				if errors.Is(err, ErrBusy) {
					outcome = fmt.Sprintf("busy after %s", time.Since(began))
				}
				mu.Lock()
				defer mu.Unlock()
				outcomes[outcome]++
			})
		}
		wg.Wait()
		if got := most.Load(); got != 3 {
			t.Errorf("%d hashings ran at once, want 3", got)
		}
		mu.Lock()
		defer mu.Unlock()
		if total := outcomes["bad credentials"] + outcomes["busy after 0s"] + outcomes["busy after 10s"]; total != 500 {
			t.Errorf("outcomes %v, want bad credentials and busy alone", outcomes)
		}
		// Three begin at once, and three each second of the ten that the line waits.
		if n := outcomes["bad credentials"]; n < 30 || n > 33 {
			t.Errorf("%d were answered, want 30 to 33", n)
		}
		if n := outcomes["busy after 10s"]; n == 0 || n > lineLength {
			t.Errorf("%d waited in vain, want 1 to %d", n, lineLength)
		}
		if len(b.hasher.line) != 0 || len(b.hasher.slots) != 0 {
			t.Errorf("%d in line and %d in slots at the end, want none", len(b.hasher.line), len(b.hasher.slots))
		}
	})
}

func TestBusySaysWhen(t *testing.T) {
	h := NewHasher(cheap)
	for range lineLength {
		h.line <- struct{}{}
	}
	_, err := h.Hash(t.Context(), right)
	var got *Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v, want an *Error", err)
	}
	want := &Error{Kind: Busy, RetryAfter: 10 * time.Second, Text: "too many passwords are being checked; try again in a moment"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWaiterThatHangsUpLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(cheap)
		for range cap(h.slots) {
			h.slots <- struct{}{}
		}
		ctx, hangUp := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := h.Hash(ctx, right)
			done <- err
		}()
		synctest.Wait()
		if len(h.line) != 1 {
			t.Errorf("%d in line, want 1", len(h.line))
		}
		hangUp()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		if len(h.line) != 0 {
			t.Errorf("%d in line, want 0", len(h.line))
		}
	})
}
