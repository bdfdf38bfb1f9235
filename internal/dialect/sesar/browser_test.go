package sesar

import (
	"testing"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

const (
	noCredentials = `{"detail":"Authentication credentials were not provided."}`
	crossSite     = `{"detail":"CSRF Failed: the request does not come from a page of this server."}`
	ourOrigin     = "Origin: https://tokens.example.org"
	sameOrigin    = "Sec-Fetch-Site: same-origin"
)

// signIn signs the account demo in and returns the cookie.
func (e *env) signIn() (secret.Text, string) {
	e.T.Helper()
	_, s, err := e.Engine.OpenBrowser(e.T.Context(), token.Caller{Actor: "account", Account: e.demo}, e.demo, "orcid")
	if err != nil {
		e.T.Fatal(err)
	}
	return s, "Cookie: __Host-symbolon-browser=" + s.Reveal()
}

func TestMintInABrowser(t *testing.T) {
	e := newEnv(t, nil)
	s, cookie := e.signIn()
	for _, headers := range [][]string{{cookie, ourOrigin}, {cookie, sameOrigin}, {cookie, ourOrigin, sameOrigin}} {
		w := e.Do("POST", "/api/auth/token/", `{"name":"laptop"}`, append(headers, asJSON)...)
		if w.Code != 200 {
			t.Fatalf("%v: %d %s", headers[1:], w.Code, w.Body)
		}
	}
	pairs, err := e.Engine.List(t.Context(), token.Operator(), token.Filter{Kinds: []token.GrantKind{token.Pair}})
	if err != nil || len(pairs) != 3 || pairs[0].Account != e.demo || pairs[0].Label != "laptop" || pairs[0].Parent != 0 {
		t.Fatalf("pairs %+v, %v", pairs, err)
	}
	if err := e.Engine.CloseBrowser(t.Context(), token.Caller{}, s); err != nil {
		t.Fatal(err)
	}
	want(t, e.Do("POST", "/api/auth/token/", "", cookie, ourOrigin), 401, badBearerBody)
}

// A cookie alone is no permission: another site can have a browser send it.
func TestMintForAnotherSite(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Sesar.MintByGet = true })
	_, cookie := e.signIn()
	for _, headers := range [][]string{
		{cookie},
		{cookie, "Origin: https://evil.example"}, {cookie, "Origin: null"}, {cookie, "Origin: http://tokens.example.org"},
		{cookie, "Origin: https://tokens.example.org.evil.example"}, {cookie, "Origin: "}, {cookie, ourOrigin, ourOrigin},
		{cookie, "Sec-Fetch-Site: cross-site"}, {cookie, "Sec-Fetch-Site: same-site"}, {cookie, "Sec-Fetch-Site: none"},
		{cookie, ourOrigin, "Sec-Fetch-Site: cross-site"}, {cookie, sameOrigin, "Origin: https://evil.example"},
	} {
		w := e.Do("POST", "/api/auth/token/", "", headers...)
		if w.Code != 403 || w.Body.String() != crossSite {
			t.Errorf("%v: %d %s", headers[1:], w.Code, w.Body)
		}
	}
	for _, headers := range [][]string{{ourOrigin}, {ourOrigin, "Cookie: symbolon-browser=x"}} {
		want(t, e.Do("POST", "/api/auth/token/", "", headers...), 401, noCredentials)
	}
	want(t, e.Do("GET", "/api/auth/token/", "", cookie, ourOrigin, sameOrigin), 401, noCredentials) // a link
	want(t, e.Do("POST", "/api/auth/token/", "", cookie, ourOrigin, "Authorization: Bearer wrong"), 401, badBearerBody)
	want(t, e.Do("POST", "/api/auth/token/", "", "Cookie: __Host-symbolon-browser=wrong", ourOrigin), 401, badBearerBody)
	pairs, err := e.Engine.List(t.Context(), token.Operator(), token.Filter{Kinds: []token.GrantKind{token.Pair}})
	if err != nil || len(pairs) != 0 {
		t.Errorf("pairs %+v, %v; want none", pairs, err)
	}
}

// Who is signed in may no more than with a key.
func TestMintInABrowserNeedsPermission(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Allow.Groups = []string{"staff"} })
	_, cookie := e.signIn()
	want(t, e.Do("POST", "/api/auth/token/", "", cookie, ourOrigin), 401,
		`{"errors":{"permissions":"You do not have permission to generate a jwt."}}`)
}

func TestPagesAt(t *testing.T) {
	for base, want := range map[string]pages{
		"https://Tokens.example.org":     {"https://tokens.example.org", "__Host-symbolon-browser"},
		"https://tokens.example.org:443": {"https://tokens.example.org", "__Host-symbolon-browser"},
		"https://tokens.example.org:444": {"https://tokens.example.org:444", "__Host-symbolon-browser"},
		"http://127.0.0.1:8080":          {"http://127.0.0.1:8080", "symbolon-browser"},
		"http://[::1]:80":                {"http://[::1]", "symbolon-browser"},
		"http://localhost:8080":          {"http://localhost:8080", "symbolon-browser"},
		"http://tokens.example.org":      {},
		"http://127.0.0.1.example.org":   {},
		"":                               {},
		"::":                             {},
	} {
		if got := pagesAt(base); got != want {
			t.Errorf("%q: %+v, want %+v", base, got, want)
		}
	}
	if s, refusal := (pages{}).browser(&httpio.Request{Method: "POST"}); !s.IsZero() || refusal != nil {
		t.Error("no pages took a browser")
	}
}
