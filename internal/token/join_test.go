package token_test

import (
	"testing"
	"time"

	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// joined has tokens of bob's, whose account is now ann's.
func joined(t *testing.T) (f *fixture, rot, ext token.Tokens, key secret.Text) {
	f = newFixture(t)
	ann := f.ann
	f.ann = f.add("bob")
	rot, ext = f.issue("rot"), f.issue("ext")
	key, _ = f.key(token.KeyRequest{})
	bob := f.ann
	f.ann = ann
	f.issue("ext")
	f.wait(time.Minute)
	check(t, f.dir.Join(f.ctx, by, ann, bob))
	f.wait(time.Minute)
	return f, rot, ext, key
}

// Tokens made before two accounts became one stay good, and are the other's from then on.
func TestTokensOfAJoinedAccount(t *testing.T) {
	f, rot, ext, key := joined(t)
	for service, text := range map[string]string{"rot": rot.Access.Reveal(), "ext": ext.Access.Reveal()} {
		c, sub, err := f.Introspect(f.ctx, service, text, token.Access)
		check(t, err)
		if sub.Account != f.ann || sub.Name != "ann" || c.Subject == sub.ID {
			t.Errorf("%s: the token of %s is of %+v, want ann's account", service, c.Subject, sub)
		}
	}
	if next := f.mustRefresh("rot", rot.Refresh.Reveal()); next.Grant.Account != f.ann || next.Subject.ID != rot.Subject.ID {
		t.Errorf("the next pair is %+v of %+v, want the same subject and ann's account", next.Grant, next.Subject)
	}
	if next := f.mustRefresh("ext", ext.Access.Reveal()); next.Subject.ID != "ID-ann" || next.Claims != nil {
		t.Errorf("the next token is of %+v, want ann's", next.Subject)
	}
	got, err := f.Exchange(f.ctx, token.Caller{Actor: "key"}, "ext", key)
	check(t, err)
	if got.Subject.ID != "ID-ann" {
		t.Errorf("the key gives tokens of %s", got.Subject.ID)
	}
	_, err = f.Issue(f.ctx, token.Operator(), token.IssueRequest{Service: "rot", Kind: token.Pair, Account: ext.Subject.Account})
	wantCode(t, err, token.NotFound)
}

// A forged name is not made good by it.
func TestOtherSubjectsAreNotJoined(t *testing.T) {
	f, rot, _, _ := joined(t)
	f.add("eve")
	now := f.clock.now().Unix()
	for sub, want := range map[string]token.Code{rot.Subject.ID: 0, "1": 0, "3": token.Malformed, "": token.Malformed} {
		text := forge(t, "rot", token.Access, wire{Kind: token.Access, Sub: sub, GID: rot.Grant.ID, IAT: now, EXP: now + 60})
		_, _, err := f.Introspect(f.ctx, "rot", text, token.Access)
		if token.CodeOf(err) != want {
			t.Errorf("a token of subject %q: %v, want %v", sub, err, want)
		}
	}
}

// The operator's key still mints for the old id, and everything of both ends as one.
func TestServiceKeyOfAJoinedAccount(t *testing.T) {
	f, rot, ext, _ := joined(t)
	mint := func() (token.Tokens, error) {
		return f.ExchangeFor(f.ctx, token.Caller{Actor: "key"}, "ext", secret.New(serviceKey), "ID-bob")
	}
	minted, err := mint()
	check(t, err)
	if minted.Subject.ID != "ID-ann" {
		t.Errorf("minted for %s", minted.Subject.ID)
	}
	f.wait(time.Second)
	_, err = f.Revoke(f.ctx, token.Caller{Account: f.ann}, token.RevokeRequest{Account: f.ann, Reason: "revoke all"})
	check(t, err)
	f.dead("rot", rot.Access.Reveal(), token.Revoked)
	f.dead("ext", ext.Access.Reveal(), token.Revoked)
	f.dead("ext", minted.Access.Reveal(), token.Revoked)
	for _, name := range []string{"uid=bob", "ID-bob", "uid=ann", "ID-ann"} {
		if cut, _, err := f.CutOff("ext", name); err != nil || cut.IsZero() {
			t.Errorf("%s is not cut off (%v)", name, err)
		}
	}
	_, err = mint()
	wantCode(t, err, token.Unavailable)
}
