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

// consumer is one place of one wire that takes a token or a key. ok is the
// status of its yes.
type consumer struct {
	name string
	ok   int
	use  func(e *env, text string) *httptest.ResponseRecorder
}

// consumers are all there are in the services samples and ecology.
var consumers = []consumer{
	{"credentials", 200, func(e *env, s string) *httptest.ResponseRecorder {
		return e.bearer("GET", "/webservices/credentials_service_v2.php", s)
	}},
	{"refresh.php", 200, func(e *env, s string) *httptest.ResponseRecorder { return e.refresh(s) }},
	{"refresh form", 200, func(e *env, s string) *httptest.ResponseRecorder {
		return e.do("POST", "/webservices/refresh_token.php", "refresh="+strings.NewReplacer("+", "%2B", "=", "%3D", "&", "%26").Replace(s),
			"Content-Type", "application/x-www-form-urlencoded")
	}},
	{"refresh json", 200, func(e *env, s string) *httptest.ResponseRecorder {
		return e.json("POST", "/api/auth/token/refresh/", "refresh", s)
	}},
	{"blacklist", 200, func(e *env, s string) *httptest.ResponseRecorder {
		return e.json("POST", "/api/auth/token/blacklist/", "refresh", s)
	}},
	{"blacklist-all", 200, func(e *env, s string) *httptest.ResponseRecorder {
		return e.bearer("DELETE", "/api/auth/token/blacklist-all/", s)
	}},
	{"auth/user", 200, func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("GET", "/api/auth/user/", s) }},
	{"mint", 200, func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("POST", "/api/auth/token/", s) }},
	{"edi-token", 200, func(e *env, s string) *httptest.ResponseRecorder { return e.ediRefresh(nil, s) }},
	{"pasta-token", 200, func(e *env, s string) *httptest.ResponseRecorder {
		edi, _ := e.ediPair("ecology")
		return e.ediRefresh(s, edi)
	}},
	{"edi key", 200, func(e *env, s string) *httptest.ResponseRecorder { return e.json("POST", "/auth/v1/key", "key", s) }},
	{"edi service key", 200, func(e *env, s string) *httptest.ResponseRecorder {
		return e.json("POST", "/auth/v1/token/"+e.ada.Subjects["ecology"], "key", s)
	}},
	{"whoami bearer", 200, func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("GET", "/auth/v1/whoami", s) }},
	{"whoami cookie", 200, func(e *env, s string) *httptest.ResponseRecorder {
		return e.do("GET", "/auth/v1/whoami", "", "Cookie", "edi-token="+s)
	}},
}

// kind is one kind of credential: how to make a fresh one and who may take it.
type kind struct {
	name string
	make func(e *env) string
	good string // names of consumers, split by ", "
}

var kinds = []kind{
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
	{"user name", func(*env) string { return "ada" }, ""},
	{"subject", func(e *env) string { return e.ada.Subjects["ecology"] }, ""},
}

func keyPair(e *env) map[string]string {
	return texts(e.t, e.bearer("POST", "/api/auth/token/", e.apiKey()))
}

// twoOfEach adds a second service of each dialect, which shares all it may.
func twoOfEach(c *config.Config) {
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
// and nowhere else, and whatever is refused is refused with a 4xx.
func TestEveryKindAtEveryConsumer(t *testing.T) {
	e := newEnv(t, func(c *config.Config) {
		writeFile(t, filepath.Join(c.Data, "forest.pem"), rsaKeys()[1])
		twoOfEach(c)
	})
	var table strings.Builder
	fmt.Fprintf(&table, "%-30s", "")
	for _, c := range consumers {
		fmt.Fprintf(&table, " %-15s", c.name)
	}
	for _, k := range kinds {
		fmt.Fprintf(&table, "\n%-30s", k.name)
		good := strings.Split(k.good, ", ")
		for _, c := range consumers {
			w := c.use(e, k.make(e))
			fmt.Fprintf(&table, " %-15d", w.Code)
			passes := w.Code == c.ok
			if passes != slices.Contains(good, c.name) || !passes && (w.Code < 400 || w.Code > 499) {
				t.Errorf("%s at %s: %d %s", k.name, c.name, w.Code, w.Body)
			}
		}
	}
	t.Log("\n" + table.String())
}

// TestKindsAtTheOtherServices: the same tokens are worth nothing to a service
// of the same dialect, and its own pass there.
func TestKindsAtTheOtherServices(t *testing.T) {
	e := newEnv(t, func(c *config.Config) {
		writeFile(t, filepath.Join(c.Data, "forest.pem"), rsaKeys()[1])
		twoOfEach(c)
	})
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
	e := newEnv(t, func(c *config.Config) {
		writeFile(t, filepath.Join(c.Data, "forest.pem"), rsaKeys()[1])
		twoOfEach(c)
	})
	demo, err := e.app.PrepareDemo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, p := range demo.Passwords {
		secrets = append(secrets, p.Text.Reveal())
	}
	for _, k := range kinds[:len(kinds)-2] { // the last two are no secrets
		for _, c := range consumers {
			text := k.make(e)
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
		"/healthz", "/readyz", "/symbolon/keys/samples.pem", "/"} {
		safe := strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
		all = append(all,
			request{"GET", path + "?key=" + safe, "", nil},
			request{"POST", path, text, []string{"Content-Type", "application/json"}},
			request{"POST", path, "refresh=%zz" + text, []string{"Content-Type", "application/x-www-form-urlencoded"}},
			request{"POST", path, `{"refresh":["` + text + `"],"key":{"` + text + `":1}}`, []string{"Content-Type", "application/json"}},
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
	for _, s := range secrets {
		for _, part := range append(strings.Split(s, "."), s) {
			if len(part) >= 12 && strings.Contains(text, part) && !public(part) {
				t.Errorf("the %s holds %.20s… of a secret of %d characters", where, part, len(s))
				return
			}
		}
	}
}

// public reports whether a part of a token is its header, which is no secret.
func public(part string) bool { return strings.HasPrefix(part, "eyJhbGciOi") }

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
