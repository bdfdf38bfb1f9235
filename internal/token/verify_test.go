package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/jws"
	"symbolon/internal/secret"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var by = account.By{Actor: "operator"}

// Every kind of token of every service at every consumer: only the diagonal passes.
func TestKindMatrix(t *testing.T) {
	f := newFixture(t)
	rot, ext := f.issue("rot"), f.issue("ext")
	tokens := map[string]string{"rot access": rot.Access.Reveal(), "rot refresh": rot.Refresh.Reveal(), "ext access": ext.Access.Reveal()}
	for name, text := range tokens {
		for _, service := range []string{"rot", "ext", "closed"} {
			for _, kind := range []token.Kind{token.Access, token.Refresh} {
				_, err := f.Verify(f.ctx, service, text, kind)
				if want := name == service+" "+string(kind); (err == nil) != want {
					t.Errorf("%s as %s of %s: %v", name, kind, service, err)
				}
			}
		}
	}
}

func TestClaimsOutOfTime(t *testing.T) {
	f := newFixture(t)
	now := f.clock.now().Unix()
	good := wire{Kind: token.Access, Sub: "1", GID: 1 << 40, IAT: now, EXP: now + 60}
	for name, c := range map[string]struct {
		change func(*wire)
		code   token.Code
		is     error
	}{
		"good":          {func(*wire) {}, 0, nil},
		"no exp":        {func(w *wire) { w.EXP = 0 }, token.Revoked, nil},
		"at its exp":    {func(w *wire) { w.EXP = now }, token.Expired, nil},
		"no iat":        {func(w *wire) { w.IAT = 0 }, token.Malformed, nil},
		"iat to come":   {func(w *wire) { w.IAT = now + 1 }, token.Malformed, token.ErrIssuedAt},
		"nbf to come":   {func(w *wire) { w.NBF = now + 1 }, token.Malformed, token.ErrNotBefore},
		"no grant":      {func(w *wire) { w.GID = 0 }, token.Malformed, nil},
		"grant below 0": {func(w *wire) { w.GID = -5 }, token.Malformed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := good
			c.change(&w)
			_, err := f.Verify(f.ctx, "rot", forge(t, "rot", token.Access, w), token.Access)
			wantCode(t, err, c.code)
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
		})
	}
}

// What a server with a clock a little ahead has just made is waited for, and no more than that.
func TestIssuedAMomentAhead(t *testing.T) {
	f := newFixture(t)
	next := f.clock.now().Unix() + 1
	text := forge(t, "rot", token.Access, wire{Kind: token.Access, Sub: "1", GID: 1 << 40, IAT: next, NBF: next, EXP: next + 60})
	f.clock.add(700 * time.Millisecond)
	_, err := f.Verify(f.ctx, "rot", text, token.Access)
	wantCode(t, err, token.Malformed)
	f.clock.add(200 * time.Millisecond)
	begin := time.Now()
	f.good("rot", text)
	if took := time.Since(begin); took < 100*time.Millisecond {
		t.Errorf("a token of the next 100 ms was taken after %s", took)
	}
}

// The whole of a token counts, also when it has been seen before.
func TestVerifyTellsAlteredTokensFromCachedOnes(t *testing.T) {
	f := newFixture(t)
	text := f.issue("rot").Access.Reveal()
	f.good("rot", text)
	f.good("rot", text)
	f.dead("rot", text+"A", token.Malformed)
	f.dead("rot", text[:len(text)-1], token.Malformed)
	f.dead("rot", strings.ToUpper(text), token.Malformed)
	_, err := f.Verify(f.ctx, "rot", text+".", token.Access)
	if !errors.Is(err, jws.ErrSegments) {
		t.Errorf("got %v, want %v", err, jws.ErrSegments)
	}
	f.wait(24 * time.Hour)
	f.dead("rot", text, token.Expired)
}

func TestRevocationIsSeenOnTheNextRequest(t *testing.T) {
	f := newFixture(t)
	a, b := f.issue("rot"), f.issue("ext")
	f.good("rot", a.Access.Reveal())
	_, err := f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: a.Grant.ID, Reason: "test"})
	check(t, err)
	f.dead("rot", a.Access.Reveal(), token.Revoked)
	f.good("ext", b.Access.Reveal())
	_, err = f.EndAccount(f.ctx, token.Operator(), f.ann, account.Disabled, "test")
	check(t, err)
	f.dead("ext", b.Access.Reveal(), token.Revoked)
	_, err = f.dir.Enable(f.ctx, by, "ann")
	check(t, err)
	f.dead("ext", b.Access.Reveal(), token.Revoked)
	_, err = f.refresh("ext", b.Access.Reveal())
	wantCode(t, err, token.Revoked)
}

func TestWhoMayRevoke(t *testing.T) {
	f := newFixture(t)
	bob := f.add("bob")
	g := f.issue("rot").Grant
	for name, c := range map[string]struct {
		by   token.Caller
		req  token.RevokeRequest
		code token.Code
	}{
		"nobody":                   {token.Caller{}, token.RevokeRequest{Grant: g.ID}, token.Forbidden},
		"another's grant":          {token.Caller{Account: bob}, token.RevokeRequest{Grant: g.ID}, token.NotFound},
		"another's account":        {token.Caller{Account: bob}, token.RevokeRequest{Account: f.ann}, token.Forbidden},
		"a grant that never was":   {token.Operator(), token.RevokeRequest{Grant: 4711}, token.NotFound},
		"an account that never is": {token.Operator(), token.RevokeRequest{Account: 4711}, token.NotFound},
	} {
		_, err := f.Revoke(f.ctx, c.by, c.req)
		if token.CodeOf(err) != c.code {
			t.Errorf("%s: got %v, want %v", name, err, c.code)
		}
	}
	ended, err := f.Revoke(f.ctx, token.Caller{Account: f.ann}, token.RevokeRequest{Grant: g.ID})
	if err != nil || len(ended.Grants) != 1 {
		t.Errorf("its owner: got %v, %v", ended, err)
	}
	if _, err := f.EndAccount(f.ctx, token.Caller{Account: f.ann}, f.ann, account.Disabled, ""); token.CodeOf(err) != token.Forbidden {
		t.Errorf("a person disables an account: %v", err)
	}
	if _, err := f.List(f.ctx, token.Caller{Account: bob}, token.Filter{Account: f.ann}); token.CodeOf(err) != token.Forbidden {
		t.Errorf("a person lists another's tokens: %v", err)
	}
}

// Another process on the same file ends a grant; this one hears of it by the feed.
func TestFollowingAnotherProcess(t *testing.T) {
	f := newFixture(t)
	got := f.issue("rot")
	db, store := openStore(t, f.path, services(), f.clock.now)
	defer db.Close()
	other := token.New(token.Options{Store: store, Keys: &keys{}, Services: services(), Now: f.clock.now})
	_, err := other.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: got.Grant.ID, Reason: "elsewhere"})
	check(t, err)
	f.good("rot", got.Access.Reveal())
	check(t, f.CatchUp(f.ctx))
	f.dead("rot", got.Access.Reveal(), token.Revoked)
	f.db.Close()
	f.open()
	f.dead("rot", got.Access.Reveal(), token.Revoked)
}

func TestNoNewsWithinTheBoundRefuses(t *testing.T) {
	f := newFixture(t)
	got, ext := f.issue("rot"), f.issue("ext")
	f.flaky.set(errDown)
	f.clock.add(30 * time.Second)
	f.good("rot", got.Access.Reveal())
	if err := f.CatchUp(f.ctx); !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	f.clock.add(time.Second)
	f.dead("rot", got.Access.Reveal(), token.Unavailable)
	_, err := f.refresh("ext", ext.Access.Reveal())
	wantCode(t, err, token.Unavailable)
	if f.Fresh() == nil {
		t.Error("the engine calls itself fresh")
	}
	f.flaky.set(nil)
	check(t, f.CatchUp(f.ctx))
	f.good("rot", got.Access.Reveal())
}

func TestEngineThatHasNotStartedVouchesForNothing(t *testing.T) {
	f := newFixture(t)
	got := f.issue("rot")
	idle := token.New(token.Options{Store: f.store, Keys: &keys{}, Services: services(), Now: f.clock.now})
	_, err := idle.Verify(f.ctx, "rot", got.Access.Reveal(), token.Access)
	wantCode(t, err, token.Unavailable)
}

func TestNewEpochEndsEveryTokenMadeBefore(t *testing.T) {
	f := newFixture(t)
	before := f.issue("rot")
	f.clock.add(time.Minute)
	_, err := f.store.NewEpoch(f.ctx, sqlstore.EpochVerb{By: token.Operator(), Now: f.clock.now()})
	check(t, err)
	check(t, f.CatchUp(f.ctx))
	f.dead("rot", before.Access.Reveal(), token.Revoked)
	_, err = f.refresh("rot", before.Refresh.Reveal())
	wantCode(t, err, token.Revoked)
	f.wait(time.Second)
	after := f.issue("rot")
	f.good("rot", after.Access.Reveal())
	if after.Grant.ID < 1<<32 {
		t.Errorf("grant %d: the numbers did not jump", after.Grant.ID)
	}
}

// No store call that fails may end in a token.
func TestFailingStoreNeverGivesATokenOrAnEnd(t *testing.T) {
	f := newFixture(t)
	pair := f.issue("rot")
	key, _, err := f.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Label: "k", To: f.clock.now().Add(time.Hour)})
	check(t, err)
	f.flaky.set(errDown)
	for name, do := range map[string]func() error{
		"issue": func() error {
			_, err := f.Issue(f.ctx, token.Operator(), token.IssueRequest{Service: "rot", Kind: token.Pair, Account: f.ann})
			return err
		},
		"refresh":  func() error { _, err := f.refresh("rot", pair.Refresh.Reveal()); return err },
		"exchange": func() error { _, err := f.Exchange(f.ctx, token.Caller{Actor: "key"}, "ext", key); return err },
		"exchange for": func() error {
			_, err := f.ExchangeFor(f.ctx, token.Caller{Actor: "key"}, "ext", secret.New(serviceKey), "ID-ann")
			return err
		},
		"introspect": func() error { _, _, err := f.Introspect(f.ctx, "rot", pair.Access.Reveal(), token.Access); return err },
		"revoke": func() error {
			_, err := f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: pair.Grant.ID})
			return err
		},
		"make key": func() error {
			_, _, err := f.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Label: "x", To: f.clock.now().Add(time.Hour)})
			return err
		},
	} {
		if err := do(); token.CodeOf(err) != token.Unavailable || !errors.Is(err, errDown) {
			t.Errorf("%s: got %v, want %v", name, err, errDown)
		}
	}
}
