//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// withAndWithoutScript runs a test twice: every page works without JavaScript.
func withAndWithoutScript(t *testing.T, test func(*testing.T, *browser)) {
	for name, script := range map[string]bool{"script": true, "no script": false} {
		t.Run(name, func(t *testing.T) { test(t, openBrowser(t, script)) })
	}
}

var demoPassword = regexp.MustCompile(`account (\S+), password (\S+) `)

// password is that which the development server printed for the account.
func (s *server) password(t *testing.T, account string) string {
	t.Helper()
	for _, m := range demoPassword.FindAllStringSubmatch(s.out.String(), -1) {
		if m[1] == account {
			return m[2]
		}
	}
	t.Fatalf("no password of %s in %q", account, s.out.String())
	return ""
}

// signIn types a name and a password.
func (b *browser) signIn(s *server, account, password string) {
	b.t.Helper()
	b.open(s.base + "/symbolon/sign-in")
	b.fill("/symbolon/sign-in", "name", account)
	b.fill("/symbolon/sign-in", "password", password)
	b.click("Sign in")
	b.says("Developer Settings")
}

// signInAtORCID goes through the stand-in.
func (b *browser) signInAtORCID(s *server) {
	b.t.Helper()
	b.open(s.base + "/")
	b.says("Sign in")
	b.click("Sign in with ORCID")
	b.says("Josiah Carberry")
	b.do(chromedp.Click(chromedp.CSS(`button[value="0000-0002-1825-0097"]`)))
	b.says("Developer Settings")
}

// shown is one of the texts that the page shows once.
func (b *browser) shown(n string) string {
	b.t.Helper()
	return b.value("#secret-" + n)
}

// status makes a request with a token.
func (s *server) status(t *testing.T, method, path, bearer, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&answer) // of some it is XML
	return resp.StatusCode, answer
}

const useSamples = "/webservices/credentials_service_v2.php"

// wantStatus waits for the status: what is revoked is refused within the bound.
func (s *server) wantStatus(t *testing.T, method, path, bearer string, want int) {
	t.Helper()
	var got int
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if got, _ = s.status(t, method, path, bearer, ""); got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s %s: %d, want %d", method, path, got, want)
		}
	}
}

// From a click on ORCID to tokens that work, are refreshed and are revoked.
func TestPagesORCID(t *testing.T) {
	s := startDev(t, t.TempDir())
	withAndWithoutScript(t, func(t *testing.T, b *browser) {
		b.signInAtORCID(s)
		b.open(s.base + "/symbolon/new-token/samples")
		b.fill("/symbolon/new-token/samples", "name", "nightly upload")
		b.click("Generate")
		b.says("shown this once")
		access, refresh := b.shown("0"), b.shown("1")
		s.wantStatus(t, "GET", useSamples, access, 200)
		code, pair := s.status(t, "POST", "/webservices/refresh_token.php", "", `{"refresh":"`+refresh+`"}`)
		if code != 200 {
			t.Fatalf("refreshing: %d", code)
		}
		b.click("I have saved them")
		b.says("nightly upload")
		b.click("Revoke All JWTs")
		b.says("nightly upload")
		b.click("Revoke them all")
		b.says("Ended.")
		s.wantStatus(t, "GET", useSamples, access, 401)
		s.wantStatus(t, "GET", useSamples, pair["access"].(string), 401)
		b.click("Sign out")
		b.says("You are signed out")
	})
}

func TestPagesCopy(t *testing.T) {
	s := startDev(t, t.TempDir())
	b := openBrowser(t, true)
	b.signIn(s, "demo", s.password(t, "demo"))
	b.open(s.base + "/symbolon/new-token/ecology")
	b.fill("/symbolon/new-token/ecology", "name", "copied")
	b.click("Generate")
	b.says("shown this once")
	ask(b, chromedp.Evaluate[any](`navigator.clipboard.writeText = function (text) { document.title = text; return Promise.resolve(); }`))
	b.do(chromedp.Click(chromedp.CSS(`button[data-copy="secret-0"]`)))
	b.says("Copied")
	if got := ask(b, chromedp.Title()); got != b.shown("0") {
		t.Errorf("copied %q", got)
	}
}

func TestPagesAPIKey(t *testing.T) {
	s := startDev(t, t.TempDir())
	withAndWithoutScript(t, func(t *testing.T, b *browser) {
		b.signIn(s, "demo", s.password(t, "demo"))
		b.open(s.base + "/symbolon/api-keys")
		b.fill("/symbolon/api-keys", "name", "harvest")
		b.click("Make the key")
		b.says("shown this once")
		first := b.shown("0")
		code, both := s.status(t, "POST", "/auth/v1/key", "", `{"key":"`+first+`"}`)
		if code != 200 || both["edi-token"] == nil {
			t.Fatalf("exchanging the key: %d %v", code, both)
		}
		b.click("I have saved them")
		b.click("Rotate harvest")
		b.click("Make the new one")
		b.says("Save the new key now")
		second := b.shown("0")
		for _, key := range []string{first, second} {
			if code, _ := s.status(t, "POST", "/auth/v1/key", "", `{"key":"`+key+`"}`); code != 200 {
				t.Errorf("during the overlap: %d", code)
			}
		}
		b.open(s.base + "/symbolon/api-keys")
		b.says("replaced by")
		ends := regexp.MustCompile(`in 2[34] hours`)
		if !ends.MatchString(b.text()) {
			t.Errorf("the old key does not end within a day:\n%s", b.text())
		}
		b.open(s.base + "/symbolon/revoke-all")
		b.click("Revoke them all")
		b.says("Ended.")
		s.wantStatus(t, "POST", "/api/auth/token/", second, 401)
	})
}

func TestPagesApplicationToken(t *testing.T) {
	s := startDev(t, t.TempDir())
	withAndWithoutScript(t, func(t *testing.T, b *browser) {
		b.signIn(s, "demo-app", s.password(t, "demo-app"))
		b.open(s.base + "/symbolon/new-token/warehouse")
		b.says("An application token has no end in itself")
		b.fill("/symbolon/new-token/warehouse/application", "name", "forklift")
		b.click("Generate")
		b.says("Save this application token now")
		text := b.shown("0")
		s.wantStatus(t, "GET", "/api/stations", text, 200)
		b.click("I have saved them")
		b.click("Rotate forklift")
		b.click("Make the new one")
		b.says("Save the new application token now")
		next := b.shown("0")
		s.wantStatus(t, "GET", "/api/stations", text, 200)
		s.wantStatus(t, "GET", "/api/stations", next, 200)
		b.open(s.base + "/symbolon/revoke-all?service=warehouse")
		b.click("Revoke them all")
		b.says("Ended.")
		s.wantStatus(t, "GET", "/api/stations", text, 401)
		s.wantStatus(t, "GET", "/api/stations", next, 401)
	})
}

func TestPagesDirectory(t *testing.T) {
	dir := startSlapd(t)
	s := withLDAP(t, append(append(servers(dir.plain), plainly...), "  user_dn: \"\"", "  user_dn: uid=NAME,"+tree)...)
	withAndWithoutScript(t, func(t *testing.T, b *browser) {
		for _, password := range []string{"", "wrong", mariaPass} {
			b.open(s.base + "/symbolon/sign-in")
			b.do(chromedp.Click(chromedp.CSS(`input[value="directory"]`)), chromedp.RemoveAttribute(chromedp.CSS("input[type=password]"), "required"))
			b.fill("/symbolon/sign-in", "name", "maria")
			if password != "" {
				b.fill("/symbolon/sign-in", "password", password)
			}
			b.click("Sign in")
			if password == mariaPass {
				b.says("Developer Settings")
				b.says("Maria Example")
			} else {
				b.says("Name and password do not belong together")
			}
		}
	})
}

func TestPagesProfile(t *testing.T) {
	s := startDev(t, t.TempDir())
	withAndWithoutScript(t, func(t *testing.T, b *browser) {
		b.signIn(s, "demo", s.password(t, "demo"))
		b.click("Profile")
		b.says("Ways to sign in")
		if strings.Contains(b.text(), "0000-0002-1825-0097") {
			return // linked in the other run
		}
		b.click("Add ORCID")
		b.do(chromedp.Click(chromedp.CSS(`button[value="0000-0002-1825-0097"]`)))
		b.says("Sign in this way too?")
		b.click("Yes, that is me")
		b.says("You can now sign in that way too")
		b.click("Sign out")
		b.says("You are signed out")
		b.signInAtORCID(s)
		b.says("Demo Person")
	})
}

// pictures is where every page is painted, in every look.
func pictures(t *testing.T) string {
	dir := os.Getenv("SYMBOLON_PICTURES")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "symbolon-pictures")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Logf("pictures of every page: %s", dir)
	return dir
}

// TestPagesLook paints every page and state in every look, and lets axe-core judge them.
func TestPagesLook(t *testing.T) {
	s := startDev(t, t.TempDir())
	axe, err := os.ReadFile(filepath.Join(nodeModules(t, "axe-core"), "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	dir := pictures(t)
	b := openBrowser(t, true)
	look := func(name string) {
		t.Helper()
		b.shoot(dir, name)
		b.judge(name, string(axe))
	}
	visit := func(name, path string) {
		t.Helper()
		b.open(s.base + path)
		look(name)
	}
	visit("sign-in", "/symbolon/sign-in")
	b.fill("/symbolon/sign-in", "name", "demo")
	b.fill("/symbolon/sign-in", "password", "wrong")
	b.click("Sign in")
	b.says("do not belong together")
	look("sign-in-refused")
	visit("foreign-answer", "/symbolon/callback/orcid?state=x&code=y")
	visit("reset-over", "/symbolon/reset/none")
	b.signIn(s, "demo", s.password(t, "demo"))
	look("tokens")
	for name, path := range map[string]string{"new-token": "/symbolon/new-token/samples", "api-keys": "/symbolon/api-keys", "profile": "/symbolon/profile",
		"history": "/symbolon/profile/history", "revoke-all": "/symbolon/revoke-all", "nothing": "/symbolon/nothing", "admin": "/symbolon/admin",
		"admin-accounts": "/symbolon/admin/accounts?q=demo", "admin-account": "/symbolon/admin/accounts/1", "admin-history": "/symbolon/admin/history"} {
		visit(name, path)
	}
	b.open(s.base + "/symbolon/new-token/samples")
	b.fill("/symbolon/new-token/samples", "name", "nightly upload")
	b.click("Generate")
	b.says("shown this once")
	look("shown")
	b.open(s.base + "/symbolon/tokens")
	b.click("Revoke nightly upload")
	b.says("cannot be undone")
	look("revoke")
	b.click("Revoke it")
	b.says("Ended.")
	look("tokens-after")
}

// judge fails for every serious violation that axe-core finds.
func (b *browser) judge(name, axe string) {
	b.t.Helper()
	ask(b, chromedp.Evaluate[any](axe))
	found := ask(b, chromedp.Evaluate[[]struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML string }
	}](`axe.run().then(function (r) { return r.violations.filter(function (v) { return v.impact == "serious" || v.impact == "critical" }) })`, chromedp.EvalAwaitPromise))
	for _, v := range found {
		for _, n := range v.Nodes {
			b.t.Errorf("%s: %s: %s (%s): %s", name, v.Impact, v.Help, v.ID, n.HTML)
		}
	}
	if passes := ask(b, chromedp.Evaluate[int](`axe.run().then(function (r) { return r.passes.length })`, chromedp.EvalAwaitPromise)); passes == 0 {
		b.t.Errorf("%s: axe-core judged nothing", name)
	}
}
