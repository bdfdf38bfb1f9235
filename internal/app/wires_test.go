package app

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

// The requests of the two wires that people sign in to with a password.

// graph asks the Auth endpoint below a prefix; text is the query's variable t.
func (e *env) graph(prefix, query, text string, headers ...string) *httptest.ResponseRecorder {
	e.t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": map[string]string{"t": text}})
	if err != nil {
		e.t.Fatal(err)
	}
	return e.do("POST", prefix+"/service/Auth", string(body), append(headers, "Content-Type", "application/json")...)
}

const (
	refreshQuery  = `query($t: String) { refresh(token: $t) { jwt } }`
	validateQuery = `query($t: String) { validate(jwt: $t) { id username } }`
)

func (e *env) caRefresh(prefix, text string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.graph(prefix, refreshQuery, text)
}

func (e *env) caQuery(prefix, text string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.do("GET", prefix+"/service/whoami?jwt="+url.QueryEscape(text), "")
}

// caLogin signs in and returns the answer with its two tokens.
func (e *env) caLogin(name, password string, headers ...string) (w *httptest.ResponseRecorder, access, refresh string) {
	e.t.Helper()
	query := `query($t: String) { login(username: ` + quoted(name) + `, password: $t) { jwt refresh } }`
	w = e.graph("", query, password, headers...)
	var answer struct {
		Data struct {
			Login struct{ JWT, Refresh string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		e.t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return w, answer.Data.Login.JWT, answer.Data.Login.Refresh
}

func quoted(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// itemLogin signs in and returns the answer with its texts.
func (e *env) itemLogin(name, password string, headers ...string) (*httptest.ResponseRecorder, map[string]string) {
	e.t.Helper()
	w := e.do("POST", "/api/users/login", object("username", name, "password", password), append(headers, "Content-Type", "application/json")...)
	return w, texts(e.t, w)
}

// applicationToken makes one at a service with a fresh refresh token of the account.
func (e *env) applicationToken(prefix, service string, id int64) string {
	e.t.Helper()
	w := e.bearer("POST", prefix+"/users/application-token", e.issue(service, id).Refresh.Reveal())
	wantCode(e.t, w, 200)
	return texts(e.t, w)["token"]
}

// member is the account of that name, made at the first call.
func (e *env) member(name, kind string, groups ...string) int64 {
	e.t.Helper()
	if a, err := e.app.Accounts.Get(e.t.Context(), name); err == nil {
		return a.ID
	}
	for _, g := range groups {
		if _, err := e.app.Accounts.AddGroup(e.t.Context(), operator, g, ""); err != nil {
			e.t.Fatal(err)
		}
	}
	return e.account(account.New{Name: name, Type: kind, Groups: groups, Password: name + " has a password"}).ID
}

// robot is an application, boss a person in the group of admins.
func (e *env) robot() int64 { return e.member("robot", account.Application) }
func (e *env) boss() int64  { return e.member("boss", account.Person, "admins") }

// pairOf issues both tokens of a service.
func (e *env) pairOf(service string, id int64) (access, refresh string) {
	e.t.Helper()
	t := e.issue(service, id)
	return t.Access.Reveal(), t.Refresh.Reveal()
}

// galleryAndDepot adds a second service of each of the two dialects, whose access keys
// others hold.
func galleryAndDepot(t *testing.T, c *config.Config) {
	t.Helper()
	gallery, depot := c.Services[2], c.Services[3]
	ca, item := *gallery.CollectiveAccess, *depot.ItemPath
	ca.KeyShared, ca.KeyFile = true, writeFile(t, filepath.Join(c.Data, "gallery.key"), []byte("the secret that the site's PHP holds too"))
	item.KeyFile = writeFile(t, filepath.Join(c.Data, "depot.key"), []byte("the secret that the backend of the depot holds too"))
	gallery.Name, gallery.Path, gallery.Audience, gallery.CollectiveAccess = "gallery", "/gallery", "", &ca
	depot.Name, depot.Path, depot.Audience, depot.ItemPath = "depot", "/depot", "", &item
	c.Services = append(c.Services, gallery, depot)
}

// everybody are the accounts that the kinds of tokens belong to.
func (e *env) everybody() []int64 { return []int64{e.ada.ID, e.robot(), e.boss()} }

// revokeEverybody ends all tokens and keys of everybody.
func (e *env) revokeEverybody() {
	e.t.Helper()
	for _, id := range e.everybody() {
		if _, err := e.app.Engine.Revoke(e.t.Context(), token.Operator(), token.RevokeRequest{Account: id, Reason: "test"}); err != nil {
			e.t.Fatal(err)
		}
	}
}

// passwordConsumers are those of the services collections and warehouse.
var passwordConsumers = []consumer{
	{name: "ca refresh", ok: 200, yes: `"jwt":"ey`, masks: true, use: func(e *env, s string) *httptest.ResponseRecorder { return e.caRefresh("", s) }},
	{name: "ca refresh bearer", ok: 200, yes: `"jwt":"ey`, masks: true, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.graph("", `{ refresh { jwt } }`, "", "Authorization", "Bearer "+s)
	}},
	{name: "ca validate", ok: 200, yes: `"username":"`, masks: true, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.graph("", validateQuery, s)
	}},
	{name: "ca whoami", ok: 200, yes: `"username":"`, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.bearer("GET", "/service/whoami", s)
	}},
	{name: "ca whoami jwt=", ok: 200, yes: `"username":"`, use: func(e *env, s string) *httptest.ResponseRecorder { return e.caQuery("", s) }},
	{name: "item refresh", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("POST", "/api/users/refresh", s) }},
	{name: "item refresh GET", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("GET", "/api/users/refresh", s) }},
	{name: "application-token", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder {
		return e.bearer("POST", "/api/users/application-token", s)
	}},
	{name: "stations", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("GET", "/api/stations", s) }},
	{name: "users", ok: 200, use: func(e *env, s string) *httptest.ResponseRecorder { return e.bearer("GET", "/api/users", s) }},
}

const (
	caAccessGood  = "ca refresh, ca refresh bearer, ca validate, ca whoami, ca whoami jwt="
	caRefreshGood = "ca refresh, ca refresh bearer"
	itemRefreshes = "item refresh, item refresh GET"
)

// passwordKinds are the tokens of those services, each under the name of its service
// where that is not of the first two.
var passwordKinds = []kind{
	{"ca access", func(e *env) string { return first(e.pairOf("collections", e.ada.ID)) }, caAccessGood},
	{"ca refresh", func(e *env) string { return second(e.pairOf("collections", e.ada.ID)) }, caRefreshGood},
	{"ca access of a refresh", func(e *env) string {
		answer := e.caRefresh("", second(e.pairOf("collections", e.ada.ID))).Body.String()
		return between(e.t, answer, `"jwt":"`, `"`)
	}, caAccessGood},
	{"item access", func(e *env) string { return first(e.pairOf("warehouse", e.ada.ID)) }, "stations"},
	{"item refresh", func(e *env) string { return second(e.pairOf("warehouse", e.ada.ID)) }, itemRefreshes},
	{"item access of a refresh", func(e *env) string {
		return texts(e.t, e.bearer("POST", "/api/users/refresh", second(e.pairOf("warehouse", e.ada.ID))))["accessToken"]
	}, "stations"},
	{"item access, application", func(e *env) string { return first(e.pairOf("warehouse", e.robot())) }, "stations"},
	{"item refresh, application", func(e *env) string { return second(e.pairOf("warehouse", e.robot())) }, itemRefreshes + ", application-token"},
	{"application token", func(e *env) string { return e.applicationToken("/api", "warehouse", e.robot()) }, "stations"},
	{"item access, admin", func(e *env) string { return first(e.pairOf("warehouse", e.boss())) }, "stations, users"},
	{"item refresh, admin", func(e *env) string { return second(e.pairOf("warehouse", e.boss())) }, itemRefreshes},
}

// foreignKinds are tokens of services that are those of galleryAndDepot.
var foreignKinds = []kind{
	{"access of another ca", func(e *env) string { return first(e.pairOf("gallery", e.boss())) }, ""},
	{"refresh of another ca", func(e *env) string { return second(e.pairOf("gallery", e.boss())) }, ""},
	{"access of another item", func(e *env) string { return first(e.pairOf("depot", e.boss())) }, ""},
	{"refresh of another item", func(e *env) string { return second(e.pairOf("depot", e.robot())) }, ""},
	{"application token of another", func(e *env) string { return e.applicationToken("/depot", "depot", e.robot()) }, ""},
}

// between is what stands in text after one mark and before the next.
func between(t *testing.T, text, after, before string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, after)
	found, _, end := strings.Cut(rest, before)
	if !ok || !end {
		t.Fatalf("nothing between %q and %q in %s", after, before, text)
	}
	return found
}

func first(a, _ string) string  { return a }
func second(_, b string) string { return b }

// TestKindsAtSharedKeys: where others hold the key of access tokens, an access token
// does not refresh, and opens no users resource, not even an admin's.
func TestKindsAtSharedKeys(t *testing.T) {
	e := newTwoOfEach(t)
	places := []struct {
		name string
		good []string
		use  func(text string) *httptest.ResponseRecorder
		yes  string
	}{
		{"ca refresh", []string{"refresh of another ca"}, func(s string) *httptest.ResponseRecorder { return e.caRefresh("/gallery", s) }, `"jwt":"ey`},
		{"ca whoami", []string{"access of another ca"}, func(s string) *httptest.ResponseRecorder { return e.bearer("GET", "/gallery/service/whoami", s) }, "username"},
		{"ca query", []string{"access of another ca"}, func(s string) *httptest.ResponseRecorder { return e.caQuery("/gallery", s) }, "username"},
		{"stations", []string{"access of another item", "application token of another"},
			func(s string) *httptest.ResponseRecorder { return e.bearer("GET", "/depot/stations", s) }, "stations"},
		{"refresh", []string{"refresh of another item"}, func(s string) *httptest.ResponseRecorder { return e.bearer("POST", "/depot/users/refresh", s) }, "accessToken"},
		{"application-token", []string{"refresh of another item"},
			func(s string) *httptest.ResponseRecorder {
				return e.bearer("POST", "/depot/users/application-token", s)
			}, "token"},
		{"users", nil, func(s string) *httptest.ResponseRecorder { return e.bearer("GET", "/depot/users", s) }, "users"},
	}
	for _, k := range slices.Concat(kinds, plain) {
		text := k.make(e)
		for _, p := range places {
			w := p.use(text)
			if passes := w.Code == 200; passes != slices.Contains(p.good, k.name) {
				t.Errorf("%s at %s: %d %s", k.name, p.name, w.Code, w.Body)
			}
		}
	}
}
