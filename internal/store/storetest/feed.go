package storetest

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/token"
)

var feedTests = map[string]func(*kit){
	"FeedFollowedWithoutHoles": feedFollowed,
	"FeedLimit":                feedLimit,
	"FeedLoad":                 feedLoad,
	"FeedChanged":              feedChanged,
	"FeedChangedHere":          feedChangedHere,
	"FeedSeen":                 feedSeen,
	"FeedAppenderStaysOpen":    feedAppenderStaysOpen,
}

// load returns what is in force.
func (k *kit) load() (all []token.Entry) {
	k.Helper()
	_, err := k.Load(ctx, func(e token.Entry) { all = append(all, e) })
	k.must(err)
	return all
}

// head is the number of the last entry.
func (k *kit) head() int64 {
	k.Helper()
	at, err := k.Load(ctx, func(token.Entry) {})
	k.must(err)
	return at.Seq
}

// A follower sees every entry once and in order, also while appenders stay open between their entry and their commit.
func feedFollowed(k *kit) {
	const writers, each = 10, 10
	var grants [writers * each]token.Grant
	for i := range grants { // each of an account of its own, so that only the feed keeps them waiting
		grants[i] = k.issue(token.Application, "samples", k.robot(name("robot", i)))
	}
	var n atomic.Int64
	k.failWith(func(op string) error {
		if strings.HasPrefix(op, "exec INSERT INTO feed") {
			if n.Add(1)%20 == 1 {
				time.Sleep(5 * time.Millisecond)
			}
		}
		return nil
	})
	done := make(chan struct{})
	var follower sync.WaitGroup
	var seen []int64
	follower.Go(func() { seen = k.follow(done) })
	together(writers, func(w int) {
		for i := range each {
			if _, err := k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Grant: grants[w*each+i].ID}); err != nil {
				k.Error(err)
			}
		}
	})
	close(done)
	follower.Wait()
	slices.Sort(seen)
	want := make([]int64, len(grants))
	for i, g := range grants {
		want[i] = g.ID
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		k.Errorf("revoked and seen (-revoked +seen):\n%s", diff)
	}
}

// One appender stays open between its first entry and its commit while a hundred others want to commit: three followers,
// each over a store of its own, end with every entry.
func feedAppenderStaysOpen(k *kit) {
	const others = 100
	ada := k.robot("ada")
	key := k.issue(token.APIKey, "", ada)
	child := k.verb(token.Session, "samples", ada)
	child.Grant.Parent = key.ID
	k.issueVerb(child)
	var grants [others]token.Grant
	for i := range grants { // each of an account of its own, so that only the feed keeps them waiting
		grants[i] = k.issue(token.Application, "samples", k.robot(name("other", i)))
	}
	inserted := make(chan struct{})
	var n atomic.Int64
	k.failWith(func(op string) error {
		// The counter is held from the first entry on, so the second is the same verb's.
		if strings.HasPrefix(op, "exec INSERT INTO feed") && n.Add(1) == 2 {
			close(inserted)
			time.Sleep(500 * time.Millisecond)
		}
		return nil
	})
	done := make(chan struct{})
	var followers, appenders sync.WaitGroup
	var seen [3][]int64
	for i := range seen {
		store := k.beside()
		followers.Go(func() { seen[i] = k.followOn(store, done) })
	}
	revoke := func(g token.Grant) {
		var err error
		for range 10 { // a slow machine may have no connection for so many at once
			_, err = k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Grant: g.ID})
			if token.CodeOf(err) != token.Unavailable {
				break
			}
		}
		if err != nil {
			k.Error(err)
		}
	}
	appenders.Go(func() { revoke(key) })
	<-inserted
	for _, g := range grants {
		appenders.Go(func() { revoke(g) })
	}
	appenders.Wait()
	close(done)
	followers.Wait()
	for i := range seen {
		slices.Sort(seen[i])
		bits := slices.DeleteFunc(slices.Compact(seen[i]), func(grant int64) bool { return grant == 0 }) // no grant's
		equal(k, "grants that a follower saw end", len(bits), others+2)
	}
}

// follow reads the feed until it has been quiet since done, and returns the grants it saw end.
func (k *kit) follow(done <-chan struct{}) (seen []int64) { return k.followOn(k, done) }

func (k *kit) followOn(store Store, done <-chan struct{}) (seen []int64) {
	var at token.Position
	for last := false; ; {
		select {
		case <-done:
			last = true
		default:
		}
		entries, next, err := store.Since(ctx, at.Seq, 3)
		if err != nil {
			k.Error(err)
			return nil
		}
		for i, e := range entries {
			if e.Seq != at.Seq+int64(i)+1 {
				k.Errorf("entry %d follows %d", e.Seq, at.Seq+int64(i))
			}
			seen = append(seen, e.Grant)
		}
		at = next
		if last && len(entries) == 0 {
			return seen
		}
	}
}

func feedLimit(k *kit) {
	_, at, err := k.Since(ctx, 0, 0)
	k.must(err)
	equal(k, "position of a new store", at, token.Position{Epoch: 1})
	ada := k.person("ada")
	for range 3 {
		k.issue(token.Pair, "samples", ada)
	}
	k.revoke(token.RevokeVerb{Account: ada, Service: "samples"})
	entries, at, err := k.Since(ctx, 0, 2)
	k.must(err)
	equal(k, "entries", len(entries), 2)
	equal(k, "position of the last", at.Seq, 2)
	entries, at, err = k.Since(ctx, 2, 2)
	k.must(err)
	equal(k, "entries", len(entries), 1)
	equal(k, "position of the last", at.Seq, 3)
	entries, at, err = k.Since(ctx, 9, 2) // a follower of another history sees a head below its own
	k.must(err)
	equal(k, "entries", len(entries), 0)
	equal(k, "position of the head", at.Seq, 3)
}

func feedLoad(k *kit) {
	ada := k.person("ada")
	revoked, kept := k.issue(token.Pair, "samples", ada), k.issue(token.Pair, "samples", ada)
	k.revoke(token.RevokeVerb{Grant: revoked.ID})
	at, err := k.Load(ctx, func(e token.Entry) {
		if e.Kind != token.EntryGrant || e.Grant != revoked.ID {
			k.Errorf("loaded %+v", e)
		}
	})
	k.must(err)
	equal(k, "position", at, token.Position{Epoch: 1, Seq: 1})
	attr := map[string]string{"samples.user_codes": "ABC"}
	k.setAttrs("ada", attr)
	want := []token.Entry{
		{Kind: token.EntryGrant, Grant: revoked.ID},
		{Kind: token.EntryStale, Grant: kept.ID, At: k.now()},
	}
	if diff := cmp.Diff(want, k.load()); diff != "" {
		k.Errorf("loaded (-want +got):\n%s", diff)
	}
	k.setAttrs("ada", attr) // the same again is no change
	equal(k, "feed entries", len(k.entries()), 2)
}

func feedChanged(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	other := k.beside()
	_, err := k.Changed(ctx, time.Second)
	k.must(err)
	_, err = other.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Grant: g.ID})
	k.must(err)
	changed, err := k.Changed(ctx, 5*time.Second)
	k.must(err)
	equal(k, "changed after another process revoked", changed, true)
}

// feedSeen: whoever is issued a grant here, or comes with a key, comes after all that the process then knows to be there.
func feedSeen(k *kit) {
	ada := k.person("ada")
	v := k.verb(token.APIKey, "", ada)
	v.SecretHash = make([]byte, 32)
	key := k.issueVerb(v).Grant
	other := k.beside()
	end := func() int64 {
		g := k.issue(token.Pair, "samples", ada)
		before := k.Seen()
		_, err := other.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Grant: g.ID})
		k.must(err)
		_, head, err := k.Since(ctx, 0, 0)
		k.must(err)
		if head.Seq <= before || k.Seen() != before {
			k.Fatalf("the feed is at %d, seen were %d and %d: the test shows nothing", head.Seq, before, k.Seen())
		}
		return head.Seq
	}
	head := end()
	k.issue(token.Pair, "samples", ada)
	equal(k, "seen after a grant was issued", k.Seen(), head)
	head = end()
	g, err := k.KeyBySecret(ctx, [32]byte{})
	k.must(err)
	equal(k, "grant of the key", g.ID, key.ID)
	equal(k, "seen after a key was read", k.Seen(), head)
}

// feedChangedHere: what a process appends itself it hears of at once, and knows the number of.
func feedChangedHere(k *kit) {
	equal(k, "seen before anything", k.Seen(), int64(0))
	g := k.issue(token.Pair, "samples", k.person("ada"))
	for changed := true; changed; { // until there is quiet
		var err error
		changed, err = k.Changed(ctx, 50*time.Millisecond)
		k.must(err)
	}
	k.revoke(token.RevokeVerb{By: operator, Grant: g.ID})
	_, head, err := k.Since(ctx, 0, 0)
	k.must(err)
	equal(k, "seen after a revocation here", k.Seen(), head.Seq)
	begin := time.Now()
	changed, err := k.Changed(ctx, time.Minute)
	k.must(err)
	equal(k, "changed after a revocation here", changed, true)
	if took := time.Since(begin); took > 10*time.Second {
		k.Errorf("it was heard of after %s", took)
	}
}

// beside opens the store a second time, as another process would.
func (k *kit) beside() Store {
	k.Helper()
	other := k.engine.Open(k.T, k.opts)
	k.Cleanup(func() { k.must(other.Close()) })
	return other
}
