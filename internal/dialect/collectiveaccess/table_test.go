package collectiveaccess

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/graphql"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

const nulls = `{"ok":true,"data":{"login":{"id":null,"jwt":null,"refresh":null,"user":null}}}`

func styled(style string) func(*config.Service) {
	return func(c *config.Service) { c.CollectiveAccess.ErrorStyle = style }
}

// TestErrorTable is every row of the table of errors, in both styles.
func TestErrorTable(t *testing.T) {
	const selection = ` { id jwt refresh user { id } } }`
	masked := func(field, expired string) [2]string {
		return [2]string{
			`{"ok":false,"errors":[{"message":"Internal server error","locations":[{"line":1,"column":3}],"path":["` + field + `"]` + expired + `}],"data":{"` + field + `":null}}`,
			`{"ok":false,"errors":[{"message":"Internal server error","extensions":{"category":"internal"},"locations":[{"line":1,"column":3}],"path":["` + field + `"]` + expired + `}],"data":{"` + field + `":null}}`,
		}
	}
	plain := func(message string, line, column int) [2]string {
		place := fmt.Sprintf(`"locations":[{"line":%d,"column":%d}]`, line, column)
		return [2]string{
			`{"ok":false,"errors":[{"message":` + string(httpio.JSON(message)) + `,` + place + `}]}`,
			`{"ok":false,"errors":[{"message":` + string(httpio.JSON(message)) + `,"extensions":{"category":"graphql"},` + place + `}]}`,
		}
	}
	same := func(body string) [2]string { return [2]string{body, body} }
	for i, style := range []string{"v15", "v14"} {
		t.Run(style, func(t *testing.T) {
			e := newEnv(t, styled(style))
			good, _ := e.login()
			e.Advance(16 * time.Minute)
			expired := good
			good, _ = e.login()
			for name, c := range map[string]struct {
				query     string
				variables string
				headers   []string
				status    int
				body      [2]string
			}{
				"wrong password":        {query: `{ login(username: "api", password: "wrong")` + selection, status: 200, body: same(nulls)},
				"unknown user":          {query: `{ login(username: "nobody", password: "correct horse")` + selection, status: 200, body: same(nulls)},
				"no arguments":          {query: `{ login` + selection, status: 200, body: same(nulls)},
				"null password":         {query: `{ login(username: "api", password: null)` + selection, status: 200, body: same(nulls)},
				"refresh of nothing":    {query: `{ refresh { jwt } }`, status: 200, body: same(`{"ok":true,"data":{"refresh":{"jwt":null}}}`)},
				"refresh of null":       {query: `{ refresh(token: null) { jwt } }`, headers: []string{bearerOf(good)}, status: 200, body: same(`{"ok":true,"data":{"refresh":{"jwt":null}}}`)},
				"refresh of empty":      {query: `{ refresh(token: "") { jwt } }`, headers: []string{bearerOf(good)}, status: 200, body: same(`{"ok":true,"data":{"refresh":{"jwt":null}}}`)},
				"validate nothing":      {query: `{ validate { id } }`, status: 500, body: masked("validate", "")},
				"validate null":         {query: `{ validate(jwt: null) { id } }`, headers: []string{bearerOf(good)}, status: 500, body: masked("validate", "")},
				"expired at refresh":    {query: `{ refresh(token: "` + expired + `") { jwt } }`, status: 401, body: masked("refresh", `,"expiredToken":true`)},
				"expired at validate":   {query: `{ validate { id } }`, headers: []string{bearerOf(expired)}, status: 401, body: masked("validate", `,"expiredToken":true`)},
				"garbage at refresh":    {query: `{ refresh(token: "garbage") { jwt } }`, status: 500, body: masked("refresh", "")},
				"garbage at validate":   {query: `{ validate(jwt: "a.b.c") { id } }`, status: 500, body: masked("validate", "")},
				"syntax error":          {query: `query { login(username:`, status: 500, body: plain("Syntax Error: Unexpected <EOF>", 1, 24)},
				"empty query":           {query: ``, status: 500, body: plain("Syntax Error: Unexpected <EOF>", 1, 1)},
				"unknown field":         {query: `{ login { nope } }`, status: 500, body: plain(`Cannot query field "nope" on type "User".`, 1, 11)},
				"unknown root field":    {query: `{ logout }`, status: 500, body: plain(`Cannot query field "logout" on type "Auth". Did you mean "login"?`, 1, 3)},
				"no selection":          {query: `{ login }`, status: 500, body: plain(`Field "login" of type "User" must have a sub selection.`, 1, 3)},
				"unknown argument":      {query: `{ login(user: "a") { id } }`, status: 500, body: plain(`Unknown argument "user" on field "login" of type "Auth".`, 1, 9)},
				"wrong literal":         {query: `{ login(username: 5) { id } }`, status: 500, body: [2]string{plain(`String cannot represent a non string value: 5`, 1, 19)[0], plain(`Field "login" argument "username" requires type String, found 5.`, 1, 19)[1]}},
				"required variable":     {query: `query ($password: String!) { login(password: $password) { id } }`, status: 500, body: plain(`Variable "$password" of required type "String!" was not provided.`, 1, 8)},
				"wrong variable":        {query: `query ($u: String) { login(username: $u) { id } }`, variables: `{"u":5}`, status: 500, body: [2]string{plain(`Variable "$u" got invalid value 5; String cannot represent a non string value: 5`, 1, 8)[0], plain(`Variable "$u" got invalid value 5; Expected type String; String cannot represent a non string value: 5`, 1, 8)[1]}},
				"mutation":              {query: `mutation { logout }`, status: 500, body: plain(`Schema is not configured for mutations.`, 1, 1)},
				"subscription":          {query: `subscription { logout }`, status: 500, body: plain(`Schema is not configured for subscriptions.`, 1, 1)},
				"two operations":        {query: `query A { __typename } query B { __typename }`, status: 500, body: [2]string{`{"ok":false,"errors":[{"message":"Must provide operation name if query contains multiple operations."}]}`, `{"ok":false,"errors":[{"message":"Must provide operation name if query contains multiple operations.","extensions":{"category":"graphql"}}]}`}},
				"root type":             {query: `{ __typename }`, status: 200, body: same(`{"ok":true,"data":{"__typename":"Auth"}}`)},
				"nothing left":          {query: `{ login @skip(if: true) { id } }`, status: 200, body: same(`{"ok":true,"data":{}}`)},
				"bearer not in default": {query: `{ __type(name: "Auth") { fields { args { defaultValue } } } }`, headers: []string{bearerOf(good)}, status: 200, body: same(`{"ok":true,"data":{"__type":{"fields":[{"args":[{"defaultValue":"null"},{"defaultValue":"null"}]},{"args":[{"defaultValue":"null"}]},{"args":[{"defaultValue":"null"}]}]}}}`)},
			} {
				t.Run(name, func(t *testing.T) {
					if c.variables == "" {
						c.variables = "null"
					}
					e.T = t
					w := e.Do("POST", "/service/Auth", `{"query":`+string(httpio.JSON(c.query))+`,"variables":`+c.variables+`}`, c.headers...)
					want(t, w, c.status, c.body[i])
				})
			}
		})
	}
}

// The first error alone decides whether an expired token is a 401.
func TestFirstErrorDecides(t *testing.T) {
	e := newEnv(t, nil)
	expired, _ := e.login()
	e.Advance(16 * time.Minute)
	for query, status := range map[string]int{
		`{ a: refresh(token: "garbage") { jwt } b: refresh { jwt } }`: 500,
		`{ a: refresh { jwt } b: refresh(token: "garbage") { jwt } }`: 401,
	} {
		if w := e.query(query, bearerOf(expired)); w.Code != status {
			t.Errorf("%s: status %d, want %d", query, w.Code, status)
		}
	}
}

func TestUnusableBodies(t *testing.T) {
	hint := func(why string) [2]string {
		text := string(httpio.JSON(why + ` Send JSON such as {"query":"query { login(username: \"NAME\", password: \"PASSWORD\") { jwt refresh } }"} to this address.`))
		return [2]string{
			`{"ok":false,"errors":[{"message":"An invalid parameter type error occurred. Are your arguments correct? [` + text[1:len(text)-1] + `]"}]}`,
			`{"ok":false,"errors":[{"message":"Syntax Error: Unexpected <EOF>","extensions":{"category":"graphql","hint":` + text + `},"locations":[{"line":1,"column":1}]}]}`,
		}
	}
	inBoth := hint("The member variables is no object.")
	inBoth[1] = inBoth[0]
	for i, style := range []string{"v15", "v14"} {
		e := newEnv(t, styled(style))
		for body, answer := range map[string][2]string{
			"":                                hint("The body is empty."),
			" \r\n":                           hint("The body is empty."),
			`query { __typename }`:            hint("The body is not one JSON object."),
			`query=%7B__typename%7D`:          hint("The body is not one JSON object."),
			`[{"query":"{a}"}]`:               hint("The body is not one JSON object."),
			`"abc"`:                           hint("The body is not one JSON object."),
			"{\"query\":\"\xff\"}":            hint("The body is not one JSON object."),
			`{}`:                              hint("The member query is missing or no text."),
			`{"query":5}`:                     hint("The member query is missing or no text."),
			`{"query":null}`:                  hint("The member query is missing or no text."),
			`{"query":"a","query":1}`:         hint("A member appears twice in the body."),
			`{"query":"a","x":{"y":1,"y":2}}`: hint("A member appears twice in the body."),
			`{"Query":"{__typename}"}`:        hint("A member differs from query or variables in letter case only."),
			`{"query":"a","VARIABLES":{}}`:    hint("A member differs from query or variables in letter case only."),
			`{"query":"{__typename}","variables":""}`: inBoth,
			`{"query":"{__typename}","variables":1}`:  inBoth,
		} {
			t.Run(style+" "+body, func(t *testing.T) {
				e.T = t
				want(t, e.Do("POST", "/service/Auth", body), 500, answer[i])
			})
		}
	}
}

func TestUsableBodies(t *testing.T) {
	e := newEnv(t, nil)
	const answer = `{"ok":true,"data":{"__typename":"Auth"}}`
	for _, body := range []string{
		`{"query":"{__typename}"}`, `{"query":"{__typename}","variables":null}`, `{"query":"{__typename}","variables":[]}`,
		`{"query":"{__typename}","variables":{"unused":{"a":[1]}},"operationName":"Other","extra":1}`, ` {"query":"query A {__typename}","operationName":"B"}`,
	} {
		for _, method := range []string{"POST", "GET", "PUT", "DELETE", "PATCH"} {
			for _, kind := range []string{"", "application/json", "text/plain", "application/x-www-form-urlencoded", "application/graphql"} {
				if w := e.Do(method, "/service/Auth?query=ignored", body, "Content-Type: "+kind); w.Code != 200 || w.Body.String() != answer {
					t.Errorf("%s %q %s: %d %s", method, kind, body, w.Code, w.Body)
				}
			}
		}
	}
}

func TestPaths(t *testing.T) {
	const (
		found        = `{"ok":true,"data":{"__typename":"Auth"}}`
		noService    = `{"ok":false,"errors":{"message":"Invalid controller path","extensions":{"category":"routing"},"locations":null}}`
		noServicePHP = `{"ok":false,"errors":{"message":"Invalid controller path","extensions":{"category":null},"locations":null}}`
		undispatched = `{"ok":false,"errors":{"message":"Not dispatchable","extensions":{"category":"routing"},"locations":null}}`
	)
	for _, prefix := range []string{"/", "/ca"} {
		e := newEnv(t, func(c *config.Service) { c.Path = prefix })
		for path, body := range map[string]string{
			"/service/Auth": found, "/service/auth": found, "/service/Auth/": found, "/service/Auth/_default": found,
			"/service/auth/_default/": found, "/service.php/Auth": found, "/service.php/auth": found, "/service.php/Auth/_default": found,
			"/service/Au-th": found, "/service/%41uth": found, "/service/Auth?authToken=x": found,
			"/service/AUTH": noService, "/service/aUTH": noService, "/service/Search": noService, "/service/index.php/Auth": noService,
			"/service": noService, "/service/": noService, "/service.php": noServicePHP, "/service.php/": noServicePHP,
			"/service.php/json/auth/login": noServicePHP, "/service/Auth/login": undispatched, "/service/Auth/getBearerToken": undispatched,
			"/service/Auth/_default/x": undispatched, "/service/auth/login": undispatched,
			"/service.php/auth/login": strings.Replace(undispatched, `"routing"`, "null", 1),
		} {
			t.Run(prefix+path, func(t *testing.T) {
				e.T = t
				w := e.Do("POST", strings.TrimSuffix(prefix, "/")+path, `{"query":"{__typename}"}`)
				status := 404
				if body == found {
					status = 200
				}
				want(t, w, status, body)
				if got := w.Header().Get("Access-Control-Allow-Origin"); (got == "*") != (status == 200) {
					t.Errorf("Access-Control-Allow-Origin %q", got)
				}
				if got := w.Header().Get("Content-Type"); got != "application/json" {
					t.Errorf("Content-Type %q", got)
				}
			})
		}
	}
	if w := newEnv(t, nil).dialect.NotFound(&httpio.Request{Path: "/elsewhere"}); w.Status != 404 || string(w.Body) != noService {
		t.Errorf("%d %s", w.Status, w.Body)
	}
}

func TestHeaders(t *testing.T) {
	e := newEnv(t, nil)
	expected := map[string]string{
		"Content-Type":                     "application/json",
		"Access-Control-Allow-Origin":      "*",
		"Access-Control-Allow-Methods":     "POST, GET, OPTIONS, DELETE, PUT",
		"Access-Control-Max-Age":           "1000",
		"Access-Control-Allow-Headers":     "x-requested-with, Content-Type, origin, authorization, accept, client-security-token",
		"Cache-Control":                    "no-store, no-cache, must-revalidate",
		"Expires":                          "Mon, 26 Jul 1997 05:00:00 GMT",
		"Access-Control-Allow-Credentials": "",
		"WWW-Authenticate":                 "",
		"Set-Cookie":                       "",
	}
	for name, w := range map[string]http.Header{
		"answer":    e.query(loginQuery).Header(),
		"error":     e.query(`{ validate { id } }`).Header(),
		"no query":  e.Do("GET", "/service/Auth", "").Header(),
		"preflight": e.Do("OPTIONS", "/service/Auth", `{"query":"{__typename}"}`).Header(),
	} {
		for header, value := range expected {
			if got := w.Get(header); got != value {
				t.Errorf("%s: %s is %q, want %q", name, header, got, value)
			}
		}
	}
	want(t, e.Do("OPTIONS", "/service/Auth", `{"query":"{__typename}"}`), 200, "")
}

func TestPretty(t *testing.T) {
	e := newEnv(t, nil)
	const query = `{"query":"{__typename login{id}}"}`
	const spread = "{\n  \"ok\": true,\n  \"data\": {\n    \"__typename\": \"Auth\",\n    \"login\": {\n      \"id\": null\n    }\n  }\n}"
	want(t, e.Do("POST", "/service/Auth?pretty=1", query), 200, spread)
	for _, value := range []string{"0", "-1", "yes", ""} {
		want(t, e.Do("POST", "/service/Auth?pretty="+value, query), 200, `{"ok":true,"data":{"__typename":"Auth","login":{"id":null}}}`)
	}
}

// Slashes, angle brackets and ampersands stand as they are; everything outside ASCII is escaped.
func TestEncoding(t *testing.T) {
	got := string(encode(object("a/b", "<ä>&🦀\u2028\x7f\x01\b\"\\", "n", int64(-1), "l", []any{true, nil, 3})))
	if want := `{"a/b":"<\u00e4>&\ud83e\udd80\u2028` + "\x7f" + `\u0001\b\"\\","n":-1,"l":[true,null,3]}`; got != want {
		t.Errorf("got %s", got)
	}
}

// fixedEngine refuses everything with one error.
type fixedEngine struct{ err error }

func (f fixedEngine) Issue(context.Context, token.Caller, token.IssueRequest) (token.Tokens, error) {
	return token.Tokens{}, f.err
}

func (f fixedEngine) Refresh(context.Context, token.Caller, token.RefreshRequest) (token.Tokens, error) {
	return token.Tokens{}, f.err
}

func (f fixedEngine) Introspect(context.Context, string, string, ...token.Kind) (token.Claims, token.Subject, error) {
	return token.Claims{}, token.Subject{}, f.err
}

func (f fixedEngine) Revoke(context.Context, token.Caller, token.RevokeRequest) (token.Ended, error) {
	return token.Ended{}, f.err
}

// TestCodes renders every code of the engine at every field in both styles.
func TestCodes(t *testing.T) {
	var b strings.Builder
	for _, style := range []string{"v15", "v14"} {
		for _, query := range []string{`{login(username:"a",password:"b"){jwt}}`, `{refresh(token:"a"){jwt}}`, `{validate(jwt:"a"){id}}`} {
			for _, code := range token.Codes() {
				err := &token.Error{Code: code, RetryAfter: 1500 * time.Millisecond}
				d := newDialect(t, &door{err: err}, slog.New(slog.DiscardHandler), styled(style))
				handle := routeOf(d, fixedEngine{err}, "/service/")
				resp := handle(t.Context(), &httpio.Request{Method: "POST", Path: "/service/Auth", Body: httpio.JSON(map[string]string{"query": query})})
				fmt.Fprintf(&b, "# %s, %s: %v\n%d", style, query, code, resp.Status)
				if wait := resp.Header.Get("Retry-After"); wait != "" {
					fmt.Fprintf(&b, ", Retry-After: %s", wait)
				}
				fmt.Fprintf(&b, "\n%s\n\n", resp.Body)
			}
		}
	}
	golden(t, "codes.golden", b.String())
}

func routeOf(d *Dialect, e Engine, pattern string) httpio.Handler {
	routes := d.Routes(e)
	return routes[slices.IndexFunc(routes, func(r httpio.Route) bool { return r.Pattern == pattern })].Handle
}

// One answer that can be had later makes the whole request one to send again.
func TestStatusOfSeveralErrors(t *testing.T) {
	cause := func(code token.Code, wait time.Duration) *graphql.Error {
		return &graphql.Error{Cause: &token.Error{Code: code, RetryAfter: wait}}
	}
	for name, c := range map[string]struct {
		errors []*graphql.Error
		status int
		retry  time.Duration
	}{
		"none":                  {nil, 200, 0},
		"too many after others": {[]*graphql.Error{cause(token.Expired, 0), cause(token.TooMany, time.Minute)}, 429, time.Minute},
		"unavailable wins":      {[]*graphql.Error{cause(token.Unavailable, 0), cause(token.TooMany, 2*time.Second)}, 503, 2 * time.Second},
		"a foreign error":       {[]*graphql.Error{{Cause: context.Canceled}}, 503, time.Second},
		"a fault of the query":  {[]*graphql.Error{{}, cause(token.Expired, 0)}, 500, 0},
	} {
		status, retry := statusOf(c.errors)
		if status != c.status || retry != c.retry {
			t.Errorf("%s: %d, %v", name, status, retry)
		}
	}
}

func TestFailed(t *testing.T) {
	d := newDialect(t, &door{}, slog.New(slog.DiscardHandler), nil)
	var b strings.Builder
	for _, status := range []int{400, 408, 413, 500, 503} {
		resp := d.Failed(status)
		fmt.Fprintf(&b, "%d %s\n", resp.Status, resp.Body)
		if diff := cmp.Diff("*", resp.Header.Get("Access-Control-Allow-Origin")); diff != "" {
			t.Error(diff)
		}
	}
	golden(t, "failed.golden", b.String())
}

// The mux collapses slashes by a redirect that keeps method and body.
func TestDoubledSlashes(t *testing.T) {
	w := newEnv(t, nil).Do("POST", "/service//Auth", `{"query":"{__typename}"}`)
	if got := w.Header().Get("Location"); w.Code != 307 || got != "/service/Auth" {
		t.Errorf("%d %s", w.Code, got)
	}
}
