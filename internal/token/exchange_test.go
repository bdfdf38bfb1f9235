package token_test

import (
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

func (f *fixture) key(req token.KeyRequest) (secret.Text, token.Grant) {
	f.t.Helper()
	req.Account, req.Label = f.ann, "job"
	if req.To.IsZero() {
		req.To = f.clock.now().Add(10 * 24 * time.Hour)
	}
	key, g, err := f.MakeKey(f.ctx, token.Operator(), req)
	check(f.t, err)
	return key, g
}

func TestExchangedTokensEndWithTheKey(t *testing.T) {
	f := newFixture(t)
	key, g := f.key(token.KeyRequest{})
	if len(key.Reveal()) != 27 || g.Preview != key.Reveal()[:5] {
		t.Errorf("a key of %d characters with the preview %q", len(key.Reveal()), g.Preview)
	}
	got, err := f.Exchange(f.ctx, token.Caller{Actor: "key"}, "ext", key)
	check(t, err)
	if got.Grant.ID != g.ID || !got.Cap.Equal(g.ExpiresAt) {
		t.Errorf("grant %d cap %v, want %d %v", got.Grant.ID, got.Cap, g.ID, g.ExpiresAt)
	}
	f.good("ext", got.Access.Reveal())
	_, err = f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: g.ID})
	check(t, err)
	f.dead("ext", got.Access.Reveal(), token.Revoked)
	_, err = f.Exchange(f.ctx, token.Caller{Actor: "key"}, "ext", key)
	wantCode(t, err, token.BadCredentials)
}

func TestKeysThatAreNotGood(t *testing.T) {
	f := newFixture(t)
	later, _ := f.key(token.KeyRequest{From: f.clock.now().Add(time.Hour)})
	short, _ := f.key(token.KeyRequest{To: f.clock.now().Add(time.Minute)})
	f.wait(2 * time.Minute)
	good, _ := f.key(token.KeyRequest{})
	text := good.Reveal()
	for name, key := range map[string]string{
		"not yet": later.Reveal(), "past its end": short.Reveal(), "empty": "", "cut": text[:26], "longer": text + "A",
		"another case": flip(text), "the operator's service key": serviceKey,
	} {
		if _, err := f.Exchange(f.ctx, token.Caller{Actor: "key"}, "ext", secret.New(key)); token.CodeOf(err) != token.BadCredentials {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := f.Exchange(f.ctx, token.Caller{Actor: "key"}, "closed", good); token.CodeOf(err) != token.BadCredentials {
		t.Errorf("a service that takes no keys: got %v", err)
	}
}

// flip changes the case of the first letter.
func flip(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b[i] = c ^ 0x20
			return string(b)
		}
	}
	return s
}

func TestPairMadeWithAKeyEndsWithIt(t *testing.T) {
	f := newFixture(t)
	key, g := f.key(token.KeyRequest{})
	got, err := f.Issue(f.ctx, token.Caller{}, token.IssueRequest{Service: "rot", Kind: token.Pair, Key: key})
	check(t, err)
	if got.Grant.Parent != g.ID || got.Grant.Account != f.ann {
		t.Errorf("parent %d of account %d", got.Grant.Parent, got.Grant.Account)
	}
	_, err = f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: g.ID})
	check(t, err)
	f.dead("rot", got.Access.Reveal(), token.Revoked)
	_, err = f.refresh("rot", got.Refresh.Reveal())
	wantCode(t, err, token.Revoked)
}

func TestGroupKeysActForAGroupTheAccountOwns(t *testing.T) {
	f := newFixture(t)
	own, err := f.dir.AddGroup(f.ctx, by, "site", "ann")
	check(t, err)
	f.add("bob")
	foreign, err := f.dir.AddGroup(f.ctx, by, "theirs", "bob")
	check(t, err)
	_, _, err = f.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Group: foreign.ID, Label: "x", To: f.clock.now().Add(time.Hour)})
	wantCode(t, err, token.NotFound)
	key, _ := f.key(token.KeyRequest{Group: own.ID})
	got, err := f.Exchange(f.ctx, token.Caller{Actor: "key"}, "ext", key)
	check(t, err)
	if got.Subject.Acting == nil || got.Subject.Acting.Name != "site" {
		t.Errorf("acting for %v", got.Subject.Acting)
	}
	_, err = f.Issue(f.ctx, token.Caller{}, token.IssueRequest{Service: "rot", Kind: token.Pair, Key: key})
	wantCode(t, err, token.Forbidden)
	check(t, f.dir.DeleteGroup(f.ctx, by, "site"))
	check(t, f.CatchUp(f.ctx))
	f.dead("ext", got.Access.Reveal(), token.Revoked)
}

func TestServiceKeyMintsForAnySubject(t *testing.T) {
	f := newFixture(t)
	mint := func() token.Tokens {
		got, err := f.ExchangeFor(f.ctx, token.Caller{Actor: "key"}, "ext", secret.New(serviceKey), "ID-ann")
		check(t, err)
		return got
	}
	got := mint()
	f.good("ext", got.Access.Reveal())
	f.wait(time.Hour)
	again := f.mustRefresh("ext", got.Access.Reveal())
	if !again.Expires.Equal(got.Cap) {
		t.Errorf("refreshed up to %v, past one lifetime %v", again.Expires, got.Cap)
	}
	for name, c := range map[string]struct {
		service, key, subject string
		code                  token.Code
	}{
		"wrong key":     {"ext", "another key of the operator", "ID-ann", token.Forbidden},
		"empty key":     {"ext", "", "ID-ann", token.Forbidden},
		"no key set":    {"rot", serviceKey, "1", token.Forbidden},
		"nobody's id":   {"ext", serviceKey, "ID-bob", token.NotFound},
		"no such mount": {"none", serviceKey, "ID-ann", token.NotFound},
	} {
		_, err := f.ExchangeFor(f.ctx, token.Caller{Actor: "key"}, c.service, secret.New(c.key), c.subject)
		if token.CodeOf(err) != c.code {
			t.Errorf("%s: got %v, want %v", name, err, c.code)
		}
	}
	// The grant is the key's, and yet the account's end ends these tokens too.
	f.wait(time.Second)
	_, err := f.EndAccount(f.ctx, token.Operator(), f.ann, account.Disabled, "test")
	check(t, err)
	f.dead("ext", got.Access.Reveal(), token.Revoked)
	f.dead("ext", again.Access.Reveal(), token.Revoked)
	_, err = f.ExchangeFor(f.ctx, token.Caller{Actor: "key"}, "ext", secret.New(serviceKey), "ID-ann")
	wantCode(t, err, token.NotFound)
}

func TestRefreshWithoutAStore(t *testing.T) {
	f := newFixture(t)
	got := f.issue("ext")
	f.wait(7 * time.Hour)
	f.flaky.set(errDown)
	again := f.mustRefresh("ext", got.Access.Reveal())
	if f.flaky.calls != 0 {
		t.Errorf("%d store calls", f.flaky.calls)
	}
	if want := f.clock.now().Add(8 * time.Hour); !again.Expires.Equal(want) {
		t.Errorf("ends at %v, want %v", again.Expires, want)
	}
}

func TestExtensionStopsAtTheCap(t *testing.T) {
	f := newFixture(t)
	got := f.issue("ext")
	end := got.Cap
	for f.clock.now().Before(end) {
		got = f.mustRefresh("ext", got.Access.Reveal())
		if got.Expires.After(end) {
			t.Fatalf("ends at %v, past the cap %v", got.Expires, end)
		}
		f.wait(7 * time.Hour)
	}
	_, err := f.refresh("ext", got.Access.Reveal())
	wantCode(t, err, token.Expired)
	now := f.clock.now().Unix()
	_, err = f.refresh("ext", forge(t, "ext", token.Access, wire{Kind: token.Access, Sub: "ID-ann", GID: 9, IAT: now, EXP: now + 60}))
	wantCode(t, err, token.WrongKind)
}

func TestChangedAccountIsReadAtTheNextRefresh(t *testing.T) {
	f := newFixture(t)
	got := f.issue("ext")
	f.wait(time.Minute)
	_, err := f.dir.AddGroup(f.ctx, by, "g", "")
	check(t, err)
	check(t, f.dir.AddMember(f.ctx, by, "g", "ann"))
	check(t, f.dir.RemoveMember(f.ctx, by, "g", "ann"))
	check(t, f.CatchUp(f.ctx))
	f.wait(time.Minute)
	f.flaky.set(nil)
	fresh := f.mustRefresh("ext", got.Access.Reveal())
	if f.flaky.calls == 0 || fresh.Claims != nil {
		t.Error("a stale token was copied without a look at the account")
	}
	f.flaky.set(errDown)
	f.mustRefresh("ext", fresh.Access.Reveal())
}

// An operator who narrows a service and starts again need not end its tokens by hand.
func TestNarrowedServiceIsAskedAtTheNextRefresh(t *testing.T) {
	f := newFixture(t)
	_, err := f.Keep(f.ctx, token.Retention{AuditKeep: time.Hour})
	check(t, err)
	got := f.issue("ext")
	f.wait(time.Minute)
	got = f.mustRefresh("ext", got.Access.Reveal())
	if got.Claims == nil {
		t.Error("the account was read without need")
	}
	f.narrow = func(s *token.Service) {
		if s.Name == "ext" {
			s.Types = []string{"application"}
		}
	}
	for range 2 { // the second start finds nothing new, and yet older tokens stay stale
		f.db.Close()
		f.clock.add(time.Minute)
		f.open()
		_, err = f.Keep(f.ctx, token.Retention{AuditKeep: time.Hour})
		check(t, err)
		_, err = f.refresh("ext", got.Access.Reveal())
		wantCode(t, err, token.Forbidden)
	}
}

// What is ours takes the key of an account without asking any service, and no other text.
func TestKeyHolder(t *testing.T) {
	f := newFixture(t)
	key, g := f.key(token.KeyRequest{})
	later, _ := f.key(token.KeyRequest{From: f.clock.now().Add(time.Hour)})
	got, err := f.KeyHolder(f.ctx, token.Caller{}, key)
	check(t, err)
	if got.ID != g.ID || got.Account != f.ann {
		t.Errorf("the key is of grant %d of account %d", got.ID, got.Account)
	}
	_, browser := f.browser()
	for name, text := range map[string]string{"none": "", "not yet": later.Reveal(), "cut": key.Reveal()[:26],
		"another case": flip(key.Reveal()), "a browser's": browser.Reveal(), "the operator's service key": serviceKey} {
		if _, err := f.KeyHolder(f.ctx, token.Caller{}, secret.New(text)); token.CodeOf(err) != token.BadCredentials {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f.clock.add(time.Hour)
	_, err = f.KeyHolder(f.ctx, token.Caller{}, key)
	wantCode(t, err, token.Unavailable)
	check(t, f.CatchUp(f.ctx))
	_, err = f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: g.ID})
	check(t, err)
	_, err = f.KeyHolder(f.ctx, token.Caller{}, key)
	wantCode(t, err, token.BadCredentials)
	f.flaky.set(errDown)
	_, err = f.KeyHolder(f.ctx, token.Caller{}, later)
	wantCode(t, err, token.Unavailable)
}

// A key that was met is exchanged without a store, but never for less than this process has done itself.
func TestExchangeFromMemory(t *testing.T) {
	f := newFixture(t)
	key, g := f.key(token.KeyRequest{})
	f.wait(0)
	f.exchange(key, 0)
	if n := f.calls(func() { f.exchange(key, 0) }); n != 0 {
		t.Errorf("the second exchange made %d calls of the store", n)
	}
	_, err := f.dir.Set(f.ctx, by, "ann", account.Change{Display: new("Ann Newer")})
	check(t, err)
	if got := f.exchange(key, 0); got.Subject.Display != "Ann Newer" { // the feed has not been read yet
		t.Errorf("after a change tokens name %q", got.Subject.Display)
	}
	f.wait(0)
	f.exchange(key, 0)
	if n := f.calls(func() { f.exchange(key, 0) }); n != 0 {
		t.Errorf("once the feed was read an exchange made %d calls of the store", n)
	}
	f.clock.add(time.Minute) // no news within the bound: the store decides
	if n := f.calls(func() { f.exchange(key, 0) }); n == 0 {
		t.Error("a server without news went by its memory")
	}
	f.wait(0)
	_, err = f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: g.ID})
	check(t, err)
	f.exchange(key, token.BadCredentials)
}
