package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/config"
)

func dontFollow(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func number(n int64) string { return strconv.FormatInt(n, 10) }

const carberry = "0000-0002-1825-0097"

func TestORCIDSignIn(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry).want("/symbolon/profile", 200, "Josiah Carberry", carberry)
	first := p.page
	p.post("/symbolon/sign-out")
	p.orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry).want("/symbolon/profile", 200)
	name := regexp.MustCompile(`value="([^"]*)" readonly`)
	if a, b := name.FindString(first), name.FindString(p.page); a != b || a == "" {
		t.Errorf("first %s, then %s: another account", a, b)
	}
	if strings.Contains(e.log.String(), carberry) {
		t.Error("the log names the person")
	}
}

func TestORCIDDenied(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().get("/symbolon/sign-in/orcid")
	p.post(p.path+"?"+p.query, "deny", "yes").want("/symbolon/callback/orcid", 403, "You were not signed in")
	p.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
}

// An answer in another browser than the one that asked signs nobody in.
func TestForeignAnswer(t *testing.T) {
	e := newPages(t, nil)
	mallory, victim := e.visit(), e.visit()
	mallory.get("/symbolon/sign-in/orcid")
	mallory.http.CheckRedirect = dontFollow
	mallory.post(mallory.path+"?"+mallory.query, "orcid", carberry)
	answer := strings.TrimPrefix(mallory.header.Get("Location"), e.base)
	victim.get(answer).want("/symbolon/callback/orcid", 400, "This sign-in is over")
	victim.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
	mallory.http.CheckRedirect = nil
	mallory.get(answer).want("/symbolon/tokens", 200)
	mallory.get(answer).want("/symbolon/callback/orcid", 400, "This sign-in is over")
}

func TestNobodyIsSentToUnknownProviders(t *testing.T) {
	e := newPages(t, nil)
	e.visit().get("/symbolon/sign-in/github").want("/symbolon/sign-in/github", 404)
	e.visit().get("/symbolon/callback/github?code=x&state=y").want("/symbolon/callback/github", 404)
	e.visit().get("/symbolon/callback/orcid").want("/symbolon/callback/orcid", 400, "This sign-in is over")
}

func TestDeadProviderLeavesTheOtherDoors(t *testing.T) {
	e := newPages(t, func(c *config.Config) {
		c.SignIn.Providers = append(c.SignIn.Providers, config.Provider{Name: "dead", Kind: "oidc", Label: "Dead", Issuer: "http://127.0.0.1:1",
			ClientID: "x", ClientSecretFile: writeFile(t, t.TempDir()+"/secret", []byte("secret"))})
	})
	p := e.visit().get("/symbolon/sign-in/dead").want("/symbolon/sign-in/dead", 503, "The provider does not answer")
	if p.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	p.signIn("ada", correct).want("/symbolon/tokens", 200)
	e.visit().orcid("/symbolon/sign-in/orcid", carberry).want("/symbolon/tokens", 200)
}

// A second identity leads to the same account, with its tokens, and may be removed again.
func TestLink(t *testing.T) {
	e := newPages(t, func(c *config.Config) { c.Services[0].RequireIdentity = "orcid" })
	p := e.visit().signIn("ada", correct)
	p.orcid("/symbolon/link/orcid", carberry).want("/symbolon/callback/orcid", 200, "Sign in this way too?", carberry)
	offered := p.hidden("offer")
	p.get("/symbolon/profile")
	if strings.Contains(p.page, carberry) {
		t.Fatal("linked before it was confirmed")
	}
	e.visit().signIn("ada", correct).post("/symbolon/profile/link", "offer", offered).want("/symbolon/profile/link", 409, "Begin again")
	p.post("/symbolon/profile/link", "offer", offered).want("/symbolon/profile", 200, "You can now sign in that way too", carberry)
	e.visit().orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry).want("/symbolon/profile", 200, "Ada Example")
	pair := e.issue("samples", e.ada.ID)

	p.post("/symbolon/profile/unlink", "provider", "orcid", "subject", carberry).want("/symbolon/profile/unlink", 200, "Remove this way to sign in?")
	p.get("/symbolon/profile").want("/symbolon/profile", 200, carberry)
	p.post("/symbolon/profile/unlink", "provider", "orcid", "subject", carberry, "sure", "yes").want("/symbolon/profile", 200, "That way to sign in is gone")
	e.visit().orcid("/symbolon/sign-in/orcid", carberry).want("/symbolon/callback/orcid", 403, "You cannot sign in this way")
	e.advance(time.Second)
	wantCode(t, e.refresh(pair.Refresh.Reveal()), 401) // the service asks for the identity
	p.orcid("/symbolon/link/orcid", carberry)
	p.post("/symbolon/profile/link", "offer", p.hidden("offer")).want("/symbolon/profile", 200, carberry)
}

func TestTheLastWayInStays(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry)
	if strings.Contains(p.page, ">Remove<") {
		t.Error("the only identity can be removed:", main(p.page))
	}
	p.post("/symbolon/profile/unlink", "provider", "orcid", "subject", carberry, "sure", "yes")
	if p.code != 409 {
		t.Errorf("removed the last way to sign in: %d", p.code)
	}
}

// Whoever signed in by two doors has two accounts, and can make them one.
func TestJoin(t *testing.T) {
	e := newPages(t, nil)
	orcid := e.visit().orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry)
	other := regexp.MustCompile(`value="([^"]*)" readonly`).FindStringSubmatch(orcid.page)[1]
	acc, err := e.app.Accounts.Get(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	pair := e.issue("samples", acc.ID)
	p := e.visit().signIn("ada", correct)
	p.orcid("/symbolon/link/orcid", carberry).want("/symbolon/callback/orcid", 200, "Make two accounts one?", other)
	p.post("/symbolon/profile/link", "offer", p.hidden("offer")).want("/symbolon/profile", 200, "The two accounts are one now", carberry)
	e.advance(time.Second)
	wantCode(t, e.refresh(pair.Refresh.Reveal()), 200)
	e.visit().orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry).want("/symbolon/profile", 200, "Ada Example")
	if _, err := e.app.Accounts.Get(t.Context(), other); err == nil {
		t.Error("the other account is still there")
	}
}

func TestJoinByPassword(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().orcid("/symbolon/sign-in/orcid", carberry)
	p.post("/symbolon/profile/join", "name", "ada", "password", "wrong password").want("/symbolon/profile/join", 409, "do not belong together")
	p.post("/symbolon/profile/join", "name", "ada", "password", correct).want("/symbolon/profile/join", 200, "Make two accounts one?", "ada")
	p.post("/symbolon/profile/link", "offer", p.hidden("offer")).want("/symbolon/profile", 200, "The two accounts are one now")
	p.post("/symbolon/profile/join", "name", "ada", "password", correct)
	if p.code != 409 {
		t.Errorf("joined an account with itself: %d", p.code)
	}
}

func TestChangePassword(t *testing.T) {
	e := newPages(t, nil)
	p, other := e.visit().signIn("ada", correct), e.visit().signIn("ada", correct)
	const next = "another battery horse"
	change := func(old, new, again string) *person {
		return p.post("/symbolon/profile/password", "old", old, "new", new, "again", again)
	}
	change("wrong password", next, next).want("/symbolon/profile/password", 409, "The old password is not right")
	change(correct, next, next+"!").want("/symbolon/profile/password", 409, "are not the same")
	change(correct, "short", "short").want("/symbolon/profile/password", 409, "too short")
	change(correct, "password1", "password1")
	if p.code != 409 {
		t.Errorf("a common password is taken: %d", p.code)
	}
	change(correct, next, next).want("/symbolon/profile", 200, "The new password is in place")
	other.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
	e.visit().signIn("ada", correct).want("/symbolon/sign-in", 401)
	e.visit().signIn("ada", next).want("/symbolon/tokens", 200)
}

func TestFirstPasswordNeedsAFreshSignIn(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry).want("/symbolon/profile", 200, "Set the password")
	e.advance(16 * time.Minute)
	p.post("/symbolon/profile/password", "new", correct, "again", correct).want("/symbolon/profile/password", 409, "within 15 minutes")
	p.orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry)
	if p.path != "/symbolon/profile" {
		p.post("/symbolon/sign-out")
		p.orcid("/symbolon/sign-in/orcid?next=/symbolon/profile", carberry)
	}
	p.post("/symbolon/profile/password", "new", correct, "again", correct).want("/symbolon/profile", 200, "The new password is in place", "Change the password")
}

func TestResetLink(t *testing.T) {
	e := newPages(t, nil)
	browser := e.visit().signIn("ada", correct)
	text, _, err := e.app.Accounts.ResetLink(t.Context(), operator, "ada")
	if err != nil {
		t.Fatal(err)
	}
	path := "/symbolon/reset/" + text.Reveal()
	p := e.visit().get(path).want(path, 200, "Choose a new password", "ada")
	const next = "another battery horse"
	p.post(path, "new", "short", "again", "short").want(path, 409, "too short")
	p.post(path, "new", next, "again", "x").want(path, 409, "are not the same")
	p.post(path, "new", next, "again", next).want("/symbolon/sign-in", 200, "Sign in with it")
	p.post(path, "new", correct, "again", correct).want(path, 404, "not good any more")
	p.get(path).want(path, 404, "not good any more")
	browser.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
	p.signIn("ada", next).want("/symbolon/tokens", 200)
	if strings.Contains(e.log.String(), text.Reveal()) {
		t.Error("the log has the link's secret")
	}
	late, _, err := e.app.Accounts.ResetLink(t.Context(), operator, "ada")
	if err != nil {
		t.Fatal(err)
	}
	e.advance(24 * time.Hour)
	e.visit().get("/symbolon/reset/"+late.Reveal()).want("/symbolon/reset/"+late.Reveal(), 404, "not good any more")
}

func TestBrowsers(t *testing.T) {
	e := newPages(t, nil)
	p, second, third := e.visit().signIn("ada", correct), e.visit().signIn("ada", correct), e.visit().signIn("ada", correct)
	p.get("/symbolon/profile").want("/symbolon/profile", 200, "This browser", "Go-http-client", "Sign out the others")
	end := regexp.MustCompile(`/symbolon/profile/browsers/\d+/end`).FindAllString(p.page, -1)
	if len(end) != 2 {
		t.Fatalf("browsers to end: %q", end)
	}
	p.post(end[1]).want("/symbolon/profile", 200, "That browser is signed out")
	second.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
	third.get("/symbolon/tokens").want("/symbolon/tokens", 200)
	p.post("/symbolon/profile/browsers/end-others").want("/symbolon/profile", 200)
	third.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
}

func TestPageOfAPIKeys(t *testing.T) {
	e := newPages(t, nil)
	if _, err := e.app.Accounts.AddGroup(t.Context(), operator, "lab", "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := e.app.Accounts.AddGroup(t.Context(), operator, "theirs", ""); err != nil {
		t.Fatal(err)
	}
	p := e.visit().signIn("ada", correct).get("/symbolon/api-keys").want("/symbolon/api-keys", 200, "the group lab", "Good at samples, ecology")
	if strings.Contains(p.page, "theirs") {
		t.Error("another's group is offered")
	}
	send := func(pairs ...string) *person {
		return p.post("/symbolon/api-keys", append([]string{"form", p.get("/symbolon/api-keys").hidden("form"), "name", "harvest", "from", "2026-03-04", "to", "2026-12-31"}, pairs...)...)
	}
	send().want("/symbolon/api-keys", 201, "Save this key now")
	key := p.shown()[0]
	if len(key) != 27 {
		t.Errorf("key of %d characters", len(key))
	}
	wantCode(t, e.json("POST", "/auth/v1/key", "key", key), 200)
	p.get("/symbolon/api-keys").want("/symbolon/api-keys", 200, "harvest", key[:5]+"…")
	if strings.Contains(p.page, key) {
		t.Error("the list shows the key")
	}
	send("group", "lab").want("/symbolon/api-keys", 201)
	for name, q := range map[string]url.Values{"foreign group": {"group": {"theirs"}}, "no such day": {"to": {"2026-02-30"}}, "past": {"to": {"2026-03-01"}}} {
		f := url.Values{"form": {p.get("/symbolon/api-keys").hidden("form")}, "name": {"x"}, "from": {"2026-03-04"}, "to": {"2026-12-31"}}
		for k, v := range q {
			f[k] = v
		}
		var pairs []string
		for k := range f {
			pairs = append(pairs, k, f.Get(k))
		}
		if p.post("/symbolon/api-keys", pairs...); p.code < 400 || p.code > 409 {
			t.Errorf("%s: %d", name, p.code)
		}
	}
}

func TestGroupsIOwn(t *testing.T) {
	e := newPages(t, nil)
	e.account(account.New{Name: "bob", Type: account.Person})
	for name, owner := range map[string]string{"lab": "ada", "theirs": "bob"} {
		if _, err := e.app.Accounts.AddGroup(t.Context(), operator, name, owner); err != nil {
			t.Fatal(err)
		}
	}
	p := e.visit().signIn("ada", correct)
	p.post("/symbolon/profile/groups/add", "group", "lab", "member", "bob").want("/symbolon/profile", 200, "bob")
	p.post("/symbolon/profile/groups/add", "group", "lab", "member", "nobody").want("/symbolon/profile/groups/add", 409, "There is no account")
	p.post("/symbolon/profile/groups/remove", "group", "lab", "member", "bob").want("/symbolon/profile", 200, "No members")
	p.post("/symbolon/profile/groups/add", "group", "theirs", "member", "ada").want("/symbolon/profile/groups/add", 404)
}

func TestMyData(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().signIn("ada", correct)
	pair := e.issue("samples", e.ada.ID)
	key := e.apiKey()
	p.post("/symbolon/profile", "display", "Ada Byron", "email", "ada@byron.example").want("/symbolon/profile", 200, "Saved.", "Ada Byron")
	p.post("/symbolon/profile", "display", "x", "email", "no address").want("/symbolon/profile", 409, "no e-mail address")
	p.get("/symbolon/profile/history").want("/symbolon/profile/history", 200, "signed in", "made")
	p.get("/symbolon/profile/data.json").want("/symbolon/profile/data.json", 200)
	var all map[string]any
	if err := json.Unmarshal([]byte(p.page), &all); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{pair.Access.Reveal(), pair.Refresh.Reveal(), key, p.cookie(), "nonce", "Nonce", "argon2"} {
		if strings.Contains(p.page, secret) {
			t.Errorf("the download holds %s", secret)
		}
	}
	for _, has := range []string{"Ada Byron", "ada@byron.example", "samples", "history"} {
		if !strings.Contains(p.page, has) {
			t.Errorf("the download lacks %s:\n%s", has, p.page)
		}
	}
	if p.header.Get("Content-Disposition") == "" || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", p.header)
	}
}

func TestDeleteMyAccount(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().signIn("ada", correct)
	pair := e.issue("samples", e.ada.ID)
	p.post("/symbolon/profile/delete", "name", "ad").want("/symbolon/profile/delete", 409, "Nothing was deleted")
	p.post("/symbolon/profile/delete", "name", "ada").want("/symbolon/sign-in", 200, "Your account is deleted")
	wantCode(t, e.bearer("GET", "/webservices/credentials_service_v2.php", pair.Access.Reveal()), 401)
	p.signIn("ada", correct).want("/symbolon/sign-in", 401)
	lines, err := e.app.Store.Audit(t.Context(), audit.Filter{Account: e.ada.ID})
	if err != nil || len(lines) == 0 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for _, l := range lines {
		if l.Addr != "" || l.Agent != "" {
			t.Errorf("kept %+v", l)
		}
	}
}

func TestAdmin(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().signIn("ada", correct)
	p.get("/symbolon/admin").want("/symbolon/admin", 404)
	p.post("/symbolon/admin/accounts/1", "what", "disable").want("/symbolon/admin/accounts/1", 404)
	if _, err := e.app.Accounts.AddGroup(t.Context(), operator, "operators", ""); err != nil {
		t.Fatal(err)
	}
	e.set("ada", account.Change{AddGroups: []string{"operators"}})
	bob := e.account(account.New{Name: "bob", Type: account.Person, Password: correct, Identities: []account.Identity{{Provider: "orcid", Subject: carberry}}})
	at := "/symbolon/admin/accounts/" + number(bob.ID)
	pair := e.issue("samples", bob.ID)
	theirs := e.visit().signIn("bob", correct)

	p.get("/symbolon/admin").want("/symbolon/admin", 200, "Activity", "<svg", "samples", "collections")
	p.get("/symbolon/admin?span=month").want("/symbolon/admin", 200, "30 days")
	for _, q := range []string{"bo", carberry, "https://orcid.org/" + carberry} {
		p.get("/symbolon/admin/accounts?q="+url.QueryEscape(q)).want("/symbolon/admin/accounts", 200, at)
	}
	p.get("/symbolon/admin/accounts?q=nobody").want("/symbolon/admin/accounts", 200, "Nobody.")
	p.get(at).want(at, 200, "bob", carberry, "test")
	p.post(at, "what", "attribute", "key", "samples.user_codes", "value", "XYZ").want(at, 200, "XYZ")
	p.post(at, "what", "type", "value", "robot").want(at, 409, "is no type of account")
	p.post(at, "what", "join", "value", "operators").want(at, 200, "Take out")
	p.post(at, "what", "leave", "value", "operators").want(at, 200)
	p.post(at, "what", "reset").want(at, 201, "Give this link to bob", "/symbolon/reset/")
	p.post(at+"/end", "grant", number(pair.Grant.ID)).want(at, 200, "revoked by an admin")
	wantCode(t, e.bearer("GET", "/webservices/credentials_service_v2.php", pair.Access.Reveal()), 401)
	p.post(at+"/end", "grant", "1000000").want(at+"/end", 404)
	p.post(at, "what", "disable").want(at, 200, "disabled")
	theirs.get("/symbolon/tokens").want("/symbolon/sign-in", 200)
	p.post(at, "what", "enable").want(at, 200, "active")
	p.get("/symbolon/admin/history?account="+number(bob.ID)).want("/symbolon/admin/history", 200, "account disabled", "account "+number(e.ada.ID))
	self := "/symbolon/admin/accounts/" + number(e.ada.ID)
	p.post(self, "what", "disable").want(self, 409, "ask another admin")
	p.post(self, "what", "leave", "value", "operators").want(self, 409, "ask another admin")
	e.set("ada", account.Change{RemoveGroups: []string{"operators"}})
	p.get("/symbolon/admin").want("/symbolon/admin", 404)
}

// While the store is down nobody is told that he is signed out.
func TestPagesWhileTheStoreIsDown(t *testing.T) {
	e := newPages(t, nil)
	p := e.visit().signIn("ada", correct)
	e.silence(time.Hour) // longer than the bound without news
	p.get("/symbolon/tokens").want("/symbolon/tokens", 503, "Not available just now")
	if p.header.Get("Retry-After") == "" || p.cookie() == "" {
		t.Errorf("header %v, cookie %q", p.header, p.cookie())
	}
}
