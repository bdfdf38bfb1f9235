package storetest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"symbolon/internal/token"
)

var modelTests = map[string]func(*kit){"ModelOfRotation": modelOfRotation}

// family is the model of one grant: no SQL, no generation of the store's, just what a reader of the rules keeps in mind.
type family struct {
	grant   token.Grant
	present int64 // generation whose refresh token is good
	moved   time.Time
	end     time.Time
	lost    bool
	revoked bool
	retry   byte // Idempotency-Key of the last rotation
}

// rotate says what a presented generation must come to, and does it to the model.
func (f *family) rotate(v token.RotateVerb, retry byte) token.Outcome {
	age := v.Now.Sub(f.moved)
	switch {
	case f.revoked:
		return token.RotateRevoked
	case v.Generation > f.present:
		return token.RotateAhead
	case !v.Now.Before(f.end):
		return token.RotateExpired
	case v.Generation == f.present:
		f.present, f.moved, f.lost, f.retry = f.present+1, v.Now, false, retry
		f.end = v.Now.Truncate(time.Second).Add(v.Lifetime)
		return token.RotatedNow
	case v.Generation == f.present-1 && f.lost && age <= day:
		return token.RotatedSame
	case v.Generation == f.present-1 && age <= v.Window:
		if v.Replay == token.SameReplay || retry != 0 && retry == f.retry {
			return token.RotatedSame
		}
		return token.RotateRaced
	}
	f.revoked = true
	return token.RotateReused
}

// modelOfRotation plays random histories and compares each answer and each grant with the model.
func modelOfRotation(k *kit) {
	seed := rand.Uint64()
	k.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	ada := k.person("ada")
	var history []string
	var all []*family
	for range 1500 {
		step, touched := "", all
		pick := func() *family {
			touched = []*family{all[r.IntN(len(all))]}
			return touched[0]
		}
		switch n := r.IntN(20); {
		case n == 0 || len(all) == 0:
			g := k.issue(token.Session, "samples", ada)
			all = append(all, &family{grant: g, end: g.ExpiresAt})
			step, touched = fmt.Sprintf("issue %d", g.ID), nil
		case n < 13:
			step = k.playRotation(pick(), r)
		case n == 13:
			step = k.playRevocation(pick(), r)
		case n == 14:
			f := pick()
			k.must(k.AnswerLost(ctx, f.grant.ID, f.present, k.grant(f.grant.ID).RotatedAt))
			f.lost = true
			step = fmt.Sprintf("lost %d", f.grant.ID)
		default:
			d := []time.Duration{time.Millisecond, time.Second, 30 * time.Second, time.Minute, time.Hour, day, 9 * day, -time.Minute, -time.Hour}[r.IntN(9)]
			k.pass(d)
			step, touched = fmt.Sprintf("pass %s", d), nil
		}
		history = append(history, step)
		if k.differs(touched) {
			k.Fatalf("seed %d, history:\n%s", seed, strings.Join(history, "\n"))
		}
	}
	k.differs(all)
}

func (k *kit) playRotation(f *family, r *rand.Rand) string {
	v := k.present(f.grant, max(0, f.present+[]int64{0, 0, 0, 0, -1, -1, -1, -2, 1}[r.IntN(9)]))
	retry := byte(r.IntN(3))
	if retry != 0 {
		v.RetryKey = append(make([]byte, 31), retry)
	}
	if r.IntN(3) == 0 {
		v.Replay = token.SameReplay
	}
	want := f.rotate(v, retry)
	got := k.rotateVerb(v)
	if got.Outcome != want {
		k.Errorf("grant %d, generation %d presented at %s: outcome is %q, want %q", f.grant.ID, v.Generation, v.Now, got.Outcome, want)
	}
	return fmt.Sprintf("rotate %d: generation %d, policy %s, key %d: %s", f.grant.ID, v.Generation, v.Replay, retry, got.Outcome)
}

func (k *kit) playRevocation(f *family, r *rand.Rand) string {
	if r.IntN(4) > 0 {
		k.revoke(token.RevokeVerb{Grant: f.grant.ID})
		f.revoked = true
		return fmt.Sprintf("revoke %d", f.grant.ID)
	}
	v := token.RevokeVerb{Grant: f.grant.ID, Possession: true, Nonce: f.grant.Nonce, Generation: f.present, Window: time.Minute}
	want := token.Outcome("")
	switch {
	case f.revoked:
		want = token.RotateRevoked
	case !k.now().Before(f.end):
		want = token.RotateExpired
	default:
		f.revoked = true
	}
	equal(k, "outcome of revoking by possession", k.revoke(v).Outcome, want)
	return fmt.Sprintf("revoke by possession %d", f.grant.ID)
}

// differs compares grants with their models, and reports whether the test has failed.
func (k *kit) differs(all []*family) bool {
	for _, f := range all {
		g := k.grant(f.grant.ID)
		if g.Generation != f.present || g.RevokedAt.IsZero() == f.revoked || !g.ExpiresAt.Equal(f.end) {
			k.Errorf("grant is %+v, model is %+v", g, *f)
		}
	}
	return k.T.Failed()
}
