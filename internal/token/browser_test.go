package token_test

import (
	"strings"
	"testing"
	"time"

	"symbolon/internal/secret"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

func (f *fixture) browser() (token.Grant, secret.Text) {
	f.t.Helper()
	g, s, err := f.OpenBrowser(f.ctx, token.Caller{Actor: "account", Account: f.ann, Addr: "192.0.2.7", Agent: "firefox"}, f.ann, "orcid")
	check(f.t, err)
	return g, s
}

// browserIs fails unless the secret gets the code, 0 for a good one.
func (f *fixture) browserIs(s secret.Text, want token.Code) token.Grant {
	f.t.Helper()
	g, err := f.Browser(f.ctx, token.Caller{}, s)
	wantCode(f.t, err, want)
	return g
}

func TestBrowserSignsInAndOut(t *testing.T) {
	f := newFixture(t)
	made, s := f.browser()
	if n := len(s.Reveal()); n != 43 {
		t.Errorf("the secret has %d characters, want 43 for 256 bits", n)
	}
	if _, other := f.browser(); other.Reveal() == s.Reveal() {
		t.Error("two browsers have one secret")
	}
	g := f.browserIs(s, 0)
	if g.ID != made.ID || g.Account != f.ann || g.Label != "orcid" || g.Addr != "192.0.2.7" || g.Agent != "firefox" {
		t.Errorf("got %+v", g)
	}
	for range 2 {
		check(t, f.CloseBrowser(f.ctx, token.Caller{Account: f.ann}, s))
		f.browserIs(s, token.Revoked)
	}
	check(t, f.CloseBrowser(f.ctx, token.Caller{}, secret.New("never was")))
}

func TestBrowserSecretsThatAreNone(t *testing.T) {
	f := newFixture(t)
	_, s := f.browser()
	key, _, err := f.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Label: "k", To: f.clock.now().Add(time.Hour)})
	check(t, err)
	pair := f.issue("rot")
	for _, text := range []string{"", s.Reveal()[:42], s.Reveal() + "A", strings.ToUpper(s.Reveal()), key.Reveal(),
		strings.Repeat("A", 43), strings.Repeat("A", 1<<20), pair.Refresh.Reveal()} {
		f.browserIs(secret.New(text), token.NotFound)
	}
	_, err = f.Exchange(f.ctx, token.Caller{Actor: "key"}, "rot", s)
	wantCode(t, err, token.BadCredentials)
}

// A browser that is used stays signed in up to the absolute end, and no longer.
func TestBrowserEnds(t *testing.T) {
	f := newFixture(t)
	_, idle := f.browser()
	_, used := f.browser()
	f.wait(11*time.Hour + 59*time.Minute)
	f.browserIs(used, 0)
	f.wait(time.Minute)
	f.browserIs(idle, token.Expired)
	for range 13 {
		f.browserIs(used, 0)
		f.wait(12*time.Hour - time.Second)
	}
	f.browserIs(used, 0)
	f.wait(12*time.Hour - time.Second) // 7 days and a little less than 12 h after the sign-in
	f.browserIs(used, token.Expired)
}

// A page of many parts writes once a minute.
func TestBrowserUseIsSeldomWritten(t *testing.T) {
	f := newFixture(t)
	made, s := f.browser()
	f.wait(59 * time.Second)
	if g := f.browserIs(s, 0); !g.ExpiresAt.Equal(made.ExpiresAt) {
		t.Errorf("the end moved to %s within a minute", g.ExpiresAt)
	}
	f.wait(time.Second)
	if g := f.browserIs(s, 0); !g.ExpiresAt.Equal(made.ExpiresAt.Add(time.Minute)) {
		t.Errorf("after a minute the end is %s, want %s", g.ExpiresAt, made.ExpiresAt.Add(time.Minute))
	}
	check(t, f.FlushUses(f.ctx))
	g, err := f.store.Grant(f.ctx, made.ID)
	check(t, err)
	if g.UseCount != 2 || !g.LastUsedAt.Equal(f.clock.now()) {
		t.Errorf("%d uses, the last at %s", g.UseCount, g.LastUsedAt)
	}
}

func TestBrowserNeedsNews(t *testing.T) {
	f := newFixture(t)
	_, s := f.browser()
	f.clock.add(31 * time.Second)
	f.browserIs(s, token.Unavailable)
	check(t, f.CatchUp(f.ctx))
	f.browserIs(s, 0)
	f.flaky.set(errDown)
	f.browserIs(s, token.Unavailable)
	if _, _, err := f.OpenBrowser(f.ctx, token.Caller{}, f.ann, "orcid"); token.CodeOf(err) != token.Unavailable {
		t.Errorf("signing in without a store: %v", err)
	}
	if err := f.CloseBrowser(f.ctx, token.Caller{}, s); token.CodeOf(err) != token.Unavailable {
		t.Errorf("signing out without a store: %v", err)
	}
}

func TestBrowserRefusals(t *testing.T) {
	f := newFixture(t)
	_, s := f.browser()
	for account, want := range map[int64]token.Code{4711: token.NotFound, 0: token.NotFound} {
		_, _, err := f.OpenBrowser(f.ctx, token.Caller{}, account, "orcid")
		wantCode(t, err, want)
	}
	_, _, err := f.OpenBrowser(f.ctx, token.Caller{}, f.ann, "a\x00b")
	wantCode(t, err, token.Malformed)
	_, err = f.EndAccount(f.ctx, token.Operator(), f.ann, "disabled", "left")
	check(t, err)
	f.browserIs(s, token.Revoked)
	_, _, err = f.OpenBrowser(f.ctx, token.Caller{}, f.ann, "orcid")
	wantCode(t, err, token.Forbidden)
}

// After a restore nobody knows who signed out since the backup.
func TestBrowserOfAnotherEpoch(t *testing.T) {
	f := newFixture(t)
	_, s := f.browser()
	_, err := f.store.NewEpoch(f.ctx, sqlstore.EpochVerb{By: token.Operator(), Now: f.clock.now()})
	check(t, err)
	f.wait(time.Second)
	f.browserIs(s, token.Revoked)
	_, s = f.browser()
	f.browserIs(s, 0)
}

// "Revoke all" leaves the browser that asks, and the API keys where they are left out.
func TestRevokeAllButThisBrowser(t *testing.T) {
	f := newFixture(t)
	here, s := f.browser()
	_, there := f.browser()
	pair := f.issue("rot")
	key, _, err := f.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Label: "k", To: f.clock.now().Add(time.Hour)})
	check(t, err)
	ann := token.Caller{Actor: "account", Account: f.ann}
	_, err = f.Revoke(f.ctx, ann, token.RevokeRequest{Account: f.ann, Except: here.ID, Reason: "revoke all",
		Kinds: []token.GrantKind{token.Session, token.Pair, token.Application, token.Browser}})
	check(t, err)
	f.browserIs(s, 0)
	f.browserIs(there, token.Revoked)
	f.dead("rot", pair.Access.Reveal(), token.Revoked)
	got, err := f.Exchange(f.ctx, token.Caller{Actor: "key"}, "rot", key)
	check(t, err)
	_, err = f.Revoke(f.ctx, ann, token.RevokeRequest{Account: f.ann, Except: here.ID, Reason: "revoke all"})
	check(t, err)
	f.browserIs(s, 0)
	f.dead("rot", got.Access.Reveal(), token.Revoked)
	mine, err := f.List(f.ctx, ann, token.Filter{Account: f.ann, Kinds: []token.GrantKind{token.Browser}, Live: true})
	check(t, err)
	if len(mine) != 1 || mine[0].ID != here.ID {
		t.Errorf("my browsers are %+v", mine)
	}
}
