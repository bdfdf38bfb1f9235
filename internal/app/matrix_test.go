package app

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"symbolon/internal/config"
)

// consumer is one place of one wire that takes a token or a key.
type consumer struct {
	name  string
	ok    int    // the status of its yes
	yes   string // what only a yes contains; may be empty
	masks bool   // its no may be 500, or 200 with nulls, as the old service has it
	use   func(e *env, text string) *httptest.ResponseRecorder
}

func (c consumer) passes(w *httptest.ResponseRecorder) bool {
	return w.Code == c.ok && strings.Contains(w.Body.String(), c.yes)
}

func (c consumer) refuses(w *httptest.ResponseRecorder) bool {
	if c.masks && (w.Code == 500 || w.Code == 200) {
		return !c.passes(w)
	}
	return w.Code >= 400 && w.Code <= 499
}

// ends reports whether the answer is that of the wire to a token that was revoked.
func (c consumer) ends(w *httptest.ResponseRecorder) bool {
	return w.Code == 401 || c.masks && w.Code == 500 && strings.Contains(w.Body.String(), "Internal server error")
}

// consumers are all there are in the services of a development server.
var consumers = append([]consumer{
	{name: "credentials", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.bearer("GET", "/webservices/credentials_service_v2.php", s)
	}},
	{name: "refresh.php", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.refresh(s) }},
	{name: "refresh form", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.do("POST", "/webservices/refresh_token.php", "refresh="+strings.NewReplacer("+", "%2B", "=", "%3D", "&", "%26").Replace(s),
			"Content-Type", "application/x-www-form-urlencoded")
	}},
	{name: "refresh json", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.json("POST", "/api/auth/token/refresh/", "refresh", s)
	}},
	{name: "blacklist", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.json("POST", "/api/auth/token/blacklist/", "refresh", s)
	}},
	{name: "blacklist-all", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.bearer("DELETE", "/api/auth/token/blacklist-all/", s)
	}},
	{name: "auth/user", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("GET", "/api/auth/user/", s) }},
	{name: "mint", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("POST", "/api/auth/token/", s) }},
	{name: "edi-token", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.ediRefresh(nil, s) }},
	{name: "pasta-token", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		edi, _ := e.ediPair("ecology")
		return e.ediRefresh(s, edi)
	}},
	{name: "edi key", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.json("POST", "/auth/v1/key", "key", s) }},
	{name: "edi service key", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.json("POST", "/auth/v1/token/"+e.ada.Subjects["ecology"], "key", s)
	}},
	{name: "whoami bearer", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("GET", "/auth/v1/whoami", s) }},
	{name: "whoami cookie", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.do("GET", "/auth/v1/whoami", "", "Cookie", "edi-token="+s)
	}},
}, passwordConsumers...)

// kind is one kind of credential: how to make a fresh one and who may take it.
type kind struct {
	name string
	make func(e *env) string
	good string // names of consumers, split by ", "
}

var kinds = append([]kind{
	{"sesar access", func(e *env) string { return e.issue("samples", e.ada.ID).Access.Reveal() }, "credentials, blacklist-all, auth/user"},
	{"sesar refresh", func(e *env) string { return e.issue("samples", e.ada.ID).Refresh.Reveal() }, "refresh.php, refresh form, refresh json, blacklist"},
	{"access of a key's pair", func(e *env) string { return keyPair(e)["access"] }, "credentials, blacklist-all, auth/user"},
	{"refresh of a key's pair", func(e *env) string { return keyPair(e)["refresh"] }, "refresh.php, refresh form, refresh json, blacklist"},
	{"edi-token", func(e *env) string { edi, _ := e.ediPair("ecology"); return edi }, "edi-token, whoami bearer, whoami cookie"},
	{"pasta-token", func(e *env) string { _, pasta := e.ediPair("ecology"); return pasta }, "pasta-token"},
	{"edi-token of a key", func(e *env) string {
		return texts(e.t, e.json("POST", "/auth/v1/key", "key", e.apiKey()))["edi-token"]
	}, "edi-token, whoami bearer, whoami cookie"},
	{"pasta-token of a key", func(e *env) string {
		return texts(e.t, e.json("POST", "/auth/v1/key", "key", e.apiKey()))["pasta-token"]
	}, "pasta-token"},
	{"edi-token of the service key", func(e *env) string {
		return texts(e.t, e.json("POST", "/auth/v1/token/"+e.ada.Subjects["ecology"], "key", serviceKey))["edi-token"]
	}, "edi-token, whoami bearer, whoami cookie"},
	{"API key", func(e *env) string { return e.apiKey() }, "mint, edi key"},
	{"service key", func(*env) string { return serviceKey }, "edi service key"},
	{"access of another sesar", func(e *env) string { return e.issue("museum", e.ada.ID).Access.Reveal() }, ""},
	{"refresh of another sesar", func(e *env) string { return e.issue("museum", e.ada.ID).Refresh.Reveal() }, ""},
	{"edi-token of another edi", func(e *env) string { edi, _ := e.ediPair("forest"); return edi }, ""},
	{"pasta-token of another edi", func(e *env) string { _, pasta := e.ediPair("forest"); return pasta }, ""},
}, slices.Concat(passwordKinds, foreignKinds)...)

// plain are texts that are no secrets and open nothing.
var plain = []kind{
	{"user name", func(*env) string { return "ada" }, ""},
	{"subject", func(e *env) string { return e.ada.Subjects["ecology"] }, ""},
}

func keyPair(e *env) map[string]string {
	return texts(e.t, e.bearer("POST", "/api/auth/token/", e.apiKey()))
}

// newTwoOfEach is an environment with a second service of each dialect, which
// shares all it may.
func newTwoOfEach(t *testing.T) *env {
	return newEnv(t, func(c *config.Config) {
		writeFile(t, filepath.Join(c.Data, "forest.pem"), rsaKeys()[1])
		museumAndForest(c)
		galleryAndDepot(t, c)
	})
}

func museumAndForest(c *config.Config) {
	museum, forest := c.Services[0], c.Services[1]
	sesar, edi := *museum.Sesar, *forest.EDI
	museum.Name, museum.Path, museum.Audience, museum.Sesar = "museum", "/museum", "", &sesar
	museum.Sesar.JSONPath = ""
	forest.Name, forest.Path, forest.Audience, forest.EDI = "forest", "/forest", "", &edi
	forest.EDI.TokenKeyFile = ""
	forest.EDI.LegacyKeyFile = filepath.Join(c.Data, "forest.pem")
	c.Services = append(c.Services, museum, forest)
}

// TestEveryKindAtEveryConsumer: each kind of token passes where it is meant to
// and nowhere else. The table marks a yes with a star.
func TestEveryKindAtEveryConsumer(t *testing.T) {
	e := newTwoOfEach(t)
	var table strings.Builder
	for i, c := range consumers {
		fmt.Fprintf(&table, "%2d %s\n", i+1, c.name)
	}
	fmt.Fprintf(&table, "%-30s", "")
	for i := range consumers {
		fmt.Fprintf(&table, " %-4d", i+1)
	}
	for _, k := range slices.Concat(kinds, plain) {
		fmt.Fprintf(&table, "\n%-30s", k.name)
		good := strings.Split(k.good, ", ")
		for _, c := range consumers {
			w := c.use(e, k.make(e))
			meant := slices.Contains(good, c.name)
			if meant != c.passes(w) || !meant && !c.refuses(w) {
				t.Errorf("%s at %s: %d %s", k.name, c.name, w.Code, w.Body)
			}
			fmt.Fprintf(&table, " %d%s", w.Code, map[bool]string{true: "*", false: " "}[c.passes(w)])
		}
	}
	t.Log("\n" + table.String())
}

// TestKindsAtTheOtherServices: the same tokens are worth nothing to a service
// of the same dialect, and its own pass there.
func TestKindsAtTheOtherServices(t *testing.T) {
	e := newTwoOfEach(t)
	for _, k := range kinds {
		text := k.make(e)
		refresh := e.json("POST", "/museum/refresh_token.php", "refresh", text)
		credentials := e.bearer("GET", "/museum/credentials_service_v2.php", text)
		edi := e.json("POST", "/forest/v1/token/refresh", "pasta-token", nil, "edi-token", text)
		for place, passes := range map[*httptest.ResponseRecorder]bool{
			refresh:     k.name == "refresh of another sesar",
			credentials: k.name == "access of another sesar",
			edi:         k.name == "edi-token of another edi",
		} {
			if passes != (place.Code == 200) {
				t.Errorf("%s: %d %s", k.name, place.Code, place.Body)
			}
		}
	}
}

// TestCanaries sends every secret to every place, good and bad, and looks for
// it in the log and in the database.
func TestCanaries(t *testing.T) {
	e := newTwoOfEach(t)
	demo, err := e.app.PrepareDemo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, p := range demo.Passwords {
		secrets = append(secrets, p.Text.Reveal())
	}
	for _, k := range kinds {
		bad := k.make(e)
		for _, c := range consumers {
			text := bad
			if strings.Contains(k.good, c.name) {
				text = k.make(e) // which another place has not used up
			}
			secrets = append(secrets, text)
			answer := c.use(e, text).Body.String()
			for _, part := range strings.FieldsFunc(answer, func(r rune) bool { return strings.ContainsRune(`" ,:{}`, r) }) {
				if len(part) >= 100 && !strings.Contains(part, "<") {
					secrets = append(secrets, part)
				}
			}
			c.use(e, text+"x")
			c.use(e, strings.Repeat("A", 20<<10)+text)
		}
		for _, place := range everywhere(k.make(e), &secrets) {
			e.do(place.method, place.target, place.body, place.headers...)
		}
	}
	secrets = append(secrets, signInEverywhere(e, demo)...)
	e.advance(0)
	if err := e.app.Close(); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, "log", e.log.String(), secrets)
	wantAbsent(t, "database", databaseBytes(t, e.app.Config.Data), secrets)
	if !strings.Contains(e.log.String(), "level=INFO msg=request") {
		t.Error("the log is empty: nothing was tested")
	}
}

// signInEverywhere uses passwords as people do, rightly and by mistake, and returns
// them and what they gave.
func signInEverywhere(e *env, demo Demo) (secrets []string) {
	admin := first(e.pairOf("warehouse", e.boss()))
	made := "a password for somebody new"
	wantCode(e.t, e.do("POST", "/api/users", object("username", "newcomer", "password", made), "Content-Type", "application/json",
		"Authorization", "Bearer "+admin), 201)
	for name, password := range map[string]string{"newcomer": made, DemoPerson: demo.Password(DemoPerson), DemoApplication: demo.Password(DemoApplication)} {
		w, access, refresh := e.caLogin(name, password)
		wantCode(e.t, w, 200)
		w, item := e.itemLogin(name, password)
		wantCode(e.t, w, 200)
		secrets = append(secrets, password, access, refresh, item["accessToken"], item["refreshToken"])
		e.caLogin(password, name) // the wrong way round
		e.itemLogin(password, name)
		e.caLogin(name, password+"x")
		e.itemLogin(name, "x"+password)
		for _, place := range everywhere(password, &secrets) {
			e.do(place.method, place.target, place.body, place.headers...)
		}
	}
	return secrets
}

type request struct {
	method, target, body string
	headers              []string
}

// everywhere puts a secret where clients have put theirs by mistake.
func everywhere(text string, secrets *[]string) []request {
	*secrets = append(*secrets, text)
	var all []request
	for _, path := range []string{"/webservices/refresh_token.php", "/webservices/credentials_service_v2.php", "/api/auth/token/",
		"/api/auth/token/refresh/", "/api/auth/user/", "/auth/v1/key", "/auth/v1/token/refresh", "/auth/v1/whoami", "/auth/v1/ping",
		"/service/Auth", "/service.php/auth/_default", "/service/whoami", "/service/other", "/api/users/login", "/api/users/refresh",
		"/api/users/application-token", "/api/users", "/api/users/1", "/api/stations",
		"/healthz", "/readyz", "/symbolon/keys/samples.pem", "/"} {
		safe := strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D", " ", "%20").Replace(text)
		all = append(all,
			request{"GET", path + "?key=" + safe + "&jwt=" + safe, "", nil},
			request{"POST", path, text, []string{"Content-Type", "application/json"}},
			request{"POST", path, "refresh=%zz" + text, []string{"Content-Type", "application/x-www-form-urlencoded"}},
			request{"POST", path, `{"refresh":["` + text + `"],"key":{"` + text + `":1}}`, []string{"Content-Type", "application/json"}},
			request{"POST", path, `{"username":"` + text + `","password":"` + text + `"}`, []string{"Content-Type", "application/json"}},
			request{"POST", path, `{"query":"{ login(username: \"demo\", password: \"` + text + `\") { jwt } refresh(token: \"` + text + `\") { jwt } x: ` + text + ` }"}`, nil},
			request{"POST", path, `{"query":"query($t: String) { validate(jwt: $t) { id } nosuch(a: $` + text + `) }","variables":{"t":"` + text + `"}}`, nil},
			request{"POST", path, "", []string{"Content-Type", text, "Authorization", "Basic " + text, "Cookie", "a=" + text}},
			request{"POST", path, "{}", []string{"Authorization", "Bearer " + text + " " + text, "Idempotency-Key", text, "X-Forwarded-For", text}},
			request{"POST", strings.TrimSuffix(path, "/") + "/" + safe, "", nil},
		)
	}
	return all
}

// wantAbsent looks for each secret whole, and for the parts that would do.
func wantAbsent(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	const shortest = 12
	parts := map[string][]string{} // :: first characters → parts that begin so
	for _, s := range secrets {
		for _, part := range append(strings.Split(s, "."), s) {
			if len(part) >= shortest && !public(part) && !slices.Contains(parts[part[:shortest]], part) {
				parts[part[:shortest]] = append(parts[part[:shortest]], part)
			}
		}
	}
	for i := range len(text) - shortest + 1 {
		for _, part := range parts[text[i:i+shortest]] {
			if strings.HasPrefix(text[i:], part) {
				t.Errorf("the %s holds %.20s… of a secret with %d characters", where, part, len(part))
				return
			}
		}
	}
}

// public reports whether a part of a token is its header, which is no secret.
func public(part string) bool {
	return strings.HasPrefix(part, "eyJhbGciOi") || strings.HasPrefix(part, "eyJ0eXAiOi")
}

func databaseBytes(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join(dir, "symbolon.db*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		all.WriteString(readFile(t, f))
	}
	return all.String()
}
