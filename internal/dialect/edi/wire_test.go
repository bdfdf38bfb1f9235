package edi

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

func TestPing(t *testing.T) {
	e := newEnv(t, nil)
	w := e.Do("GET", "/auth/v1/ping", "")
	want(t, w, http.StatusOK, "pong")
	if got := w.Header().Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestMethodsAndPaths(t *testing.T) {
	e := newEnv(t, nil)
	for _, tc := range []struct {
		method, path string
		status       int
		header       string // name: value
		body         string
	}{
		{"GET", "/auth/v1/token/refresh", 405, "Allow: POST", `{"detail":"Method Not Allowed"}`},
		{"GET", "/auth/v1/key", 405, "Allow: POST", `{"detail":"Method Not Allowed"}`},
		{"DELETE", "/auth/v1/token/" + publicID, 405, "Allow: POST", `{"detail":"Method Not Allowed"}`},
		{"PUT", "/auth/v1/token/" + publicID, 405, "Allow: POST", `{"detail":"Method Not Allowed"}`},
		{"POST", "/auth/v1/ping", 405, "Allow: GET", `{"detail":"Method Not Allowed"}`},
		{"POST", "/auth/v1/whoami", 405, "Allow: GET", `{"detail":"Method Not Allowed"}`},
		{"POST", "/auth/v1/profile", 404, "Content-Type: application/json", `{"detail":"Not Found"}`},
		{"GET", "/auth/v1/authorized?resource_key=x&permission=read", 404, "Content-Type: application/json", `{"detail":"Not Found"}`},
		{"POST", "/auth/v1/eml", 404, "Content-Type: application/json", `{"detail":"Not Found"}`},
		{"GET", "/auth/login/pasta", 404, "Content-Type: application/json", `{"detail":"Not Found"}`},
		{"GET", "/auth/v1/token/", 404, "Content-Type: application/json", `{"detail":"Not Found"}`},
		{"POST", "/auth/v1/token/a/b", 404, "Content-Type: application/json", `{"detail":"Not Found"}`},
		{"POST", "/auth/v1/key/", 307, "Location: /auth/v1/key", ""},
		{"POST", "/auth/v1/token/refresh/?a=b%20c", 307, "Location: /auth/v1/token/refresh?a=b+c", ""},
		{"POST", "/auth/v1/token/x%0d%0ay/", 307, "Location: /auth/v1/token/x%0D%0Ay", ""},
		{"GET", "/auth/v1/ping/", 307, "Location: /auth/v1/ping", ""},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			w := e.Do(tc.method, tc.path, "")
			want(t, w, tc.status, tc.body)
			name, value, _ := strings.Cut(tc.header, ": ")
			if got := w.Header().Get(name); got != value {
				t.Errorf("%s %q, want %q", name, got, value)
			}
		})
	}
}

func TestXML(t *testing.T) {
	e := newEnv(t, nil)
	edi, _, _ := e.pair(e.demo)
	for _, accept := range []string{"application/xml", "text/xml, */*"} {
		w := e.Do("POST", "/auth/v1/token/refresh", `{"pasta-token":null,"edi-token":"x"}`, "Accept: "+accept)
		want(t, w, http.StatusUnauthorized, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<result>\n"+
			"  <msg>Attempted to refresh invalid edi-token: Not enough segments</msg>\n  <method>refreshToken</method>\n</result>\n")
		if got := w.Header().Get("Content-Type"); got != "application/xml" {
			t.Errorf("Content-Type %q", got)
		}
	}
	w := e.Do("POST", "/auth/v1/token/refresh", `{"pasta-token":null,"edi-token":"`+edi+`"}`, "Accept: application/xml")
	if !strings.Contains(w.Body.String(), "  <pasta-token>None</pasta-token>\n  <edi-token>eyJ") {
		t.Errorf("body %s", w.Body)
	}
	for _, header := range []string{"Accept: */*, application/xml", "Accept-Type: application/xml", "Accept: text/html"} {
		if w := e.Do("POST", "/auth/v1/key", "", header); w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: Content-Type %q", header, w.Header().Get("Content-Type"))
		}
	}
}

func TestWhoami(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, grant := e.pair(e.demo)
	body := "{\n  \"msg\": \"Token is valid\",\n  \"edi_id\": \"" + EDIID(demoUID) + "\",\n  \"cn\": \"Demo Person\",\n  \"idpName\": \"ldap\",\n" +
		"  \"idpUid\": \"" + demoUID + "\",\n  \"principals\": [\n    \"EDI-078e6e3cee4f7f2812f150701da9351acb51e089\",\n" +
		"    \"EDI-7be3510d08def0dfc667824ebd4f4f1bbd770234\"\n  ],\n  \"issued\": \"2026-01-02T03:04:05Z\",\n  \"expires\": \"2026-01-02T11:04:05Z\",\n  \"method\": \"whoami\"\n}"
	want(t, e.Do("GET", "/auth/v1/whoami", "", "Authorization: Bearer "+edi), http.StatusOK, body)
	want(t, e.Do("GET", "/auth/v1/whoami", "", "Cookie: auth-token="+pasta+"; edi-token="+edi), http.StatusOK, body)
	refused := message("whoami", "Unauthorized: Authentication token is missing or invalid")
	for _, header := range []string{"X: y", "Authorization: Bearer x", "Authorization: Bearer", "Cookie: edi-token=" + pasta, "Authorization: Bearer " + pasta} {
		want(t, e.Do("GET", "/auth/v1/whoami", "", header), http.StatusUnauthorized, refused)
	}
	e.revoke(token.RevokeRequest{Grant: grant})
	want(t, e.Do("GET", "/auth/v1/whoami", "", "Cookie: edi-token="+edi), http.StatusUnauthorized, refused)
}

func TestWhoamiIsForDevelopment(t *testing.T) {
	d := newDialect(t, nil, Options{})
	for _, r := range d.Routes(nil) {
		if strings.Contains(r.Pattern, "whoami") {
			t.Errorf("%s is served", r.Pattern)
		}
	}
	if got := d.NotFound(&httpio.Request{Method: "GET", Path: "/auth/v1/whoami/"}).Status; got != http.StatusNotFound {
		t.Errorf("status %d", got)
	}
}

func TestNoCookieIsEverSet(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, _ := e.pair(e.demo)
	e.Advance(2 * time.Hour)
	key, _ := e.APIKey(token.KeyRequest{Account: e.demo})
	w := e.Do("POST", "/auth/v1/token/refresh?key="+key, `{"pasta-token":"`+pasta+`","edi-token":"`+edi+`"}`, "Cookie: edi-token="+edi)
	if w.Code != http.StatusOK || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("status %d, header %v", w.Code, w.Header())
	}
}

func TestLegacyKeyFails(t *testing.T) {
	d := newDialect(t, nil, Options{Log: slog.New(slog.DiscardHandler), Legacy: func(context.Context) (*rsa.PrivateKey, error) {
		return nil, errors.New("the key cannot be opened")
	}})
	_, err := d.Companions(t.Context(), token.Tokens{Subject: token.Subject{Name: "demo"}})
	if got := fmt.Sprint(err); got != "waiting for the legacy key: the key cannot be opened" {
		t.Errorf("error %s", got)
	}
}

func TestErrors(t *testing.T) {
	var b strings.Builder
	d := newDialect(t, nil, Options{})
	for _, call := range []string{refreshToken, getTokenByKey, getToken, whoAmI, loginPasta} {
		for _, code := range token.Codes() {
			r := refusalOf(call, token.Refuse(code, "for the log only"), "")
			fmt.Fprintf(&b, "%s, %s: %d %s\n", call, code, r.status, r.msg)
		}
		r := refusalOf(call, errors.New("disk on fire"), "")
		fmt.Fprintf(&b, "%s, unknown error: %d %s\n\n", call, r.status, r.msg)
	}
	for _, status := range []int{400, 408, 413, 500, 503} {
		r := d.Failed(status)
		fmt.Fprintf(&b, "before any handler: %d %s\n%s\n\n", r.Status, r.Header, r.Body)
	}
	golden(t, "errors.txt", b.String())
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Second: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		if got := retryAfter(&token.Error{Code: token.TooMany, RetryAfter: wait}); got != want {
			t.Errorf("%v: %s, want %s", wait, got, want)
		}
	}
}

func TestTokenKeyFile(t *testing.T) {
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("too short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		short:                         "service ecology: token_key_file " + short + " holds 9 characters; put a random secret of 20 or more there",
		filepath.Join(dir, "missing"): "service ecology: reading token_key_file: open " + filepath.Join(dir, "missing") + ": no such file or directory",
	} {
		c := config.NewService("ecology", "edi", "/auth")
		c.EDI.TokenKeyFile = file
		if _, err := New(c, Options{}); fmt.Sprint(err) != text {
			t.Errorf("error %v, want %s", err, text)
		}
	}
}
