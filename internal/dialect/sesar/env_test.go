package sesar

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/jws"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var update = flag.Bool("update", false, "write the golden files anew")

// start is when every test begins.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// keys is fixed keys, so that tokens are the same in every run.
type keys struct {
	access  signer
	refresh *jws.HS256
}

type signer interface {
	jws.Signer
	jws.Key
}

func fixedKeys(t *testing.T) *keys {
	t.Helper()
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	access, err := jws.NewES256(private)
	if err != nil {
		t.Fatal(err)
	}
	return &keys{access: access, refresh: secretKey(t, 8)}
}

func secretKey(t *testing.T, fill byte) *jws.HS256 {
	t.Helper()
	k, err := jws.NewHS256(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keys) Signer(_ string, kind token.Kind) (jws.Signer, string, error) {
	if kind == token.Access {
		return k.access, "fixed-access-key", nil
	}
	return k.refresh, "fixed-refresh-key", nil
}

func (k *keys) Verify(_ string, t jws.Token, _ func() (time.Time, bool)) (token.Kind, error) {
	if jws.Verify(t, k.access) == nil {
		return token.Access, nil
	}
	return token.Refresh, jws.Verify(t, k.refresh)
}

func (k *keys) MAC(parts ...[]byte) [32]byte {
	m := hmac.New(sha256.New, []byte("a fixed key for tests"))
	for _, p := range parts {
		m.Write(p)
	}
	return [32]byte(m.Sum(nil))
}

func (k *keys) Version() uint64 { return 1 }

// env is one dialect over the real engine and the real store, under a clock that stands still.
type env struct {
	t       *testing.T
	dialect *Dialect
	engine  *token.Engine
	store   *sqlstore.Store
	keys    *keys
	mux     *http.ServeMux
	log     *bytes.Buffer
	demo    int64 // the account demo
	routes  map[string]httpio.Handler

	mu  sync.Mutex
	at  time.Time
	err error // what the store fails with
}

// newEnv makes the service samples, changed by change where that is not nil.
func newEnv(t *testing.T, change func(*config.Service)) *env {
	t.Helper()
	c := config.NewService("samples", "sesar", "/webservices")
	c.Issuer, c.Audience, c.Sesar.JSONPath = "http://127.0.0.1:8080", "samples", "/api"
	if change != nil {
		change(&c)
	}
	e := &env{t: t, keys: fixedKeys(t), at: start, log: new(bytes.Buffer), mux: http.NewServeMux(), routes: map[string]httpio.Handler{}}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	var err error
	if e.dialect, err = New(c, log); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "test.db"), Migrations: sqlstore.SQLite(), Fault: e.fault,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	services := []*token.Service{e.dialect.Service()}
	e.store = sqlstore.New(db, services, e.now)
	e.engine = token.New(token.Options{Store: e.store, Keys: e.keys, Services: services, Now: e.now, Log: log})
	if err := e.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	adapter := &httpio.Adapter{Log: slog.New(slog.DiscardHandler), Errors: e.dialect.Failed}
	for _, r := range e.dialect.Routes(e.engine) {
		e.mux.Handle(r.Pattern, adapter.Handle(r.Handle))
		e.routes[r.Pattern] = r.Handle
	}
	e.mux.Handle("/", adapter.Handle(func(_ context.Context, r *httpio.Request) httpio.Response { return e.dialect.NotFound(r) }))
	e.demo = e.account("demo")
	return e
}

func (e *env) now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at
}

// advance moves the clock and lets the engine hear that there is no news.
func (e *env) advance(d time.Duration) {
	e.t.Helper()
	e.mu.Lock()
	e.at = e.at.Add(d)
	e.mu.Unlock()
	if err := e.engine.CatchUp(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) fault(string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// breakStore makes every statement fail from here on.
func (e *env) breakStore() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = errors.New("disk on fire")
}

func (e *env) account(name string) int64 {
	e.t.Helper()
	a, err := e.store.AddAccount(e.t.Context(), account.AddVerb{
		By: account.By{Actor: "operator"}, Now: e.now(), Name: name, Type: "person", Display: "Ada M. Lovelace",
		Email:      name + "@example.org",
		Identities: []account.Identity{{Provider: "orcid", Subject: "0000-0002-1825-0097" + strings.TrimPrefix(name, "demo")}},
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return a.ID
}

func (e *env) setAttr(key, value string) {
	e.t.Helper()
	_, err := e.store.SetAccount(e.t.Context(), account.SetVerb{By: account.By{Actor: "operator"}, Now: e.now(), Name: "demo",
		Attrs: map[string]string{key: value}})
	if err != nil {
		e.t.Fatal(err)
	}
}

// pair issues a generated pair as the operator does.
func (e *env) pair() token.Tokens { return e.issue(token.Pair) }

func (e *env) issue(kind token.GrantKind) token.Tokens {
	e.t.Helper()
	t, err := e.engine.Issue(e.t.Context(), token.Operator(), token.IssueRequest{Service: "samples", Kind: kind, Account: e.demo, Label: "test"})
	if err != nil {
		e.t.Fatal(err)
	}
	return t
}

func (e *env) apiKey() (string, int64) {
	e.t.Helper()
	key, g, err := e.engine.MakeKey(e.t.Context(), token.Operator(), token.KeyRequest{Account: e.demo, Label: "cron", To: e.now().Add(90 * 24 * time.Hour)})
	if err != nil {
		e.t.Fatal(err)
	}
	return key.Reveal(), g.ID
}

// do sends one request through the whole adapter; header lines are "Name: value".
func (e *env) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	e.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	e.mux.ServeHTTP(w, r)
	return w
}

const (
	asJSON = "Content-Type: application/json"
	asForm = "Content-Type: application/x-www-form-urlencoded"
)

// refreshPHP refreshes as the seed's curl line does.
func (e *env) refreshPHP(refresh string, headers ...string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.do("POST", "/webservices/refresh_token.php", `{"refresh":"`+refresh+`"}`, append(headers, asJSON)...)
}

func want(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d", w.Code, status)
	}
	if diff := cmp.Diff(body, w.Body.String()); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

const (
	genericBody   = `{"detail":"Token is invalid or expired","code":"token_not_valid"}`
	badBearerBody = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}`
	notAccessBody = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token has wrong type"}]}`
	invalidLogin  = `<results><valid>no</valid><error>Invalid login, username not known or password not matched</error></results>`
)
