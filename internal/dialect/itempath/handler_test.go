package itempath

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

func (e *env) login(name, password string) *httptest.ResponseRecorder {
	e.T.Helper()
	return e.Do("POST", "/api/users/login", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password), "Content-Type: application/json")
}

// members reads an answer's body.
func members(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	if w.Code/100 != 2 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// take removes a member that is a token and returns it.
func take(t *testing.T, m map[string]any, name string) string {
	t.Helper()
	s, _ := m[name].(string)
	if !strings.HasPrefix(s, "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.") {
		t.Fatalf("%s is %q", name, s)
	}
	delete(m, name)
	return s
}

func TestLogin(t *testing.T) {
	e := newEnv(t, nil)
	for name, admin := range map[string]string{"demo": "false", "boss": "true", "DEMO": "false"} {
		w := e.login(name, password)
		got := members(t, w)
		access, refresh := take(t, got, "accessToken"), take(t, got, "refreshToken")
		id := 1.0
		if admin == "true" {
			id = 3
		}
		if diff := cmp.Diff(map[string]any{
			"login": true, "username": strings.ToLower(name), "id": id, "isAdmin": admin, "viewId": 1.0, "timeZone": nil,
			"accessExpiryDate": "01/02/2026, 03:19:05", "refreshExpiryDate": "02/01/2026, 03:04:05",
			"accessExpiresAt": "2026-01-02T03:19:05Z", "refreshExpiresAt": "2026-02-01T03:04:05Z", "expiresIn": 900.0,
		}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !strings.HasSuffix(w.Body.String(), "}\n") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v %s", name, w.Header(), w.Body)
		}
		if w := e.Do("GET", "/api/stations", "", bearerOf(access)); w.Code != 200 {
			t.Errorf("%s: stations %d %s", name, w.Code, w.Body)
		}
		if w := e.Do("POST", "/api/users/refresh", "", bearerOf(refresh)); w.Code != 200 {
			t.Errorf("%s: refresh %d %s", name, w.Code, w.Body)
		}
	}
}

// TestLoginFailures: every cause is the same answer, byte for byte.
func TestLoginFailures(t *testing.T) {
	for status, change := range map[int]func(*config.Service){404: nil, 401: func(c *config.Service) { c.ItemPath.LoginFailureStatus = 401 }} {
		e := newEnv(t, change)
		if _, err := e.Accounts.Add(t.Context(), account.By{}, account.New{Name: "pending", Type: account.Person}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Engine.EndAccount(t.Context(), token.Operator(), 2, account.Disabled, "x"); err != nil {
			t.Fatal(err)
		}
		for _, tc := range [][2]string{{"demo", "wrong horse"}, {"nobody", password}, {"robot", password}, {"pending", password}, {"pending", ""}, {"", ""}, {"de\tmo", password}} {
			w := e.login(tc[0], tc[1])
			want(t, w, status, msg("Invalid username or password"))
			if got := w.Header().Get("WWW-Authenticate"); (got == "Bearer") != (status == 401) {
				t.Errorf("WWW-Authenticate %q", got)
			}
		}
	}
}

// TestLoginNotAdmitted: who is not for this service learns no more than a stranger.
func TestLoginNotAdmitted(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Allow.Groups = []string{"admins"} })
	want(t, e.login("demo", password), 404, msg("Invalid username or password"))
	if w := e.login("boss", password); w.Code != 200 {
		t.Errorf("boss: %d %s", w.Code, w.Body)
	}
}

func TestLoginSlowsDown(t *testing.T) {
	e := newEnv(t, nil)
	for range 10 {
		want(t, e.login("demo", "wrong horse"), 404, msg("Invalid username or password"))
	}
	w := e.login("demo", password)
	want(t, w, 429, msg("Too many requests, try again later"))
	if got := w.Header().Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After %q", got)
	}
}

func TestLoginBadRequests(t *testing.T) {
	e := newEnv(t, nil)
	decode := "Failed to decode JSON object: "
	for _, tc := range []struct {
		name, body, kind string
		status           int
		text             string
	}{
		{"no body", "", "application/json", 400, decode + "Expecting value: line 1 column 1 (char 0)"},
		{"no JSON", "username=demo", "", 400, decode + "Expecting value: line 1 column 1 (char 0)"},
		{"an array", "[]", "application/json", 400, decode + "must be a json object"},
		{"twice", `{"username":"demo","username":"boss","password":"x"}`, "application/json", 400, decode + "member name appears twice"},
		{"twice inside", `{"username":"demo","password":"x","more":{"a":1,"a":2}}`, "application/json", 400, decode + "member name appears twice"},
		{"odd case", `{"Username":"demo","password":"x"}`, "application/json", 400, decode + "member name differs only in letter case"},
		{"too deep", `{"more":` + strings.Repeat("[", 9) + strings.Repeat("]", 9) + `}`, "application/json", 400, decode + "nested too deeply"},
		{"too large", `{"username":"` + strings.Repeat("x", 64<<10) + `"}`, "application/json", 400, decode + "too large"},
		{"no username", `{"password":"x"}`, "application/json", 400, "Missing or invalid field: username"},
		{"no password", `{"username":"demo"}`, "application/json", 400, "Missing or invalid field: password"},
		{"username a number", `{"username":1,"password":"x"}`, "application/json", 400, "Missing or invalid field: username"},
		{"password null", `{"username":"demo","password":null}`, "application/json", 400, "Missing or invalid field: password"},
		{"a form", "username=demo&password=x", "application/x-www-form-urlencoded", 415, "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var headers []string
			if tc.kind != "" {
				headers = []string{"Content-Type: " + tc.kind}
			}
			want(t, e.Do("POST", "/api/users/login", tc.body, headers...), tc.status, msg(tc.text))
		})
	}
	for _, kind := range []string{"X: y", "Content-Type: application/json; charset=utf-8", "Content-Type: application/vnd.x+json"} {
		if w := e.Do("POST", "/api/users/login", `{"username":"demo","password":"`+password+`","more":1}`, kind); w.Code != 200 {
			t.Errorf("%s: %d %s", kind, w.Code, w.Body)
		}
	}
}

func TestRefresh(t *testing.T) {
	e := newEnv(t, nil)
	refresh := e.session(1).Refresh.Reveal()
	e.Advance(time.Hour)
	for _, method := range []string{"POST", "GET", "post"} {
		got := members(t, e.Do(method, "/api/users/refresh", "not looked at", bearerOf(refresh)))
		access := take(t, got, "accessToken")
		if diff := cmp.Diff(map[string]any{"username": "demo", "id": 1.0, "accessExpiryDate": "01/02/2026, 04:19:05",
			"accessExpiresAt": "2026-01-02T04:19:05Z", "expiresIn": 900.0}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
		want(t, e.Do("GET", "/api/stations", "", bearerOf(access)), 200, stationsBody)
	}
	e.Advance(30*24*time.Hour - time.Hour - time.Minute)
	if got := members(t, e.Do("POST", "/api/users/refresh", "", bearerOf(refresh))); got["expiresIn"] != 60.0 || got["accessExpiryDate"] != "02/01/2026, 03:04:05" {
		t.Errorf("a minute before the end: %v", got)
	}
	e.Advance(time.Minute)
	want(t, e.Do("POST", "/api/users/refresh", "", bearerOf(refresh)), 401, msg("Token has expired"))
}

// TestRefreshReadsNoStore, nor does a refused one.
func TestRefreshReadsNoStore(t *testing.T) {
	e := newEnv(t, nil)
	refresh := e.session(1).Refresh.Reveal()
	e.BreakStore()
	if got := members(t, e.Do("POST", "/api/users/refresh", "", bearerOf(refresh))); got["username"] != "demo" || got["id"] != 1.0 {
		t.Errorf("%v", got)
	}
}

// TestRefreshAfterALoss: a grant whose account changed is minted from the present account.
func TestRefreshAfterALoss(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Allow.Groups = []string{"admins"} })
	refresh := e.session(3).Refresh.Reveal()
	set := func(c account.Change) {
		t.Helper()
		if _, err := e.Accounts.Set(t.Context(), account.By{}, "boss", c); err != nil {
			t.Fatal(err)
		}
		e.Advance(time.Second)
	}
	set(account.Change{Email: new("new@example.org")})
	if got := members(t, e.Do("POST", "/api/users/refresh", "", bearerOf(refresh))); got["username"] != "boss" || got["id"] != 3.0 {
		t.Errorf("%v", got)
	}
	set(account.Change{RemoveGroups: []string{"admins"}})
	want(t, e.Do("POST", "/api/users/refresh", "", bearerOf(refresh)), 401, msg("Token has been revoked"))
}

func TestApplicationToken(t *testing.T) {
	e := newEnv(t, nil)
	refresh := e.session(2).Refresh.Reveal()
	var made []string
	for _, body := range []string{"", "{}", `{"name":"night job"}`} {
		got := members(t, e.Do("POST", "/api/users/application-token", body, bearerOf(refresh), "Content-Type: application/json"))
		made = append(made, take(t, got, "token"))
		if len(got) > 0 {
			t.Errorf("more than a token: %v", got)
		}
	}
	if strings.Contains(payloadOf(t, made[0]), "exp") {
		t.Errorf("payload %s", payloadOf(t, made[0]))
	}
	e.Advance(400 * 24 * time.Hour)
	for _, text := range made {
		if w := e.Do("GET", "/api/stations", "", bearerOf(text)); w.Code != 200 {
			t.Errorf("after a year: %d %s", w.Code, w.Body)
		}
	}
	grants, err := e.Engine.List(t.Context(), token.Operator(), token.Filter{Account: 2, Kinds: []token.GrantKind{token.Application}})
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, g := range grants {
		labels = append(labels, g.Label)
	}
	if diff := cmp.Diff([]string{"night job", "application token", "application token"}, labels); diff != "" {
		t.Errorf("labels %s", diff)
	}
	e.revoke(grants[0].ID)
	want(t, e.Do("GET", "/api/stations", "", bearerOf(made[2])), 401, msg("Token has been revoked"))
	if w := e.Do("GET", "/api/stations", "", bearerOf(made[1])); w.Code != 200 {
		t.Errorf("the other one: %d %s", w.Code, w.Body)
	}
}

func TestApplicationTokenRefused(t *testing.T) {
	e := newEnv(t, nil)
	want(t, e.Do("POST", "/api/users/application-token", "", bearerOf(e.session(1).Refresh.Reveal())), 403,
		msg("Only application users can create application tokens"))
	robot := bearerOf(e.session(2).Refresh.Reveal())
	long := msg("name must be at most 100 printable characters")
	for _, tc := range []struct {
		body   string
		status int
		text   string
	}{
		{`{"name":5}`, 400, msg("Missing or invalid field: name")},
		{`{"name":"` + strings.Repeat("é", 101) + `"}`, 400, long},
		{`{"name":"a\u0000b"}`, 400, long},
		{`{"name":"a","name":"b"}`, 400, msg("Failed to decode JSON object: member name appears twice")},
		{`{"Name":"a"}`, 400, msg("Failed to decode JSON object: member name differs only in letter case")},
	} {
		want(t, e.Do("POST", "/api/users/application-token", tc.body, robot), tc.status, tc.text)
	}
	members(t, e.Do("POST", "/api/users/application-token", `{"name":"`+strings.Repeat("é", 100)+`"}`, robot))
}

// TestApplicationTokenEnds by policy, by idleness, and with its account.
func TestApplicationTokenEnds(t *testing.T) {
	gone := msg("Token has been revoked")
	limits := newEnv(t, func(c *config.Service) {
		c.ItemPath.ApplicationLife, c.ItemPath.ApplicationIdle = config.Duration(10*time.Hour), config.Duration(3*time.Hour)
	})
	used, idle := bearerOf(limits.application(2).Access.Reveal()), bearerOf(limits.application(2).Access.Reveal())
	for range 4 {
		limits.Advance(2 * time.Hour)
		if w := limits.Do("GET", "/api/stations", "", used); w.Code != 200 {
			t.Fatalf("%v: %d %s", limits.Now(), w.Code, w.Body)
		}
	}
	want(t, limits.Do("GET", "/api/stations", "", idle), 401, gone)
	limits.Advance(2 * time.Hour)
	want(t, limits.Do("GET", "/api/stations", "", used), 401, gone)

	e := newEnv(t, nil)
	boss := bearerOf(e.session(3).Access.Reveal())
	first, second := bearerOf(e.application(2).Access.Reveal()), bearerOf(e.application(4).Access.Reveal())
	members(t, e.Do("POST", "/api/users/2", `{"type":"user"}`, boss))
	want(t, e.Do("GET", "/api/stations", "", first), 401, gone)
	members(t, e.Do("POST", "/api/users/4", `{"status":2}`, boss))
	want(t, e.Do("GET", "/api/stations", "", second), 401, gone)
}

// TestUnavailable: a store that fails is 503 on every call that needs it, never 401.
func TestUnavailable(t *testing.T) {
	e := newEnv(t, nil)
	boss, robot := e.session(3), e.session(2)
	e.BreakStore()
	check := func(w *httptest.ResponseRecorder) {
		t.Helper()
		want(t, w, 503, msg("Service Unavailable"))
		if got := w.Header().Get("Retry-After"); len(got) != 1 || got < "1" || got > "3" { // not everybody at once
			t.Errorf("Retry-After %q", got)
		}
	}
	check(e.login("demo", password))
	check(e.Do("GET", "/api/stations", "", bearerOf(boss.Access.Reveal())))
	check(e.Do("GET", "/api/users", "", bearerOf(boss.Access.Reveal())))
	check(e.Do("POST", "/api/users/application-token", "", bearerOf(robot.Refresh.Reveal())))
	e.Silence(10 * time.Minute)
	check(e.Do("POST", "/api/users/refresh", "", bearerOf(robot.Refresh.Reveal())))
}

// TestNoSecretInTheLog: what is refused is told by reason, never by token or password.
func TestNoSecretInTheLog(t *testing.T) {
	e := newEnv(t, nil)
	s := e.session(1)
	e.login("demo", "wrong horse")
	e.Do("GET", "/api/stations", "", bearerOf(s.Refresh.Reveal()))
	e.Do("POST", "/api/users/refresh", "", bearerOf(s.Access.Reveal()))
	e.Do("POST", "/api/users/application-token", "", bearerOf(s.Refresh.Reveal()))
	log := e.Log.String()
	if n := strings.Count(log, "msg=refused"); n != 4 {
		t.Errorf("%d refusals in the log:\n%s", n, log)
	}
	for _, leak := range []string{"eyJ", "horse"} {
		if strings.Contains(log, leak) {
			t.Errorf("%s in the log:\n%s", leak, log)
		}
	}
}

// TestApplicationTokenLimit: what never ends is counted, and one too many ends the oldest.
func TestApplicationTokenLimit(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Sessions = 2 })
	var made []string
	for range 3 {
		made = append(made, bearerOf(e.application(2).Access.Reveal()))
	}
	want(t, e.Do("GET", "/api/stations", "", made[0]), 401, msg("Token has been revoked"))
	for _, text := range made[1:] {
		if w := e.Do("GET", "/api/stations", "", text); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}
