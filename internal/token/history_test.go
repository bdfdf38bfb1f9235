package token_test

import (
	"errors"
	"testing"
	"time"

	"symbolon/internal/token"
)

// seqs are the numbers of entries.
func seqs(n token.News) (all []int64) {
	for _, x := range n.Entries {
		all = append(all, x.Seq)
	}
	return all
}

// newsAfter wants the entries after a number of the present epoch, read without holes.
func (f *fixture) newsAfter(seq int64, limit int) token.News {
	f.t.Helper()
	n, err := f.NewsSince(f.ctx, token.Position{Epoch: 1, Seq: seq}, limit)
	check(f.t, err)
	for i, got := range seqs(n) {
		if got != seq+int64(i)+1 {
			f.t.Fatalf("after %d came %v", seq, seqs(n))
		}
	}
	return n
}

// revokeNew makes and ends n grants.
func (f *fixture) revokeNew(n int) {
	f.t.Helper()
	for range n {
		_, err := f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: f.issue("ext").Grant.ID})
		check(f.t, err)
	}
}

// ends counts the grants that end in the news.
func ends(n token.News) (count int) {
	for _, x := range n.Entries {
		if x.Kind == token.EntryGrant {
			count++
		}
	}
	return count
}

func TestNewsSince(t *testing.T) {
	f := newFixture(t)
	start := f.newsAfter(0, 100).Head.Seq
	f.revokeNew(3)
	idle := f.newsAfter(start, 100)
	if len(idle.Entries) != 0 {
		t.Errorf("news that this server has not followed: %v", seqs(idle))
	}
	f.wait(time.Second)
	select {
	case <-idle.More:
	default:
		t.Error("a follower was not told")
	}
	n := f.newsAfter(start, 100)
	head := n.Head.Seq
	if ends(n) != 3 || head != start+int64(len(n.Entries)) || n.Age != 0 {
		t.Errorf("%v, head %v, age %v", seqs(n), n.Head, n.Age)
	}
	for _, x := range n.Entries {
		if x.Kind == token.EntryGrant && (x.Grant == 0 || x.Service != "ext") {
			t.Errorf("%+v", x)
		}
	}
	if n := f.newsAfter(start, 2); len(n.Entries) != 2 {
		t.Errorf("limit 2: %v", seqs(n))
	}
	if n := f.newsAfter(head-1, 100); len(n.Entries) != 1 {
		t.Errorf("the last alone: %v", seqs(n))
	}
	for _, p := range []token.Position{{}, {Epoch: 2, Seq: 1}, {Epoch: 1, Seq: head + 1}, {Epoch: 1, Seq: -1}, {Epoch: -1}} {
		if n, err := f.NewsSince(f.ctx, p, 100); !errors.Is(err, token.ErrNoPosition) || n.Head.Seq != head {
			t.Errorf("from %v: %v, head %v", p, err, n.Head)
		}
	}
	f.clock.add(time.Minute)
	_, err := f.NewsSince(f.ctx, token.Position{Epoch: 1, Seq: start}, 100)
	wantCode(t, err, token.Unavailable)
}

// TestNewsOfBeforeTheStart are read from the store: a follower comes back to a server that was restarted.
func TestNewsOfBeforeTheStart(t *testing.T) {
	f := newFixture(t)
	start := f.newsAfter(0, 100).Head.Seq
	f.revokeNew(5)
	f.open()
	restart := f.newsAfter(start, 100)
	if ends(restart) != 5 {
		t.Errorf("after a restart: %v", seqs(restart))
	}
	f.revokeNew(2)
	f.wait(time.Second)
	if n := f.newsAfter(start, 100); ends(n) != 7 {
		t.Errorf("from store and memory: %v", seqs(n))
	}
	if n := f.newsAfter(restart.Head.Seq, 100); ends(n) != 2 {
		t.Errorf("from memory: %v", seqs(n))
	}
}
