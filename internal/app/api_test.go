package app

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

func TestAPISession(t *testing.T) {
	o := newOurs(t)
	w := ours{o.env, ""}.ask("POST", "/session", thing{"name": "ADA", "password": adaPassword})
	wantCode(t, w, 201)
	s := read(t, w)
	if s["account"] != float64(o.ada.ID) || s["expires"] != "2026-03-04T17:06:07Z" || s["cap"] != "2026-03-11T05:06:07Z" {
		t.Errorf("session %v", s)
	}
	if cookie := w.Header().Get("Set-Cookie"); cookie != "" {
		t.Errorf("a cookie: %s", cookie)
	}
	second := ours{o.env, s["token"].(string)}
	if got := second.get("/me"); got["account"].(thing)["name"] != "ada" || got["admin"] != false || got["via"].(thing)["kind"] != "browser" {
		t.Errorf("me: %v", got)
	}
	wantCode(t, second.ask("DELETE", "/session", nil), 204)
	second.refused(second.ask("GET", "/me", nil), 401, "has ended")
	wantCode(t, o.ask("GET", "/me", nil), 200)
}

// How long a session lives is configured.
func TestAPISessionEnds(t *testing.T) {
	e := newEnv(t, func(c *config.Config) {
		c.SignIn.Idle, c.SignIn.Absolute = config.Duration(time.Hour), config.Duration(150*time.Minute)
	})
	e.set("ada", account.Change{Password: new(adaPassword)})
	used, idle := ours{e, e.session("ada", adaPassword)}, ours{e, e.session("ada", adaPassword)}
	for range 2 {
		e.advance(59 * time.Minute)
		used.get("/me")
	}
	idle.refused(idle.ask("GET", "/me", nil), 401, "has ended")
	e.advance(32 * time.Minute)
	used.refused(used.ask("GET", "/me", nil), 401, "has ended")
}

func TestAPISessionRefused(t *testing.T) {
	o := newOurs(t)
	nobody := ours{o.env, ""}
	for what, body := range map[string]thing{
		"wrong password": {"name": "ada", "password": "not it at all"},
		"unknown name":   {"name": "nobody", "password": adaPassword},
		"not a name":     {"name": "a b", "password": adaPassword},
	} {
		w := nobody.ask("POST", "/session", body)
		nobody.refused(w, 401, "do not belong together")
		if w.Header().Get("WWW-Authenticate") != `Bearer realm="symbolon"` {
			t.Errorf("%s: WWW-Authenticate %q", what, w.Header().Get("WWW-Authenticate"))
		}
	}
	nobody.refused(nobody.ask("POST", "/session", thing{"name": "ada"}), 422, "password")
	nobody.refused(nobody.ask("POST", "/session", thing{"name": "ada", "password": ""}), 422, "body.password")
	nobody.refused(nobody.ask("POST", "/session", thing{"name": "ada", "password": adaPassword, "where": "directory"}), 403, "turned off")
	for range 9 {
		nobody.ask("POST", "/session", thing{"name": "ada", "password": "wrong password"})
	}
	w := nobody.ask("POST", "/session", thing{"name": "ada", "password": adaPassword})
	nobody.refused(w, 429, "too many failed sign-ins")
	if w.Header().Get("Retry-After") != "60" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
}

// Where the accounts here sign in otherwise, a password is that of the directory.
func TestAPISessionByDirectory(t *testing.T) {
	e, _ := ldapEnv(t, anna())
	nobody := ours{e, ""}
	w := nobody.ask("POST", "/session", thing{"name": "anna", "password": annaPwd, "where": "directory"})
	wantCode(t, w, 201)
	if got := (ours{e, read(t, w)["token"].(string)}).get("/me"); got["account"].(thing)["name"] != "anna" || got["via"].(thing)["name"] != "ldap" {
		t.Errorf("me: %v", got)
	}
	nobody.refused(nobody.ask("POST", "/session", thing{"name": "anna", "password": annaPwd}), 401, "do not belong together")
	e.app.Config.SignIn.Password = false
	wantCode(t, nobody.ask("POST", "/session", thing{"name": "anna", "password": annaPwd}), 201)
	nobody.refused(nobody.ask("POST", "/session", thing{"name": "anna", "password": annaPwd, "where": "here"}), 403, "turned off")
}

// Nothing vouches for anybody but a live session and a live API key of the account's own.
func TestAPIBearer(t *testing.T) {
	o := newOurs(t)
	pair := o.issue("samples", o.ada.ID)
	ended := o.key("ended")
	wantCode(t, o.ask("DELETE", fmt.Sprintf("/keys/%d", id(ended)), nil), 204)
	later, _, err := o.app.Engine.MakeKey(t.Context(), token.Operator(), token.KeyRequest{Account: o.ada.ID, Label: "later",
		From: o.now().Add(time.Hour), To: o.now().Add(2 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	old := o.session("ada", adaPassword)
	wantCode(t, ours{o.env, old}.ask("DELETE", "/session", nil), 204)
	key := o.key("good")["key"].(string)
	for what, text := range map[string]string{
		"an access token": pair.Access.Reveal(), "a refresh token": pair.Refresh.Reveal(), "an ended key": ended["key"].(string),
		"a key before its time": later.Reveal(), "a session that was ended": old, "the service key": serviceKey,
		"a session, changed": o.bearer[:42] + "!", "a key, longer": key + "A", "one word": "x",
	} {
		t.Run(what, func(t *testing.T) {
			w := ours{o.env, text}.ask("GET", "/me", nil)
			o.refused(w, 401, "not one of ours")
			if w.Header().Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
	for what, headers := range map[string][]string{
		"nothing":      nil,
		"basic":        {"Authorization", "Basic YWRhOmFkYQ=="},
		"two headers":  {"Authorization", "Bearer " + o.bearer, "Authorization", "Bearer " + o.bearer},
		"two words":    {"Authorization", "Bearer " + o.bearer + " " + o.bearer},
		"a cookie":     {"Cookie", "symbolon-browser=" + o.bearer + "; __Host-symbolon-browser=" + o.bearer},
		"other header": {"X-Api-Key", key},
	} {
		t.Run(what, func(t *testing.T) {
			o.refused(ours{o.env, ""}.ask("GET", "/me", nil, headers...), 401, "Authorization: Bearer")
		})
	}
	o.refused(ours{o.env, ""}.ask("GET", "/me?access_token="+o.bearer, nil), 401, "Authorization: Bearer")
	wantCode(t, ours{o.env, key}.ask("GET", "/me", nil), 200)
}

func TestAPIBearerOfADisabledAccount(t *testing.T) {
	o := newOurs(t)
	key := o.key("job")["key"].(string)
	if _, err := o.app.Engine.EndAccount(t.Context(), token.Operator(), o.ada.ID, account.Disabled, ""); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{o.bearer, key} {
		o.refused(ours{o.env, text}.ask("GET", "/me", nil), 401, "not one of ours")
	}
	o.set("ada", account.Change{})
	if _, err := o.app.Accounts.Enable(t.Context(), operator, "ada"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{o.bearer, key} {
		o.refused(ours{o.env, text}.ask("GET", "/me", nil), 401, "not one of ours")
	}
}

// Whatever made an account inactive: a session that is still live vouches for nobody.
func TestAPIBearerOfAnInactiveAccount(t *testing.T) {
	o := newOurs(t)
	db, err := sql.Open("sqlite", filepath.Join(o.app.Config.Data, "symbolon.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "UPDATE accounts SET status = 'disabled' WHERE id = ?", o.ada.ID); err != nil {
		t.Fatal(err)
	}
	o.refused(o.ask("GET", "/me", nil), 401, "not one of ours")
}

// A key for a group says nothing of whoever made it.
func TestAPIGroupKey(t *testing.T) {
	o := newOurs(t)
	if _, err := o.app.Accounts.AddGroup(t.Context(), operator, "lab", "ada"); err != nil {
		t.Fatal(err)
	}
	body := thing{"name": "of the lab", "to": "2026-04-01T00:00:00Z", "group": "LAB"}
	made := o.make("/keys", body)
	if made["token"].(thing)["group"] == nil {
		t.Errorf("key %v", made)
	}
	group := ours{o.env, made["key"].(string)}
	group.refused(group.ask("GET", "/me", nil), 403, "acts for a group")
	group.refused(group.ask("GET", "/tokens", nil), 403, "acts for a group")
	o.member("eve", account.Person)
	if _, err := o.app.Accounts.AddGroup(t.Context(), operator, "eves", "eve"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"eves", "nobody"} {
		body["group"] = name
		o.refused(o.ask("POST", "/keys", body), 403, "you own no group")
	}
}

// What a body may mean to one reader and not to another is refused.
func TestAPIBodies(t *testing.T) {
	o := newOurs(t)
	for _, tc := range []struct {
		name, body, kind string
		code             int
		words            string
	}{
		{"twice", `{"service":"samples","name":"a","name":"b"}`, "", 400, "member name appears twice"},
		{"twice by escape", `{"service":"samples","name":"a","n\u0061me":"b"}`, "", 400, "member name appears twice"},
		{"another case", `{"service":"samples","Name":"a"}`, "", 422, "body"},
		{"both cases", `{"service":"samples","name":"a","Name":"b"}`, "", 422, "unexpected property"},
		{"unknown", `{"service":"samples","name":"a","kind":"session"}`, "", 422, "unexpected property"},
		{"missing", `{"service":"samples"}`, "", 422, "name"},
		{"null", `{"service":"samples","name":null}`, "", 422, "body.name"},
		{"of another type", `{"service":"samples","name":7}`, "", 422, "body.name"},
		{"too long", `{"service":"samples","name":"` + strings.Repeat("a", 101) + `"}`, "", 422, "body.name"},
		{"not printable", `{"service":"samples","name":"a\u0007"}`, "", 422, "printable"},
		{"a list", `[]`, "", 422, "body"},
		{"cut", `{"service":"samples"`, "", 400, "not valid JSON"},
		{"more", `{"service":"samples","name":"a"} {}`, "", 400, "not valid JSON"},
		{"nothing", ``, "", 400, "body is required"},
		{"too deep", strings.Repeat("[", 40) + strings.Repeat("]", 40), "", 400, "nested too deeply"},
		{"a form", `service=samples&name=a`, "application/x-www-form-urlencoded", 415, "content type"},
		{"text", `{"service":"samples","name":"a"}`, "text/plain", 415, "content type"},
		{"too large", `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, "", 413, "1 MiB"},
		{"unknown service", `{"service":"none","name":"a"}`, "", 404, "no service"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kind := tc.kind
			if kind == "" {
				kind = "application/json"
			}
			o.refused(o.raw("POST", "/tokens", tc.body, "Content-Type", kind), tc.code, tc.words)
		})
	}
	for path, want := range map[string]string{
		"/tokens?knd=pair": "unknown query parameter", "/tokens?kind=jwt": "query.kind", "/tokens?limit=0": "query.limit",
		"/tokens?limit=1001": "query.limit", "/tokens?limit=x": "query.limit", "/tokens?cursor=-1": "query.cursor", "/tokens/0": "path.id", "/tokens/x": "path.id",
	} {
		o.refused(o.ask("GET", path, nil), 422, want)
	}
	for _, path := range []string{"/tokens?kind=pair&kind=session", "/tokens?limit=%zz", "/tokens?a;b"} {
		wantCode(t, o.ask("GET", path, nil), 400)
	}
	if n := len(items(o.get("/tokens"))); n != 0 {
		t.Errorf("%d tokens were made", n)
	}
}

// A problem never repeats what was sent: it may be a password in the wrong place.
func TestAPIProblemsRepeatNothing(t *testing.T) {
	o := newOurs(t)
	const canary = "correct-horse-battery"
	for _, w := range []interface{ String() string }{
		o.raw("POST", "/session", `{"name":["`+canary+`"],"password":"x"}`).Body,
		o.raw("POST", "/session", `{"name":"ada","password":{"p":"`+canary+`"}}`).Body,
		o.raw("POST", "/session", canary).Body,
		o.raw("POST", "/session", `"`+canary+`"`).Body,
		o.ask("GET", "/tokens?kind="+canary, nil).Body,
		o.ask("GET", "/tokens?limit="+canary, nil).Body,
		o.ask("GET", "/tokens/"+canary, nil).Body,
	} {
		if strings.Contains(w.String(), canary) {
			t.Error(w.String())
		}
	}
	if strings.Contains(o.log.String(), canary) {
		t.Error(o.log.String())
	}
}

func TestAPIPairs(t *testing.T) {
	o := newOurs(t)
	made := o.pair("samples", "laptop")
	texts := made["texts"].(thing)
	use := func() int { return o.env.bearer("GET", "/api/auth/user/", texts["access"].(string)).Code }
	if use() != 200 || o.refresh(texts["refresh"].(string)).Code != 200 {
		t.Fatalf("the pair is not good: %v", made)
	}
	one := fmt.Sprintf("/tokens/%d", id(made))
	got := o.get(one)
	for name, want := range (thing{"service": "samples", "kind": "pair", "name": "laptop", "state": "live", "created": "2026-03-04T05:06:07Z",
		"created_from": "192.0.2.1", "revoked": nil, "reason": "", "revocation_bound_seconds": 30.0, "account": float64(o.ada.ID)}) {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	wantCode(t, o.ask("DELETE", one, nil), 204)
	if use() != 401 {
		t.Error("an ended token is taken")
	}
	wantCode(t, o.ask("DELETE", one, nil), 204)
	if got := o.get(one); got["state"] != "revoked" || got["reason"] != "revoked by the person" {
		t.Errorf("ended: %v", got)
	}
}

// Each service hands out its texts by the names of its wire.
func TestAPIWireNames(t *testing.T) {
	o := newOurs(t)
	for service, want := range map[string]string{"samples": "access refresh", "ecology": "edi-token pasta-token",
		"collections": "jwt refresh", "warehouse": "accessToken refreshToken"} {
		var names []string
		for name, text := range o.pair(service, "x")["texts"].(thing) {
			names = append(names, name)
			if len(text.(string)) < 60 {
				t.Errorf("%s of %s: %q", name, service, text)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s hands out %s, want %s", service, got, want)
		}
	}
}

func TestAPIRoomForOneMore(t *testing.T) {
	o := newOurs(t)
	o.app.mounts[0].service.Limits[token.Pair] = 2
	first := o.pair("samples", "first")
	o.pair("samples", "second")
	third := o.pair("samples", "third")
	if diff := cmp.Diff([]any{float64(id(first))}, third["ended"]); diff != "" {
		t.Error(diff)
	}
	if got := pick(o.get("/tokens?state=live"), "name"); got != "third second" {
		t.Errorf("live: %s", got)
	}
}

func TestAPIListOfTokens(t *testing.T) {
	o := newOurs(t)
	for i := range 5 {
		o.pair("samples", fmt.Sprintf("s%d", i))
	}
	o.pair("ecology", "e")
	o.key("k")
	wantCode(t, o.ask("DELETE", fmt.Sprintf("/tokens/%d", id(o.pair("samples", "gone"))), nil), 204)
	for query, want := range map[string]string{
		"": "gone k e s4 s3 s2 s1 s0", "?service=samples": "gone s4 s3 s2 s1 s0", "?kind=apikey": "k", "?state=revoked": "gone",
		"?state=live&service=samples": "s4 s3 s2 s1 s0", "?kind=pair&service=ecology": "e", "?service=none": "", "?kind=browser": "password",
		"?state=waiting": "",
	} {
		if got := pick(o.get("/tokens"+query), "name"); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	var got []string
	for path := "/tokens?service=samples&state=live&limit=2"; path != ""; {
		part := o.get(path)
		got = append(got, pick(part, "name"))
		if path = ""; part["next"] != nil {
			path = "/tokens?service=samples&state=live&limit=2&cursor=" + part["next"].(string)
		}
	}
	if diff := cmp.Diff([]string{"s4 s3", "s2 s1", "s0"}, got); diff != "" {
		t.Error(diff)
	}
}

// A token of somebody else's is none, whatever is done with it.
func TestAPIForeign(t *testing.T) {
	o := newOurs(t)
	boss := o.admin()
	pair := boss.pair("samples", "of the boss")
	key := boss.key("of the boss")
	browser := items(boss.get("/browsers"))[0]["id"].(float64)
	for method, paths := range map[string][]string{
		"GET":    {fmt.Sprintf("/tokens/%d", id(pair)), fmt.Sprintf("/tokens/%d", id(key)), "/tokens/999999"},
		"DELETE": {fmt.Sprintf("/tokens/%d", id(pair)), fmt.Sprintf("/keys/%d", id(key)), fmt.Sprintf("/browsers/%.0f", browser), "/tokens/999999"},
	} {
		for _, path := range paths {
			o.refused(o.ask(method, path, nil), 404, "of yours")
		}
	}
	own := o.pair("samples", "mine")
	for _, path := range []string{"/keys/%d", "/applications/%d", "/browsers/%d"} {
		o.refused(o.ask("DELETE", fmt.Sprintf(path, id(own)), nil), 404, "of yours")
	}
	if got := boss.get(fmt.Sprintf("/tokens/%d", id(pair))); got["state"] != "live" {
		t.Errorf("the boss's: %v", got)
	}
}

func TestAPIRevokeAll(t *testing.T) {
	live := func(o ours) string {
		return pick(o.get("/tokens?state=live"), "name") + " " + pick(o.get("/browsers?state=live"), "kind")
	}
	for _, tc := range []struct {
		name  string
		body  thing
		ended float64
		left  string
	}{
		{"all", thing{}, 4, " browser"},
		{"but the keys", thing{"keep_keys": true}, 3, "k browser"},
		{"of one service", thing{"service": "samples"}, 1, "k e browser browser"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOurs(t)
			o.pair("samples", "s")
			o.pair("ecology", "e")
			o.key("k")
			o.session("ada", adaPassword)
			w := o.ask("POST", "/tokens/revoke-all", tc.body)
			wantCode(t, w, 200)
			if got := read(t, w); got["ended"] != tc.ended || got["revocation_bound_seconds"] != 30.0 {
				t.Errorf("answer %v", got)
			}
			if got := live(o); got != tc.left {
				t.Errorf("left: %q, want %q", got, tc.left)
			}
		})
	}
	o := newOurs(t)
	o.refused(o.ask("POST", "/tokens/revoke-all", thing{"service": "none"}), 404, "no service")
	wantCode(t, o.ask("POST", "/tokens/revoke-all", thing{"end_this": true}), 200)
	wantCode(t, o.ask("GET", "/me", nil), 401)
}

// A key of an account reads all and makes nothing that outlives it.
func TestAPIByKey(t *testing.T) {
	o := newOurs(t)
	made := o.key("job")
	job := ours{o.env, made["key"].(string)}
	if got := job.get("/me"); got["via"].(thing)["name"] != "job" {
		t.Errorf("me: %v", got)
	}
	pair := job.pair("samples", "by the job")
	if got := pair["token"].(thing); got["made_with"] != float64(id(made)) || got["cap"] != made["token"].(thing)["expires"] {
		t.Errorf("the pair: %v", got)
	}
	job.refused(job.ask("POST", "/tokens", thing{"service": "collections", "name": "x"}), 403, "takes no API keys")
	job.refused(job.ask("POST", "/tokens", thing{"service": "none", "name": "x"}), 404, "no service")
	job.refused(job.ask("POST", "/keys", thing{"name": "x", "to": "2026-04-01T00:00:00Z"}), 403, "sign in")
	job.refused(job.ask("POST", "/applications", thing{"service": "warehouse", "name": "x"}), 403, "sign in")
	job.refused(job.ask("DELETE", "/me?name=ada", nil), 403, "sign in")
	job.refused(job.ask("DELETE", "/session", nil), 403, "no session")
	wantCode(t, job.ask("DELETE", fmt.Sprintf("/tokens/%d", id(pair)), nil), 204)
	lines := items(o.get("/me/history?limit=2"))
	if lines[0]["actor"] != "key" || lines[0]["kind"] != "grant_revoked" {
		t.Errorf("history: %v", lines)
	}
}

func TestAPIKeys(t *testing.T) {
	o := newOurs(t)
	made := o.make("/keys", thing{"name": "job", "from": "2026-03-05T00:00:00+01:00", "to": "2026-03-06T00:00:00Z"})
	text := made["key"].(string)
	if got := made["token"].(thing); len(text) != 27 || got["preview"] != text[:5] || got["state"] != "waiting" ||
		got["valid_from"] != "2026-03-04T23:00:00Z" || got["expires"] != "2026-03-06T00:00:00Z" || got["service"] != "" {
		t.Errorf("key %v", made)
	}
	wantCode(t, o.json("POST", "/auth/v1/key", "key", text), 401)
	o.advance(20 * time.Hour)
	o.bearer = o.session("ada", adaPassword)
	wantCode(t, o.json("POST", "/auth/v1/key", "key", text), 200)
	o.app.Engine.FlushUses(t.Context())
	if got := pick(o.get("/keys"), "last_used_from"); got != "192.0.2.1" {
		t.Errorf("last used from %s", got)
	}
	if got := o.get("/keys"); pick(got, "state") != "live" || strings.Contains(fmt.Sprint(got), text) {
		t.Errorf("keys: %v", got)
	}
	wantCode(t, o.ask("DELETE", fmt.Sprintf("/keys/%d", id(made)), nil), 204)
	wantCode(t, o.json("POST", "/auth/v1/key", "key", text), 401)
	o.refused(o.ask("POST", "/keys", thing{"name": "x", "to": "2026-03-04T00:00:00Z"}), 422, "end must lie after")
	o.refused(o.ask("POST", "/keys", thing{"name": "x", "to": "tomorrow"}), 422, "body.to")
	o.refused(o.ask("POST", "/keys", thing{"name": "x"}), 422, "to")
}

// The new key is good at once, the old one until the overlap ends.
func TestAPIRotateKey(t *testing.T) {
	o := newOurs(t)
	old := o.key("job")
	exchange := func(v thing) int { return o.json("POST", "/auth/v1/key", "key", v["key"].(string)).Code }
	next := o.make(fmt.Sprintf("/keys/%d/rotate", id(old)), thing{"overlap_seconds": 3600})
	if got := next["token"].(thing); got["name"] != "job" || got["expires"] != "2026-03-05T05:06:07Z" || id(next) == id(old) {
		t.Errorf("rotated: %v", next)
	}
	if exchange(old) != 200 || exchange(next) != 200 {
		t.Error("one of the two keys is refused")
	}
	path := fmt.Sprintf("/keys/%d/rotate", id(old))
	o.refused(o.ask("POST", path, thing{"overlap_seconds": 0}), 409, "replaced")
	o.advance(time.Hour)
	if exchange(old) != 401 || exchange(next) != 200 {
		t.Error("the wrong one is refused after the overlap")
	}
	job := ours{o.env, next["key"].(string)}
	last := job.make(fmt.Sprintf("/keys/%d/rotate", id(next)), thing{"overlap_seconds": 0})
	wantCode(t, job.ask("GET", "/me", nil), 401)
	job.bearer = last["key"].(string)
	other := o.key("other")
	job.refused(job.ask("POST", fmt.Sprintf("/keys/%d/rotate", id(other)), thing{"overlap_seconds": 0}), 403, "sign in")
	path = fmt.Sprintf("/keys/%d/rotate", id(last))
	o.refused(o.ask("POST", path, thing{"overlap_seconds": 2592001}), 422, "overlap_seconds")
	o.refused(o.ask("POST", path, thing{}), 422, "overlap_seconds")
	o.refused(o.ask("POST", fmt.Sprintf("/keys/%d/rotate", id(o.pair("samples", "x"))), thing{"overlap_seconds": 0}), 404, "of yours")
	boss := o.admin()
	boss.refused(boss.ask("POST", path, thing{"overlap_seconds": 0}), 404, "of yours")
}

func TestAPIRotateApplication(t *testing.T) {
	o := newOurs(t)
	o.robot()
	o.set("robot", account.Change{Password: new(bossPassword)})
	robot := ours{o.env, o.session("robot", bossPassword)}
	use := func(v thing) int {
		return o.env.bearer("GET", "/api/stations", v["texts"].(thing)["accessToken"].(string)).Code
	}
	old := robot.make("/applications", thing{"service": "warehouse", "name": "forklift"})
	path := fmt.Sprintf("/applications/%d/rotate", id(old))
	next := robot.make(path, thing{"overlap_seconds": 3600})
	if next["token"].(thing)["name"] != "forklift" || use(old) != 200 || use(next) != 200 {
		t.Errorf("rotated: %v, old %d, new %d", next, use(old), use(next))
	}
	o.advance(time.Hour)
	if use(old) == 200 || use(next) != 200 {
		t.Error("the wrong one is refused after the overlap")
	}
	robot.refused(robot.ask("POST", path, thing{"overlap_seconds": 0}), 409, "past its end")
	o.refused(o.ask("POST", path, thing{"overlap_seconds": 0}), 404, "of yours")
	key := ours{o.env, robot.key("k")["key"].(string)}
	key.refused(key.ask("POST", path, thing{"overlap_seconds": 0}), 403, "sign in")
}

func TestAPIApplications(t *testing.T) {
	o := newOurs(t)
	o.robot()
	o.set("robot", account.Change{Password: new(bossPassword)})
	robot := ours{o.env, o.session("robot", bossPassword)}
	made := robot.make("/applications", thing{"service": "warehouse", "name": "forklift"})
	text := made["texts"].(thing)["accessToken"].(string)
	if made["access_expires"] != nil || len(made["texts"].(thing)) != 1 {
		t.Errorf("made: %v", made)
	}
	wantCode(t, o.env.bearer("GET", "/api/stations", text), 200)
	if got := pick(robot.get("/applications"), "name"); got != "forklift" {
		t.Errorf("list: %s", got)
	}
	wantCode(t, robot.ask("DELETE", fmt.Sprintf("/applications/%d", id(made)), nil), 204)
	if w := o.env.bearer("GET", "/api/stations", text); w.Code == 200 {
		t.Error("an ended application token is taken")
	}
	o.refused(o.ask("POST", "/applications", thing{"service": "warehouse", "name": "x"}), 403, "type application")
	for _, service := range []string{"samples", "none"} {
		robot.refused(robot.ask("POST", "/applications", thing{"service": service, "name": "x"}), 404, "with application tokens")
	}
}

func TestAPIBrowsers(t *testing.T) {
	o := newOurs(t)
	other := ours{o.env, o.session("ada", adaPassword)}
	third := ours{o.env, o.session("ada", adaPassword)}
	one := items(o.get("/browsers"))[1]
	wantCode(t, o.ask("DELETE", fmt.Sprintf("/browsers/%.0f", one["id"]), nil), 204)
	wantCode(t, other.ask("GET", "/me", nil), 401)
	wantCode(t, third.ask("GET", "/me", nil), 200)
	w := o.ask("DELETE", "/browsers", nil)
	wantCode(t, w, 200)
	if got := read(t, w)["ended"]; got != 1.0 {
		t.Errorf("ended %v", got)
	}
	wantCode(t, third.ask("GET", "/me", nil), 401)
	wantCode(t, o.ask("GET", "/me", nil), 200)
}

func TestAPIMe(t *testing.T) {
	o := newOurs(t)
	w := o.ask("PATCH", "/me", thing{"display": "Ada L."})
	wantCode(t, w, 200)
	if got := read(t, w); got["display"] != "Ada L." || got["email"] != "ada@example.org" {
		t.Errorf("changed: %v", got)
	}
	o.refused(o.ask("PATCH", "/me", thing{"email": "not one"}), 422, "not one")
	o.refused(o.ask("PATCH", "/me", thing{"type": "application"}), 422, "unexpected property")
	o.pair("samples", "laptop")
	if got := pick(o.get("/me/history"), "kind"); got != "grant_issued account_changed signed_in account_changed account_added" {
		t.Errorf("history: %s", got)
	}
	first := o.get("/me/history?limit=2")
	if got := pick(o.get("/me/history?limit=2&cursor="+first["next"].(string)), "kind"); got != "signed_in account_changed" {
		t.Errorf("second page: %s", got)
	}
	export := o.get("/me/export")
	for name, want := range map[string]int{"tokens": 2, "history": 5, "groups_owned": 0} {
		if got := len(export[name].([]any)); got != want {
			t.Errorf("%d %s, want %d", got, name, want)
		}
	}
}

func TestAPIDeleteMe(t *testing.T) {
	o := newOurs(t)
	pair := o.pair("samples", "laptop")["texts"].(thing)["access"].(string)
	o.refused(o.ask("DELETE", "/me", nil), 422, "query.name")
	o.refused(o.ask("DELETE", "/me?name=boss", nil), 422, "not the name of your account")
	wantCode(t, o.env.bearer("GET", "/api/auth/user/", pair), 200)
	wantCode(t, o.ask("DELETE", "/me?name=ADA", nil), 204)
	wantCode(t, o.ask("GET", "/me", nil), 401)
	wantCode(t, o.env.bearer("GET", "/api/auth/user/", pair), 401)
	nobody := ours{o.env, ""}
	nobody.refused(nobody.ask("POST", "/session", thing{"name": "ada", "password": adaPassword}), 401, "do not belong together")
}

func TestAPIGroups(t *testing.T) {
	o := newOurs(t)
	o.member("eve", account.Person)
	for name, owner := range map[string]string{"lab": "ada", "eves": "eve"} {
		if _, err := o.app.Accounts.AddGroup(t.Context(), operator, name, owner); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, o.ask("PUT", "/groups/lab/members/eve", nil), 204)
	got := o.get("/groups")
	if pick(got, "name") != "lab" || pick(got, "members") != "[eve]" {
		t.Errorf("groups: %v", got)
	}
	wantCode(t, o.ask("DELETE", "/groups/lab/members/eve", nil), 204)
	if got := pick(o.get("/groups"), "members"); got != "[]" {
		t.Errorf("members: %s", got)
	}
	for _, path := range []string{"/groups/eves/members/ada", "/groups/none/members/ada", "/groups/lab/members/nobody"} {
		wantCode(t, o.ask("PUT", path, nil), 404)
	}
}

func TestAPIServices(t *testing.T) {
	o := newOurs(t)
	o.app.mounts[1].service.Groups = []string{"vetted"}
	got := o.get("/services")
	if names := pick(got, "name"); names != "samples ecology collections warehouse" {
		t.Errorf("services: %s", names)
	}
	if allowed := pick(got, "allowed"); allowed != "true false true true" {
		t.Errorf("allowed: %s", allowed)
	}
	if why := items(got)[1]["why_not"]; why != "service ecology is for members of vetted only" {
		t.Errorf("why not: %v", why)
	}
	if got := items(got)[0]; got["address"] != "http://127.0.0.1:8080/webservices" || got["takes_keys"] != true || got["most_pairs"] != 1000.0 {
		t.Errorf("samples: %v", got)
	}
}

// Without a store nothing is known, and that is what is said.
func TestAPIStoreDown(t *testing.T) {
	o := newOurs(t)
	if err := o.app.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, w := range []struct {
		method, path string
		body         any
	}{{"GET", "/me", nil}, {"POST", "/tokens", thing{"service": "samples", "name": "x"}}, {"POST", "/session", thing{"name": "ada", "password": adaPassword}}} {
		got := o.ask(w.method, w.path, w.body)
		o.refused(got, 503, "cannot reach its own records")
		if got.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", w.method, w.path)
		}
	}
	wantCode(t, ours{o.env, "short"}.ask("GET", "/me", nil), 401)
}

// Past the bound no session and no key is vouched for.
func TestAPIWithoutNews(t *testing.T) {
	o := newOurs(t)
	key := o.key("job")["key"].(string)
	o.silence(31 * time.Second)
	for _, text := range []string{o.bearer, key} {
		w := ours{o.env, text}.ask("GET", "/me", nil)
		o.refused(w, 503, "cannot reach")
		if !soon(w) {
			t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
		}
	}
}

// TestAPILogsNoSecret looks for everything secret that went either way.
func TestAPILogsNoSecret(t *testing.T) {
	o := newOurs(t)
	pair, key := o.pair("samples", "laptop"), o.key("job")
	edi := o.pair("ecology", "laptop")
	secrets := []string{adaPassword, o.bearer, key["key"].(string)}
	for _, v := range []thing{pair, edi} {
		for _, text := range v["texts"].(thing) {
			secrets = append(secrets, text.(string))
		}
	}
	ours{o.env, key["key"].(string)}.get("/me/export")
	export := o.ask("GET", "/me/export", nil).Body.String() + o.ask("GET", "/tokens", nil).Body.String()
	wantCode(t, o.ask("GET", "/tokens/"+secrets[2], nil), 422)
	wantCode(t, o.ask("GET", "/me?x="+secrets[2], nil), 422)
	wantCode(t, o.ask("GET", "/"+secrets[2], nil), 404)
	o.app.Engine.FlushUses(t.Context())
	for _, s := range secrets {
		if strings.Contains(o.log.String(), s) {
			t.Errorf("the log holds %.5s…", s)
		}
		if strings.Contains(export, s) {
			t.Errorf("a later answer holds %.5s…", s)
		}
	}
	if !strings.Contains(o.log.String(), "route=/symbolon/api/v1/tokens") {
		t.Error("the log names no route")
	}
}

// Other sites' pages are told nothing, and there is no other method.
func TestAPIMethodsAndOrigins(t *testing.T) {
	o := newOurs(t)
	w := o.ask("OPTIONS", "/tokens", nil, "Origin", "https://evil.example.org", "Access-Control-Request-Method", "POST")
	o.refused(w, 405, "Allow")
	if w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("Allow %q", w.Header().Get("Allow"))
	}
	for _, w := range []struct{ method, path, allow string }{{"PUT", "/me", "DELETE, GET, HEAD, PATCH"}, {"POST", "/openapi.json", "GET, HEAD"}} {
		got := o.ask(w.method, w.path, nil)
		o.refused(got, 405, "Allow")
		if got.Header().Get("Allow") != w.allow {
			t.Errorf("%s: Allow %q", w.path, got.Header().Get("Allow"))
		}
	}
	got := o.ask("GET", "/me", nil, "Origin", "https://evil.example.org")
	for name := range got.Header() {
		if strings.HasPrefix(name, "Access-Control") {
			t.Errorf("%s: %s", name, got.Header().Get(name))
		}
	}
	if got.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", got.Header().Get("Cache-Control"))
	}
	for _, accept := range []string{"json", "text/html", "application/problem+json", "application/cbor;q=1, */*;q=0"} {
		if kind := o.ask("GET", "/me", nil, "Accept", accept).Header().Get("Content-Type"); kind != "application/json" {
			t.Errorf("accepting %s: %s", accept, kind)
		}
	}
	o.refused(o.ask("GET", "/nothing", nil), 404, "/symbolon/docs/api")
	o.refused(o.ask("GET", "/", nil), 404, "/symbolon/docs/api")
}

func TestAPIWithoutAdmins(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.SignIn.AdminGroup = "" })
	e.boss()
	e.set("boss", account.Change{Password: new(bossPassword)})
	boss := ours{e, e.session("boss", bossPassword)}
	boss.refused(boss.ask("GET", "/admin/accounts?q=ada", nil), 403, "admin group")
}

func TestAPIChangePassword(t *testing.T) {
	o := newOurs(t)
	other := ours{o.env, o.session("ada", adaPassword)}
	pair := o.pair("samples", "laptop")["texts"].(thing)["access"].(string)
	const next = "a quite new and long one"
	o.refused(o.ask("POST", "/me/password", thing{"old": "not it at all", "new": next}), 403, "old password is not right")
	o.refused(o.ask("POST", "/me/password", thing{"old": adaPassword, "new": "short"}), 422, "body.new")
	o.refused(o.ask("POST", "/me/password", thing{"old": adaPassword, "new": "password1"}), 422, "common")
	wantCode(t, o.ask("POST", "/me/password", thing{"old": adaPassword, "new": next}), 204)
	wantCode(t, o.ask("GET", "/me", nil), 200)
	wantCode(t, other.ask("GET", "/me", nil), 401)
	wantCode(t, o.env.bearer("GET", "/api/auth/user/", pair), 200)
	o.session("ada", next)
	key := ours{o.env, o.key("job")["key"].(string)}
	key.refused(key.ask("POST", "/me/password", thing{"old": next, "new": adaPassword}), 403, "sign in")
	for range 10 {
		o.ask("POST", "/me/password", thing{"old": "not it at all", "new": next})
	}
	w := o.ask("POST", "/me/password", thing{"old": next, "new": adaPassword})
	o.refused(w, 429, "too many failed sign-ins")
	if w.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if strings.Contains(o.log.String(), next) {
		t.Error("the log holds the password")
	}
}

func TestAPIRemoveIdentity(t *testing.T) {
	o := newOurs(t)
	who := account.Outside{Subject: "0000-0002-1825-0097"}
	if err := o.app.Accounts.Link(t.Context(), operator, o.ada.ID, "orcid", who); err != nil {
		t.Fatal(err)
	}
	path := "/me/identities?provider=orcid&subject=0000-0002-1825-0097"
	key := ours{o.env, o.key("job")["key"].(string)}
	key.refused(key.ask("DELETE", path, nil), 403, "sign in")
	wantCode(t, o.ask("DELETE", path, nil), 204)
	wantCode(t, o.ask("DELETE", path, nil), 404)
	o.refused(o.ask("DELETE", "/me/identities?provider=password&subject=ada", nil), 422, "password")
	if got := len(o.get("/me")["account"].(thing)["identities"].([]any)); got != 1 {
		t.Errorf("%d identities left", got)
	}
}
