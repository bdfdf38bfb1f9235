package itempath

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
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
type keys struct{ access, refresh *jws.HS256 }

func fixedKeys(t testing.TB) *keys {
	t.Helper()
	return &keys{secretKey(t, 7), secretKey(t, 8)}
}

func secretKey(t testing.TB, fill byte) *jws.HS256 {
	t.Helper()
	k, err := jws.NewHS256(bytes.Repeat([]byte{fill}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keys) of(kind token.Kind) *jws.HS256 {
	if kind == token.Refresh {
		return k.refresh
	}
	return k.access
}

func (k *keys) Signer(_ string, kind token.Kind) (jws.Signer, string, error) {
	return k.of(kind), "fixed", nil
}

func (k *keys) Verify(_ string, t jws.Token, _ func() (time.Time, bool)) (token.Kind, error) {
	if jws.Verify(t, k.refresh) == nil {
		return token.Refresh, nil
	}
	return token.Access, jws.Verify(t, k.access)
}

func (k *keys) MAC(parts ...[]byte) [32]byte {
	m := hmac.New(sha256.New, []byte("a fixed key for tests"))
	for _, p := range parts {
		m.Write(p)
	}
	return [32]byte(m.Sum(nil))
}

func (k *keys) Version() uint64 { return 1 }

// env is one dialect over the real engine, store and directory, under a clock that
// stands still. The accounts are demo (id 1), an application (2), an admin (3) and an
// admin application (4).
type env struct {
	t       *testing.T
	dialect *Dialect
	engine  *token.Engine
	store   *sqlstore.Store
	people  *account.Directory
	keys    *keys
	mux     *http.ServeMux
	log     *bytes.Buffer

	mu  sync.Mutex
	at  time.Time
	err error // what the store fails with
}

const password = "correct horse"

// newEnv makes the service warehouse, changed by change where that is not nil.
func newEnv(t *testing.T, change func(*config.Service)) *env {
	t.Helper()
	e := &env{t: t, keys: fixedKeys(t), at: start, log: new(bytes.Buffer), mux: http.NewServeMux()}
	c := config.NewService("warehouse", "itempath", "/api")
	if change != nil {
		change(&c)
	}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	d, err := New(c, e, directory{e}, Options{Dev: true, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	e.dialect = d
	db, err := sqlite.Open(t.Context(), sqlite.Options{
		Path: filepath.Join(t.TempDir(), "test.db"), Migrations: sqlstore.SQLite(), Fault: e.fault,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	services := []*token.Service{d.Service()}
	e.store = sqlstore.New(db, services, e.now)
	e.engine = token.New(token.Options{Store: e.store, Keys: e.keys, Services: services, Now: e.now, Log: log})
	if err := e.engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.people = account.NewDirectory(e.store, account.NewHasher(account.Cost{Memory: 8, Time: 1, Threads: 1}), e.now)
	adapter := &httpio.Adapter{Log: slog.New(slog.DiscardHandler), Errors: d.Failed}
	for _, r := range d.Routes(e.engine) {
		e.mux.Handle(r.Pattern, adapter.Handle(r.Handle))
	}
	e.mux.Handle("/", adapter.Handle(func(_ context.Context, r *httpio.Request) httpio.Response { return d.NotFound(r) }))
	e.populate()
	return e
}

func (e *env) populate() {
	e.t.Helper()
	if _, err := e.people.AddGroup(e.t.Context(), account.By{Actor: "operator"}, "admins", ""); err != nil {
		e.t.Fatal(err)
	}
	for _, n := range []account.New{
		{Name: "demo", Type: account.Person, Email: "demo@example.org"},
		{Name: "robot", Type: account.Application},
		{Name: "boss", Type: account.Person, Groups: []string{"admins"}},
		{Name: "rootbot", Type: account.Application, Groups: []string{"admins"}},
	} {
		n.Password = password
		if _, err := e.people.Add(e.t.Context(), account.By{Actor: "operator"}, n); err != nil {
			e.t.Fatal(err)
		}
	}
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

// SignIn is the door.
func (e *env) SignIn(ctx context.Context, by token.Caller, name, password string) (int64, error) {
	id, err := e.people.SignIn(ctx, account.By{Actor: by.Actor, Addr: by.Addr, Agent: by.Agent}, name, password)
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
	accounts, err := d.people.List(ctx, account.Filter{})
	for _, a := range accounts {
		all = append(all, d.person(a))
	}
	return all, translated(err)
}

func (d directory) Get(ctx context.Context, id string) (Person, error) {
	sub, err := d.store.SubjectByID(ctx, "warehouse", id)
	if err != nil {
		return Person{}, err
	}
	a, err := d.people.Get(ctx, sub.Name)
	return d.person(a), translated(err)
}

func (d directory) Add(ctx context.Context, by token.Caller, n NewPerson) (Person, error) {
	a, err := d.people.Add(ctx, account.By{Actor: by.Actor}, account.New{Name: n.Name, Type: kindOf(n.Application), Email: n.Email, Password: n.Password})
	return d.person(a), translated(err)
}

func kindOf(application bool) string {
	if application {
		return account.Application
	}
	return account.Person
}

func (d directory) Change(ctx context.Context, by token.Caller, id string, c Change) (Person, error) {
	sub, err := d.store.SubjectByID(ctx, "warehouse", id)
	if err == nil && c.Application != nil {
		_, err = d.people.Set(ctx, account.By{Actor: by.Actor}, sub.Name, account.Change{Type: new(kindOf(*c.Application))})
	}
	if err == nil && c.Active != nil && *c.Active {
		_, err = d.people.Enable(ctx, account.By{Actor: by.Actor}, sub.Name)
	}
	if err == nil && c.Active != nil && !*c.Active {
		by.Operator = true
		_, err = d.engine.EndAccount(ctx, by, sub.Account, account.Disabled, "deactivated by an admin")
	}
	if err == nil {
		err = d.engine.CatchUp(ctx)
	}
	if err != nil {
		return Person{}, translated(err)
	}
	return d.Get(ctx, id)
}

// session signs an account in by its number, which here is its id too.
func (e *env) session(id int64) token.Tokens {
	e.t.Helper()
	t, err := e.engine.Issue(e.t.Context(), token.Operator(), token.IssueRequest{Service: "warehouse", Kind: token.Session, Account: id})
	if err != nil {
		e.t.Fatal(err)
	}
	return t
}

// application makes an application token.
func (e *env) application(id int64) token.Tokens {
	e.t.Helper()
	t, err := e.engine.IssueApplication(e.t.Context(), token.Operator(), token.ApplicationRequest{Service: "warehouse", Account: id})
	if err != nil {
		e.t.Fatal(err)
	}
	return t
}

func (e *env) revoke(grant int64) {
	e.t.Helper()
	if _, err := e.engine.Revoke(e.t.Context(), token.Operator(), token.RevokeRequest{Grant: grant}); err != nil {
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

func bearerOf(text string) string { return "Authorization: Bearer " + text }

// sign makes a token of any header and payload.
func sign(t testing.TB, header, payload string, key jws.Signer) string {
	t.Helper()
	text, err := jws.Sign([]byte(header), []byte(payload), key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// altered signs a good token's payload with one text in it replaced, with its own key.
func (e *env) altered(kind token.Kind, text, old, replacement string) string {
	e.t.Helper()
	payload := payloadOf(e.t, text)
	changed := strings.Replace(payload, old, replacement, 1)
	if changed == payload {
		e.t.Fatalf("no %s in %s", old, payload)
	}
	return sign(e.t, header, changed, e.keys.of(kind))
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

// msg is the body that says one thing in ASCII.
func msg(text string) string { return fmt.Sprintf("{\"msg\":%q}\n", text) }

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
