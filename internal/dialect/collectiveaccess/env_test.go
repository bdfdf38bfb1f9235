package collectiveaccess

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
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

const (
	site     = "ca.example.org"
	password = "correct horse"
)

// keys is two fixed secrets, so that tokens are the same in every run.
type keys struct{ access, refresh *jws.HS256 }

func fixedKeys(t testing.TB) *keys {
	t.Helper()
	return &keys{secretKey(t, bytes.Repeat([]byte{7}, 32)), secretKey(t, bytes.Repeat([]byte{8}, 32))}
}

func secretKey(t testing.TB, secret []byte) *jws.HS256 {
	t.Helper()
	k, err := jws.NewHS256FromWeakSecretOfOldVerifier(secret)
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

// env is one dialect over the real engine and the real store, under a clock that stands still.
type env struct {
	t        *testing.T
	dialect  *Dialect
	engine   *token.Engine
	store    *sqlstore.Store
	accounts *account.Directory
	door     *door
	keys     *keys
	mux      *http.ServeMux
	log      *bytes.Buffer
	api      int64 // the account api

	mu  sync.Mutex
	at  time.Time
	err error // what the store fails with
}

// newEnv makes the service collections, changed by change where that is not nil, with an account api.
func newEnv(t *testing.T, change func(*config.Service)) *env {
	t.Helper()
	e := &env{t: t, at: start, keys: fixedKeys(t), log: new(bytes.Buffer), mux: http.NewServeMux(), door: &door{}}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	e.dialect = newDialect(t, e.door, log, change)
	db, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "test.db"), Migrations: sqlstore.SQLite(), Fault: e.fault,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	services := []*token.Service{e.dialect.Service()}
	e.store = sqlstore.New(db, services, e.now)
	e.accounts = account.NewDirectory(e.store, account.NewHasher(account.Cost{Memory: 8, Time: 1, Threads: 1}), e.now)
	e.door.accounts = e.accounts
	e.engine = token.New(token.Options{Store: e.store, Keys: e.keys, Services: services, Now: e.now, Log: log})
	if err := e.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	adapter := &httpio.Adapter{Log: slog.New(slog.DiscardHandler), Errors: e.dialect.Failed}
	for _, r := range e.dialect.Routes(e.engine) {
		e.mux.Handle(r.Pattern, adapter.Handle(r.Handle))
	}
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

func (e *env) now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at
}

// advance moves the clock and lets the engine hear what is new.
func (e *env) advance(d time.Duration) {
	e.t.Helper()
	e.mu.Lock()
	e.at = e.at.Add(d)
	e.mu.Unlock()
	e.catchUp()
}

func (e *env) catchUp() {
	e.t.Helper()
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

var operator = account.By{Actor: "operator"}

func (e *env) account(name, display string) int64 {
	e.t.Helper()
	a, err := e.accounts.Add(e.t.Context(), operator, account.New{
		Name: name, Type: account.Person, Display: display, Email: name + "@test.com", Password: password})
	if err != nil {
		e.t.Fatal(err)
	}
	return a.ID
}

func (e *env) setAttr(key, value string) {
	e.t.Helper()
	if _, err := e.accounts.Set(e.t.Context(), operator, "api", account.Change{Attrs: map[string]string{"collections." + key: value}}); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) disable(id int64) {
	e.t.Helper()
	if _, err := e.engine.EndAccount(e.t.Context(), token.Operator(), id, account.Disabled, "test"); err != nil {
		e.t.Fatal(err)
	}
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

// query sends a query without variables.
func (e *env) query(text string, headers ...string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.do("POST", "/service/Auth", string(httpio.JSON(map[string]string{"query": text})), headers...)
}

func bearerOf(text string) string { return "Authorization: Bearer " + text }

const loginQuery = `{ login(username: "api", password: "correct horse") { jwt refresh } }`

// login signs the account api in over the wire.
func (e *env) login() (access, refresh string) {
	e.t.Helper()
	var answer struct {
		Data struct{ Login struct{ JWT, Refresh string } }
	}
	w := e.query(loginQuery)
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Data.Login.Refresh == "" {
		e.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return answer.Data.Login.JWT, answer.Data.Login.Refresh
}

// refreshed refreshes by the bearer and returns the new token.
func (e *env) refreshed(text string) string {
	e.t.Helper()
	var answer struct {
		Data struct{ Refresh struct{ JWT string } }
	}
	w := e.query(`{ refresh { jwt } }`, bearerOf(text))
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Data.Refresh.JWT == "" {
		e.t.Fatalf("%d %s", w.Code, w.Body)
	}
	return answer.Data.Refresh.JWT
}

// sign makes a token of any header and payload with a key.
func sign(t testing.TB, key jws.Signer, header, payload string) string {
	t.Helper()
	text, err := jws.Sign([]byte(header), []byte(payload), key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// altered signs a good access token's payload with one text in it replaced.
func (e *env) altered(text, old, replacement string) string {
	e.t.Helper()
	payload := payloadOf(e.t, text)
	changed := strings.Replace(payload, old, replacement, 1)
	if changed == payload {
		e.t.Fatalf("no %s in %s", old, payload)
	}
	return sign(e.t, e.keys.access, tokenHeader, changed)
}

func payloadOf(t testing.TB, text string) string {
	t.Helper()
	parsed, err := jws.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(parsed.Payload)
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
