package storetest

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var nodeTests = map[string]func(*kit){
	"NodesNamed":           nodesNamed,
	"NodeThatLives":        nodeThatLives,
	"NodeFallenSilent":     nodeFallenSilent,
	"NodesCountFailures":   nodesCountFailures,
	"NodesGuessedAtOnce":   nodesGuessedAtOnce,
	"NodesPurgeOneAtATime": nodesPurgeOneAtATime,
	"NodesPurgeAtOnce":     nodesPurgeAtOnce,
	"NodesClockApart":      nodesClockApart,
	"NodeApartIsToldSo":    nodeApartIsToldSo,
	"NodeBehindCutsAll":    nodeBehindCutsAll,
}

// nodes is what a store of servers has beside the rest.
type nodes interface {
	Store
	ServeAs(sqlstore.Node)
	Shared() bool
	Nodes(context.Context) ([]sqlstore.Node, error)
}

// node opens the store as a server of that name does, and starts its run.
func (k *kit) node(name string) (nodes, int64) {
	k.Helper()
	n := k.beside().(nodes)
	n.ServeAs(sqlstore.Node{Name: name, Version: "1", Fingerprint: "f"})
	run, _, err := n.Start(ctx, k.now(), nil)
	k.must(err)
	return n, run
}

// apart opens the store as a server whose clock is off by d, and starts its run.
func (k *kit) apart(d time.Duration) (nodes, int64) {
	k.Helper()
	before := k.opts
	defer func() { k.opts = before }()
	k.opts.Now, k.opts.Clock = func() time.Time { return k.now().Add(d) }, k.now
	return k.node("apart")
}

// A server whose clock is far from the database's is told so by its every look at the feed, and gives signs of life.
func nodeApartIsToldSo(k *kit) {
	if one, _ := k.node("one"); !one.Shared() {
		return // a file has no clock of its own
	}
	for _, d := range []time.Duration{-time.Hour, -2 * time.Minute, 2 * time.Minute, time.Hour} {
		n, run := k.apart(d)
		for range 2 {
			if _, _, err := n.Since(ctx, 0, 0); !errors.Is(err, token.ErrClock) || token.CodeOf(err) != token.Unavailable {
				k.Errorf("%s apart, the feed is read with %v, want %v", d, err, token.ErrClock)
			}
		}
		all, err := n.Nodes(ctx)
		k.must(err)
		for _, other := range all {
			if other.Run == run && (other.ClockOffset != d || !other.Skewed() || !other.Live()) {
				k.Errorf("%s apart, it is listed as %+v", d, other)
			}
		}
	}
	near, _ := k.apart(30 * time.Second)
	_, _, err := near.Since(ctx, 0, 0)
	k.must(err)
}

// What is ended through a server whose clock is behind ends all that other servers have made.
func nodeBehindCutsAll(k *kit) {
	if one, _ := k.node("one"); !one.Shared() {
		return // a file has no clock of its own
	}
	behind, _ := k.apart(-time.Hour)
	ada, bob := k.person("ada"), k.person("bob")
	k.issue(token.Session, "ecology", ada)
	g := k.issue(token.Session, "ecology", bob)
	early := k.now().Add(-time.Hour)
	ended, err := behind.Revoke(ctx, token.RevokeVerb{By: operator, Now: early, Account: ada})
	k.must(err)
	if len(ended.Cutoffs) != 1 || ended.Cutoffs[0].At.Before(k.now()) {
		k.Errorf("cut off %+v, want the name up to %s", ended.Cutoffs, k.now())
	}
	kind := account.Application
	_, err = behind.SetAccount(ctx, account.SetVerb{By: by, Now: early, Name: "bob", Type: &kind})
	k.must(err)
	equal(k, "stale entries", k.inFeed(func(e token.Entry) bool {
		return e.Kind == token.EntryStale && e.Grant == g.ID && !e.At.Before(k.now())
	}), 1)
	_, err = behind.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: early})
	k.must(err)
	for _, e := range k.load() {
		if e.Kind == token.EntryNotBefore && e.At.Before(k.now()) {
			k.Errorf("the epoch begins %s early", k.now().Sub(e.At))
		}
	}
}

func nodesNamed(k *kit) {
	one, run := k.node("one")
	k.must(one.Alive(ctx, token.AliveVerb{Run: run, Now: k.now()}))
	_, _, err := one.Since(ctx, 0, 0)
	k.must(err)
	k.pass(5 * time.Second)
	all, err := one.Nodes(ctx)
	k.must(err)
	want := sqlstore.Node{Run: run, Name: "one", Version: "1", Fingerprint: "f", Silent: 5 * time.Second}
	if len(all) != 1 || all[0] != want || !all[0].Live() {
		k.Errorf("nodes are %+v, want %+v alone, live", all, want)
	}
	k.must(one.Alive(ctx, token.AliveVerb{Run: run, Now: k.now(), Final: true}))
	all, err = one.Nodes(ctx)
	k.must(err)
	equal(k, "nodes after an orderly end", len(all), 0)
}

// Where several servers share a store, the start of one says nothing of another that lives.
func nodeThatLives(k *kit) {
	one, run := k.node("one")
	if !one.Shared() {
		return // a second server cannot start
	}
	g := k.issue(token.Pair, "samples", k.person("ada"))
	_, _, err := one.Since(ctx, 0, 0)
	k.must(err)
	_, err = one.Rotate(ctx, k.present(g, 0))
	k.must(err)
	k.node("two")
	k.must(one.Alive(ctx, token.AliveVerb{Run: run, Now: k.now()}))
	k.pass(2 * time.Minute)
	k.rotate(g, 0, token.RotateReused) // its answer was not lost
}

// A server that falls silent has crashed, for what it rotated itself; one that comes back has not.
func nodeFallenSilent(k *kit) {
	one, run := k.node("one")
	if !one.Shared() {
		return // a second server cannot start
	}
	two, run2 := k.node("two")
	ada := k.person("ada")
	a, b, c := k.issue(token.Pair, "samples", ada), k.issue(token.Pair, "samples", ada), k.issue(token.Pair, "samples", ada)
	beat := func(n nodes, run int64) {
		k.Helper()
		_, _, err := n.Since(ctx, 0, 0)
		k.must(err)
		k.must(n.Alive(ctx, token.AliveVerb{Run: run, Now: k.now()}))
	}
	beat(one, run)
	_, err := one.Rotate(ctx, k.present(a, 0))
	k.must(err)
	_, err = two.Rotate(ctx, k.present(b, 0))
	k.must(err)
	for range 8 {
		k.pass(15 * time.Second)
		beat(two, run2)
	}
	k.rotate(a, 0, token.RotatedSame)
	k.rotate(b, 0, token.RotateReused) // of a server that lives
	beat(one, run)
	_, err = one.Rotate(ctx, k.present(c, 0))
	k.must(err)
	k.pass(2 * time.Minute)
	beat(one, run)
	k.rotate(c, 0, token.RotateReused)
}

func nodesCountFailures(k *kit) {
	other := k.beside()
	ada := k.person("ada")
	for i := range 6 {
		store := []account.Store{k, other}[i%2]
		k.must(store.Failed(ctx, by, "key", ada, k.now(), time.Hour))
	}
	failures, _, err := other.Attempts(ctx, "key", k.now(), time.Hour)
	k.must(err)
	equal(k, "failures counted by two servers", failures, 6)
}

// 64 wrong passwords at once at two servers: checked are no more than may fail, and what each was checking when the last of
// them was counted. Then neither server takes the right one from there.
func nodesGuessedAtOnce(k *kit) {
	const free = 10
	k.person("ada")
	var servers [2]*account.Directory
	for i, store := range []Store{k, k.beside()} {
		servers[i] = account.NewDirectory(store, account.NewHasher(account.Cost{Memory: 8, Time: 1, Threads: 1}), k.now)
	}
	hash, err := account.NewHasher(account.Cost{Memory: 8, Time: 1, Threads: 1}).Hash(ctx, "correct horse")
	k.must(err)
	_, err = k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", PasswordHash: &hash})
	k.must(err)
	var checked, refused atomic.Int64
	together(64, func(i int) {
		_, err := servers[i%2].SignIn(ctx, account.By{Actor: "account", Addr: "192.0.2.99"}, "ada", name("guess", i))
		switch {
		case errors.Is(err, account.ErrBadCredentials):
			checked.Add(1)
		case errors.Is(err, account.ErrTooMany):
			refused.Add(1)
		default:
			k.Errorf("a wrong password: %v", err)
		}
	})
	inFlight := 2 * max(1, runtime.GOMAXPROCS(0)-1)
	if n := int(checked.Load()); n < free || n > free-1+inFlight {
		k.Errorf("%d wrong passwords were checked and %d refused, want %d to %d checked", n, refused.Load(), free, free-1+inFlight)
	}
	for i, s := range servers {
		if _, err := s.SignIn(ctx, account.By{Actor: "account", Addr: "192.0.2.99"}, "ada", "correct horse"); !errors.Is(err, account.ErrTooMany) {
			k.Errorf("server %d on the right password after them: %v", i, err)
		}
		if _, err := s.SignIn(ctx, account.By{Actor: "account", Addr: "192.0.2.98"}, "ada", "correct horse"); err != nil {
			k.Errorf("server %d on the right password from elsewhere: %v", i, err)
		}
	}
}

func nodesPurgeOneAtATime(k *kit) {
	one, _ := k.node("one")
	if !one.Shared() {
		return // a second server cannot start
	}
	two, _ := k.node("two")
	ada := k.person("ada")
	for range 6 {
		k.issue(token.Session, "samples", ada)
	}
	k.pass(40 * day)
	purge := func(n nodes, cursor int64) (int64, int) {
		k.Helper()
		next, removed, err := n.Purge(ctx, token.PurgeVerb{Now: k.now(), Cursor: cursor, Batch: 2, Retention: token.Retention{AuditKeep: 400 * day}})
		k.must(err)
		return next, removed
	}
	next, removed := purge(one, 0)
	equal(k, "removed by the first", removed, 2)
	kept, removed := purge(two, 1)
	equal(k, "removed by the second", removed, 0)
	equal(k, "cursor of the second", kept, 1)
	_, removed = purge(one, next)
	equal(k, "removed by the first again", removed, 2)
	k.pass(2 * time.Minute) // the first is gone
	_, removed = purge(two, 0)
	equal(k, "removed by the second when the first is gone", removed, 2)
}

// Of two servers that purge at the same moment one does; when it is gone one does again.
func nodesPurgeAtOnce(k *kit) {
	one, _ := k.node("one")
	if !one.Shared() {
		return // a second server cannot start
	}
	two, _ := k.node("two")
	ada := k.robot("ada")
	for range 40 {
		k.issue(token.Session, "samples", ada)
	}
	k.pass(40 * day)
	for range 8 {
		var removed [2]int
		together(2, func(i int) {
			var err error
			v := token.PurgeVerb{Now: k.now(), Batch: 2, Retention: token.Retention{AuditKeep: 400 * day}}
			if _, removed[i], err = []nodes{one, two}[i].Purge(ctx, v); err != nil {
				k.Error(err)
			}
		})
		if removed != [2]int{2, 0} && removed != [2]int{0, 2} {
			k.Errorf("two servers that purged at once removed %v, want one batch of 2 by one of them", removed)
		}
		k.pass(2 * time.Minute) // the lease is over
	}
}

// A server whose clock is far from the database's removes nothing, and no clock revives what the state has ended.
func nodesClockApart(k *kit) {
	one, _ := k.node("one")
	if !one.Shared() {
		return // a file has no clock of its own
	}
	ada := k.person("ada")
	revoked, rotated := k.issue(token.Session, "samples", ada), k.issue(token.Session, "samples", ada)
	k.revoke(token.RevokeVerb{Grant: revoked.ID})
	k.rotate(rotated, 0, token.RotatedNow)
	k.rotate(rotated, 1, token.RotatedNow)
	for _, apart := range []time.Duration{-time.Hour, time.Hour, 60 * day} {
		_, removed, err := one.Purge(ctx, token.PurgeVerb{Now: k.now().Add(apart), Batch: 100, Retention: token.Retention{AuditKeep: day}})
		k.refused(err, token.Conflict)
		equal(k, "removed", removed, 0)
	}
	for _, apart := range []time.Duration{-time.Hour, time.Hour} {
		v := k.present(revoked, 0)
		v.Now = k.now().Add(apart)
		equal(k, "revoked, by a clock apart", k.rotateVerb(v).Outcome, token.RotateRevoked)
	}
	v := k.present(rotated, 0)
	v.Now = k.now().Add(-time.Hour)
	equal(k, "rotated away, by a clock apart", k.rotateVerb(v).Outcome, token.RotateReused)
}
