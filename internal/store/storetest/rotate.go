package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var rotateTests = map[string]func(*kit){
	"RotateRefuseRace":         func(k *kit) { rotateRace(k, token.RefuseReplay, token.RotateRaced) },
	"RotateSameRace":           func(k *kit) { rotateRace(k, token.SameReplay, token.RotatedSame) },
	"RotateTwoProcesses":       rotateTwoProcesses,
	"RotateTable":              rotateTable,
	"RotateEnds":               rotateEnds,
	"RotateWindowNeverSlides":  rotateWindowNeverSlides,
	"RotateLateReplay":         rotateLateReplay,
	"RotateOldAncestor":        rotateOldAncestor,
	"RotateIdempotencyKey":     rotateIdempotencyKey,
	"RotateQuietAudit":         rotateQuietAudit,
	"RotateShorterLifetimeRow": rotateShorterLifetime,
	"RotateCrowd":              rotateCrowd,
}

func rotateRace(k *kit, policy token.Replay, others token.Outcome) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	var now, rest atomic.Int64
	together(100, func(int) {
		v := k.present(g, 0)
		v.Replay = policy
		r, err := k.Rotate(ctx, v)
		switch {
		case err != nil:
			k.Error(err)
		case r.Outcome == token.RotatedNow:
			now.Add(1)
		case r.Outcome == others:
			rest.Add(1)
		default:
			k.Errorf("outcome is %q", r.Outcome)
		}
		if r.Grant.Generation != 1 {
			k.Errorf("a racer was told of generation %d, want 1", r.Grant.Generation)
		}
	})
	equal(k, "new generations", now.Load(), 1)
	equal(k, "others", rest.Load(), 99)
	equal(k, "state", k.grant(g.ID).State(k.now()), "live")
	k.rotate(g, 1, token.RotatedNow)
}

// Two stores on the same data, as a server and a command are, race like two clients of one.
func rotateTwoProcesses(k *kit) {
	other := k.engine.Open(k.T, k.opts)
	defer func() { k.must(other.Close()) }()
	g := k.issue(token.Pair, "samples", k.person("ada"))
	for generation := range int64(5) {
		var now atomic.Int64
		together(8, func(i int) {
			r, err := []Store{k.Store, other}[i%2].Rotate(ctx, k.present(g, generation))
			if err != nil {
				k.Error(err)
			}
			if r.Outcome == token.RotatedNow {
				now.Add(1)
			}
		})
		equal(k, "new generations", now.Load(), 1)
	}
	equal(k, "generation", k.grant(g.ID).Generation, 5)
	k.revoke(token.RevokeVerb{Grant: g.ID})
	r, err := other.Rotate(ctx, k.present(g, 5))
	k.must(err)
	equal(k, "outcome beside a revocation", r.Outcome, token.RotateRevoked)
}

// Rotations of a crowd at one moment are each of its own: none has another's time, end, address or Idempotency-Key.
func rotateCrowd(k *kit) {
	verbs := make([]token.RotateVerb, 60)
	for i := range verbs {
		g := k.issue([]token.GrantKind{token.Pair, token.Session}[i%2], "samples", k.person(fmt.Sprint("person-", i)))
		v := k.present(g, 0)
		v.Now = k.now().Add(time.Duration(i) * time.Millisecond)
		v.Lifetime = time.Duration(i+1) * day
		v.By.Addr = fmt.Sprintf("192.0.2.%d", i)
		if i%3 > 0 {
			v.RetryKey = append(make([]byte, 31), byte(i))
		}
		verbs[i] = v
	}
	moved := make([]atomic.Int64, len(verbs))
	together(3*len(verbs), func(i int) {
		v, thief := verbs[i/3], i%3 == i/3%3
		if thief {
			v.Nonce++
		}
		r, err := k.Rotate(ctx, v)
		switch {
		case err != nil:
			k.Error(err)
		case thief:
			equal(k, "outcome of a thief", r.Outcome, token.RotateNotFound)
		case r.Outcome == token.RotatedNow:
			moved[i/3].Add(1)
			if diff := cmp.Diff(k.grant(v.Grant), r.Grant); diff != "" {
				k.Errorf("the grant given differs from the one stored (-stored +given):\n%s", diff)
			}
		}
	})
	for i, v := range verbs {
		g := k.grant(v.Grant)
		equal(k, "rotations", moved[i].Load(), 1)
		equal(k, "generation", g.Generation, 1)
		equal(k, "rotated at", g.RotatedAt, v.Now.UTC().Truncate(time.Millisecond))
		equal(k, "end", g.ExpiresAt, v.Now.UTC().Truncate(time.Second).Add(v.Lifetime))
		equal(k, "address", g.LastAddr, v.By.Addr)
		want := token.RotateRaced
		if v.RetryKey != nil {
			want = token.RotatedSame
		}
		equal(k, "outcome when asked again", k.rotateVerb(v).Outcome, want)
	}
}

func rotateTable(k *kit) {
	ada := k.person("ada")
	g := k.issue(token.Pair, "samples", ada)
	revoked := k.issue(token.Pair, "samples", ada)
	k.revoke(token.RevokeVerb{Grant: revoked.ID})
	key := k.issue(token.APIKey, "", ada)
	edit := func(do func(*token.RotateVerb)) token.RotateVerb {
		v := k.present(g, 0)
		do(&v)
		return v
	}
	for what, c := range map[string]struct {
		verb token.RotateVerb
		want token.Outcome
	}{
		"no such grant":   {edit(func(v *token.RotateVerb) { v.Grant = 99 }), token.RotateNotFound},
		"another nonce":   {edit(func(v *token.RotateVerb) { v.Nonce++ }), token.RotateNotFound},
		"another service": {edit(func(v *token.RotateVerb) { v.Service = "staff" }), token.RotateNotFound},
		"an API key":      {k.present(key, 0), token.RotateNotFound},
		"revoked":         {k.present(revoked, 0), token.RotateRevoked},
		"ahead":           {k.present(g, 1), token.RotateAhead},
		"at its end":      {edit(func(v *token.RotateVerb) { v.Now = g.ExpiresAt }), token.RotateExpired},
	} {
		r := k.rotateVerb(c.verb)
		equal(k, what, r.Outcome, c.want)
	}
	if diff := cmp.Diff(g, k.grant(g.ID)); diff != "" {
		k.Errorf("a refused token changed the grant (-before +after):\n%s", diff)
	}
	equal(k, "alarms", k.lines(audit.StoreWentBack, g.ID), 1)
	k.rotate(g, 0, token.RotatedNow)
}

func rotateEnds(k *kit) {
	v := k.verb(token.Pair, "samples", k.person("ada"))
	v.Grant.Cap = k.now().Truncate(time.Second).Add(45 * day)
	g := k.issueVerb(v).Grant
	k.pass(10 * day)
	r := k.rotate(g, 0, token.RotatedNow)
	equal(k, "end", r.Grant.ExpiresAt, k.now().Truncate(time.Second).Add(30*day))
	equal(k, "rotated at", r.Grant.RotatedAt, k.now())
	equal(k, "last use", r.Grant.LastUsedAt, k.now())
	equal(k, "uses", r.Grant.UseCount, 1)
	if diff := cmp.Diff(k.grant(g.ID), r.Grant); diff != "" {
		k.Errorf("the grant given differs from the one stored (-stored +given):\n%s", diff)
	}
	k.pass(10 * day)
	equal(k, "end at the cap", k.rotate(g, 1, token.RotatedNow).Grant.ExpiresAt, v.Grant.Cap)
	k.pass(25 * day)
	k.rotate(g, 2, token.RotateExpired)
}

func rotateWindowNeverSlides(k *kit) {
	k.pass(300 * time.Microsecond) // the store rounds to milliseconds, and so must its comparisons
	g := k.issue(token.Pair, "samples", k.person("ada"))
	first := k.rotate(g, 0, token.RotatedNow)
	for _, policy := range []token.Replay{token.SameReplay, token.RefuseReplay} {
		for range 2 {
			k.pass(15 * time.Second)
			v := k.present(g, 0)
			v.Replay = policy
			r := k.rotateVerb(v)
			equal(k, "replay inside the window refused", r.Outcome == token.RotateRaced, policy == token.RefuseReplay)
			if diff := cmp.Diff(first.Grant, r.Grant); diff != "" {
				k.Errorf("a replay changed the grant (-before +after):\n%s", diff)
			}
		}
	}
	k.pass(time.Millisecond)
	k.rotate(g, 0, token.RotateReused)
}

func rotateLateReplay(k *kit) {
	ada := k.person("ada")
	g, other := k.issue(token.Pair, "samples", ada), k.issue(token.Pair, "samples", ada)
	k.rotate(g, 0, token.RotatedNow)
	k.pass(time.Minute + time.Millisecond)
	r := k.rotate(g, 0, token.RotateReused)
	if diff := cmp.Diff([]int64{g.ID}, r.Ended.Grants); diff != "" {
		k.Errorf("ended (-want +got):\n%s", diff)
	}
	equal(k, "reason", r.Grant.RevokedReason, "reused")
	equal(k, "audit lines", k.lines(audit.RefreshReused, g.ID), 1)
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, g.ID)), 1)
	k.rotate(g, 1, token.RotateRevoked)
	k.rotate(g, 0, token.RotateRevoked)
	equal(k, "the other pair", k.grant(other.ID).State(k.now()), "live")
}

func rotateOldAncestor(k *kit) {
	g := k.issue(token.Session, "samples", k.person("ada"))
	for generation := range int64(3) {
		k.rotate(g, generation, token.RotatedNow)
	}
	v := k.present(g, 1) // within the window, but its successor has been used
	v.Replay = token.SameReplay
	equal(k, "outcome", k.rotateVerb(v).Outcome, token.RotateReused)
	k.reopen()
	k.rotate(g, 3, token.RotateRevoked)
}

func rotateIdempotencyKey(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	hash := func(b byte) []byte { return append(make([]byte, 31), b) }
	v := k.present(g, 0)
	v.RetryKey = hash(1)
	first := k.rotateVerb(v)
	equal(k, "outcome", first.Outcome, token.RotatedNow)
	k.reopen()
	again := k.rotateVerb(v)
	equal(k, "outcome with the same key", again.Outcome, token.RotatedSame)
	if diff := cmp.Diff(first.Grant, again.Grant); diff != "" {
		k.Errorf("not the same answer (-first +again):\n%s", diff)
	}
	v.RetryKey = hash(2)
	equal(k, "outcome with another key", k.rotateVerb(v).Outcome, token.RotateRaced)
	v.RetryKey = nil
	equal(k, "outcome without a key", k.rotateVerb(v).Outcome, token.RotateRaced)
	k.rotate(g, 1, token.RotatedNow) // without a key: none is remembered
	v = k.present(g, 1)
	v.RetryKey = hash(1)
	equal(k, "outcome with a key of an earlier rotation", k.rotateVerb(v).Outcome, token.RotateRaced)
}

func rotateQuietAudit(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.rotate(g, 0, token.RotatedNow)
	equal(k, "lines of a good rotation", k.lines(audit.Issued, 0), 1)
	for range 10 {
		k.pass(time.Second)
		k.rotate(g, 0, token.RotateRaced)
	}
	equal(k, "lines in one minute", k.lines(audit.RefreshRaced, g.ID), 1)
	k.pass(45 * time.Second)
	k.rotate(g, 1, token.RotatedNow)
	k.pass(15 * time.Second)
	k.rotate(g, 1, token.RotateRaced)
	equal(k, "lines in two minutes", k.lines(audit.RefreshRaced, g.ID), 2)
}

// A rotation under a shorter lifetime leaves tokens about that were given the longer one.
func rotateShorterLifetime(k *kit) {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	v := k.present(g, 0)
	v.Lifetime = time.Hour
	equal(k, "outcome", k.rotateVerb(v).Outcome, token.RotatedNow)
	k.revoke(token.RevokeVerb{Grant: g.ID})
	k.pass(10 * day)
	k.purgeAll()
	equal(k, "state", k.grant(g.ID).State(k.now()), "revoked")
}
