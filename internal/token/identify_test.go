package token_test

import (
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// calls counts the store's verbs that do makes.
func (f *fixture) calls(do func()) int {
	f.flaky.set(nil)
	do()
	f.flaky.mu.Lock()
	defer f.flaky.mu.Unlock()
	return f.flaky.calls
}

// identify must succeed.
func (f *fixture) identify(service, text string) token.Holder {
	f.t.Helper()
	h, err := f.Identify(f.ctx, service, text)
	check(f.t, err)
	return h
}

// The account behind a token is read once, and again when the feed tells of a change.
func TestIdentifyFromMemory(t *testing.T) {
	f := newFixture(t)
	first, second := f.issue("ext"), f.issue("ext")
	if n := f.calls(func() { f.identify("ext", first.Access.Reveal()) }); n != 2 {
		t.Errorf("the first look made %d calls of the store, want grant and subject", n)
	}
	n := f.calls(func() {
		for range 100 {
			if h := f.identify("ext", first.Access.Reveal()); h.Subject.Name != "ann" || h.Claims.Grant != first.Grant.ID {
				t.Fatalf("got %+v", h)
			}
		}
	})
	if n != 0 {
		t.Errorf("100 more looks made %d calls of the store", n)
	}
	f.identify("ext", second.Access.Reveal())

	_, err := f.dir.AddGroup(f.ctx, by, "staff", "")
	check(t, err)
	check(t, f.dir.AddMember(f.ctx, by, "staff", "ann"))
	f.wait(time.Second)
	for _, tokens := range []token.Tokens{first, second} {
		if h := f.identify("ext", tokens.Access.Reveal()); !h.Subject.InGroup("staff") {
			t.Errorf("the new group is not seen: %+v", h.Subject.Groups)
		}
	}
	check(t, f.dir.RemoveMember(f.ctx, by, "staff", "ann"))
	f.wait(time.Second)
	if h := f.identify("ext", first.Access.Reveal()); h.Subject.InGroup("staff") {
		t.Error("a lost group is still seen")
	}
}

// What is remembered never outlives the token, its revocation or the news.
func TestIdentifyRefuses(t *testing.T) {
	f := newFixture(t)
	text := f.issue("rot").Access.Reveal()
	f.identify("rot", text)
	_, err := f.Identify(f.ctx, "ext", text)
	wantCode(t, err, token.Malformed)
	_, err = f.Identify(f.ctx, "rot", f.issue("rot").Refresh.Reveal())
	wantCode(t, err, token.WrongKind)

	other := f.issue("rot")
	f.identify("rot", other.Access.Reveal())
	_, err = f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: other.Grant.ID})
	check(t, err)
	_, err = f.Identify(f.ctx, "rot", other.Access.Reveal())
	wantCode(t, err, token.Revoked)

	f.clock.add(time.Minute)
	_, err = f.Identify(f.ctx, "rot", text)
	wantCode(t, err, token.Unavailable)
	f.wait(0)
	f.identify("rot", text)
	f.wait(24 * time.Hour)
	_, err = f.Identify(f.ctx, "rot", text)
	wantCode(t, err, token.Expired)
}

// A store that is down refuses nobody who is known, and lets nobody in who is not.
func TestIdentifyWithoutAStore(t *testing.T) {
	f := newFixture(t)
	known, fresh := f.issue("ext").Access.Reveal(), f.issue("ext").Access.Reveal()
	f.identify("ext", known)
	f.flaky.set(errDown)
	f.identify("ext", known)
	_, err := f.Identify(f.ctx, "ext", fresh)
	wantCode(t, err, token.Unavailable)
}

// Who may no longer use a service is refused when that was decided after the token was made.
func TestIdentifyAsksWhetherAdmitted(t *testing.T) {
	f := newFixture(t)
	tokens := f.issue("closed") // the operator is not bound by who may use it
	f.identify("closed", tokens.Access.Reveal())
	_, err := f.dir.AddGroup(f.ctx, by, "staff", "")
	check(t, err)
	check(t, f.dir.AddMember(f.ctx, by, "staff", "ann"))
	f.wait(time.Second)
	f.identify("closed", tokens.Access.Reveal())
	check(t, f.dir.RemoveMember(f.ctx, by, "staff", "ann"))
	f.wait(time.Second)
	_, err = f.Identify(f.ctx, "closed", tokens.Access.Reveal())
	wantCode(t, err, token.Forbidden)
}

// A key is looked up once, by its whole hash, and its end is seen on the next use.
func TestIdentifyKey(t *testing.T) {
	f := newFixture(t)
	key, g := f.key(token.KeyRequest{})
	h, err := f.IdentifyKey(f.ctx, "ext", key)
	check(t, err)
	if h.Claims.Grant != g.ID || h.Claims.Subject != "ID-ann" || !h.Claims.Expires.Equal(g.ExpiresAt) {
		t.Errorf("got %+v", h.Claims)
	}
	n := f.calls(func() {
		_, err := f.IdentifyKey(f.ctx, "ext", key)
		check(t, err)
	})
	if n != 0 {
		t.Errorf("the second look made %d calls of the store", n)
	}
	_, err = f.dir.Set(f.ctx, by, "ann", account.Change{Display: new("Ann Newer")})
	check(t, err)
	f.wait(time.Second)
	if h, err := f.IdentifyKey(f.ctx, "ext", key); err != nil || h.Subject.Display != "Ann Newer" {
		t.Errorf("after a change %q is seen, %v", h.Subject.Display, err)
	}
	for _, wrong := range []string{"", key.Reveal()[:26], key.Reveal() + "A", key.Reveal()[:26] + "!", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		_, err := f.IdentifyKey(f.ctx, "ext", secret.New(wrong))
		wantCode(t, err, token.BadCredentials)
	}
	_, err = f.IdentifyKey(f.ctx, "app", key)
	wantCode(t, err, token.BadCredentials)

	f.clock.add(time.Minute)
	_, err = f.IdentifyKey(f.ctx, "ext", key)
	wantCode(t, err, token.Unavailable)
	f.wait(0)
	_, err = f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: g.ID})
	check(t, err)
	_, err = f.IdentifyKey(f.ctx, "ext", key)
	wantCode(t, err, token.BadCredentials)

	late, _ := f.key(token.KeyRequest{To: f.clock.now().Add(time.Hour)})
	_, err = f.IdentifyKey(f.ctx, "ext", late)
	check(t, err)
	f.wait(time.Hour)
	_, err = f.IdentifyKey(f.ctx, "ext", late)
	wantCode(t, err, token.BadCredentials)
	unborn, _ := f.key(token.KeyRequest{From: f.clock.now().Add(time.Hour)})
	_, err = f.IdentifyKey(f.ctx, "ext", unborn)
	wantCode(t, err, token.BadCredentials)
}

// What is minted for the server behind is short, ends with what was presented, and refreshes nothing.
func TestLend(t *testing.T) {
	f := newFixture(t)
	h := f.identify("ext", f.issue("ext").Access.Reveal())
	for life, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, 100 * time.Hour: 8 * time.Hour} {
		lent, err := f.Lend("ext", h, life)
		check(t, err)
		if got := lent.Expires.Sub(f.clock.now()); got != want {
			t.Errorf("a loan of %v lives for %v, want %v", life, got, want)
		}
		f.good("ext", lent.Access.Reveal())
		_, err = f.refresh("ext", lent.Access.Reveal())
		wantCode(t, err, token.WrongKind)
		c, err := f.Verify(f.ctx, "ext", lent.Access.Reveal(), token.Access)
		check(t, err)
		if c.Grant != h.Claims.Grant {
			t.Errorf("the loan is of grant %d, want %d", c.Grant, h.Claims.Grant)
		}
	}
}

// A read that began before a change was heard of is not remembered after it.
func TestIdentifyBesideAChange(t *testing.T) {
	f := newFixture(t)
	text := f.issue("ext").Access.Reveal()
	f.flaky.read = func() {
		f.flaky.read = nil
		_, err := f.dir.Set(f.ctx, by, "ann", account.Change{Display: new("Ann Newer")})
		check(t, err)
		check(t, f.CatchUp(f.ctx))
	}
	if h := f.identify("ext", text); h.Subject.Display != "" {
		t.Fatalf("the read was not before the change: %q", h.Subject.Display)
	}
	if h := f.identify("ext", text); h.Subject.Display != "Ann Newer" {
		t.Errorf("after the change %q is seen", h.Subject.Display)
	}
}
