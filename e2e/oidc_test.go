//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/secret"
	"symbolon/internal/signin/oidc"
)

const (
	upstreamSecret   = "a-client-secret-of-the-tests"
	upstreamRedirect = "https://tokens.example.org/symbolon/callback/campus"
)

// upstream is a running OpenID provider.
type upstream struct {
	issuer string
	cmd    *exec.Cmd
}

// nodeModules is the folder of the npm packages, which e2e/tools.sh has installed.
func nodeModules(t *testing.T, name string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(cache, "symbolon-e2e", "upstream", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, name)); err != nil {
		t.Fatalf("%v: run sh e2e/tools.sh", err)
	}
	return modules
}

// startUpstream starts the npm package oidc-provider, which e2e/tools.sh has installed.
func startUpstream(t *testing.T, redirect string) *upstream {
	t.Helper()
	modules := nodeModules(t, "oidc-provider")
	dir := t.TempDir()
	script, err := os.ReadFile("upstream/provider.mjs")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "provider.mjs"), script, 0o600)
	}
	if err = errors.Join(err, os.Symlink(modules, filepath.Join(dir, "node_modules"))); err != nil {
		t.Fatal(err)
	}
	u := &upstream{issuer: "http://" + freeAddress(t), cmd: exec.Command("node", filepath.Join(dir, "provider.mjs"))}
	u.cmd.Env = append(os.Environ(), "ISSUER="+u.issuer, "CLIENT_SECRET="+upstreamSecret, "REDIRECT="+redirect)
	out, err := u.cmd.StdoutPipe()
	if err == nil {
		err = u.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(u.stop)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the program
			return u
		}
	}
	t.Fatal("the provider ended before it was ready")
	return nil
}

// stop ends the provider; once is enough, and twice does no harm.
func (u *upstream) stop() {
	_ = u.cmd.Process.Kill()
	_ = u.cmd.Wait()
}

func (u *upstream) provider(t *testing.T, clientSecret string) *oidc.Provider {
	t.Helper()
	p, err := oidc.New(config.Provider{Name: "campus", Kind: "oidc", ClientID: "symbolon", Issuer: u.issuer},
		oidc.Options{Now: time.Now, Secret: secret.New(clientSecret)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// throughPages goes through the provider's pages as a browser does, and returns the address to
// which it is sent back. With deny the person does not agree.
func throughPages(t *testing.T, jar http.CookieJar, at, redirect, name string, deny bool) url.Values {
	t.Helper()
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), redirect) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := browser.Get(at)
	for range 5 { // sign in, agree
		if err != nil {
			t.Fatal(err)
		}
		page, readErr := io.ReadAll(resp.Body)
		resp.Body.Close()
		if readErr != nil {
			t.Fatal(readErr)
		}
		if to, err := resp.Location(); err == nil && strings.HasPrefix(to.String(), redirect) {
			return to.Query()
		}
		form := formAction.FindSubmatch(page)
		switch {
		case form == nil:
			t.Fatalf("status %d, no form: %.500s", resp.StatusCode, page)
		case deny:
			resp, err = browser.Get(string(form[1]) + "/abort")
		case strings.Contains(string(page), `value="login"`):
			resp, err = browser.PostForm(string(form[1]), url.Values{"prompt": {"login"}, "login": {name}, "password": {"any"}})
		default:
			resp, err = browser.PostForm(string(form[1]), url.Values{"prompt": {"consent"}})
		}
	}
	t.Fatal("the provider's pages do not end")
	return nil
}

func newJar(t *testing.T) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return jar
}

// TestOIDC signs in at a real OpenID provider, which wants PKCE and sends iss, and lets
// the wrong answers be told apart.
func TestOIDC(t *testing.T) {
	u := startUpstream(t, upstreamRedirect)
	signIn := func(t *testing.T, p *oidc.Provider, name string, deny bool, change func(*oidc.Answer)) (oidc.Person, error) {
		t.Helper()
		ask := oidc.Ask{Redirect: upstreamRedirect, State: "state", Nonce: "nonce", Verifier: strings.Repeat("v", 43)}
		at, err := p.Begin(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		q := throughPages(t, newJar(t), at, upstreamRedirect, name, deny)
		if q.Get("state") != "state" {
			t.Errorf("state came back as %q", q.Get("state"))
		}
		a := oidc.Answer{Redirect: upstreamRedirect, Code: q.Get("code"), Error: q.Get("error"), Issuer: q.Get("iss"), Nonce: "nonce", Verifier: ask.Verifier}
		change(&a)
		return p.Finish(t.Context(), a)
	}
	p := u.provider(t, upstreamSecret)
	as := func(*oidc.Answer) {}
	var spent oidc.Answer
	got, err := signIn(t, p, "ada", false, func(a *oidc.Answer) { spent = *a })
	want := oidc.Person{Subject: "ada", Login: "ada", Display: "ada Example", Email: "ada@example.org"}
	if err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = p.Finish(t.Context(), spent)
	wantError(t, "the code again", err, oidc.ErrRefused, `"invalid_grant"`)
	if got, err := signIn(t, p, "mallory", false, as); err != nil || got.Email != "" || got.Subject != "mallory" {
		t.Errorf("address not verified: %+v, %v", got, err)
	}
	_, err = signIn(t, p, "ada", true, as)
	wantError(t, "denied", err, oidc.ErrDenied, `"access_denied"`)
	for name, c := range map[string]struct {
		change func(*oidc.Answer)
		why    string
	}{
		"nonce":         {func(a *oidc.Answer) { a.Nonce = "another" }, "another nonce"},
		"verifier":      {func(a *oidc.Answer) { a.Verifier = strings.Repeat("w", 43) }, `"invalid_grant"`},
		"redirect":      {func(a *oidc.Answer) { a.Redirect += "/x" }, `"invalid_grant"`},
		"iss left out":  {func(a *oidc.Answer) { a.Issuer = "" }, "does not say which provider it comes from"},
		"iss of others": {func(a *oidc.Answer) { a.Issuer = "https://evil.example.org" }, "it comes from another provider"},
	} {
		_, err := signIn(t, p, "ada", false, c.change)
		wantError(t, name, err, oidc.ErrRefused, c.why)
	}
	_, err = signIn(t, u.provider(t, "wrong"), "ada", false, as)
	wantError(t, "secret", err, oidc.ErrUnavailable, `"invalid_client"`)
	_, err = signIn(t, p, "ada", false, func(*oidc.Answer) { u.stop() })
	wantError(t, "provider gone", err, oidc.ErrUnavailable, "redeeming the code")
	_, err = u.provider(t, upstreamSecret).Begin(t.Context(), oidc.Ask{Redirect: upstreamRedirect, State: "s", Nonce: "n", Verifier: strings.Repeat("v", 43)})
	wantError(t, "provider gone from the start", err, oidc.ErrUnavailable, "reading its metadata")
}

func wantError(t *testing.T, what string, err, kind error, why string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: got %v, want %v … %s", what, err, kind, why)
	}
}
