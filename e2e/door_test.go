//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	jar, back := newJar(t), s.base+"/symbolon/callback/campus"
	q := throughPages(t, jar, s.base+"/symbolon/sign-in/campus?next=/symbolon/profile", back, "ada", false)
	resp, err := (&http.Client{Jar: jar}).Get(back + "?" + q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	page := string(body)
	for _, part := range []string{"Profile", "ada Example", "Campus"} {
		if !strings.Contains(page, part) {
			t.Errorf("the profile does not say %q:\n%s", part, page)
		}
	}
}
