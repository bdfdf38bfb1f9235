package token_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/jws"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// plain is the plainest format: every claim of the engine as one JSON member.
type plain struct{}

type wire struct {
	Kind  token.Kind `json:"kind"`
	Sub   string     `json:"sub"`
	ID    string     `json:"jti"`
	GID   int64      `json:"gid"`
	Nonce int64      `json:"nonce"`
	Gen   int64      `json:"gen"`
	IAT   int64      `json:"iat"`
	NBF   int64      `json:"nbf,omitempty"`
	EXP   int64      `json:"exp,omitempty"`
	Cap   int64      `json:"cap,omitempty"`
	Name  string     `json:"name"`
}

func (plain) Mint(m token.Mint) ([]byte, []byte, error) {
	w := wire{m.Kind, m.Subject.ID, hex.EncodeToString(m.ID[:]), m.Grant.ID, m.Grant.Nonce, m.Grant.Generation,
		unix(m.IssuedAt), 0, unix(m.Expires), unix(m.Cap), m.Subject.Name}
	if m.Prior != nil {
		w.Name = m.Prior.Wire.(wire).Name
	}
	b, err := json.Marshal(w)
	return []byte(`{"alg":"` + m.Alg + `","typ":"JWT"}`), b, err
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func instant(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

func (plain) Read(key token.Kind, _ string, payload []byte) (token.Claims, error) {
	var w wire
	if err := json.Unmarshal(payload, &w); err != nil {
		return token.Claims{}, err
	}
	if w.Kind != key {
		return token.Claims{}, token.Refuse(token.WrongKind, "a %s under the key for %s", w.Kind, key)
	}
	id, _ := hex.DecodeString(w.ID)
	var jti [16]byte
	copy(jti[:], id)
	return token.Claims{Kind: w.Kind, ID: jti, Grant: w.GID, Nonce: w.Nonce, Generation: w.Gen, Subject: w.Sub,
		IssuedAt: instant(w.IAT), NotBefore: instant(w.NBF), Expires: instant(w.EXP), Cap: instant(w.Cap), Wire: w}, nil
}

// keys gives every service and kind its own secret.
type keys struct{ version uint64 }

func (k *keys) secret(service string, kind token.Kind) *jws.HS256 {
	sum := sha256.Sum256([]byte(service + "/" + string(kind)))
	s, err := jws.NewHS256(sum[:])
	if err != nil {
		panic(err)
	}
	return s
}

func (k *keys) Signer(service string, kind token.Kind, _ time.Time) (jws.Signer, string, error) {
	return k.secret(service, kind), "", nil
}

func (k *keys) Verify(service string, t jws.Token, _ func() (time.Time, bool)) (token.Kind, error) {
	for _, kind := range []token.Kind{token.Access, token.Refresh} {
		if jws.Verify(t, k.secret(service, kind)) == nil {
			return kind, nil
		}
	}
	return "", jws.ErrSignature
}

func (k *keys) MAC(parts ...[]byte) [32]byte {
	h := hmac.New(sha256.New, []byte("test"))
	for _, p := range parts {
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}

func (k *keys) Version() uint64 { return k.version }

func (k *keys) Reload(context.Context) error { return nil }

// forge signs claims as the service would.
func forge(t *testing.T, service string, kind token.Kind, w wire) string {
	t.Helper()
	payload, err := json.Marshal(w)
	check(t, err)
	text, err := jws.Sign([]byte(`{"alg":"HS256","typ":"JWT"}`), payload, (&keys{}).secret(service, kind))
	check(t, err)
	return text
}

const serviceKey = "a service key of the operator's"

// services are one that rotates and one that does not.
func services() []*token.Service {
	return []*token.Service{
		{Name: "rot", Format: plain{}, AccessLifetime: 24 * time.Hour, RefreshLifetime: 30 * 24 * time.Hour, Rotates: true,
			Replay: token.RefuseReplay, ReplayWindow: time.Minute, TakesKeys: true,
			Limits: map[token.GrantKind]int{token.Pair: 5, token.Session: 100}},
		{Name: "ext", Format: plain{}, AccessLifetime: 8 * time.Hour, Cap: 30 * 24 * time.Hour, TakesKeys: true,
			ServiceKey: sha256.Sum256([]byte(serviceKey)), NamesLive: 8 * time.Hour,
			NewSubject: func(s token.Subject) string { return "ID-" + s.Name },
			Names:      func(s token.Subject) []string { return []string{"uid=" + s.Name, s.ID} }},
		{Name: "app", Format: plain{}, AccessLifetime: 15 * time.Minute, RefreshLifetime: 30 * 24 * time.Hour,
			ApplicationLife: 365 * 24 * time.Hour, ApplicationIdle: 30 * 24 * time.Hour},
		{Name: "closed", Format: plain{}, AccessLifetime: time.Hour, RefreshLifetime: 24 * time.Hour, Rotates: true,
			ReplayWindow: time.Minute, Groups: []string{"staff"}, Types: []string{"person"}},
		{Name: "asked", Format: plain{}, AccessLifetime: time.Hour, RefreshLifetime: 24 * time.Hour, Rotates: true,
			ReplayWindow: time.Minute, RequireAttr: "can_use"},
	}
}

// fixture is an engine over a real file, with an account "ann".
type fixture struct {
	*token.Engine
	t     *testing.T
	ctx   context.Context
	clock *clock
	path  string
	db    *sqlite.DB
	store *sqlstore.Store
	flaky *flaky
	dir   *account.Directory
	ann   int64

	narrow func(*token.Service) // changes the services at the next open; may be nil
}

// flaky is a store whose verbs fail while down is set.
type flaky struct {
	token.Store
	mu    sync.Mutex
	down  error
	calls int
	read  func() // called when a subject has been read; may be nil
}

var errDown = errors.New("the disk is gone")

func (f *flaky) fail() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	return f.down
}

func (f *flaky) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down, f.calls = err, 0
}

func (f *flaky) Issue(ctx context.Context, v token.IssueVerb) (token.Issued, error) {
	if err := f.fail(); err != nil {
		return token.Issued{}, err
	}
	return f.Store.Issue(ctx, v)
}

func (f *flaky) Rotate(ctx context.Context, v token.RotateVerb) (token.Rotated, error) {
	if err := f.fail(); err != nil {
		return token.Rotated{}, err
	}
	return f.Store.Rotate(ctx, v)
}

func (f *flaky) Revoke(ctx context.Context, v token.RevokeVerb) (token.Ended, error) {
	if err := f.fail(); err != nil {
		return token.Ended{}, err
	}
	return f.Store.Revoke(ctx, v)
}

func (f *flaky) Subject(ctx context.Context, service string, account, group int64) (token.Subject, error) {
	if err := f.fail(); err != nil {
		return token.Subject{}, err
	}
	sub, err := f.Store.Subject(ctx, service, account, group)
	if f.read != nil {
		f.read()
	}
	return sub, err
}

func (f *flaky) SubjectByID(ctx context.Context, service, id string) (token.Subject, error) {
	if err := f.fail(); err != nil {
		return token.Subject{}, err
	}
	return f.Store.SubjectByID(ctx, service, id)
}

func (f *flaky) KeyBySecret(ctx context.Context, hash [32]byte) (token.Grant, error) {
	if err := f.fail(); err != nil {
		return token.Grant{}, err
	}
	return f.Store.KeyBySecret(ctx, hash)
}

func (f *flaky) BrowserBySecret(ctx context.Context, hash [32]byte) (token.Grant, error) {
	if err := f.fail(); err != nil {
		return token.Grant{}, err
	}
	return f.Store.BrowserBySecret(ctx, hash)
}

func (f *flaky) Grant(ctx context.Context, id int64) (token.Grant, error) {
	if err := f.fail(); err != nil {
		return token.Grant{}, err
	}
	return f.Store.Grant(ctx, id)
}

func (f *flaky) Since(ctx context.Context, seq int64, n int) ([]token.Entry, token.Position, error) {
	if err := f.fail(); err != nil {
		return nil, token.Position{}, err
	}
	return f.Store.Since(ctx, seq, n)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, ctx: t.Context(), path: filepath.Join(t.TempDir(), "symbolon.db"),
		clock: &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}}
	f.open()
	f.dir = account.NewDirectory(f.store, account.NewHasher(account.Cost{Memory: 8, Time: 1, Threads: 1}), f.clock.now)
	f.ann = f.add("ann")
	return f
}

// open opens the file and starts an engine over it, as a server does.
func (f *fixture) open() {
	f.t.Helper()
	all := services()
	for _, s := range all {
		if f.narrow != nil {
			f.narrow(s)
		}
	}
	f.db, f.store = openStore(f.t, f.path, all, f.clock.now)
	f.flaky = &flaky{Store: f.store}
	f.Engine = token.New(token.Options{Store: f.flaky, Keys: &keys{}, Services: all, Now: f.clock.now, Log: slog.New(slog.DiscardHandler)})
	check(f.t, f.Start(f.ctx))
}

func openStore(t *testing.T, path string, services []*token.Service, now func() time.Time) (*sqlite.DB, *sqlstore.Store) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Migrations: sqlstore.SQLite()})
	check(t, err)
	t.Cleanup(func() { db.Close() })
	return db, sqlstore.New(db, services, now)
}

// wait lets time pass for a server that follows the feed.
func (f *fixture) wait(d time.Duration) {
	f.t.Helper()
	f.clock.add(d)
	check(f.t, f.CatchUp(f.ctx))
}

func (f *fixture) add(name string) int64 {
	f.t.Helper()
	a, err := f.dir.Add(f.ctx, account.By{Actor: "operator"}, account.New{Name: name, Type: account.Person})
	check(f.t, err)
	return a.ID
}

func (f *fixture) issue(service string) token.Tokens {
	f.t.Helper()
	got, err := f.Issue(f.ctx, token.Operator(), token.IssueRequest{Service: service, Kind: token.Pair, Account: f.ann, Label: "test"})
	check(f.t, err)
	return got
}

func (f *fixture) refresh(service, text string) (token.Tokens, error) {
	req := token.RefreshRequest{Service: service, Token: text}
	if service == "ext" {
		req.Accept = []token.Kind{token.Access}
	}
	return f.Refresh(f.ctx, token.Caller{Actor: "token"}, req)
}

// mustRefresh returns the tokens of a refresh that succeeds.
func (f *fixture) mustRefresh(service, text string) token.Tokens {
	f.t.Helper()
	got, err := f.refresh(service, text)
	check(f.t, err)
	return got
}

// wantCode fails unless err is of the code.
func wantCode(t *testing.T, err error, want token.Code) {
	t.Helper()
	if got := token.CodeOf(err); got != want {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

// good fails unless the access token verifies.
func (f *fixture) good(service, text string) {
	f.t.Helper()
	if _, err := f.Verify(f.ctx, service, text, token.Access); err != nil {
		f.t.Errorf("a good token was refused: %v", err)
	}
}

// dead fails unless the access token is refused with the code.
func (f *fixture) dead(service, text string, want token.Code) {
	f.t.Helper()
	_, err := f.Verify(f.ctx, service, text, token.Access)
	wantCode(f.t, err, want)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
