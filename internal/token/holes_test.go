package token_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/jws"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// What a check on one path is worth when its sibling lacks it.

// staff puts ann into the group staff.
func (f *fixture) staff() {
	f.t.Helper()
	_, err := f.dir.AddGroup(f.ctx, by, "staff", "")
	check(f.t, err)
	check(f.t, f.dir.AddMember(f.ctx, by, "staff", "ann"))
	check(f.t, f.CatchUp(f.ctx))
}

// application makes ann an account of type application.
func (f *fixture) application() {
	f.t.Helper()
	kind := account.Application
	_, err := f.dir.Set(f.ctx, by, "ann", account.Change{Type: &kind})
	check(f.t, err)
	check(f.t, f.CatchUp(f.ctx))
}

// A refresh between the commit of a loss and the news of it must not outrun the
// stale mark.
func TestRefreshDoesNotOutrunALoss(t *testing.T) {
	f := newFixture(t)
	f.narrow = func(s *token.Service) {
		if s.Name == "ext" {
			s.Groups = []string{"staff"}
		}
	}
	f.open()
	f.staff()
	text := f.issue("ext").Access.Reveal()
	f.wait(time.Hour)
	check(t, f.dir.RemoveMember(f.ctx, by, "staff", "ann")) // a command beside the server
	f.clock.add(time.Second)                                // within the bound
	got := f.mustRefresh("ext", text)
	f.wait(time.Minute)
	_, err := f.refresh("ext", got.Access.Reveal())
	wantCode(t, err, token.Forbidden)
}

func TestApplicationTokenLosesItsGroup(t *testing.T) {
	f := newFixture(t)
	f.narrow = func(s *token.Service) {
		if s.Name == "app" {
			s.Groups = []string{"staff"}
			s.ApplicationLife, s.ApplicationIdle = 0, 0
		}
	}
	f.open()
	f.staff()
	f.application()
	app, err := f.IssueApplication(f.ctx, token.Operator(), token.ApplicationRequest{Service: "app", Account: f.ann})
	check(t, err)
	f.wait(time.Hour)
	f.good("app", app.Access.Reveal())
	check(t, f.dir.RemoveMember(f.ctx, by, "staff", "ann"))
	f.wait(time.Second)
	f.dead("app", app.Access.Reveal(), token.Forbidden)
	check(t, f.dir.AddMember(f.ctx, by, "staff", "ann"))
	f.wait(time.Hour)
	f.good("app", app.Access.Reveal())
	f.flaky.set(nil)
	f.good("app", app.Access.Reveal())
	if f.flaky.calls != 0 {
		t.Errorf("%d store calls for an account that did not change", f.flaky.calls)
	}
}

// A refresh token whose grant was revoked in another process makes nothing, also
// before the news of it.
func TestRevokedGrantMakesNoApplicationToken(t *testing.T) {
	f := newFixture(t)
	f.application()
	in := f.issue("app")
	_, err := f.store.Revoke(f.ctx, token.RevokeVerb{By: token.Operator(), Now: f.clock.now(), Grant: in.Grant.ID, Reason: "stolen"})
	check(t, err)
	_, _, err = f.Introspect(f.ctx, "app", in.Access.Reveal(), token.Access)
	wantCode(t, err, token.Revoked)
	_, err = f.IssueApplication(f.ctx, token.Caller{Actor: "token"}, token.ApplicationRequest{Service: "app", Token: in.Refresh.Reveal()})
	wantCode(t, err, token.Revoked)
}

// The transaction looks again: the grant may end after it was read.
func TestPermissionIsAskedInTheTransaction(t *testing.T) {
	f := newFixture(t)
	f.application()
	in := f.issue("app")
	_, err := f.store.Revoke(f.ctx, token.RevokeVerb{By: token.Operator(), Now: f.clock.now(), Grant: in.Grant.ID})
	check(t, err)
	v := token.IssueVerb{Now: f.clock.now(), With: in.Grant.ID,
		Grant: token.Grant{Account: f.ann, Service: "app", Kind: token.Application, Nonce: 1}}
	_, err = f.store.Issue(f.ctx, v)
	wantCode(t, err, token.Revoked)
	v.With = 4711
	_, err = f.store.Issue(f.ctx, v)
	wantCode(t, err, token.NotFound)
}

// badKeys has a signer that can be away.
type badKeys struct {
	keys
	away bool
}

func (k *badKeys) Signer(service string, kind token.Kind, born time.Time) (jws.Signer, string, error) {
	if k.away {
		return nil, "", errors.New("the KMS is away")
	}
	return k.keys.Signer(service, kind, born)
}

// An answer that could not be signed is a lost one.
func TestRotationThatCannotBeSigned(t *testing.T) {
	f := newFixture(t)
	k := &badKeys{}
	f.Engine = token.New(token.Options{Store: f.flaky, Keys: k, Services: services(), Now: f.clock.now, Log: slog.New(slog.DiscardHandler)})
	check(t, f.Start(f.ctx))
	first := f.issue("rot")
	k.away = true
	_, err := f.refresh("rot", first.Refresh.Reveal())
	wantCode(t, err, token.Unavailable)
	k.away = false
	f.wait(61 * time.Second)
	f.mustRefresh("rot", first.Refresh.Reveal())
}

func TestServiceKeyTakenOutOfTheConfiguration(t *testing.T) {
	f := newFixture(t)
	got, err := f.ExchangeFor(f.ctx, token.Caller{}, "ext", secret.New(serviceKey), "ID-ann")
	check(t, err)
	f.good("ext", got.Access.Reveal())
	f.narrow = func(s *token.Service) { s.ServiceKey = [32]byte{} }
	f.db.Close()
	f.open()
	f.dead("ext", got.Access.Reveal(), token.Revoked)
}

func TestServiceKeyWithoutNews(t *testing.T) {
	f := newFixture(t)
	f.narrow = func(s *token.Service) {
		s.System = func(id string) (token.Subject, bool) { return token.Subject{ID: id, Active: true}, id == "PUBLIC" }
	}
	f.db.Close()
	f.open()
	_, err := f.ExchangeFor(f.ctx, token.Caller{}, "ext", secret.New(serviceKey), "PUBLIC")
	check(t, err)
	f.flaky.set(errDown)
	f.clock.add(time.Hour)
	_, err = f.ExchangeFor(f.ctx, token.Caller{}, "ext", secret.New(serviceKey), "PUBLIC")
	wantCode(t, err, token.Unavailable)
}

// hooked runs something between the read of an account and what is made of it.
type hooked struct {
	token.Store
	after func()
}

func (h *hooked) SubjectByID(ctx context.Context, service, id string) (token.Subject, error) {
	sub, err := h.Store.SubjectByID(ctx, service, id)
	h.after()
	return sub, err
}

func TestAccountDisabledWhileAServiceKeyMints(t *testing.T) {
	f := newFixture(t)
	h := &hooked{Store: f.store}
	f.Engine = token.New(token.Options{Store: h, Keys: &keys{}, Services: services(), Now: f.clock.now, Log: slog.New(slog.DiscardHandler)})
	check(t, f.Start(f.ctx))
	f.clock.add(900 * time.Millisecond)
	h.after = func() {
		_, err := f.EndAccount(f.ctx, token.Operator(), f.ann, account.Disabled, "gone")
		check(t, err)
		f.clock.add(200 * time.Millisecond)
	}
	_, err := f.ExchangeFor(f.ctx, token.Caller{}, "ext", secret.New(serviceKey), "ID-ann")
	wantCode(t, err, token.Unavailable)
}

// No token that is handed out is dead on arrival.
func TestServiceKeyRightAfterARevocation(t *testing.T) {
	f := newFixture(t)
	_, err := f.Revoke(f.ctx, token.Operator(), token.RevokeRequest{Account: f.ann})
	check(t, err)
	_, err = f.ExchangeFor(f.ctx, token.Caller{}, "ext", secret.New(serviceKey), "ID-ann")
	wantCode(t, err, token.Unavailable)
	f.wait(7 * time.Second)
	got, err := f.ExchangeFor(f.ctx, token.Caller{}, "ext", secret.New(serviceKey), "ID-ann")
	check(t, err)
	f.good("ext", got.Access.Reveal())
}

func TestEndedApplicationTokensLeaveNoRows(t *testing.T) {
	f := newFixture(t)
	f.narrow = func(s *token.Service) {
		if s.Name == "app" {
			s.ApplicationLife, s.ApplicationIdle = 0, 0
			s.Limits = map[token.GrantKind]int{token.Application: 3}
		}
	}
	f.open()
	f.application()
	for range 20 {
		_, err := f.IssueApplication(f.ctx, token.Operator(), token.ApplicationRequest{Service: "app", Account: f.ann})
		check(t, err)
	}
	f.clock.add(3 * 24 * time.Hour)
	_, _, err := f.store.Purge(f.ctx, token.PurgeVerb{Now: f.clock.now(), Batch: 2000, Retention: token.Retention{AuditKeep: time.Hour}})
	check(t, err)
	left, err := f.store.List(f.ctx, token.Filter{Kinds: []token.GrantKind{token.Application}})
	check(t, err)
	if len(left) != 3 {
		t.Errorf("%d rows of application tokens, of which 3 are live", len(left))
	}
}

func TestRevokeNamesExactlyOneThing(t *testing.T) {
	f := newFixture(t)
	bob := f.add("bob")
	mine := f.issue("rot")
	for name, req := range map[string]token.RevokeRequest{
		"nothing":                        {},
		"one's grant, another's account": {Grant: mine.Grant.ID, Account: bob},
		"a token and somebody's account": {Token: mine.Refresh.Reveal(), Service: "rot", Account: bob},
	} {
		_, err := f.Revoke(f.ctx, token.Caller{Actor: "account", Account: f.ann}, req)
		if token.CodeOf(err) != token.Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.good("rot", mine.Access.Reveal())
}

func TestWhatServiceKeysDoIsWrittenDown(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		_, err := f.ExchangeFor(f.ctx, token.Caller{Actor: "key", Addr: "192.0.2.1"}, "ext", secret.New(serviceKey), "ID-ann")
		check(t, err)
		_, err = f.ExchangeFor(f.ctx, token.Caller{Actor: "key"}, "ext", secret.New("a guess"), "ID-ann")
		wantCode(t, err, token.Forbidden)
	}
	lines, err := f.store.Audit(f.ctx, audit.Filter{})
	check(t, err)
	seen := map[string]int{}
	for _, l := range lines {
		seen[string(l.Kind)+" "+l.Detail]++
	}
	if seen["service_key_used ID-ann"] != 1 || seen["service_key_refused "] != 1 {
		t.Errorf("audit %v", seen)
	}
}

func TestLabelsThatCouldForgeAList(t *testing.T) {
	f := newFixture(t)
	for name, label := range map[string]string{"escape": "a\x1b[2J", "new line": "a\nGRANT 1", "right to left": "a\u202eb",
		"no UTF-8": "a\xff", "long": string(make([]byte, 101))} {
		_, err := f.Issue(f.ctx, token.Operator(), token.IssueRequest{Service: "rot", Kind: token.Pair, Account: f.ann, Label: label})
		if token.CodeOf(err) != token.Malformed {
			t.Errorf("pair, %s: %v", name, err)
		}
		_, _, err = f.MakeKey(f.ctx, token.Operator(), token.KeyRequest{Account: f.ann, Label: label, To: f.clock.now().Add(time.Hour)})
		if token.CodeOf(err) != token.Malformed {
			t.Errorf("key, %s: %v", name, err)
		}
	}
}
