package collectiveaccess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/dialect/dialecttest"
	"symbolon/internal/httpio"
	"symbolon/internal/jws"
	"symbolon/internal/token"
)

const (
	site     = "ca.example.org"
	password = "correct horse"
)

// What the kit has, under the short names of these tests.
var (
	start     = dialecttest.Start
	sign      = dialecttest.Sign
	payloadOf = dialecttest.PayloadOf
	want      = dialecttest.Want
	golden    = dialecttest.Golden
)

func fixedKeys(t testing.TB) *dialecttest.Keys {
	t.Helper()
	return &dialecttest.Keys{Access: secretKey(t, bytes.Repeat([]byte{7}, 32)), Refresh: secretKey(t, bytes.Repeat([]byte{8}, 32))}
}

func secretKey(t testing.TB, secret []byte) *jws.HS256 {
	t.Helper()
	k, err := jws.NewHS256FromWeakSecretOfOldVerifier(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// door is the accounts' own sign-in in the words of the engine.
type door struct {
	accounts *account.Directory
	calls    int
	err      error // answered instead, if set
}

func (d *door) SignIn(ctx context.Context, by token.Caller, name, password string) (int64, error) {
	d.calls++
	if d.err != nil {
		return 0, d.err
	}
	id, err := d.accounts.SignIn(ctx, account.By{Actor: by.Actor, Addr: by.Addr, Agent: by.Agent}, name, password)
	var refusal *account.Error
	switch {
	case errors.Is(err, account.ErrBadCredentials):
		return 0, token.Refuse(token.BadCredentials, "%w", err)
	case errors.Is(err, account.ErrTooMany) && errors.As(err, &refusal):
		return 0, &token.Error{Code: token.TooMany, Err: err, RetryAfter: refusal.RetryAfter}
	}
	return id, err
}

// env is the kit with the service collections and the account api.
type env struct {
	*dialecttest.Kit
	dialect *Dialect
	door    *door
	api     int64 // the account api
}

// newEnv makes the service collections, changed by change where that is not nil, with an account api.
func newEnv(t *testing.T, change func(*config.Service)) *env {
	t.Helper()
	e := &env{Kit: dialecttest.New(t, fixedKeys(t)), door: &door{}}
	e.dialect = newDialect(t, e.door, e.Logger, change)
	e.Open(e.dialect)
	e.door.accounts = e.Accounts
	e.Mount(e.dialect.Routes(e.Engine))
	e.api = e.account("api", "Api User")
	return e
}

func newDialect(t testing.TB, d Door, log *slog.Logger, change func(*config.Service)) *Dialect {
	t.Helper()
	c := config.NewService("collections", "collectiveaccess", "/")
	c.Issuer = site
	if change != nil {
		change(&c)
	}
	dialect, err := New(c, d, Options{Dev: true, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return dialect
}

func (e *env) account(name, display string) int64 {
	e.T.Helper()
	a, err := e.Accounts.Add(e.T.Context(), dialecttest.Operator, account.New{
		Name: name, Type: account.Person, Display: display, Email: name + "@test.com", Password: password})
	if err != nil {
		e.T.Fatal(err)
	}
	return a.ID
}

func (e *env) setAttr(key, value string) {
	e.T.Helper()
	if _, err := e.Accounts.Set(e.T.Context(), dialecttest.Operator, "api", account.Change{Attrs: map[string]string{"collections." + key: value}}); err != nil {
		e.T.Fatal(err)
	}
}

func (e *env) disable(id int64) {
	e.T.Helper()
	if _, err := e.Engine.EndAccount(e.T.Context(), token.Operator(), id, account.Disabled, "test"); err != nil {
		e.T.Fatal(err)
	}
}

// query sends a query without variables.
func (e *env) query(text string, headers ...string) *httptest.ResponseRecorder {
	e.T.Helper()
	return e.Do("POST", "/service/Auth", string(httpio.JSON(map[string]string{"query": text})), headers...)
}

func bearerOf(text string) string { return "Authorization: Bearer " + text }

const loginQuery = `{ login(username: "api", password: "correct horse") { jwt refresh } }`

// login signs the account api in over the wire.
func (e *env) login() (access, refresh string) {
	e.T.Helper()
	var answer struct {
		Data struct{ Login struct{ JWT, Refresh string } }
	}
	w := e.query(loginQuery)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Data.Login.Refresh == "" {
		e.T.Fatalf("%d %s", w.Code, w.Body)
	}
	return answer.Data.Login.JWT, answer.Data.Login.Refresh
}

// refreshed refreshes by the bearer and returns the new token.
func (e *env) refreshed(text string) string {
	e.T.Helper()
	var answer struct {
		Data struct{ Refresh struct{ JWT string } }
	}
	w := e.query(`{ refresh { jwt } }`, bearerOf(text))
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Data.Refresh.JWT == "" {
		e.T.Fatalf("%d %s", w.Code, w.Body)
	}
	return answer.Data.Refresh.JWT
}

// altered signs a good access token's payload with one text in it replaced.
func (e *env) altered(text, old, replacement string) string {
	e.T.Helper()
	return dialecttest.Altered(e.T, e.Keys.Access, tokenHeader, text, old, replacement)
}
