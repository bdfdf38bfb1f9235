package edi

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/dialect/dialecttest"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// What the kit has, under the short names of these tests.
var (
	start     = dialecttest.Start
	payloadOf = dialecttest.PayloadOf
	want      = dialecttest.Want
	golden    = dialecttest.Golden
)

func fixedKeys(t testing.TB) *dialecttest.Keys {
	t.Helper()
	k := dialecttest.ES256(t)
	return &dialecttest.Keys{Access: k, Refresh: k}
}

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

// env is the kit with the service ecology and two accounts.
type env struct {
	*dialecttest.Kit
	dialect *Dialect
	rsa     *rsa.PrivateKey
	demo    int64 // an account without an outside identity
	ldap    int64 // uid=EDI,o=EDI,… of LDAP, in the group vetted
}

const (
	tokenKey = "a-service-secret-of-the-operator"
	demoUID  = "uid=demo,o=EDI,dc=edirepository,dc=org"
	ldapUID  = "uid=EDI,o=EDI,dc=edirepository,dc=org"
)

// newEnv makes the service ecology, changed by change where that is not nil.
func newEnv(t *testing.T, change func(*config.Service)) *env {
	t.Helper()
	e := &env{Kit: dialecttest.New(t, fixedKeys(t)), rsa: legacyKey(t)}
	e.dialect = newDialect(t, change, Options{Dev: true, Log: e.Logger, Legacy: func(context.Context) (*rsa.PrivateKey, error) { return e.rsa, nil }})
	e.Open(e.dialect)
	e.Mount(e.dialect.Routes(e.Engine))
	if _, err := e.Store.AddGroup(t.Context(), dialecttest.Operator, start, "vetted", strings.Repeat("ab", 16), ""); err != nil {
		t.Fatal(err)
	}
	e.demo = e.Account(account.AddVerb{Name: "demo", Display: "Demo Person"})
	e.ldap = e.Account(account.AddVerb{Name: "edi", Email: "edi@example.org", Groups: []string{"vetted"},
		Identities: []account.Identity{{Provider: "ldap", Subject: ldapUID}}})
	return e
}

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

// session signs an account in.
func (e *env) session(id int64) token.Tokens {
	e.T.Helper()
	return e.Issue(token.IssueRequest{Kind: token.Session, Account: id})
}

// pair signs an account in and returns both tokens.
func (e *env) pair(id int64) (edi, pasta string, grant int64) {
	e.T.Helper()
	t := e.session(id)
	both, err := e.dialect.Companions(e.T.Context(), t)
	if err != nil {
		e.T.Fatal(err)
	}
	return both["edi-token"], both["pasta-token"], t.Grant.ID
}

func (e *env) revoke(req token.RevokeRequest) {
	e.T.Helper()
	if _, err := e.Engine.Revoke(e.T.Context(), token.Operator(), req); err != nil {
		e.T.Fatal(err)
	}
	e.CatchUp()
}

// legacy signs a legacy text with the fixed key.
func (e *env) legacy(uid string, ends time.Time, groups ...string) string {
	e.T.Helper()
	text, err := e.dialect.legacy.mint(e.T.Context(), legacyToken{uid, ends, groups})
	if err != nil {
		e.T.Fatal(err)
	}
	return text.Reveal()
}

const plainHeader = `{"alg":"ES256","typ":"JWT"}`

// altered signs a good token's payload with one text in it replaced.
func (e *env) altered(text, old, replacement string) string {
	e.T.Helper()
	return dialecttest.Altered(e.T, e.Keys.Access, plainHeader, text, old, replacement)
}

// legacyText is the signed text of a legacy token whose signature is good.
func (e *env) legacyText(text string) string {
	e.T.Helper()
	parsed, err := e.dialect.legacy.open(e.T.Context(), text)
	if err != nil {
		e.T.Fatal(err)
	}
	return parsed.text()
}

// post sends members as a JSON body.
func (e *env) post(path string, body map[string]any) *httptest.ResponseRecorder {
	e.T.Helper()
	return e.Do("POST", path, string(httpio.JSON(body)))
}

func (e *env) refresh(pasta, edi any) *httptest.ResponseRecorder {
	e.T.Helper()
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

// message is the body of an answer that has no fields of its own.
func message(call, msg string) string {
	quoted, err := json.Marshal(msg)
	if err != nil {
		panic(err)
	}
	text := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(quoted))
	return "{\n  \"msg\": " + text + ",\n  \"method\": \"" + call + "\"\n}"
}
