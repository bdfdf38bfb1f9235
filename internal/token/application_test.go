package token_test

import (
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/token"
)

// robot makes an account of type application and one token of it in service "app".
func (f *fixture) robot() (int64, token.Tokens) {
	f.t.Helper()
	a, err := f.dir.Add(f.ctx, by, account.New{Name: "robot", Type: account.Application})
	check(f.t, err)
	in, err := f.Issue(f.ctx, token.Caller{Account: a.ID}, token.IssueRequest{Service: "app", Kind: token.Session, Account: a.ID})
	check(f.t, err)
	got, err := f.IssueApplication(f.ctx, token.Caller{}, token.ApplicationRequest{Service: "app", Token: in.Refresh.Reveal(), Label: "nightly"})
	check(f.t, err)
	return a.ID, got
}

func TestApplicationTokenHasNoEndAndIsOnTheList(t *testing.T) {
	f := newFixture(t)
	_, got := f.robot()
	f.wait(10 * 24 * time.Hour)
	f.good("app", got.Access.Reveal())
	f.db.Close()
	f.open()
	f.good("app", got.Access.Reveal())
	_, err := f.Refresh(f.ctx, token.Caller{}, token.RefreshRequest{Service: "app", Token: got.Access.Reveal(), Accept: []token.Kind{token.Access, token.Refresh}})
	wantCode(t, err, token.WrongKind)
	_, err = f.IssueApplication(f.ctx, token.Caller{}, token.ApplicationRequest{Service: "app", Token: got.Access.Reveal()})
	wantCode(t, err, token.WrongKind)
}

// Whoever holds the access key can forge a token without an end, and gets nowhere.
func TestForgedApplicationTokens(t *testing.T) {
	f := newFixture(t)
	robot, got := f.robot()
	pair := f.issue("app")
	good := wire{Kind: token.Access, Sub: got.Subject.ID, GID: got.Grant.ID, IAT: f.clock.now().Unix(), ID: "00112233445546778899aabbccddeeff"}
	for name, change := range map[string]func(*wire){
		"another jti":      func(*wire) {},
		"a session":        func(w *wire) { w.GID = pair.Grant.ID },
		"a grant to come":  func(w *wire) { w.GID = 4711 },
		"another's number": func(w *wire) { w.GID = robot + 900 },
	} {
		w := good
		change(&w)
		f.dead("app", forge(t, "app", token.Access, w), token.Revoked)
		_ = name
	}
	f.good("app", got.Access.Reveal())
}

func TestWhatEndsAnApplicationToken(t *testing.T) {
	for name, end := range map[string]func(f *fixture, robot int64, g token.Grant){
		"revoking": func(f *fixture, _ int64, g token.Grant) {
			_, err := f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Grant: g.ID})
			check(f.t, err)
		},
		"disabling the account": func(f *fixture, robot int64, _ token.Grant) {
			_, err := f.EndAccount(f.ctx, token.Operator(), robot, account.Disabled, "test")
			check(f.t, err)
		},
		"a change of type": func(f *fixture, _ int64, _ token.Grant) {
			person := account.Person
			_, err := f.dir.Set(f.ctx, by, "robot", account.Change{Type: &person})
			check(f.t, err)
			check(f.t, f.CatchUp(f.ctx))
		},
		"idleness": func(f *fixture, _ int64, _ token.Grant) { f.wait(31 * 24 * time.Hour) },
		"policy": func(f *fixture, _ int64, _ token.Grant) {
			for range 20 {
				f.wait(20 * 24 * time.Hour)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			robot, got := f.robot()
			f.good("app", got.Access.Reveal())
			end(f, robot, got.Grant)
			f.dead("app", got.Access.Reveal(), token.Revoked)
		})
	}
}

func TestUseKeepsAnApplicationTokenFromIdling(t *testing.T) {
	f := newFixture(t)
	_, got := f.robot()
	for range 5 {
		f.wait(20 * 24 * time.Hour)
		f.good("app", got.Access.Reveal())
		check(t, f.FlushUses(f.ctx))
		f.db.Close()
		f.open()
	}
}

func TestApplicationTokenNeedsAnApplicationAndAStore(t *testing.T) {
	f := newFixture(t)
	pair := f.issue("app")
	_, err := f.IssueApplication(f.ctx, token.Caller{}, token.ApplicationRequest{Service: "app", Token: pair.Refresh.Reveal()})
	wantCode(t, err, token.Forbidden)
	_, got := f.robot()
	f.db.Close()
	f.open()
	f.flaky.set(errDown)
	f.dead("app", got.Access.Reveal(), token.Unavailable)
	f.flaky.set(nil)
	f.good("app", got.Access.Reveal())
	f.flaky.set(errDown)
	f.good("app", got.Access.Reveal())
}
