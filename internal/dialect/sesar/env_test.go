package sesar

import (
	"net/http/httptest"
	"strings"
	"testing"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/dialect/dialecttest"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// What the kit has, under the short names of these tests.
var (
	start     = dialecttest.Start
	secretKey = dialecttest.HS256
	want      = dialecttest.Want
	golden    = dialecttest.Golden
)

func fixedKeys(t testing.TB) *dialecttest.Keys {
	t.Helper()
	return &dialecttest.Keys{Access: dialecttest.ES256(t), Refresh: secretKey(t, 8)}
}

// env is the kit with the service samples and the account demo.
type env struct {
	*dialecttest.Kit
	dialect *Dialect
	demo    int64 // the account demo
	routes  map[string]httpio.Handler
}

// newEnv makes the service samples, changed by change where that is not nil.
func newEnv(t *testing.T, change func(*config.Service)) *env {
	t.Helper()
	c := config.NewService("samples", "sesar", "/webservices")
	c.Issuer, c.Audience, c.Sesar.JSONPath = "http://127.0.0.1:8080", "samples", "/api"
	if change != nil {
		change(&c)
	}
	e := &env{Kit: dialecttest.New(t, fixedKeys(t)), routes: map[string]httpio.Handler{}}
	var err error
	if e.dialect, err = New(c, Options{BaseURL: "https://tokens.example.org", Log: e.Logger}); err != nil {
		t.Fatal(err)
	}
	e.Open(e.dialect)
	routes := e.dialect.Routes(e.Engine)
	e.Mount(routes)
	for _, r := range routes {
		e.routes[r.Pattern] = r.Handle
	}
	e.demo = e.account("demo")
	return e
}

func (e *env) account(name string) int64 {
	e.T.Helper()
	return e.Account(account.AddVerb{Name: name, Display: "Ada M. Lovelace", Email: name + "@example.org",
		Identities: []account.Identity{{Provider: "orcid", Subject: "0000-0002-1825-0097" + strings.TrimPrefix(name, "demo")}}})
}

func (e *env) setAttr(key, value string) {
	e.T.Helper()
	_, err := e.Store.SetAccount(e.T.Context(), account.SetVerb{By: dialecttest.Operator, Now: e.Now(), Name: "demo",
		Attrs: map[string]string{key: value}})
	if err != nil {
		e.T.Fatal(err)
	}
}

// pair issues a generated pair as the operator does.
func (e *env) pair() token.Tokens { return e.issue(token.Pair) }

func (e *env) issue(kind token.GrantKind) token.Tokens {
	e.T.Helper()
	return e.Issue(token.IssueRequest{Kind: kind, Account: e.demo, Label: "test"})
}

func (e *env) apiKey() (string, int64) {
	e.T.Helper()
	return e.APIKey(token.KeyRequest{Account: e.demo})
}

const (
	asJSON = "Content-Type: application/json"
	asForm = "Content-Type: application/x-www-form-urlencoded"
)

// refreshPHP refreshes as the seed's curl line does.
func (e *env) refreshPHP(refresh string, headers ...string) *httptest.ResponseRecorder {
	e.T.Helper()
	return e.Do("POST", "/webservices/refresh_token.php", `{"refresh":"`+refresh+`"}`, append(headers, asJSON)...)
}

const (
	genericBody   = `{"detail":"Token is invalid or expired","code":"token_not_valid"}`
	badBearerBody = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}`
	notAccessBody = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token has wrong type"}]}`
	invalidLogin  = `<results><valid>no</valid><error>Invalid login, username not known or password not matched</error></results>`
)
