package sqlstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"symbolon/internal/token"
)

// held is a statement that ends when it is told to.
type held struct {
	together
	sent chan []int64 // the grants of each statement
	end  chan struct{}
}

func newHeld() *held {
	h := &held{sent: make(chan []int64, 100), end: make(chan struct{})}
	h.send = func(batch []*rotation) {
		var ids []int64
		for _, r := range batch {
			ids = append(ids, r.Grant)
			r.moved.ID = r.Grant
		}
		h.sent <- ids
		<-h.end
	}
	return h
}

// ask rotates a grant and says when, and how, that ended.
func (h *held) ask(ctx context.Context, grant int64) <-chan error {
	out := make(chan error, 1)
	go func() {
		g, err := h.rotate(ctx, token.RotateVerb{Grant: grant})
		if err == nil && g.ID != grant {
			err = errors.New("the outcome of another grant")
		}
		out <- err
	}()
	synctest.Wait()
	return out
}

func TestTogetherShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		first := h.ask(t.Context(), 1)
		if ids := <-h.sent; len(ids) != 1 {
			t.Fatalf("who came alone was sent with %d", len(ids))
		}
		var rest []<-chan error
		for i := range mostTogether + 10 {
			rest = append(rest, h.ask(t.Context(), int64(2+i)))
		}
		if len(h.sent) != 0 {
			t.Fatal("two statements at once")
		}
		close(h.end)
		for _, out := range append(rest, first) {
			if err := <-out; err != nil {
				t.Error(err)
			}
		}
		for _, want := range []int{mostTogether, 10} {
			if ids := <-h.sent; len(ids) != want {
				t.Errorf("%d in a statement, want %d", len(ids), want)
			}
		}
		if err := <-h.ask(t.Context(), 1); err != nil { // and from the beginning
			t.Error(err)
		}
	})
}

func TestTogetherWithdraws(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		ctx, cancel := context.WithCancel(t.Context())
		sent, waits, stays := h.ask(ctx, 1), h.ask(ctx, 2), h.ask(t.Context(), 3)
		cancel()
		if err := <-waits; !errors.Is(err, context.Canceled) {
			t.Errorf("withdrawn: error is %v, want that of the context", err)
		}
		synctest.Wait()
		select {
		case err := <-sent:
			t.Errorf("left a statement that is on its way: %v", err)
		default:
		}
		close(h.end)
		for what, out := range map[string]<-chan error{"sent": sent, "not withdrawn": stays} {
			if err := <-out; err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		<-h.sent
		if ids := <-h.sent; len(ids) != 1 || ids[0] != 3 {
			t.Errorf("then sent %v, want 3 alone", ids)
		}
	})
}

func TestTogetherHasPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeld()
		sent, waits := h.ask(t.Context(), 1), h.ask(t.Context(), 2)
		begin := time.Now()
		if err := <-waits; !errors.Is(err, ErrUnavailable) || time.Since(begin) != patience {
			t.Errorf("after %s: %v, want %v after %s", time.Since(begin), err, ErrUnavailable, patience)
		}
		close(h.end)
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

// Whoever comes at whatever moment is sent once.
func TestTogetherLosesNobody(t *testing.T) {
	var mu sync.Mutex
	times := map[int64]int{}
	h := together{send: func(batch []*rotation) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range batch {
			times[r.Grant]++
		}
	}}
	var wg sync.WaitGroup
	for i := range int64(20) {
		wg.Go(func() {
			for j := range int64(500) {
				if _, err := h.rotate(t.Context(), token.RotateVerb{Grant: i*1000 + j}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(times) != 20*500 {
		t.Errorf("%d were sent, want %d", len(times), 20*500)
	}
	for grant, n := range times {
		if n != 1 {
			t.Errorf("%d was sent %d times", grant, n)
		}
	}
}
