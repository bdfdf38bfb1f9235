package token_test

import (
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

func (f *fixture) ownKey(to time.Duration) (secret.Text, token.Grant) {
	f.t.Helper()
	text, g, err := f.MakeKey(f.ctx, token.Caller{Account: f.ann}, token.KeyRequest{Account: f.ann, Label: "cron", To: f.clock.now().Add(to)})
	check(f.t, err)
	return text, g
}

// exchange fails unless the key gets the code, 0 for a good one.
func (f *fixture) exchange(key secret.Text, want token.Code) token.Tokens {
	f.t.Helper()
	got, err := f.Exchange(f.ctx, token.Caller{Actor: "key", Addr: "192.0.2.5"}, "ext", key)
	wantCode(f.t, err, want)
	return got
}

// keeper runs what a server does by itself, without waiting.
func (f *fixture) keeper() func() {
	f.t.Helper()
	k, err := f.Keep(f.ctx, token.Retention{AuditKeep: time.Hour})
	check(f.t, err)
	return func() { token.Tend(k, f.ctx) }
}

func TestRotateKey(t *testing.T) {
	f := newFixture(t)
	tend := f.keeper()
	ann := token.Caller{Account: f.ann}
	old, g := f.ownKey(100 * 24 * time.Hour)
	f.wait(40 * 24 * time.Hour)
	carried := f.exchange(old, 0)
	text, made, err := f.RotateKey(f.ctx, ann, g.ID, time.Hour)
	check(t, err)
	if made.Label != "cron" || made.Account != f.ann || made.ReplacedBy != 0 || !made.ExpiresAt.Equal(f.clock.now().Add(100*24*time.Hour)) {
		t.Errorf("made %+v", made)
	}
	if made.Preview != text.Reveal()[:5] || text.Reveal() == old.Reveal() {
		t.Error("the new key has no secret of its own")
	}
	last := f.exchange(old, 0)
	if !last.Cap.Equal(f.clock.now().Add(time.Hour)) {
		t.Errorf("what the old key gives in the overlap can live to %s", last.Cap)
	}
	f.exchange(text, 0)
	f.wait(time.Hour - time.Second)
	f.exchange(old, 0)
	carried, err = f.refresh("ext", carried.Access.Reveal())
	check(t, err)
	f.wait(time.Second)
	f.exchange(old, token.BadCredentials) // by time, before anybody has revoked it
	f.good("ext", carried.Access.Reveal())
	tend()
	f.dead("ext", carried.Access.Reveal(), token.Revoked)
	_, err = f.refresh("ext", carried.Access.Reveal())
	wantCode(t, err, token.Revoked)
	f.exchange(text, 0)
}

// Without an overlap the old key and what it made are dead at once.
func TestRotateKeyAtOnce(t *testing.T) {
	f := newFixture(t)
	old, g := f.ownKey(24 * time.Hour)
	carried := f.exchange(old, 0)
	text, _, err := f.RotateKey(f.ctx, token.Operator(), g.ID, 0)
	check(t, err)
	f.exchange(old, token.BadCredentials)
	f.dead("ext", carried.Access.Reveal(), token.Revoked)
	f.exchange(text, 0)
}

// The server that was to end it is gone: the next one does, and others hear of it.
func TestRotateKeyAcrossServers(t *testing.T) {
	f := newFixture(t)
	old, g := f.ownKey(100 * 24 * time.Hour)
	carried := f.exchange(old, 0)
	other := f.Engine
	_, _, err := f.RotateKey(f.ctx, token.Caller{Account: f.ann}, g.ID, time.Hour)
	check(t, err)
	f.clock.add(2 * time.Hour)
	f.open()
	f.keeper()()
	f.dead("ext", carried.Access.Reveal(), token.Revoked)
	check(t, other.CatchUp(f.ctx))
	_, err = other.Verify(f.ctx, "ext", carried.Access.Reveal(), token.Access)
	wantCode(t, err, token.Revoked)
}

// A key for later stays one for later.
func TestRotateKeyThatWaits(t *testing.T) {
	f := newFixture(t)
	from, to := f.clock.now().Add(24*time.Hour), f.clock.now().Add(48*time.Hour)
	_, g, err := f.MakeKey(f.ctx, token.Caller{Account: f.ann}, token.KeyRequest{Account: f.ann, Label: "later", From: from, To: to})
	check(t, err)
	f.wait(time.Hour)
	_, made, err := f.RotateKey(f.ctx, token.Caller{Account: f.ann}, g.ID, 0)
	check(t, err)
	if !made.NotBefore.Equal(from) || !made.ExpiresAt.Equal(to) {
		t.Errorf("the new one is valid from %s to %s", made.NotBefore, made.ExpiresAt)
	}
	f.clock.add(25 * time.Hour)
	_, made, err = f.RotateKey(f.ctx, token.Caller{Account: f.ann}, made.ID, 0)
	check(t, err)
	if !made.NotBefore.IsZero() || !made.ExpiresAt.Equal(f.clock.now().Add(24*time.Hour)) {
		t.Errorf("made in its time, it is valid from %s to %s", made.NotBefore, made.ExpiresAt)
	}
}

func TestRotateRefusals(t *testing.T) {
	f := newFixture(t)
	bob := f.add("bob")
	_, g := f.ownKey(24 * time.Hour)
	pair := f.issue("rot")
	for what, c := range map[string]struct {
		by      token.Caller
		grant   int64
		overlap time.Duration
		want    token.Code
	}{
		"another's":    {token.Caller{Account: bob}, g.ID, 0, token.NotFound},
		"nobody":       {token.Caller{}, g.ID, 0, token.NotFound},
		"no such":      {token.Operator(), 4711, 0, token.NotFound},
		"a pair":       {token.Caller{Account: f.ann}, pair.Grant.ID, 0, token.NotFound},
		"back in time": {token.Caller{Account: f.ann}, g.ID, -time.Second, token.Malformed},
		"for too long": {token.Caller{Account: f.ann}, g.ID, 31 * 24 * time.Hour, token.Malformed},
	} {
		_, _, err := f.RotateKey(f.ctx, c.by, c.grant, c.overlap)
		if token.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
		_, err = f.RotateApplication(f.ctx, c.by, c.grant, c.overlap)
		if token.CodeOf(err) != c.want {
			t.Errorf("%s, as application token: %v, want %v", what, err, c.want)
		}
	}
	_, err := f.RotateApplication(f.ctx, token.Operator(), g.ID, 0)
	wantCode(t, err, token.NotFound)
	_, _, err = f.RotateKey(f.ctx, token.Caller{Account: f.ann}, g.ID, time.Hour)
	check(t, err)
	_, _, err = f.RotateKey(f.ctx, token.Caller{Account: f.ann}, g.ID, 0)
	wantCode(t, err, token.Conflict)
	f.flaky.set(errDown)
	_, _, err = f.RotateKey(f.ctx, token.Caller{Account: f.ann}, g.ID, 0)
	wantCode(t, err, token.Unavailable)
}

// A key for a group goes on for it, and for nobody who owns it no more.
func TestRotateKeyOfGroup(t *testing.T) {
	f := newFixture(t)
	made, err := f.dir.AddGroup(f.ctx, account.By{}, "lab", "ann")
	check(t, err)
	_, g, err := f.MakeKey(f.ctx, token.Caller{Account: f.ann}, token.KeyRequest{Account: f.ann, Group: made.ID, Label: "lab", To: f.clock.now().Add(time.Hour)})
	check(t, err)
	text, next, err := f.RotateKey(f.ctx, token.Caller{Account: f.ann}, g.ID, 0)
	check(t, err)
	if got := f.exchange(text, 0); next.Group != made.ID || got.Subject.Acting == nil || got.Subject.Acting.ID != made.ID {
		t.Errorf("made for group %d, acting for %+v", next.Group, got.Subject.Acting)
	}
}

func TestRotateApplication(t *testing.T) {
	f := newFixture(t)
	tend := f.keeper()
	a, err := f.dir.Add(f.ctx, account.By{}, account.New{Name: "robot", Type: account.Application})
	check(t, err)
	robot := token.Caller{Account: a.ID}
	old, err := f.IssueApplication(f.ctx, robot, token.ApplicationRequest{Service: "app", Account: a.ID, Label: "press"})
	check(t, err)
	f.good("app", old.Access.Reveal())
	f.wait(24 * time.Hour)
	other := f.Engine
	if _, err := other.Verify(f.ctx, "app", old.Access.Reveal(), token.Access); err != nil {
		t.Fatal(err)
	}
	got, err := f.RotateApplication(f.ctx, robot, old.Grant.ID, time.Hour)
	check(t, err)
	if got.Grant.Label != "press" || !got.Grant.ExpiresAt.Equal(f.clock.now().Add(365*24*time.Hour)) {
		t.Errorf("made %+v", got.Grant)
	}
	f.good("app", old.Access.Reveal())
	f.good("app", got.Access.Reveal())
	f.wait(time.Hour)
	f.dead("app", old.Access.Reveal(), token.Revoked) // its end is known here
	tend()
	g, err := f.store.Grant(f.ctx, old.Grant.ID)
	check(t, err)
	if g.State(f.clock.now()) != "revoked" || g.ReplacedBy != got.Grant.ID {
		t.Errorf("the old grant is %+v", g)
	}
	f.good("app", got.Access.Reveal())
	_, err = f.RotateApplication(f.ctx, robot, got.Grant.ID, 0)
	check(t, err)
	f.dead("app", got.Access.Reveal(), token.Revoked)
}

// The grant says from where it was last used, where anybody knows.
func TestLastAddr(t *testing.T) {
	f := newFixture(t)
	pair, ext := f.issue("rot"), f.issue("ext")
	key, keyGrant := f.ownKey(time.Hour)
	browser, s := f.browser()
	from := func(addr string) token.Caller { return token.Caller{Addr: addr} }
	wants := func(g int64, want string) {
		t.Helper()
		check(t, f.FlushUses(f.ctx))
		got, err := f.store.Grant(f.ctx, g)
		check(t, err)
		if got.LastAddr != want {
			t.Errorf("grant %d of kind %s was last used from %q, want %q", g, got.Kind, got.LastAddr, want)
		}
	}
	wants(pair.Grant.ID, "")
	_, err := f.Refresh(f.ctx, from("192.0.2.1"), token.RefreshRequest{Service: "rot", Token: pair.Refresh.Reveal()})
	check(t, err)
	wants(pair.Grant.ID, "192.0.2.1")
	f.good("rot", pair.Access.Reveal())
	wants(pair.Grant.ID, "192.0.2.1")
	_, err = f.Refresh(f.ctx, from("192.0.2.2"), token.RefreshRequest{Service: "ext", Token: ext.Access.Reveal(), Accept: []token.Kind{token.Access}})
	check(t, err)
	wants(ext.Grant.ID, "192.0.2.2")
	f.exchange(key, 0)
	wants(keyGrant.ID, "192.0.2.5")
	_, err = f.Browser(f.ctx, from("2001:db8::1"), s)
	check(t, err)
	wants(browser.ID, "2001:db8::1")
}
