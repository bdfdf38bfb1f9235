package token_test

import (
	"slices"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/token"
)

// Admits says no exactly where issuing does, and in the same words.
func TestAdmitsSaysWhatIssueDoes(t *testing.T) {
	f := newFixture(t)
	ann := token.Caller{Actor: "account", Account: f.ann}
	same := func(service string, want token.Code) error {
		t.Helper()
		err := f.Admits(f.ctx, service, f.ann)
		wantCode(t, err, want)
		_, issued := f.Issue(f.ctx, ann, token.IssueRequest{Service: service, Kind: token.Pair, Account: f.ann})
		if (err == nil) != (issued == nil) || err != nil && err.Error() != issued.Error() {
			t.Errorf("%s: Admits says %v, Issue %v", service, err, issued)
		}
		return err
	}
	same("rot", 0)
	if err := same("closed", token.Forbidden); err.Error() != "forbidden: service closed is for members of staff only" {
		t.Errorf("the words are %q", err)
	}
	same("asked", token.Forbidden)
	same("none", token.NotFound)
	_, err := f.dir.AddGroup(f.ctx, account.By{}, "staff", "")
	check(t, err)
	check(t, f.dir.AddMember(f.ctx, account.By{}, "staff", "ann"))
	same("closed", 0)
	f.flaky.set(errDown)
	wantCode(t, f.Admits(f.ctx, "rot", f.ann), token.Unavailable)
	f.flaky.set(nil)
	for status, want := range map[string]token.Code{"disabled": token.Forbidden, "deleted": token.NotFound} {
		other := f.add("other-" + status)
		_, err = f.EndAccount(f.ctx, token.Operator(), other, status, "left")
		check(t, err)
		wantCode(t, f.Admits(f.ctx, "rot", other), want)
	}
}

func TestLimitAndTakesKeys(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		service string
		kind    token.GrantKind
		want    int
	}{{"rot", token.Pair, 5}, {"rot", token.Session, 100}, {"rot", token.Application, 0}, {"", token.Browser, token.MaxBrowsers},
		{"", token.APIKey, 0}, {"none", token.Pair, 0}} {
		if got := f.Limit(c.service, c.kind); got != c.want {
			t.Errorf("the limit of %s %s is %d, want %d", c.service, c.kind, got, c.want)
		}
	}
	for service, want := range map[string]bool{"rot": true, "app": false, "none": false} {
		if f.TakesKeys(service) != want {
			t.Errorf("%s takes keys: %v", service, !want)
		}
	}
}

// What a page names as the one that would end is what the store ends: the order of
// issuing, of ends and of numbers differ.
func TestEndsBeforeNamesWhatMakesRoom(t *testing.T) {
	f := newFixture(t)
	var all []token.Tokens
	for range 5 {
		all = append(all, f.issue("rot"))
	}
	f.wait(time.Hour)
	f.mustRefresh("rot", all[0].Refresh.Reveal())
	for range 5 {
		live, err := f.List(f.ctx, token.Operator(), token.Filter{Account: f.ann, Service: "rot", Live: true})
		check(t, err)
		want := slices.MinFunc(live, token.Grant.EndsBefore).ID
		if got := f.issue("rot").Ended; len(got) != 1 || got[0] != want {
			t.Fatalf("one more ended %v, the first by EndsBefore is %d", got, want)
		}
	}
	never, soon := token.Grant{ID: 1}, token.Grant{ID: 2, ExpiresAt: f.clock.now()}
	if never.EndsBefore(soon) <= 0 || soon.EndsBefore(never) >= 0 || never.EndsBefore(never) != 0 {
		t.Error("a grant without an end does not come last")
	}
}
