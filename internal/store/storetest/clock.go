package storetest

import (
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/keyring"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var clockTests = map[string]func(*kit){
	"EpochEndsTheHistory":      epochEndsTheHistory,
	"EpochEndsKeys":            epochEndsKeys,
	"ClockBackRevivesNothing":  clockBackRevivesNothing,
	"ClockBackSparesReplays":   clockBackSparesReplays,
	"ClockForwardAndBack":      clockForwardAndBack,
	"ClockHighestNeverFalls":   clockHighestNeverFalls,
	"ClockHoldIsKept":          clockHoldIsKept,
	"EpochJumps":               epochJumps,
	"EpochMovesOnlyForward":    epochMovesOnlyForward,
	"ClockForwardRevokesAll":   clockForwardRevokesAll,
	"ClockBackEndsBelongToRow": clockBackEnds,
}

func clockBackRevivesNothing(k *kit) {
	ada := k.person("ada")
	revoked, rotated := k.issue(token.Pair, "samples", ada), k.issue(token.Pair, "samples", ada)
	k.revoke(token.RevokeVerb{Grant: revoked.ID})
	k.rotate(rotated, 0, token.RotatedNow)
	k.rotate(rotated, 1, token.RotatedNow)
	k.pass(-time.Hour)
	k.reopen()
	k.rotate(revoked, 0, token.RotateRevoked)
	equal(k, "state", k.grant(revoked.ID).State(k.now()), "revoked")
	k.rotate(rotated, 0, token.RotateReused) // an ancestor stays one
}

func clockBackSparesReplays(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.rotate(g, 0, token.RotatedNow)
	k.pass(-time.Hour)
	k.rotate(g, 0, token.RotateRaced)
	equal(k, "generation", k.rotate(g, 1, token.RotatedNow).Grant.Generation, 2)
	k.rotate(g, 1, token.RotateRaced)
}

func clockForwardAndBack(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.pass(10 * 365 * day)
	k.rotate(g, 0, token.RotateExpired)
	equal(k, "state", k.grant(g.ID).State(k.now()), "expired")
	k.pass(-10 * 365 * day)
	k.rotate(g, 0, token.RotatedNow) // only time had ended it
}

// A clock that is wrong today must leave no grant out of a revocation or of a loss.
func clockForwardRevokesAll(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	g, bobs := k.issue(token.Session, "ecology", ada), k.issue(token.Session, "ecology", bob)
	k.pass(10 * 365 * day)
	k.ended("all", k.revoke(token.RevokeVerb{Account: ada}), g.ID)
	kind := account.Application
	_, err := k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "bob", Type: &kind})
	k.must(err)
	equal(k, "stale entries", k.inFeed(ofGrant(token.EntryStale, bobs.ID)), 1)
	k.pass(-10 * 365 * day)
	equal(k, "state", k.grant(g.ID).State(k.now()), "revoked")
}

func clockHighestNeverFalls(k *kit) {
	run, before, err := k.Start(ctx, k.now(), nil)
	k.must(err)
	equal(k, "clock at the first start", before, token.ClockState{})
	top := k.now().Add(time.Hour)
	k.must(k.Alive(ctx, token.AliveVerb{Run: run, Now: top}))
	k.must(k.Alive(ctx, token.AliveVerb{Run: run, Now: k.now(), Final: true}))
	k.pass(-day)
	k.reopen()
	_, before, err = k.Start(ctx, k.now(), nil)
	k.must(err)
	equal(k, "clock", before, token.ClockState{High: top})
}

// A clock that is not believed does not become the highest time, and how long it is not outlives a restart.
func clockHoldIsKept(k *kit) {
	run, _, err := k.Start(ctx, k.now(), nil)
	k.must(err)
	first := k.now()
	k.pass(40 * day)
	k.must(k.Alive(ctx, token.AliveVerb{Run: run, Now: k.now(), Hold: 3 * time.Hour}))
	k.reopen()
	run, before, err := k.Start(ctx, k.now(), nil)
	k.must(err)
	equal(k, "clock while held", before, token.ClockState{High: first, Hold: 3 * time.Hour})
	k.must(k.Alive(ctx, token.AliveVerb{Run: run, Now: k.now()}))
	_, before, err = k.Start(ctx, k.now(), nil)
	k.must(err)
	equal(k, "clock once believed", before, token.ClockState{High: k.now()})
}

func clockBackEnds(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.rotate(g, 0, token.RotatedNow)
	long := k.grant(g.ID).ExpiresAt
	k.pass(-10 * day)
	k.rotate(g, 1, token.RotatedNow)
	k.revoke(token.RevokeVerb{Grant: g.ID})
	k.pass(long.Sub(k.now())) // the first successor, were it not revoked, would be good until here
	k.purgeAll()
	equal(k, "state", k.grant(g.ID).State(k.now()), "revoked")
}

func epochJumps(k *kit) {
	ada := k.person("ada")
	before := k.issue(token.Pair, "samples", ada)
	_, old, err := k.Since(ctx, 0, 0)
	k.must(err)
	at, err := k.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: k.now()})
	k.must(err)
	equal(k, "epoch", at.Epoch, old.Epoch+1)
	entries, now, err := k.Since(ctx, old.Seq, 0)
	k.must(err)
	equal(k, "position", at, now)
	want := token.Entry{Seq: at.Seq, Kind: token.EntryNotBefore, At: nextSecond(k.now())}
	if len(entries) != 1 || entries[0] != want {
		k.Errorf("entries are %+v, want %+v", entries, want)
	}
	k.reopen()
	after := k.issue(token.Pair, "samples", ada)
	if after.ID < before.ID+1<<32 {
		k.Errorf("grant %d follows %d, want a jump of 2^32", after.ID, before.ID)
	}
	loaded := k.load()
	want.Seq = 0
	if ended := ofGrant(token.EntryGrant, before.ID); len(loaded) != 2 || !ended(loaded[0]) || loaded[1] != want {
		k.Errorf("loaded %+v, want the end of grant %d and %+v", loaded, before.ID, want)
	}
}

func nextSecond(t time.Time) time.Time { return t.Truncate(time.Second).Add(time.Second) }

func epochMovesOnlyForward(k *kit) {
	_, err := k.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: k.now()}) // before there is any grant
	k.must(err)
	high := nextSecond(k.now())
	k.pass(-time.Hour)
	at, err := k.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: k.now()})
	k.must(err)
	equal(k, "position", at, token.Position{Epoch: 3, Seq: 1})
	equal(k, "not_before", k.load()[0].At, high)
	if g := k.issue(token.Pair, "samples", k.person("ada")); g.ID <= 2<<32 {
		k.Errorf("the first grant after two epochs is %d, want more than 2^33", g.ID)
	}
}

// epochEndsTheHistory: lists of ended grants must say what not_before says.
func epochEndsTheHistory(k *kit) {
	ada := k.person("ada")
	pair, key := k.issue(token.Pair, "samples", ada), k.issue(token.APIKey, "", ada)
	_, err := k.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: k.now(), KeepKeys: true})
	k.must(err)
	k.reopen()
	equal(k, "pair is revoked", k.grant(pair.ID).RevokedAt.IsZero(), false)
	equal(k, "key is revoked", k.grant(key.ID).RevokedAt.IsZero(), true)
	lost, err := k.Lost(ctx)
	k.must(err)
	next := k.issue(token.Pair, "samples", ada)
	if len(lost) != 1 || lost[0].First != key.ID+1 || lost[0].Last >= next.ID || lost[0].Last < next.ID-2 {
		k.Errorf("lost are %v, the next grant is %d", lost, next.ID)
	}
	equal(k, "the next is live", k.grant(next.ID).RevokedAt.IsZero(), true)
}

// epochEndsKeys: an API key may have been revoked, and a signing key removed, since the backup was made.
func epochEndsKeys(k *kit) {
	key := k.issue(token.APIKey, "", k.person("ada"))
	mac := signingKey("mac")
	mac.Service, mac.Purpose = "", "mac"
	for _, s := range []keyring.Key{mac, signingKey("stolen")} {
		_, err := k.AddKey(ctx, s)
		k.must(err)
	}
	k.must(k.PublishKey(ctx, act, published("next")))
	v := sqlstore.EpochVerb{By: operator, Now: k.now(), KeepKeys: true}
	_, err := k.NewEpoch(ctx, v)
	k.must(err)
	k.keysAre("mac signing", "stolen signing", "next published")
	equal(k, "state of a key that is kept", k.grant(key.ID).State(k.now()), "live")
	v.KeepKeys = false
	_, err = k.NewEpoch(ctx, v)
	k.must(err)
	k.keysAre("mac signing", "stolen gone", "next gone")
	equal(k, "state of a key that is not", k.grant(key.ID).State(k.now()), "revoked")
	equal(k, "audit lines of keys removed", k.lines(audit.KeyRemoved, 0), 2)
	signs, err := k.AddKey(ctx, signingKey("stolen")) // pinned by the configuration, as before
	k.must(err)
	equal(k, "state of a key that is configured", signs.State, "signing")
}
