package edi

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// walk is a Browser whose provider lets in whoever the query says.
type walk struct {
	t       *testing.T
	account int64
	err     error
}

func (w *walk) Begin(_ context.Context, provider, callback, keep string) (string, string, error) {
	if provider == "microsoft" {
		return "", "", token.Refuse(token.NotFound, "not configured")
	}
	if callback != "/auth/callback/"+provider {
		w.t.Errorf("callback %s", callback)
	}
	return "https://idp.example/?keep=" + url.QueryEscape(keep), "trip=1", w.err
}

func (w *walk) Finish(_ context.Context, by token.Caller, r *httpio.Request, _, _ string) (Arrived, error) {
	if by.Actor != "account" || by.Addr != "192.0.2.1" {
		w.t.Errorf("caller %+v", by)
	}
	return Arrived{Account: w.account, Keep: r.Query.Get("keep"), Cookie: "trip=; Max-Age=0"}, w.err
}

// browserEnv has a portal to which people may be sent.
func browserEnv(t *testing.T) (*env, *walk) {
	t.Helper()
	e := newEnv(t, nil)
	w := &walk{t: t, account: e.ldap}
	e.dialect.browser = w
	e.dialect.format.edi.ReturnHosts = []string{"portal.example", "localhost:5000", "portal.example:8443"}
	adapter := &httpio.Adapter{Log: e.dialect.log, Errors: e.dialect.Failed}
	for _, r := range (&handlers{Dialect: e.dialect, engine: e.Engine}).browserRoutes() {
		e.Mux.Handle(r.Pattern, adapter.Handle(r.Handle))
	}
	return e, w
}

func (e *env) browse(path string, query ...string) *httptest.ResponseRecorder {
	e.T.Helper()
	q := url.Values{}
	for i := 0; i < len(query); i += 2 {
		q.Add(query[i], query[i+1])
	}
	return e.Do("GET", "/auth/"+path+"?"+q.Encode(), "")
}

func TestBrowserIsSentAway(t *testing.T) {
	e, _ := browserEnv(t)
	for _, target := range []string{"https://portal.example/home?x=1", "https://portal.example:443/", "https://portal.example:8443/", "http://localhost:5000/login"} {
		w := e.browse("login/orcid", "target", target)
		if w.Code != 302 || w.Header().Get("Location") != "https://idp.example/?keep="+url.QueryEscape(target) || w.Header().Get("Set-Cookie") != "trip=1" {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
	}
	for path, to := range map[string]string{"login/orcid": "/symbolon/sign-in/orcid", "login/github?login_type=link": "/symbolon/link/github"} {
		w := e.Do("GET", "/auth/"+path, "")
		if w.Code != 303 || w.Header().Get("Location") != to {
			t.Errorf("%s: %d to %s, want 303 to %s", path, w.Code, w.Header().Get("Location"), to)
		}
	}
	want(t, e.browse("login/microsoft", "target", "https://portal.example/"), 404, `{"detail":"Not Found"}`)
}

// The old server sent people, and their tokens, to any address.
func TestBrowserIsSentNowhereElse(t *testing.T) {
	e, _ := browserEnv(t)
	for _, target := range []string{
		"https://evil.example/", "https://portal.example.evil.example/", "https://evilportal.example/", "https://portal.example@evil.example/",
		"https://evil.example#https://portal.example/", "https://portal.example/#x", "http://portal.example/", "http://portal.example:8443/", "//portal.example/",
		"portal.example", "/", "javascript:alert(1)", "javascript://portal.example/%0aalert(1)", "ftp://portal.example/", "https:portal.example", "https:///portal.example",
		"https://portal.example:444/", "https://PORTAL.example/", "https://portal.example./", "https://portal.example\\@evil.example/", "https://evil.example\\.portal.example/",
		" https://portal.example/", "https://portal.example/\r\nX: y", "https://portal.example/\u2028", "https://localhost:5001/", "http://127.0.0.1:5000/", "https://[::1]/",
	} {
		w := e.browse("login/orcid", "target", target)
		if w.Code != 400 || w.Body.String() != noTarget || w.Header().Get("Location") != "" {
			t.Errorf("%q: %d %s to %q", target, w.Code, w.Body, w.Header().Get("Location"))
		}
	}
}

func TestBrowserComesBack(t *testing.T) {
	e, _ := browserEnv(t)
	w := e.browse("callback/orcid", "keep", "https://portal.example/home?x=1")
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != 307 || to.Host != "portal.example" || to.Path != "/home" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	var names []string
	for pair := range strings.SplitSeq(to.RawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name)
	}
	if got, want := strings.Join(names, " "), "x token edi_token edi_id full_name email idp_uid idp_name common_name sub"; got != want {
		t.Errorf("parameters %s, want %s", got, want)
	}
	q := to.Query()
	if q.Get("idp_uid") != ldapUID || q.Get("edi_id") != q.Get("sub") || !strings.HasPrefix(q.Get("edi_id"), "EDI-") {
		t.Errorf("parameters %v", q)
	}
	tokens(t, e.refresh(q.Get("token"), q.Get("edi_token")))
	if got := w.Header().Values("Set-Cookie"); len(got) != 3 || got[0] != cookie("auth-token", q.Get("token")) || got[1] != cookie("edi-token", q.Get("edi_token")) || got[2] != "trip=; Max-Age=0" {
		t.Errorf("cookies %q", got)
	}
}

func TestBrowserComesBackInVain(t *testing.T) {
	for text, err := range map[string]error{
		"Login cancelled":                        ErrCancelled,
		"Login unsuccessful: Email not verified": ErrUnverified,
		"Login unsuccessful":                     token.Refuse(token.BadCredentials, "disabled"),
		"Login failed":                           errors.New("the provider lies"),
	} {
		e, w := browserEnv(t)
		w.err = err
		got := e.browse("callback/google", "keep", "https://portal.example/")
		if want := "https://portal.example/?error=" + url.QueryEscape(text); got.Code != 307 || got.Header().Get("Location") != want {
			t.Errorf("%v: %d to %s, want 307 to %s", err, got.Code, got.Header().Get("Location"), want)
		}
		if cookies := got.Header().Values("Set-Cookie"); len(cookies) != 1 {
			t.Errorf("%v: cookies %q", err, cookies)
		}
		want(t, e.browse("callback/google"), 400, noLogin)
	}
}

func TestBrowserComesBackWhileTheStoreIsDown(t *testing.T) {
	e, _ := browserEnv(t)
	e.BreakStore()
	w := e.browse("callback/orcid", "keep", "https://portal.example/")
	if w.Code != 307 || w.Header().Get("Location") != "https://portal.example/?error=Login+failed" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestBrowserSignsOut(t *testing.T) {
	e, _ := browserEnv(t)
	w := e.Do("GET", "/auth/signout", "")
	if w.Code != 303 || w.Header().Get("Location") != "/symbolon/sign-in" || len(w.Header().Values("Set-Cookie")) != 2 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}
