package token

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrNoPosition means that the feed cannot be continued from a position: it is of another history, from the future,
// or too long ago.
var ErrNoPosition = errors.New("the feed does not go on from there")

// News is a part of the feed for who follows it elsewhere.
type News struct {
	Entries []Entry
	Head    Position        // up to here this server has the feed
	Age     time.Duration   // since it last knew that there is no more
	More    <-chan struct{} // closed when there is more
}

// NewsSince gives the entries after a position, at most limit of them, in order and without holes; from memory where
// it can, else from the store. Unavailable means that this server has no news itself; ErrNoPosition that the follower
// must look anew and go on from Head.
func (e *Engine) NewsSince(ctx context.Context, p Position, limit int) (News, error) {
	more := e.history.changed()
	confirmed, head := e.news.state()
	n := News{Head: head, Age: e.now().Sub(confirmed), More: more}
	switch {
	case e.Fresh() != nil:
		return n, e.vouching()
	case p.Epoch != head.Epoch || p.Seq > head.Seq || p.Seq < 0:
		return n, ErrNoPosition
	case p.Seq == head.Seq:
		return n, nil
	}
	entries, ok := e.history.since(p, head, limit)
	if !ok {
		stored, at, err := e.store.Since(ctx, p.Seq, limit)
		if err != nil {
			return n, wrap("reading the feed for a follower", err)
		}
		if at.Epoch != p.Epoch || len(stored) == 0 {
			return n, ErrNoPosition
		}
		entries = stored
	}
	n.Entries = entries
	return n, nil
}

// historySize is how many entries of the feed are kept for followers, about 100 bytes each.
const historySize = 4096

// history is the last entries of the feed, without holes.
type history struct {
	mu      sync.Mutex
	epoch   int64
	entries []Entry
	fresh   bool // something was added that nobody was told of
	more    chan struct{}
}

func newHistory() *history { return &history{more: make(chan struct{})} }

// changed returns what is closed at the next change.
func (h *history) changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.more
}

// add takes entries that follow the last, of an epoch.
func (h *history) add(entries []Entry, epoch int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if epoch != h.epoch {
		h.epoch, h.entries = epoch, nil
	}
	h.fresh = h.fresh || len(entries) > 0
	h.entries = append(h.entries, entries...)
	if over := len(h.entries) - historySize; over > 0 {
		h.entries = append([]Entry(nil), h.entries[over:]...)
	}
}

// wake tells the followers, once what was added is confirmed. Without anything new it does nothing.
func (h *history) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.fresh {
		return
	}
	h.fresh = false
	close(h.more)
	h.more = make(chan struct{})
}

// forget is for a feed that is loaded anew.
func (h *history) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries, h.fresh = nil, true
}

// since returns the entries after p up to the head; ok is false where they are not all there.
func (h *history) since(p, head Position, limit int) (entries []Entry, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.epoch != p.Epoch || len(h.entries) == 0 || h.entries[0].Seq > p.Seq+1 || h.entries[len(h.entries)-1].Seq < head.Seq {
		return nil, false
	}
	from := int(p.Seq + 1 - h.entries[0].Seq)
	to := min(int(head.Seq+1-h.entries[0].Seq), from+limit)
	return append([]Entry(nil), h.entries[from:to]...), true
}
