package app

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/dialect/dialecttest"
	"symbolon/internal/jws"
	"symbolon/internal/keyring"
	"symbolon/internal/token"
)

// start is when every test begins.
var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// serviceKey is the operator's secret of the service ecology.
const serviceKey = "a-service-secret-of-the-operator"

// rsaKeys are two PEM keys, made once, for the legacy tokens of two services.
var rsaKeys = sync.OnceValue(func() [2][]byte {
	var keys [2][]byte
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	}
	return keys
})

// cheap hashes passwords at no cost to speak of.
func cheap() *account.Hasher { return account.NewHasher(account.Cost{Memory: 8, Time: 1, Threads: 1}) }

// env is a whole service, the real store, keys, engine and dialects, under a
// clock that stands still. It follows the feed only when told to.
type env struct {
	t    *testing.T
	app  *App
	http http.Handler
	log  *lockedBuffer
	ada  account.Account
	addr string // where requests come from; "" is one address of the documentation

	mu sync.Mutex
	at time.Time
}

// newEnv makes the services samples and ecology, changed by change if that is not nil.
func newEnv(t *testing.T, change func(*config.Config)) *env {
	t.Helper()
	dir := t.TempDir()
	conf := config.Dev(dir, "127.0.0.1:8080")
	conf.Services[0].Pairs = 1000 // no pair ends because a test makes another
	conf.Services[1].EDI.LegacyKeyFile = writeFile(t, filepath.Join(dir, "legacy.pem"), rsaKeys()[0])
	conf.Services[1].EDI.TokenKeyFile = writeFile(t, filepath.Join(dir, "token.key"), []byte(serviceKey))
	if change != nil {
		change(conf)
		conf.Resolve()
	}
	if err := conf.Check(); err != nil {
		t.Fatal(err)
	}
	e := &env{t: t, log: new(lockedBuffer), at: start}
	e.app = e.open(conf)
	t.Cleanup(func() { e.app.Close() })
	e.serve()
	e.ada = e.account(account.New{Name: "ada", Type: account.Person, Display: "Ada Example", Email: "ada@example.org"})
	return e
}

func (e *env) open(conf *config.Config) *App {
	e.t.Helper()
	log := slog.New(slog.NewTextHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := Open(e.t.Context(), Options{Config: conf, Now: e.now, Log: log, Serve: true, Hasher: cheap()})
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}

func (e *env) serve() {
	e.t.Helper()
	if err := e.app.Engine.Start(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	handler, err := e.app.Handler()
	if err != nil {
		e.t.Fatal(err)
	}
	e.http = handler
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (e *env) now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at
}

// silence moves the clock without news from the store.
func (e *env) silence(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = e.at.Add(d)
}

// advance moves the clock and follows the feed.
func (e *env) advance(d time.Duration) {
	e.t.Helper()
	e.silence(d)
	if err := e.app.Engine.CatchUp(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
}

var operator = account.By{Actor: "operator"}

func (e *env) account(n account.New) account.Account {
	e.t.Helper()
	a, err := e.app.Accounts.Add(e.t.Context(), operator, n)
	if err != nil {
		e.t.Fatal(err)
	}
	return a
}

func (e *env) set(name string, c account.Change) {
	e.t.Helper()
	if _, err := e.app.Accounts.Set(e.t.Context(), operator, name, c); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) issue(service string, id int64) token.Tokens {
	e.t.Helper()
	t, err := e.app.Engine.Issue(e.t.Context(), token.Operator(), token.IssueRequest{Service: service, Kind: token.Pair, Account: id, Label: "test"})
	if err != nil {
		e.t.Fatal(err)
	}
	return t
}

// ediPair issues both tokens of the service to ada.
func (e *env) ediPair(service string) (edi, pasta string) {
	e.t.Helper()
	both, err := e.app.Companions(e.t.Context(), service, e.issue(service, e.ada.ID))
	if err != nil {
		e.t.Fatal(err)
	}
	return both["edi-token"], both["pasta-token"]
}

func (e *env) apiKey() string {
	e.t.Helper()
	key, _, err := e.app.Engine.MakeKey(e.t.Context(), token.Operator(), token.KeyRequest{Account: e.ada.ID, Label: "test", To: e.now().AddDate(1, 0, 0)})
	if err != nil {
		e.t.Fatal(err)
	}
	return key.Reveal()
}

// do makes one request; headers are names and values in turn.
func (e *env) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	e.t.Helper()
	r := httptest.NewRequestWithContext(e.t.Context(), method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	if e.addr != "" {
		r.RemoteAddr = e.addr + ":4711"
	}
	w := httptest.NewRecorder()
	e.http.ServeHTTP(w, r)
	dialecttest.WantNames(e.t, w.Header())
	return w
}

func (e *env) bearer(method, target, text string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.do(method, target, "", "Authorization", "Bearer "+text)
}

// object is a JSON object of texts and nulls, in the order given.
func object(namesAndValues ...any) string {
	var b strings.Builder
	for i := 0; i < len(namesAndValues); i += 2 {
		value, err := json.Marshal(namesAndValues[i+1])
		if err != nil {
			panic(err)
		}
		b.WriteString(",\"" + namesAndValues[i].(string) + "\":" + string(value))
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

func (e *env) json(method, target string, namesAndValues ...any) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.do(method, target, object(namesAndValues...), "Content-Type", "application/json")
}

func (e *env) refresh(text string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.json("POST", "/webservices/refresh_token.php", "refresh", text)
}

func (e *env) ediRefresh(pasta any, edi string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.json("POST", "/auth/v1/token/refresh", "pasta-token", pasta, "edi-token", edi)
}

// texts are the texts of a JSON answer, by name.
func texts(t *testing.T, w *httptest.ResponseRecorder) map[string]string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &members); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	all := map[string]string{}
	for name, v := range members {
		if text, ok := v.(string); ok {
			all[name] = text
		}
	}
	return all
}

// wantCode compares the status alone, and shows the body.
func wantCode(t *testing.T, w *httptest.ResponseRecorder, code int) {
	t.Helper()
	if w.Code != code {
		t.Errorf("got %d, want %d: %s", w.Code, code, w.Body)
	}
}

// sign makes a token of any header and payload with a service's own key.
func (e *env) sign(service string, purpose keyring.Purpose, header, payload string) string {
	e.t.Helper()
	signer, _, err := e.app.Keys.Signer(service, purpose, e.now())
	if err != nil {
		e.t.Fatal(err)
	}
	text, err := jws.Sign([]byte(header), []byte(payload), signer)
	if err != nil {
		e.t.Fatal(err)
	}
	return text
}

// lockedBuffer may be written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
