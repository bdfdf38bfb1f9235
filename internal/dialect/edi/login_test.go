package edi

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

const ldapPassword = "pass:word"

// loginEnv has an account behind ldapUID, and a door that knows its password.
func loginEnv(t *testing.T) *env {
	t.Helper()
	e := newEnv(t, nil)
	e.dialect.signIn = func(_ context.Context, by token.Caller, dn, password string) (int64, error) {
		switch {
		case by.Addr != "192.0.2.1" || by.Actor != "account":
			t.Errorf("caller %+v", by)
		case dn == "slow":
			return 0, &token.Error{Code: token.TooMany, RetryAfter: time.Minute}
		case dn == "down":
			return 0, errors.New("nobody answers")
		case dn == "stranger":
			return e.demo, nil
		case dn != ldapUID || password != ldapPassword:
			return 0, token.Refuse(token.BadCredentials, "for the log only")
		}
		return e.ldap, nil
	}
	adapter := &httpio.Adapter{Log: e.dialect.log, Errors: e.dialect.Failed}
	for _, r := range e.dialect.Routes(e.Engine) {
		if strings.Contains(r.Pattern, "login") {
			e.Mux.Handle(r.Pattern, adapter.Handle(r.Handle))
		}
	}
	return e
}

func basicHeader(text string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(text))
}

func (e *env) login(header ...string) *httptest.ResponseRecorder {
	e.T.Helper()
	return e.Do("GET", "/auth/login/pasta?target=https%3A%2F%2Felsewhere.example", "", header...)
}

func TestLogin(t *testing.T) {
	e := loginEnv(t)
	w := e.login(basicHeader(ldapUID + ":" + ldapPassword))
	want(t, w, http.StatusOK, "Login successful")
	cookies := w.Header().Values("Set-Cookie")
	if len(cookies) != 2 {
		t.Fatalf("cookies %q", cookies)
	}
	pasta, ok1 := strings.CutPrefix(cookies[0], "auth-token=")
	pasta, ok2 := strings.CutSuffix(pasta, "; Path=/; SameSite=lax")
	edi, ok3 := strings.CutPrefix(cookies[1], "edi-token=")
	edi, ok4 := strings.CutSuffix(edi, "; Path=/; SameSite=lax")
	if !ok1 || !ok2 || !ok3 || !ok4 {
		t.Fatalf("cookies %q", cookies)
	}
	if got := e.legacyText(pasta); !strings.HasPrefix(got, ldapUID+"*") || !strings.HasSuffix(got, "*vetted*authenticated") {
		t.Errorf("legacy text %s", got)
	}
	if w := e.Do("GET", "/auth/v1/whoami", "", "Cookie: edi-token="+edi); w.Code != http.StatusOK {
		t.Errorf("whoami: %d %s", w.Code, w.Body)
	}
	tokens(t, e.refresh(pasta, edi))
	grants, err := e.Store.List(t.Context(), token.Filter{Account: e.ldap, Live: true, Now: e.Now()})
	if err != nil || len(grants) != 1 || grants[0].Kind != token.Session || grants[0].Addr != "192.0.2.1" {
		t.Errorf("grants %+v, %v", grants, err)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestLoginRefused(t *testing.T) {
	e := loginEnv(t)
	for name, tc := range map[string]struct {
		header string
		status int
		body   string
	}{
		"no header":       {"X: y", 400, "No authorization header in request"},
		"bearer":          {"Authorization: Bearer abc", 400, "Invalid authorization scheme. Only Basic is supported: Bearer abc"},
		"scheme alone":    {"Authorization: Basic", 400, "Invalid authorization scheme. Only Basic is supported: Basic"},
		"empty header":    {"Authorization: ", 400, "Invalid authorization scheme. Only Basic is supported: "},
		"padding":         {"Authorization: Basic YTpi=", 400, "Malformed authorization header: Incorrect padding"},
		"length":          {"Authorization: Basic YTpiY", 400, "Malformed authorization header: Invalid base64-encoded string: number of data characters (5) cannot be 1 more than a multiple of 4"},
		"no UTF-8":        {basicHeader("\xff:x"), 400, "Malformed authorization header: not UTF-8"},
		"no colon":        {basicHeader("maria"), 400, "Malformed authorization header: not enough values to unpack (expected 2, got 1)"},
		"wrong password":  {basicHeader(ldapUID + ":pass"), 401, "Authentication failed for user: " + ldapUID},
		"empty password":  {basicHeader(ldapUID + ":"), 401, "Authentication failed for user: " + ldapUID},
		"no DN":           {basicHeader("maria:x"), 401, "Authentication failed for user: maria"},
		"markup":          {basicHeader("<b>:x"), 401, "Authentication failed for user: <b>"},
		"nothing at all":  {basicHeader(":"), 401, "Authentication failed for user: "},
		"too many":        {basicHeader("slow:x"), 429, "Too many requests: please try again later"},
		"directory down":  {basicHeader("down:x"), 503, "Service unavailable: please try again later"},
		"colon in the DN": {basicHeader("a:b:c"), 401, "Authentication failed for user: a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := e.login(tc.header)
			want(t, w, tc.status, tc.body)
			if w.Header().Get("Set-Cookie") != "" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("header %v", w.Header())
			}
			again := map[int]string{429: "60", 503: "1"}[tc.status]
			if got := w.Header().Get("Retry-After"); got != again {
				t.Errorf("Retry-After %q, want %q", got, again)
			}
		})
	}
	e.BreakStore()
	want(t, e.login(basicHeader(ldapUID+":"+ldapPassword)), 503, "Service unavailable: please try again later")
}

// Whoever may not use the service is told no more than who has a wrong password.
func TestLoginOfWhomTheServiceIsNotFor(t *testing.T) {
	e := loginEnv(t)
	e.dialect.service.Groups = []string{"vetted"}
	want(t, e.login(basicHeader("stranger:x")), 401, "Authentication failed for user: stranger")
	if w := e.login(basicHeader(ldapUID + ":" + ldapPassword)); w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
}

func TestLoginPaths(t *testing.T) {
	e := loginEnv(t)
	want(t, e.Do("POST", "/auth/login/pasta", ""), 405, `{"detail":"Method Not Allowed"}`)
	w := e.Do("GET", "/auth/login/pasta/?target=x", "")
	if w.Code != 307 || w.Header().Get("Location") != "/auth/login/pasta?target=x" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	want(t, e.Do("GET", "/auth/login/github", ""), 404, `{"detail":"Not Found"}`)
}

// A uid that no legacy token can say has the edi-token alone.
func TestLoginWithoutLegacyToken(t *testing.T) {
	e := loginEnv(t)
	e.dialect.format.edi.IDPUid = "uid=NAME*"
	w := e.login(basicHeader("stranger:x"))
	cookies := w.Header().Values("Set-Cookie")
	if len(cookies) != 1 || !strings.HasPrefix(cookies[0], "edi-token=") {
		t.Errorf("%d, cookies %q", w.Code, cookies)
	}
}

func FuzzBasic(f *testing.F) {
	for _, h := range []string{"", "Basic ", basicHeader("a:b")[len("Authorization: "):], "Basic ====", "basic YTpi", "Basic \xff"} {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, header string) {
		dn, password, fault := basic([]string{header})
		if fault != "" {
			if dn != "" || password != "" {
				t.Errorf("both %q and %q", fault, dn)
			}
			return
		}
		if diff := cmp.Diff(header, "Basic "+base64.StdEncoding.EncodeToString([]byte(dn+":"+password))); diff != "" && strings.TrimSpace(header) == header && !strings.HasPrefix(header, "Basic  ") {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestNoLoginUnlessConfigured(t *testing.T) {
	d := newDialect(t, nil, Options{})
	for _, r := range d.Routes(nil) {
		if strings.Contains(r.Pattern, "login") {
			t.Errorf("%s is served", r.Pattern)
		}
	}
}
