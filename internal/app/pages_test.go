package app

import (
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

// pages is an env on a real port, so that providers and browsers find it.
type pages struct {
	*env
	base string
}

const correct = "correct horse battery"

func newPages(t *testing.T, change func(*config.Config)) *pages {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	e := newEnv(t, func(c *config.Config) {
		dev := config.Dev(c.Data, ln.Addr().String())
		c.Listen, c.BaseURL, c.SignIn = dev.Listen, dev.BaseURL, dev.SignIn
		for i := range c.Services {
			c.Services[i].Issuer = ""
		}
		if change != nil {
			change(c)
		}
	})
	e.set("ada", account.Change{Password: ptr(correct)})
	go func() { _ = http.Serve(ln, e.http) }() // ends with the listener
	return &pages{e, "http://" + ln.Addr().String()}
}

// person is somebody at a browser.
type person struct {
	t    *testing.T
	base string
	http http.Client
	// page, path and code are what the browser shows.
	page, path, query string
	code              int
	header            http.Header
}

func (p *pages) visit() *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return &person{t: p.t, base: p.base, http: http.Client{Jar: jar}}
}

func (p *person) show(resp *http.Response, err error) *person {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.page, p.code, p.header = string(body), resp.StatusCode, resp.Header
	p.path, p.query = resp.Request.URL.Path, resp.Request.URL.RawQuery
	return p
}

// TestRoot: a newcomer finds the pages, and nobody else's root is taken.
func TestRoot(t *testing.T) {
	e := newPages(t, nil)
	e.visit().get("/").want("/symbolon/sign-in", 200)
	live := newEnv(t, func(c *config.Config) { c.Dev = false; c.SignIn.Providers = nil })
	wantCode(t, live.do("GET", "/", ""), 404)
}

// get follows redirects, as browsers do.
func (p *person) get(path string) *person {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), "GET", p.base+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	return p.show(p.http.Do(r))
}

// post sends a form of names and values in turn, as the page itself would.
func (p *person) post(path string, pairs ...string) *person {
	p.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequestWithContext(p.t.Context(), "POST", p.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.base)
	return p.show(p.http.Do(r))
}

// want fails unless the browser is at the path with the status and the page says all texts.
func (p *person) want(path string, code int, says ...string) *person {
	p.t.Helper()
	if p.path != path || p.code != code {
		p.t.Fatalf("at %s with %d, want %s with %d:\n%s", p.path, p.code, path, code, main(p.page))
	}
	for _, s := range says {
		if !strings.Contains(p.page, s) {
			p.t.Errorf("%s does not say %q but:\n%s", path, s, main(p.page))
		}
	}
	return p
}

func main(page string) string {
	_, page, _ = strings.Cut(page, "<main")
	return page
}

// hidden is the value of a field of the page.
func (p *person) hidden(name string) string {
	p.t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.page)
	if m == nil {
		p.t.Fatalf("no field %s in:\n%s", name, main(p.page))
	}
	return m[1]
}

// shown are the texts that a page shows once.
func (p *person) shown() (all []string) {
	for _, m := range regexp.MustCompile(`<textarea[^>]*>([^<]*)</textarea>`).FindAllStringSubmatch(p.page, -1) {
		all = append(all, strings.NewReplacer("&#39;", "'", "&#34;", `"`, "&#43;", "+", "&amp;", "&").Replace(m[1]))
	}
	return all
}

func (p *person) cookie() string {
	u, _ := url.Parse(p.base)
	for _, c := range p.http.Jar.Cookies(u) {
		if c.Name == "symbolon-browser" {
			return c.Value
		}
	}
	return ""
}

func (p *person) signIn(name, password string) *person {
	p.t.Helper()
	return p.post("/symbolon/sign-in", "name", name, "password", password, "where", "here")
}

// orcid signs in at the stand-in, to which the path leads, as the holder of the iD.
func (p *person) orcid(path, id string) *person {
	p.t.Helper()
	p.get(path)
	if !strings.HasPrefix(p.path, config.StandInPath) {
		p.t.Fatalf("%s led to %s:\n%s", path, p.path, main(p.page))
	}
	return p.post(p.path+"?"+p.query, "orcid", id)
}

func TestPasswordSignIn(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit()
	p.get("/symbolon/").want("/symbolon/sign-in", 200, "Sign in with ORCID", "Password")
	p.signIn("ada", "wrong password").want("/symbolon/sign-in", 401, "Name and password do not belong together", `value="ada"`)
	unknown := e.visit().signIn("nobody", "wrong password").want("/symbolon/sign-in", 401)
	if a, b := strings.ReplaceAll(p.page, "ada", "nobody"), unknown.page; a != b {
		t.Errorf("a known name and an unknown one get different pages:\n%s\n%s", main(a), main(b))
	}
	p.post("/symbolon/sign-in", "name", "ada", "password", correct, "next", "/symbolon/api-keys").want("/symbolon/api-keys", 200, "API keys", "Ada Example")
	p.get("/symbolon/sign-in?next=/symbolon/profile").want("/symbolon/profile", 200)
	e.visit().post("/symbolon/sign-in", "name", "ada", "password", correct, "next", "//evil.example/").want("/symbolon/tokens", 200)
}

func TestSignOutEndsTheSessionOnTheServer(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().signIn("ada", correct)
	text := p.cookie()
	p.post("/symbolon/sign-out").want("/symbolon/sign-in", 200, "signed out")
	if p.cookie() != "" {
		t.Error("the cookie stays")
	}
	w := e.do("GET", "/symbolon/profile", "", "Cookie", "symbolon-browser="+text)
	if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/symbolon/sign-in") {
		t.Errorf("the old cookie still gets %d", w.Code)
	}
}

// What was in the cookie before signing in is worth nothing after.
func TestSessionFixation(t *testing.T) {
	e := newPages(t, nil)
	mallory := e.visit().signIn("ada", correct)
	fixed := mallory.cookie()
	victim := e.visit()
	u, _ := url.Parse(e.base)
	victim.http.Jar.SetCookies(u, []*http.Cookie{{Name: "symbolon-browser", Value: fixed, Path: "/"}})
	victim.signIn("ada", correct).want("/symbolon/tokens", 200)
	if victim.cookie() == fixed || victim.cookie() == "" {
		t.Error("the session kept its id")
	}
	mallory.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
	guessed := e.visit()
	guessed.http.Jar.SetCookies(u, []*http.Cookie{{Name: "symbolon-browser", Value: strings.Repeat("A", 43), Path: "/"}})
	guessed.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
}

func TestSessionEnds(t *testing.T) {
	e := newPages(t, nil)
	idle := e.visit().signIn("ada", correct)
	busy := e.visit().signIn("ada", correct)
	for range 13 {
		e.advance(time.Hour)
		busy.get("/symbolon/tokens").want("/symbolon/tokens", 200)
	}
	idle.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
	for range (7*24 - 14) / 11 {
		e.advance(11 * time.Hour)
		busy.get("/symbolon/tokens").want("/symbolon/tokens", 200)
	}
	e.advance(time.Hour) // used a moment ago, but seven days old
	busy.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
}

// A form of another site does nothing, signed in or not.
func TestCrossSite(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().signIn("ada", correct)
	cookie := "symbolon-browser=" + p.cookie()
	for _, path := range []string{"/symbolon/sign-out", "/symbolon/sign-in", "/symbolon/new-token/samples", "/symbolon/revoke-all", "/symbolon/api-keys",
		"/symbolon/profile", "/symbolon/profile/password", "/symbolon/profile/unlink", "/symbolon/profile/link", "/symbolon/profile/join", "/symbolon/profile/delete",
		"/symbolon/profile/browsers/1/end", "/symbolon/profile/browsers/end-others", "/symbolon/profile/groups/add", "/symbolon/tokens/1/end", "/symbolon/reset/x"} {
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			w := e.do("POST", path, "name=ada", "Content-Type", "application/x-www-form-urlencoded", "Cookie", cookie, name, value)
			if w.Code != 403 || !strings.Contains(w.Body.String(), "sent by another site") {
				t.Errorf("%s with %s: %d", path, name, w.Code)
			}
		}
	}
	p.get("/symbolon/tokens").want("/symbolon/tokens", 200)
}

func TestPageHeaders(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().signIn("ada", correct)
	for _, path := range []string{"/symbolon/sign-in?next=x", "/symbolon/tokens", "/symbolon/profile", "/symbolon/nothing", "/symbolon/reset/none"} {
		p.get(path)
		for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"} {
			if got := p.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", path, csp)
		}
		if strings.Contains(p.page, " style=") || strings.Contains(p.page, "<style") || regexp.MustCompile(`<script(?: [^s]|>)`).MatchString(p.page) || regexp.MustCompile(` on[a-z]+=`).MatchString(p.page) {
			t.Errorf("%s has style or script of its own:\n%s", path, p.page)
		}
	}
	for _, file := range regexp.MustCompile(`/symbolon/static/[^"]+`).FindAllString(p.page, -1) {
		p.get(file).want(file, 200)
		if !strings.Contains(p.header.Get("Cache-Control"), "immutable") || p.header.Get("Content-Type") == "" {
			t.Errorf("%s: %v", file, p.header)
		}
	}
}

func TestGenerateAndRevoke(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().signIn("ada", correct)
	p.get("/symbolon/new-token/samples").want("/symbolon/new-token/samples", 200, "Generate a New Token")
	form := p.hidden("form")
	p.post("/symbolon/new-token/samples", "name", "nightly <upload>", "form", form).want("/symbolon/new-token/samples", 201, "Save these tokens now", "whoever holds them acts as you")
	access, refresh := p.shown()[0], p.shown()[1]
	if p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the page with the secret may be kept: %v", p.header)
	}
	wantCode(t, e.bearer("GET", "/webservices/credentials_service_v2.php", access), 200)
	wantCode(t, e.refresh(refresh), 200)
	p.post("/symbolon/new-token/samples", "name", "again", "form", form).want("/symbolon/new-token/samples", 409, "made its token already")
	p.get("/symbolon/tokens").want("/symbolon/tokens", 200, "nightly &lt;upload&gt;")
	if strings.Contains(p.page, access) || strings.Contains(p.page, refresh) {
		t.Error("the list shows a token")
	}
	end := regexp.MustCompile(`/symbolon/tokens/\d+/end`).FindString(p.page)
	p.get(end).want(end, 200, "Revoke nightly", "samples", "30 seconds")
	p.post(end).want("/symbolon/tokens", 200, "Ended.", "revoked by the person")
	wantCode(t, e.bearer("GET", "/webservices/credentials_service_v2.php", access), 401)
	stranger := e.visit()
	e.account(account.New{Name: "mallory", Type: account.Person, Password: correct})
	stranger.signIn("mallory", correct).get(end).want(end, 404)
	stranger.post(end).want(end, 404)
}

func TestTheOldestPairIsNamed(t *testing.T) {
	e := newPages(t, func(c *config.Config) { c.Services[0].Pairs = 2 })
	p := e.visit().signIn("ada", correct)
	for _, name := range []string{"first", "second"} {
		p.get("/symbolon/new-token/samples")
		if strings.Contains(p.page, "ends the oldest") {
			t.Errorf("a warning before the pair %s:\n%s", name, main(p.page))
		}
		p.post("/symbolon/new-token/samples", "name", name, "form", p.hidden("form")).want("/symbolon/new-token/samples", 201)
		e.advance(time.Minute)
	}
	p.get("/symbolon/new-token/samples").want("/symbolon/new-token/samples", 200, "You have 2 token pairs here", "<strong>first</strong>")
	p.post("/symbolon/new-token/samples", "name", "third", "form", p.hidden("form")).want("/symbolon/new-token/samples", 201, "ended to make room")
	live, err := e.app.Engine.List(t.Context(), token.Operator(), token.Filter{Account: e.ada.ID, Live: true, Kinds: []token.GrantKind{token.Pair}})
	if err != nil || len(live) != 2 || live[0].Label != "third" || live[1].Label != "second" {
		t.Errorf("live %+v, %v", live, err)
	}
}

func TestWhoMayNotIsToldWhy(t *testing.T) {
	e := newPages(t, func(c *config.Config) { c.Services[0].RequireIdentity = "orcid" })
	p := e.visit().signIn("ada", correct)
	p.get("/symbolon/tokens").want("/symbolon/tokens", 200, "No token can be made here", "orcid")
	p.get("/symbolon/new-token/samples").want("/symbolon/new-token/samples", 200, "No token can be made here")
	p.post("/symbolon/new-token/samples", "name", "x", "form", "f").want("/symbolon/new-token/samples", 403, "asks for a linked orcid identity")
}

func TestRevokeAll(t *testing.T) {
	e := newPages(t, nil)
	p, other := e.visit().signIn("ada", correct), e.visit().signIn("ada", correct)
	access := e.issue("samples", e.ada.ID).Access.Reveal()
	edi, pasta := e.ediPair("ecology")
	key := e.apiKey()
	p.get("/symbolon/revoke-all?service=samples").want("/symbolon/revoke-all", 200, "Revoke all JWTs of samples?")
	p.post("/symbolon/revoke-all", "service", "samples").want("/symbolon/tokens", 200)
	wantCode(t, e.bearer("GET", "/webservices/credentials_service_v2.php", access), 401)
	wantCode(t, e.ediRefresh(pasta, edi), 200)
	p.get("/symbolon/revoke-all").want("/symbolon/revoke-all", 200, "ecology", "browser “password”", "API key “test”", "every service that takes keys", "30 seconds", "API keys too")
	p.post("/symbolon/revoke-all").want("/symbolon/tokens", 200)
	wantCode(t, e.ediRefresh(pasta, edi), 401)
	wantCode(t, e.json("POST", "/auth/v1/key", "key", key), 200)
	other.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
	p.post("/symbolon/revoke-all", "keys", "yes").want("/symbolon/tokens", 200)
	wantCode(t, e.json("POST", "/auth/v1/key", "key", key), 401)
}

// Where nothing but the signature is checked, the pages say what revoking does not do.
func TestPagesSayHowSoon(t *testing.T) {
	e := newPages(t, func(c *config.Config) { c.Services[3].VerifiedBy = config.VerifiedBySecret })
	robot := e.account(account.New{Name: "robot", Type: account.Application, Password: correct})
	if _, err := e.app.Engine.IssueApplication(t.Context(), token.Operator(), token.ApplicationRequest{Service: "warehouse", Account: robot.ID, Label: "forklift"}); err != nil {
		t.Fatal(err)
	}
	p := e.visit().signIn("robot", correct)
	p.get("/symbolon/tokens").want("/symbolon/tokens", 200, "an application token cannot be ended there", "within 30 seconds")
	p.get("/symbolon/revoke-all").want("/symbolon/revoke-all", 200, "cannot be ended there")
}
