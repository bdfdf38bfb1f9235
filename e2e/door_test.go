//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestOIDCThroughThePages signs in at a real OpenID provider, from our sign-in page and back.
func TestOIDCThroughThePages(t *testing.T) {
	dir := t.TempDir()
	s := startDev(t, dir)
	if code := s.stop(t); code != 0 {
		t.Fatalf("the development server ended with %d", code)
	}
	listen := freeAddress(t)
	u := startUpstream(t, "http://"+listen+"/symbolon/callback/campus")
	if err := os.WriteFile(filepath.Join(dir, "campus.secret"), []byte(upstreamSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	configure(t, dir, `    - name: ""`, `    - name: campus`, `kind: orcid`, `kind: oidc`, `label: ""`, `label: Campus`, `client_id: ""`, `client_id: symbolon`,
		`client_secret_file: ""`, `client_secret_file: campus.secret`, `issuer: ""`, `issuer: `+u.issuer)
	s = launch(t, "--config", filepath.Join(dir, "symbolon.yaml"), "--listen", listen)
	s.await(t, lineBegin)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	page := walk(t, browser, s.base+"/symbolon/sign-in/campus?next=/symbolon/profile", "ada")
	for _, part := range []string{"Profile", "ada Example", "Campus"} {
		if !strings.Contains(page, part) {
			t.Errorf("the profile does not say %q:\n%s", part, page)
		}
	}
}

// walk goes through the provider's forms until it is back.
func walk(t *testing.T, browser *http.Client, at, name string) string {
	t.Helper()
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
		form := formAction.FindSubmatch(page)
		switch {
		case strings.HasPrefix(resp.Request.URL.Path, "/symbolon/"):
			return string(page)
		case form == nil:
			t.Fatalf("status %d, no form: %.500s", resp.StatusCode, page)
		case strings.Contains(string(page), `value="login"`):
			resp, err = browser.PostForm(string(form[1]), url.Values{"prompt": {"login"}, "login": {name}, "password": {"any"}})
		default:
			resp, err = browser.PostForm(string(form[1]), url.Values{"prompt": {"consent"}})
		}
	}
	t.Fatal("the provider's pages do not end")
	return ""
}
