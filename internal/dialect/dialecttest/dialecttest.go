// Package dialecttest is what the tests of all dialects share: one dialect over the
// real engine and the real store, with fixed keys, under a clock that stands still,
// and a player of exchanges written down in files. Tests alone import it. What only
// one dialect needs (its configuration, its people, its requests) stays in its own
// tests.
package dialecttest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// Start is when every test begins.
var Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Operator is who makes the accounts of a test.
var Operator = account.By{Actor: "operator"}

// Dialect is what the kit asks of a dialect besides its routes.
type Dialect interface {
	Service() *token.Service
	NotFound(*httpio.Request) httpio.Response
	Failed(status int) httpio.Response
}

// Kit is one dialect's surroundings. New makes the clock and the log, Open the store,
// the directory and the engine, Mount the routes; each needs the one before.
type Kit struct {
	T        *testing.T
	Log      *bytes.Buffer
	Logger   *slog.Logger // writes to Log
	Keys     *Keys
	Store    *sqlstore.Store
	Accounts *account.Directory
	Engine   *token.Engine
	Mux      *http.ServeMux

	dialect Dialect

	mu  sync.Mutex
	at  time.Time
	err error // what the store fails with
}

// New makes a kit at Start that has nothing but its clock, its log and the keys.
func New(t *testing.T, keys *Keys) *Kit {
	log := new(bytes.Buffer)
	return &Kit{T: t, Log: log, Logger: slog.New(slog.NewTextHandler(log, nil)), Keys: keys, Mux: http.NewServeMux(), at: Start}
}

// Open starts the engine of one dialect over a new store in a folder of the test. Passwords are hashed at next to no cost.
func (k *Kit) Open(d Dialect) {
	k.T.Helper()
	db, err := sqlite.Open(k.T.Context(), sqlite.Options{
		Path: filepath.Join(k.T.TempDir(), "test.db"), Migrations: sqlstore.SQLite(), Fault: k.fault,
	})
	if err != nil {
		k.T.Fatal(err)
	}
	k.T.Cleanup(func() { db.Close() })
	services := []*token.Service{d.Service()}
	k.dialect = d
	k.Store = sqlstore.New(db, services, k.Now)
	k.Accounts = account.NewDirectory(k.Store, account.NewHasher(account.Cost{Memory: 8, Time: 1, Threads: 1}), k.Now)
	k.Engine = token.New(token.Options{Store: k.Store, Keys: k.Keys, Services: services, Now: k.Now, Log: k.Logger})
	if err := k.Engine.Start(k.T.Context()); err != nil {
		k.T.Fatal(err)
	}
}

// Mount serves the routes behind the adapter, and the dialect's NotFound on every other path.
func (k *Kit) Mount(routes []httpio.Route) {
	adapter := &httpio.Adapter{Log: slog.New(slog.DiscardHandler), Errors: k.dialect.Failed}
	for _, r := range routes {
		k.Mux.Handle(r.Pattern, adapter.Handle(r.Handle))
	}
	k.Mux.Handle("/", adapter.Handle(func(_ context.Context, r *httpio.Request) httpio.Response { return k.dialect.NotFound(r) }))
}

// Now is the time of the test's clock.
func (k *Kit) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.at
}

// Silence moves the clock without news from the store.
func (k *Kit) Silence(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = k.at.Add(d)
}

// Advance moves the clock and lets the engine hear what is new.
func (k *Kit) Advance(d time.Duration) {
	k.T.Helper()
	k.Silence(d)
	k.CatchUp()
}

// CatchUp lets the engine hear what is new.
func (k *Kit) CatchUp() {
	k.T.Helper()
	if err := k.Engine.CatchUp(k.T.Context()); err != nil {
		k.T.Fatal(err)
	}
}

func (k *Kit) fault(string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// BreakStore makes every statement fail until MendStore.
func (k *Kit) BreakStore() { k.failWith(errors.New("disk on fire")) }

// MendStore undoes BreakStore.
func (k *Kit) MendStore() { k.failWith(nil) }

func (k *Kit) failWith(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

// Account adds a person to the store, without the directory's checks, and returns the account's number.
func (k *Kit) Account(v account.AddVerb) int64 {
	k.T.Helper()
	v.By, v.Now, v.Type = Operator, k.Now(), account.Person
	a, err := k.Store.AddAccount(k.T.Context(), v)
	if err != nil {
		k.T.Fatal(err)
	}
	return a.ID
}

// Issue begins a grant of the dialect's service as the operator does.
func (k *Kit) Issue(req token.IssueRequest) token.Tokens {
	k.T.Helper()
	req.Service = k.dialect.Service().Name
	t, err := k.Engine.Issue(k.T.Context(), token.Operator(), req)
	if err != nil {
		k.T.Fatal(err)
	}
	return t
}

// APIKey makes a key, for 90 days if req says no end, and returns its text and its grant's number.
func (k *Kit) APIKey(req token.KeyRequest) (string, int64) {
	k.T.Helper()
	req.Label = "cron"
	if req.To.IsZero() {
		req.To = k.Now().Add(90 * 24 * time.Hour)
	}
	key, g, err := k.Engine.MakeKey(k.T.Context(), token.Operator(), req)
	if err != nil {
		k.T.Fatal(err)
	}
	return key.Reveal(), g.ID
}

// Do sends one request through the whole adapter; header lines are "Name: value".
func (k *Kit) Do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	k.T.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	k.Mux.ServeHTTP(w, r)
	WantNames(k.T, w.Header())
	return w
}
