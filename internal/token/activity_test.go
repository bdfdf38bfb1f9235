package token_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/secret"
	"symbolon/internal/token"
)

func TestActivity(t *testing.T) {
	f := newFixture(t)
	tend := f.keeper()
	hour := f.clock.now()
	key, _ := f.key(token.KeyRequest{})
	ext, pair := f.issue("ext"), f.issue("rot")
	f.exchange(key, 0)
	f.exchange(secret.New("wrong"), token.BadCredentials)
	ext = f.mustRefresh("ext", ext.Access.Reveal())
	f.mustRefresh("ext", ext.Access.Reveal())
	f.mustRefresh("rot", pair.Refresh.Reveal())
	_, err := f.refresh("rot", pair.Refresh.Reveal())
	wantCode(t, err, token.Reused)
	_, err = f.Issue(f.ctx, token.Caller{Account: f.ann}, token.IssueRequest{Service: "closed", Kind: token.Pair, Account: f.ann})
	wantCode(t, err, token.Forbidden)
	_, err = f.Refresh(f.ctx, token.Caller{}, token.RefreshRequest{Service: "none"})
	wantCode(t, err, token.NotFound)
	f.flaky.set(errDown) // our failure is no refusal
	_, err = f.Issue(f.ctx, token.Operator(), token.IssueRequest{Service: "rot", Kind: token.Pair, Account: f.ann})
	wantCode(t, err, token.Unavailable)
	f.flaky.set(nil)
	f.wait(2 * time.Minute)
	tend()
	want := []token.Activity{{Hour: hour, Service: "", Deed: token.DeedIssued, Count: 1}, {Hour: hour, Service: "closed", Deed: token.DeedRefused, Count: 1},
		{Hour: hour, Service: "ext", Deed: token.DeedIssued, Count: 3}, // the pair, the exchange and the service key
		{Hour: hour, Service: "ext", Deed: token.DeedRefreshed, Count: 2}, {Hour: hour, Service: "ext", Deed: token.DeedRefused, Count: 1},
		{Hour: hour, Service: "rot", Deed: token.DeedIssued, Count: 1}, {Hour: hour, Service: "rot", Deed: token.DeedRefreshed, Count: 1}, {Hour: hour, Service: "rot", Deed: token.DeedRefused, Count: 1}}
	for range 2 { // written once
		got, err := f.Activity(f.ctx, token.Operator(), hour, f.clock.now())
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		f.wait(2 * time.Minute)
		tend()
	}
}

func TestActivityRefusals(t *testing.T) {
	f := newFixture(t)
	_, err := f.Activity(f.ctx, token.Caller{Account: f.ann}, f.clock.now(), f.clock.now())
	wantCode(t, err, token.Forbidden)
	_, err = f.Activity(f.ctx, token.Operator(), time.Time{}, f.clock.now())
	wantCode(t, err, token.Malformed)
}

// An account deletes itself, and nothing else.
func TestEndAccountItself(t *testing.T) {
	f := newFixture(t)
	bob := f.add("bob")
	pair := f.issue("rot")
	for _, c := range []struct {
		by      token.Caller
		account int64
		status  string
	}{{token.Caller{Account: f.ann}, bob, "deleted"}, {token.Caller{Account: f.ann}, f.ann, "disabled"},
		{token.Caller{}, 0, "deleted"}, {token.Caller{}, f.ann, "deleted"}} {
		_, err := f.EndAccount(f.ctx, c.by, c.account, c.status, "")
		wantCode(t, err, token.Forbidden)
	}
	f.good("rot", pair.Access.Reveal())
	_, err := f.EndAccount(f.ctx, token.Caller{Actor: "account", Account: f.ann}, f.ann, "deleted", "by the person")
	check(t, err)
	f.dead("rot", pair.Access.Reveal(), token.Revoked)
	wantCode(t, f.Admits(f.ctx, "rot", f.ann), token.NotFound)
	wantCode(t, f.Admits(f.ctx, "rot", bob), 0)
}
