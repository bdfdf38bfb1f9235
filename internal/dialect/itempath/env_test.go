package itempath

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/dialect/dialecttest"
	"symbolon/internal/token"
)

// What the kit has, under the short names of these tests.
var (
	start     = dialecttest.Start
	secretKey = dialecttest.HS256
	sign      = dialecttest.Sign
	payloadOf = dialecttest.PayloadOf
	want      = dialecttest.Want
	golden    = dialecttest.Golden
)

func fixedKeys(t testing.TB) *dialecttest.Keys {
	t.Helper()
	return &dialecttest.Keys{Access: secretKey(t, 7), Refresh: secretKey(t, 8)}
}

// env is the kit with the service warehouse. The accounts are demo (id 1), an
// application (2), an admin (3) and an admin application (4).
type env struct {
	*dialecttest.Kit
	dialect *Dialect
}

const password = "correct horse"

// newEnv makes the service warehouse, changed by change where that is not nil.
func newEnv(t *testing.T, change func(*config.Service)) *env {
	t.Helper()
	e := &env{Kit: dialecttest.New(t, fixedKeys(t))}
	c := config.NewService("warehouse", "itempath", "/api")
	if change != nil {
		change(&c)
	}
	var err error
	if e.dialect, err = New(c, e, directory{e}, Options{Dev: true, Log: e.Logger}); err != nil {
		t.Fatal(err)
	}
	e.Open(e.dialect)
	e.Mount(e.dialect.Routes(e.Engine))
	e.populate()
	return e
}

func (e *env) populate() {
	e.T.Helper()
	if _, err := e.Accounts.AddGroup(e.T.Context(), dialecttest.Operator, "admins", ""); err != nil {
		e.T.Fatal(err)
	}
	for _, n := range []account.New{
		{Name: "demo", Type: account.Person, Email: "demo@example.org"},
		{Name: "robot", Type: account.Application},
		{Name: "boss", Type: account.Person, Groups: []string{"admins"}},
		{Name: "rootbot", Type: account.Application, Groups: []string{"admins"}},
	} {
		n.Password = password
		if _, err := e.Accounts.Add(e.T.Context(), dialecttest.Operator, n); err != nil {
			e.T.Fatal(err)
		}
	}
}

// SignIn is the door.
func (e *env) SignIn(ctx context.Context, by token.Caller, name, password string) (int64, error) {
	id, err := e.Accounts.SignIn(ctx, account.By{Actor: by.Actor, Addr: by.Addr, Agent: by.Agent}, name, password)
	return id, translated(err)
}

// translated puts the refusals of package account into the engine's words.
func translated(err error) error {
	var e *account.Error
	if !errors.As(err, &e) {
		return err
	}
	codes := map[account.Kind]token.Code{ // :: kind → code
		account.NotFound: token.NotFound, account.Conflict: token.Conflict, account.Invalid: token.Malformed,
		account.BadCredentials: token.BadCredentials, account.TooMany: token.TooMany, account.Busy: token.Unavailable,
	}
	return &token.Error{Code: codes[e.Kind], Err: errors.New(e.Error()), RetryAfter: e.RetryAfter}
}

// directory is the people.
type directory struct{ *env }

func (d directory) person(a account.Account) Person {
	return Person{ID: a.Subjects["warehouse"], Name: a.Name, Email: a.Email, Application: a.Type == account.Application,
		Active: a.Status == account.Active, Pending: !a.HasPassword, Groups: a.Groups}
}

func (d directory) List(ctx context.Context) (all []Person, err error) {
	accounts, err := d.Accounts.List(ctx, account.Filter{})
	for _, a := range accounts {
		all = append(all, d.person(a))
	}
	return all, translated(err)
}

func (d directory) Get(ctx context.Context, id string) (Person, error) {
	sub, err := d.Store.SubjectByID(ctx, "warehouse", id)
	if err != nil {
		return Person{}, err
	}
	a, err := d.Accounts.Get(ctx, sub.Name)
	return d.person(a), translated(err)
}

func (d directory) Add(ctx context.Context, by token.Caller, n NewPerson) (Person, error) {
	a, err := d.Accounts.Add(ctx, account.By{Actor: by.Actor}, account.New{Name: n.Name, Type: kindOf(n.Application), Email: n.Email, Password: n.Password})
	return d.person(a), translated(err)
}

func kindOf(application bool) string {
	if application {
		return account.Application
	}
	return account.Person
}

func (d directory) Change(ctx context.Context, by token.Caller, id string, c Change) (Person, error) {
	sub, err := d.Store.SubjectByID(ctx, "warehouse", id)
	if err == nil && c.Application != nil {
		_, err = d.Accounts.Set(ctx, account.By{Actor: by.Actor}, sub.Name, account.Change{Type: new(kindOf(*c.Application))})
	}
	if err == nil && c.Active != nil && *c.Active {
		_, err = d.Accounts.Enable(ctx, account.By{Actor: by.Actor}, sub.Name)
	}
	if err == nil && c.Active != nil && !*c.Active {
		by.Operator = true
		_, err = d.Engine.EndAccount(ctx, by, sub.Account, account.Disabled, "deactivated by an admin")
	}
	if err == nil {
		err = d.Engine.CatchUp(ctx)
	}
	if err != nil {
		return Person{}, translated(err)
	}
	return d.Get(ctx, id)
}

// session signs an account in by its number, which here is its id too.
func (e *env) session(id int64) token.Tokens {
	e.T.Helper()
	return e.Issue(token.IssueRequest{Kind: token.Session, Account: id})
}

// application makes an application token.
func (e *env) application(id int64) token.Tokens {
	e.T.Helper()
	t, err := e.Engine.IssueApplication(e.T.Context(), token.Operator(), token.ApplicationRequest{Service: "warehouse", Account: id})
	if err != nil {
		e.T.Fatal(err)
	}
	return t
}

func (e *env) revoke(grant int64) {
	e.T.Helper()
	if _, err := e.Engine.Revoke(e.T.Context(), token.Operator(), token.RevokeRequest{Grant: grant}); err != nil {
		e.T.Fatal(err)
	}
}

func bearerOf(text string) string { return "Authorization: Bearer " + text }

// altered signs a good token's payload with one text in it replaced, with its own key.
func (e *env) altered(kind token.Kind, text, old, replacement string) string {
	e.T.Helper()
	return dialecttest.Altered(e.T, e.Keys.Of(kind), header, text, old, replacement)
}

// msg is the body that says one thing in ASCII.
func msg(text string) string { return fmt.Sprintf("{\"msg\":%q}\n", text) }
