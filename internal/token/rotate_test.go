package token_test

import (
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/token"
)

func TestRotationMovesOn(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	f.wait(time.Hour)
	second := f.mustRefresh("rot", first.Refresh.Reveal())
	if second.Grant.Generation != 1 || second.Grant.ID != first.Grant.ID {
		t.Errorf("got grant %d generation %d", second.Grant.ID, second.Grant.Generation)
	}
	if want := f.clock.now().Add(30 * 24 * time.Hour); !second.Grant.ExpiresAt.Equal(want) {
		t.Errorf("the refresh token ends at %v, want a whole lifetime from now, %v", second.Grant.ExpiresAt, want)
	}
	f.good("rot", first.Access.Reveal())
	f.good("rot", second.Access.Reveal())
}

// A client that replays at once, expects a refusal and goes on must not be ended.
func TestReplayInsideTheWindow(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	second := f.mustRefresh("rot", first.Refresh.Reveal())
	for range 3 {
		f.wait(19 * time.Second)
		_, err := f.refresh("rot", first.Refresh.Reveal())
		wantCode(t, err, token.Reused)
	}
	f.good("rot", second.Access.Reveal())
	f.mustRefresh("rot", second.Refresh.Reveal())
}

func TestReplayAfterTheWindowEndsTheGrant(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	second := f.mustRefresh("rot", first.Refresh.Reveal())
	f.wait(61 * time.Second)
	_, err := f.refresh("rot", first.Refresh.Reveal())
	wantCode(t, err, token.Reused)
	f.dead("rot", second.Access.Reveal(), token.Revoked)
	f.dead("rot", first.Access.Reveal(), token.Revoked)
	_, err = f.refresh("rot", second.Refresh.Reveal())
	wantCode(t, err, token.Revoked)
}

func TestReplayOfAnAncestorEndsTheGrant(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	second := f.mustRefresh("rot", first.Refresh.Reveal())
	third := f.mustRefresh("rot", second.Refresh.Reveal())
	_, err := f.refresh("rot", first.Refresh.Reveal())
	wantCode(t, err, token.Reused)
	f.dead("rot", third.Access.Reveal(), token.Revoked)
}

func TestLostAnswerIsGivenAgain(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	second := f.mustRefresh("rot", first.Refresh.Reveal())
	second.Lost(f.ctx)
	f.wait(5 * time.Minute)
	again := f.mustRefresh("rot", first.Refresh.Reveal())
	if again.Access.Reveal() != second.Access.Reveal() || again.Refresh.Reveal() != second.Refresh.Reveal() {
		t.Error("the pair given again differs from the lost one")
	}
	f.mustRefresh("rot", again.Refresh.Reveal())
	_, err := f.refresh("rot", first.Refresh.Reveal())
	wantCode(t, err, token.Reused)
}

func TestIdempotencyKeyGetsTheSamePair(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	req := token.RefreshRequest{Service: "rot", Token: first.Refresh.Reveal(), RetryKey: "job 7"}
	second, err := f.Refresh(f.ctx, token.Caller{}, req)
	check(t, err)
	f.db.Close()
	f.open()
	again, err := f.Refresh(f.ctx, token.Caller{}, req)
	check(t, err)
	if again.Refresh.Reveal() != second.Refresh.Reveal() {
		t.Error("the retry got another pair")
	}
	req.RetryKey = "job 8"
	_, err = f.Refresh(f.ctx, token.Caller{}, req)
	wantCode(t, err, token.Reused)
	f.good("rot", again.Access.Reveal())
}

func TestCapHoldsAgainstAThousandRotations(t *testing.T) {
	f := newFixture(t)
	key, grant, err := f.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Label: "k", To: f.clock.now().Add(40 * 24 * time.Hour)})
	check(t, err)
	got, err := f.Issue(f.ctx, token.Caller{}, token.IssueRequest{Service: "rot", Kind: token.Pair, Key: key, Label: "by key"})
	check(t, err)
	for range 1000 {
		f.wait(50 * time.Minute)
		got = f.mustRefresh("rot", got.Refresh.Reveal())
		if got.Grant.ExpiresAt.After(grant.ExpiresAt) || got.Expires.After(grant.ExpiresAt) {
			t.Fatalf("a pair made with a key ends at %v, the key at %v", got.Grant.ExpiresAt, grant.ExpiresAt)
		}
	}
	f.wait(10 * 24 * time.Hour)
	_, err = f.refresh("rot", got.Refresh.Reveal())
	wantCode(t, err, token.Expired)
}

func TestRotationAsksARestrictedServiceAnew(t *testing.T) {
	f := newFixture(t)
	_, err := f.Issue(f.ctx, token.Caller{Account: f.ann}, token.IssueRequest{Service: "closed", Kind: token.Pair, Account: f.ann})
	wantCode(t, err, token.Forbidden)
	_, err = f.dir.AddGroup(f.ctx, by, "staff", "")
	check(t, err)
	check(t, f.dir.AddMember(f.ctx, by, "staff", "ann"))
	got, err := f.Issue(f.ctx, token.Caller{Account: f.ann}, token.IssueRequest{Service: "closed", Kind: token.Pair, Account: f.ann})
	check(t, err)
	got = f.mustRefresh("closed", got.Refresh.Reveal())
	check(t, f.dir.RemoveMember(f.ctx, by, "staff", "ann"))
	_, err = f.refresh("closed", got.Refresh.Reveal())
	wantCode(t, err, token.Forbidden)
}

func TestRotationAsksForTheAttributeAnew(t *testing.T) {
	f := newFixture(t)
	set := func(value string) {
		_, err := f.dir.Set(f.ctx, by, "ann", account.Change{Attrs: map[string]string{"asked.can_use": value}})
		check(t, err)
	}
	set("1")
	got := f.mustRefresh("asked", f.issue("asked").Refresh.Reveal())
	set("")
	_, err := f.refresh("asked", got.Refresh.Reveal())
	wantCode(t, err, token.Forbidden)
}

func TestRotationWithoutAStoreGivesNothing(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	f.flaky.set(errDown)
	_, err := f.refresh("rot", first.Refresh.Reveal())
	wantCode(t, err, token.Unavailable)
	f.flaky.set(nil)
	f.mustRefresh("rot", first.Refresh.Reveal())
}

func TestBlacklistByPossession(t *testing.T) {
	f := newFixture(t)
	first := f.issue("rot")
	second := f.mustRefresh("rot", first.Refresh.Reveal())
	_, err := f.Revoke(f.ctx, token.Caller{}, token.RevokeRequest{Service: "rot", Token: first.Refresh.Reveal()})
	wantCode(t, err, token.Reused)
	f.good("rot", second.Access.Reveal())
	_, err = f.Revoke(f.ctx, token.Caller{}, token.RevokeRequest{Service: "rot", Token: second.Access.Reveal()})
	wantCode(t, err, token.WrongKind)
	_, err = f.Revoke(f.ctx, token.Caller{}, token.RevokeRequest{Service: "rot", Token: second.Refresh.Reveal()})
	check(t, err)
	f.dead("rot", second.Access.Reveal(), token.Revoked)
	_, err = f.Revoke(f.ctx, token.Caller{}, token.RevokeRequest{Service: "rot", Token: second.Refresh.Reveal()})
	wantCode(t, err, token.Revoked)
}
