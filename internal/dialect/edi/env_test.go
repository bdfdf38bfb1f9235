package edi

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
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

// keys is a fixed key, so that tokens are the same in every run.
type keys struct{ access *jws.ES256 }

func fixedKeys(t testing.TB) *keys {
	t.Helper()
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	access, err := jws.NewES256(private)
	if err != nil {
		t.Fatal(err)
	}
	return &keys{access}
}

func (k *keys) Signer(string, token.Kind) (jws.Signer, string, error) { return k.access, "fixed", nil }

func (k *keys) Verify(_ string, t jws.Token, _ func() (time.Time, bool)) (token.Kind, error) {
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

// legacyKey is the fixed key of testdata.
func legacyKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	text, err := os.ReadFile("testdata/legacy_key.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// env is one dialect over the real engine and the real store, under a clock that stands still.
type env struct {
	t       *testing.T
	dialect *Dialect
	engine  *token.Engine
	store   *sqlstore.Store
	keys    *keys
	rsa     *rsa.PrivateKey
	mux     *http.ServeMux
	log     *bytes.Buffer
	demo    int64 // an account without an outside identity
	ldap    int64 // uid=EDI,o=EDI,… of LDAP, in the group vetted

	mu  sync.Mutex
	at  time.Time
	err error // what the store fails with
}

const (
	tokenKey = "a-service-secret-of-the-operator"
	demoUID  = "uid=demo,o=EDI,dc=edirepository,dc=org"
	ldapUID  = "uid=EDI,o=EDI,dc=edirepository,dc=org"
)

// newEnv makes the service ecology, changed by change where that is not nil.
func newEnv(t *testing.T, change func(*config.Service)) *env {
	t.Helper()
	e := &env{t: t, keys: fixedKeys(t), rsa: legacyKey(t), at: start, log: new(bytes.Buffer), mux: http.NewServeMux()}
	log := slog.New(slog.NewTextHandler(e.log, nil))
	e.dialect = newDialect(t, change, Options{Dev: true, Log: log, Legacy: func(context.Context) (*rsa.PrivateKey, error) { return e.rsa, nil }})
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
	}
	e.mux.Handle("/", adapter.Handle(func(_ context.Context, r *httpio.Request) httpio.Response { return e.dialect.NotFound(r) }))
	if _, err := e.store.AddGroup(t.Context(), operator, start, "vetted", strings.Repeat("ab", 16), ""); err != nil {
		t.Fatal(err)
	}
	e.demo = e.account(account.AddVerb{Name: "demo", Display: "Demo Person"})
	e.ldap = e.account(account.AddVerb{Name: "edi", Email: "edi@example.org", Groups: []string{"vetted"},
		Identities: []account.Identity{{Provider: "ldap", Subject: ldapUID}}})
	return e
}

var operator = account.By{Actor: "operator"}

func newDialect(t *testing.T, change func(*config.Service), o Options) *Dialect {
	t.Helper()
	c := config.NewService("ecology", "edi", "/auth")
	c.EDI.LegacyLifetime = c.AccessLifetime
	c.EDI.TokenKeyFile = filepath.Join(t.TempDir(), "token.key")
	if err := os.WriteFile(c.EDI.TokenKeyFile, []byte(tokenKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&c)
	}
	d, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
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

func (e *env) account(v account.AddVerb) int64 {
	e.t.Helper()
	v.By, v.Now, v.Type = operator, e.now(), "person"
	a, err := e.store.AddAccount(e.t.Context(), v)
	if err != nil {
		e.t.Fatal(err)
	}
	return a.ID
}

// session signs an account in.
func (e *env) session(id int64) token.Tokens {
	e.t.Helper()
	t, err := e.engine.Issue(e.t.Context(), token.Operator(), token.IssueRequest{Service: "ecology", Kind: token.Session, Account: id})
	if err != nil {
		e.t.Fatal(err)
	}
	return t
}

// pair signs an account in and returns both tokens.
func (e *env) pair(id int64) (edi, pasta string, grant int64) {
	e.t.Helper()
	t := e.session(id)
	both, err := e.dialect.Companions(e.t.Context(), t)
	if err != nil {
		e.t.Fatal(err)
	}
	return both["edi-token"], both["pasta-token"], t.Grant.ID
}

func (e *env) apiKey(req token.KeyRequest) (string, int64) {
	e.t.Helper()
	req.Label = "cron"
	if req.To.IsZero() {
		req.To = e.now().Add(90 * 24 * time.Hour)
	}
	key, g, err := e.engine.MakeKey(e.t.Context(), token.Operator(), req)
	if err != nil {
		e.t.Fatal(err)
	}
	return key.Reveal(), g.ID
}

func (e *env) revoke(req token.RevokeRequest) {
	e.t.Helper()
	if _, err := e.engine.Revoke(e.t.Context(), token.Operator(), req); err != nil {
		e.t.Fatal(err)
	}
	e.catchUp()
}

// legacy signs a legacy text with the fixed key.
func (e *env) legacy(uid string, ends time.Time, groups ...string) string {
	e.t.Helper()
	text, err := e.dialect.legacy.mint(e.t.Context(), legacyToken{uid, ends, groups})
	if err != nil {
		e.t.Fatal(err)
	}
	return text.Reveal()
}

// sign makes a token of any header and payload with the service's key.
func (e *env) sign(header, payload string) string {
	e.t.Helper()
	text, err := jws.Sign([]byte(header), []byte(payload), e.keys.access)
	if err != nil {
		e.t.Fatal(err)
	}
	return text
}

const plainHeader = `{"alg":"ES256","typ":"JWT"}`

// altered signs a good token's payload with one text in it replaced.
func (e *env) altered(text, old, replacement string) string {
	e.t.Helper()
	payload := payloadOf(e.t, text)
	changed := strings.Replace(payload, old, replacement, 1)
	if changed == payload {
		e.t.Fatalf("no %s in %s", old, payload)
	}
	return e.sign(plainHeader, changed)
}

func payloadOf(t *testing.T, text string) string {
	t.Helper()
	parsed, err := jws.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(parsed.Payload)
}

// legacyText is the signed text of a legacy token whose signature is good.
func (e *env) legacyText(text string) string {
	e.t.Helper()
	parsed, err := e.dialect.legacy.open(e.t.Context(), text)
	if err != nil {
		e.t.Fatal(err)
	}
	return parsed.text()
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

// post sends members as a JSON body.
func (e *env) post(path string, body map[string]any) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.do("POST", path, string(httpio.JSON(body)))
}

func (e *env) refresh(pasta, edi any) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.post("/auth/v1/token/refresh", map[string]any{"pasta-token": pasta, "edi-token": edi})
}

// tokens reads a 200 answer.
func tokens(t *testing.T, w *httptest.ResponseRecorder) (edi, pasta string) {
	t.Helper()
	var body struct {
		EDI   string  `json:"edi-token"`
		Pasta *string `json:"pasta-token"`
	}
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if body.Pasta == nil {
		return body.EDI, ""
	}
	return body.EDI, *body.Pasta
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

// message is the body of an answer that has no fields of its own.
func message(call, msg string) string {
	quoted, err := json.Marshal(msg)
	if err != nil {
		panic(err)
	}
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(quoted))
	return "{\n  \"msg\": " + text + ",\n  \"method\": \"" + call + "\"\n}"
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
