package app

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

// identityHeaders are those that every answer of the gate has.
var identityHeaders = []string{"X-Auth-Account", "X-Auth-Subject", "X-Auth-Name", "X-Auth-Identities", "X-Auth-Groups",
	"X-Auth-Scope", "X-Auth-Grant", "X-Auth-Expires"}

// trusting is an environment whose requests come from a listed proxy.
func trusting(t *testing.T, change func(*config.Config)) *env {
	return newEnv(t, func(c *config.Config) {
		c.TrustedProxies = []string{"192.0.2.1"} // where httptest's requests come from
		if change != nil {
			change(c)
		}
	})
}

// verify asks the gate of a service about a request, as a proxy does.
func (e *env) verify(service, method, uri string, headers ...string) *httptest.ResponseRecorder {
	e.t.Helper()
	if uri != "" {
		headers = append(headers, "X-Forwarded-Uri", uri, "X-Forwarded-Method", method)
	}
	return e.do("GET", "/symbolon/verify/"+service, "", headers...)
}

// wantNobody fails unless an answer has all identity headers, and all of them empty.
func wantNobody(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for _, name := range identityHeaders {
		if values, there := w.Header()[name]; !there || len(values) != 1 || values[0] != "" {
			t.Errorf("%s is %q, want one empty value", name, values)
		}
	}
}

// Each kind of token and key of each service passes at its own gate, in its own places, and nowhere else.
func TestEveryKindAtTheGates(t *testing.T) {
	e := trusting(t, nil)
	escape := url.QueryEscape
	gates := []struct {
		name, as string // as is the consumer that takes the same
		ask      func(text string) *httptest.ResponseRecorder
	}{
		{"samples bearer", "credentials", func(s string) *httptest.ResponseRecorder {
			return e.verify("samples", "GET", "/data", "Authorization", "Bearer "+s)
		}},
		{"ecology bearer", "whoami bearer", func(s string) *httptest.ResponseRecorder {
			return e.verify("ecology", "GET", "/data", "Authorization", "Bearer "+s)
		}},
		{"ecology cookie", "whoami cookie", func(s string) *httptest.ResponseRecorder {
			return e.verify("ecology", "GET", "/data", "Cookie", "edi-token="+s)
		}},
		{"ecology legacy cookie", "nobody", func(s string) *httptest.ResponseRecorder {
			return e.verify("ecology", "GET", "/data", "Cookie", "auth-token="+s)
		}},
		{"ecology key", "edi key", func(s string) *httptest.ResponseRecorder {
			return e.verify("ecology", "GET", "/data?key="+escape(s))
		}},
		{"collections bearer", "ca whoami", func(s string) *httptest.ResponseRecorder {
			return e.verify("collections", "GET", "/data", "Authorization", "Bearer "+s)
		}},
		{"collections jwt=", "ca whoami", func(s string) *httptest.ResponseRecorder {
			return e.verify("collections", "GET", "/data?a=b&jwt="+escape(s))
		}},
		{"warehouse bearer", "stations", func(s string) *httptest.ResponseRecorder {
			return e.verify("warehouse", "GET", "/data", "Authorization", "Bearer "+s)
		}},
		{"samples jwt=", "nobody", func(s string) *httptest.ResponseRecorder {
			return e.verify("samples", "GET", "/data?jwt="+escape(s)+"&key="+escape(s), "Cookie", "edi-token="+s)
		}},
	}
	for _, k := range slices.Concat(kinds, plain) {
		if strings.Contains(k.name, "another") {
			continue // they need their services, and are at no gate here
		}
		text := k.make(e)
		for _, g := range gates {
			w := g.ask(text)
			switch meant := slices.Contains(strings.Split(k.good, ", "), g.as); {
			case meant && (w.Code != 200 || w.Header().Get("X-Auth-Grant") == ""):
				t.Errorf("%s at %s: %d %s", k.name, g.name, w.Code, w.Body)
			case !meant && w.Code != 401 && w.Code != 403:
				t.Errorf("%s at %s: %d %s", k.name, g.name, w.Code, w.Body)
			case !meant:
				wantNobody(t, w)
				if w.Header().Get("WWW-Authenticate") == "" {
					t.Errorf("%s at %s: no challenge", k.name, g.name)
				}
			}
		}
	}
}

// The headers say who asks, in characters that every program reads alike.
func TestIdentityHeaders(t *testing.T) {
	e := trusting(t, nil)
	e.set("ada", account.Change{Display: ptr("Ada Müller, 100%")})
	for _, group := range []string{"curators", "mail"} {
		if _, err := e.app.Accounts.AddGroup(t.Context(), operator, group, "ada"); err != nil {
			t.Fatal(err)
		}
		if err := e.app.Accounts.AddMember(t.Context(), operator, group, "ada"); err != nil {
			t.Fatal(err)
		}
	}
	e.advance(0)
	edi, _ := e.ediPair("ecology")
	w := e.verify("ecology", "GET", "/data", "Cookie", "edi-token="+edi)
	wantCode(t, w, 200)
	for name, want := range map[string]string{
		"X-Auth-Account": "ada", "X-Auth-Subject": e.ada.Subjects["ecology"], "X-Auth-Name": "Ada M%C3%BCller, 100%25",
		"X-Auth-Groups": "curators,mail", "X-Auth-Scope": "", "X-Auth-Identities": "",
		"X-Auth-Expires": "1772629567", "Cache-Control": "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if w.Body.Len() != 0 {
		t.Errorf("a body: %s", w.Body)
	}
}

func ptr[T any](v T) *T { return &v }

// Whoever acts for a group has the group's name, and no account.
func TestAKeyOfAGroupIsTheGroup(t *testing.T) {
	e := trusting(t, nil)
	g, err := e.app.Accounts.AddGroup(t.Context(), operator, "lab", "ada")
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := e.app.Engine.MakeKey(t.Context(), token.Operator(),
		token.KeyRequest{Account: e.ada.ID, Group: g.ID, Label: "lab", To: e.now().AddDate(0, 1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	w := e.verify("ecology", "GET", "/data?key="+key.Reveal())
	wantCode(t, w, 200)
	h := w.Header()
	if h.Get("X-Auth-Account") != "" || h.Get("X-Auth-Name") != "lab" || h.Get("X-Auth-Groups") != "lab" ||
		!strings.HasPrefix(h.Get("X-Auth-Subject"), "EDI-") || h.Get("X-Auth-Subject") == e.ada.Subjects["ecology"] {
		t.Errorf("got %v", h)
	}
}

// Other names take the place of ours, on every answer.
func TestIdentityHeadersOfOtherNames(t *testing.T) {
	e := trusting(t, func(c *config.Config) {
		c.Services[0].IdentityHeaders = map[string]string{"account": "Remote-User", "expires": "x-until"}
	})
	w := e.verify("samples", "GET", "/", "Authorization", "Bearer "+e.issue("samples", e.ada.ID).Access.Reveal())
	if got := w.Header().Get("Remote-User"); got != "ada" {
		t.Errorf("Remote-User is %q", got)
	}
	if _, there := w.Header()["X-Auth-Account"]; there || w.Header().Get("X-Until") == "" {
		t.Errorf("got %v", w.Header())
	}
}

// gateRules are in force in the tests of rules.
func gateRules(c *config.Config) {
	public, upload, staff, scoped := config.NewRule("/public"), config.NewRule("/in"), config.NewRule("/staff"), config.NewRule("/scoped")
	public.Who, public.Methods = "anonymous", []string{"GET"}
	upload.Methods, upload.Remaining = []string{"POST", "PUT"}, config.Duration(2*time.Hour)
	staff.Groups = []string{"staff", "guards"}
	scoped.Scope = []string{"write"}
	c.Services[1].Rules = []config.Rule{public, upload, staff, scoped}
}

func TestRules(t *testing.T) {
	e := trusting(t, gateRules)
	edi, _ := e.ediPair("ecology") // lives for 8 h
	cookie := []string{"Cookie", "edi-token=" + edi}
	for _, tc := range []struct {
		method, uri string
		headers     []string
		want        int
	}{
		{"GET", "/public", nil, 200},
		{"HEAD", "/public/a", nil, 200},
		{"get", "/public/a?b=c", nil, 200},
		{"POST", "/public/a", nil, 401},
		{"POST", "/public/a", cookie, 200},
		{"GET", "/publican", nil, 401},
		{"GET", "/%70ublic/a", nil, 200},
		{"GET", "/data", nil, 401},
		{"GET", "/data?/public", nil, 401},
		{"GET", "/data", cookie, 200},
		{"PUT", "/in/a", cookie, 200},
		{"GET", "/staff", nil, 401},
		{"GET", "/staff", cookie, 403},
		{"GET", "/scoped/x", cookie, 403},
	} {
		if w := e.verify("ecology", tc.method, tc.uri, tc.headers...); w.Code != tc.want {
			t.Errorf("%s %s with %d headers: %d %s, want %d", tc.method, tc.uri, len(tc.headers), w.Code, w.Body, tc.want)
		}
	}
	if _, err := e.app.Accounts.AddGroup(t.Context(), operator, "guards", ""); err != nil {
		t.Fatal(err)
	}
	if err := e.app.Accounts.AddMember(t.Context(), operator, "guards", "ada"); err != nil {
		t.Fatal(err)
	}
	e.advance(6*time.Hour + time.Second)
	wantCode(t, e.verify("ecology", "GET", "/staff", cookie...), 200)
	wantCode(t, e.verify("ecology", "PUT", "/in/a", cookie...), 401)
	wantCode(t, e.verify("ecology", "GET", "/in/a", cookie...), 200)
	wantNobody(t, e.verify("ecology", "GET", "/public"))
	if w := e.verify("ecology", "GET", "/public", cookie...); w.Header().Get("X-Auth-Account") != "ada" {
		t.Errorf("a good token where none is asked for: %v", w.Header())
	}
	w := e.verify("ecology", "GET", "/public", "Cookie", "edi-token=x")
	wantCode(t, w, 200)
	wantNobody(t, w)
}

// What a rule depends on must be said by somebody who is believed, once.
func TestForwardedTargets(t *testing.T) {
	e := trusting(t, gateRules)
	for _, tc := range []struct {
		name    string
		from    string
		target  string
		headers []string
		want    int
	}{
		{"from a listed peer", "192.0.2.1", "", []string{"X-Forwarded-Uri", "/public", "X-Forwarded-Method", "GET"}, 200},
		{"in nginx's words", "192.0.2.1", "", []string{"X-Original-URI", "/public", "X-Original-Method", "GET"}, 200},
		{"as a whole URL", "192.0.2.1", "", []string{"X-Original-URL", "https://a.example.org/public?x", "X-Original-Method", "GET"}, 200},
		{"from anybody", "192.0.2.2", "", []string{"X-Forwarded-Uri", "/public", "X-Forwarded-Method", "GET"}, 403},
		{"X-Original-URI from anybody", "192.0.2.2", "", []string{"X-Original-URI", "/public", "X-Original-Method", "GET"}, 403},
		{"not at all", "192.0.2.1", "", nil, 403},
		{"without a method", "192.0.2.1", "", []string{"X-Forwarded-Uri", "/public"}, 403},
		{"two that differ", "192.0.2.1", "", []string{"X-Forwarded-Uri", "/public", "X-Original-URI", "/data", "X-Forwarded-Method", "GET"}, 403},
		{"one twice", "192.0.2.1", "", []string{"X-Forwarded-Uri", "/public", "X-Forwarded-Uri", "/data", "X-Forwarded-Method", "GET"}, 403},
		{"methods that differ", "192.0.2.1", "", []string{"X-Forwarded-Uri", "/public", "X-Forwarded-Method", "GET", "X-Original-Method", "POST"}, 403},
		{"no path", "192.0.2.1", "", []string{"X-Forwarded-Uri", "public", "X-Forwarded-Method", "GET"}, 403},
		{"behind the name, as Envoy does", "192.0.2.2", "/public/a?x=y", nil, 200},
		{"behind the name, and a header", "192.0.2.1", "/data", []string{"X-Forwarded-Uri", "/public", "X-Forwarded-Method", "GET"}, 401},
		{"behind the name, ambiguous", "192.0.2.2", "/public/../data", nil, 403},
		{"behind the name, doubled", "192.0.2.2", "//public", nil, 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e.addr = tc.from
			defer func() { e.addr = "" }()
			w := e.do("GET", "/symbolon/verify/ecology"+tc.target, "", tc.headers...)
			wantCode(t, w, tc.want)
			wantNobody(t, w)
		})
	}
}

// Without rules the path need not be known; a key in a target that nobody vouches for is not looked at.
func TestVerifyWithoutAPath(t *testing.T) {
	e := newEnv(t, nil)
	edi, _ := e.ediPair("ecology")
	wantCode(t, e.do("GET", "/symbolon/verify/ecology", "", "Cookie", "edi-token="+edi), 200)
	wantCode(t, e.do("POST", "/symbolon/verify/ecology", "", "Authorization", "Bearer "+edi), 200)
	wantCode(t, e.do("HEAD", "/symbolon/verify/ecology", "", "Authorization", "Bearer "+edi), 200)
	key := e.apiKey()
	wantCode(t, e.verify("ecology", "GET", "/data?key="+key), 401)
	wantCode(t, e.do("GET", "/symbolon/verify/ecology?key="+key, ""), 401)
	wantCode(t, e.do("GET", "/symbolon/verify/nobody", "", "Cookie", "edi-token="+edi), 404)
	wantCode(t, e.do("GET", "/symbolon/verify/", "", "Cookie", "edi-token="+edi), 404)
	if strings.Contains(e.log.String(), key) || strings.Contains(e.log.String(), edi) {
		t.Error("a secret is in the log")
	}
}

// Refusals are the dialect's own.
func TestRefusalsOfTheGates(t *testing.T) {
	e := trusting(t, func(c *config.Config) {
		for i := range c.Services {
			staff := config.NewRule("/staff")
			staff.Groups = []string{"staff"}
			c.Services[i].Rules = []config.Rule{staff}
		}
	})
	const (
		none = `{"detail":"Authentication credentials were not provided."}`
		bad  = `{"detail":"Given token not valid for any token type","code":"token_not_valid","messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}`
		pty  = "{\n  \"msg\": \"Unauthorized: Authentication token is missing or invalid\",\n  \"method\": \"verify\"\n}"
		deny = "{\n  \"msg\": \"Access denied: You do not have permission to use this resource\",\n  \"method\": \"verify\"\n}"
		ca   = `{"ok":false,"errors":[{"message":"Internal server error"}]}`
	)
	expired := map[string]string{}
	for _, s := range []string{"samples", "ecology", "collections", "warehouse"} {
		expired[s] = e.issue(s, e.ada.ID).Access.Reveal()
	}
	e.advance(25 * time.Hour)
	for _, tc := range []struct {
		service, uri, text string
		status             int
		body, challenge    string
	}{
		{"samples", "/", "", 401, none, `Bearer realm="api"`},
		{"samples", "/", expired["samples"], 401, bad, `Bearer realm="api"`},
		{"samples", "/staff", e.issue("samples", e.ada.ID).Access.Reveal(), 403, `{"detail":"You do not have permission to perform this action."}`, `Bearer realm="samples", error="insufficient_scope"`},
		{"ecology", "/", "", 401, pty, `Bearer realm="ecology"`},
		{"ecology", "/", expired["ecology"], 401, pty, `Bearer realm="ecology", error="invalid_token"`},
		{"ecology", "/staff", e.issue("ecology", e.ada.ID).Access.Reveal(), 403, deny, `Bearer realm="ecology", error="insufficient_scope"`},
		{"collections", "/", "", 401, ca, `Bearer realm="collections"`},
		{"collections", "/", "garbage", 401, ca, `Bearer realm="collections", error="invalid_token"`},
		{"collections", "/", expired["collections"], 401, `{"ok":false,"errors":[{"message":"Internal server error","expiredToken":true}]}`, `Bearer realm="collections", error="invalid_token"`},
		{"collections", "/staff", e.issue("collections", e.ada.ID).Access.Reveal(), 403, `{"ok":false,"errors":[{"message":"Access denied"}]}`, `Bearer realm="collections", error="insufficient_scope"`},
		{"warehouse", "/", "", 401, `{"msg":"Missing Authorization Header"}` + "\n", "Bearer"},
		{"warehouse", "/", "garbage", 401, `{"msg":"Not enough segments"}` + "\n", `Bearer realm="warehouse", error="invalid_token"`},
		{"warehouse", "/", "a b", 401, `{"msg":"Bad Authorization header. Expected 'Authorization: Bearer <JWT>'"}` + "\n", `Bearer realm="warehouse", error="invalid_token"`},
		{"warehouse", "/", expired["warehouse"], 401, `{"msg":"Token has expired"}` + "\n", "Bearer"},
		{"warehouse", "/staff", e.issue("warehouse", e.ada.ID).Access.Reveal(), 403, `{"msg":"Access denied"}` + "\n", `Bearer realm="warehouse", error="insufficient_scope"`},
	} {
		var headers []string
		if tc.text != "" {
			headers = []string{"Authorization", "Bearer " + tc.text}
		}
		w := e.verify(tc.service, "GET", tc.uri, headers...)
		if w.Code != tc.status || w.Body.String() != tc.body || w.Header().Get("WWW-Authenticate") != tc.challenge {
			t.Errorf("%s %s: got %d %q %q, want %d %q %q", tc.service, tc.uri, w.Code, w.Body, w.Header().Get("WWW-Authenticate"), tc.status, tc.body, tc.challenge)
		}
	}
}

// The gate answers 503 rather than vouch, and nobody who is unknown gets by.
func TestGateWithoutNews(t *testing.T) {
	e := trusting(t, nil)
	for _, s := range []string{"samples", "ecology", "collections", "warehouse"} {
		text := e.issue(s, e.ada.ID).Access.Reveal()
		wantCode(t, e.verify(s, "GET", "/", "Authorization", "Bearer "+text), 200)
		e.silence(time.Minute)
		w := e.verify(s, "GET", "/", "Authorization", "Bearer "+text)
		wantCode(t, w, http.StatusServiceUnavailable)
		wantNobody(t, w)
		if w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", s)
		}
		e.advance(0)
	}
}

// Nothing that cannot be read is anybody, and nothing makes the gate stumble.
func TestUnreadableCredentials(t *testing.T) {
	e := trusting(t, nil)
	edi, _ := e.ediPair("ecology")
	good := e.issue("samples", e.ada.ID).Access.Reveal()
	for _, headers := range [][]string{
		{"Cookie", "edi-token"}, {"Cookie", "edi-token="}, {"Cookie", `edi-token="`}, {"Cookie", ";;;="}, {"Cookie", "=" + edi},
		{"Cookie", "edi-token=" + edi + "; edi-token=other"}, {"Cookie", "EDI-TOKEN=" + edi}, {"Cookie", "x=\"a; edi-token=y\""},
		{"Cookie", "edi-token=" + edi[:len(edi)-1]}, {"Cookie", "edi-token=" + edi + "A"}, {"Cookie", "edi-token=\x00" + edi},
		{"Authorization", "Bearer"}, {"Authorization", "Bearer  "}, {"Authorization", "Bearer " + edi + " x"}, {"Authorization", "bearer " + edi},
		{"Authorization", "Basic " + edi}, {"Authorization", "Bearer " + edi, "Authorization", "Bearer " + edi},
		{"Authorization", "Bearer " + strings.Repeat(".", 1_000_000)}, {"Authorization", "Bearer " + good},
		{"Cookie", "edi-token=" + strings.Repeat(".", 1_000_000)}, {"Cookie", strings.Repeat("edi-token=a; ", 5000)},
		{"Authorization", "Bearer garbage", "Cookie", "edi-token=" + edi},
		{"User-Agent", "kube-probe/1.0"}, {"X-Auth-Account", "ada"}, {"X-Forwarded-For", "a"}, {"X-Forwarded-User", "ada"},
	} {
		w := e.verify("ecology", "GET", "/data", headers...)
		wantCode(t, w, 401)
		wantNobody(t, w)
	}
	for _, query := range []string{"key", "key=", "key=%", "key=%zz", "key=a&key=b", "key=" + strings.Repeat("A", 27), "key=" + strings.Repeat("x", 30000)} {
		wantCode(t, e.verify("ecology", "GET", "/data?"+query), 401)
	}
}

// A million dots cost next to nothing.
func TestDotsAtTheGate(t *testing.T) {
	e := trusting(t, nil)
	dots := "Bearer " + strings.Repeat(".", 1_000_000)
	for _, s := range []string{"samples", "ecology", "collections", "warehouse"} {
		r := httptest.NewRequest("GET", "/symbolon/verify/"+s, nil)
		r.Header.Set("Authorization", dots)
		const times = 10
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			e.http.ServeHTTP(httptest.NewRecorder(), r)
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 100_000 {
			t.Errorf("%s: %d bytes for a header of a million dots", s, each)
		}
	}
}

// A revoked token or key is refused at once here, and everywhere when the feed has told of it.
func TestRevokedAtTheGate(t *testing.T) {
	e := trusting(t, nil)
	tokens := e.issue("samples", e.ada.ID)
	key := e.apiKey()
	wantCode(t, e.verify("samples", "GET", "/", "Authorization", "Bearer "+tokens.Access.Reveal()), 200)
	wantCode(t, e.verify("ecology", "GET", "/?key="+key), 200)
	e.revokeBeside(tokens.Grant.ID)
	e.advance(0)
	wantCode(t, e.verify("samples", "GET", "/", "Authorization", "Bearer "+tokens.Access.Reveal()), 401)
	wantCode(t, e.verify("ecology", "GET", "/?key="+key), 200)
	if _, err := e.app.Engine.EndAccount(t.Context(), token.Operator(), e.ada.ID, "disabled", "test"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, e.verify("ecology", "GET", "/?key="+key), 401)
}

// revokeBeside ends a grant as a command does: this process hears of it by the feed alone.
func (e *env) revokeBeside(grant int64) {
	e.t.Helper()
	_, err := e.app.Store.Revoke(e.t.Context(), token.RevokeVerb{By: token.Operator(), Now: e.now(), Grant: grant, Reason: "test"})
	if err != nil {
		e.t.Fatal(err)
	}
}

// EDI's legacy token alone is somebody only where the configuration says so, and ends with the person's tokens.
func TestLegacyTokenAlone(t *testing.T) {
	e := trusting(t, func(c *config.Config) { c.Services[1].EDI.LegacyAlone = true })
	_, pasta := e.ediPair("ecology")
	ask := func(text string) *httptest.ResponseRecorder {
		return e.verify("ecology", "GET", "/", "Cookie", "auth-token="+text)
	}
	w := ask(pasta)
	wantCode(t, w, 200)
	if h := w.Header(); h.Get("X-Auth-Account") != "ada" || h.Get("X-Auth-Subject") != e.ada.Subjects["ecology"] || h.Get("X-Auth-Grant") != "" || h.Get("X-Auth-Expires") == "" {
		t.Errorf("got %v", h)
	}
	wantCode(t, ask(`"`+pasta+`"`), 200) // as the old server puts it
	for _, bad := range []string{"", "x", pasta[1:], pasta[:len(pasta)-4], pasta + "; auth-token=x", strings.Replace(pasta, "-", "--", 1)} {
		wantCode(t, ask(bad), 401)
	}
	edi, _ := e.ediPair("ecology")
	if w := e.verify("ecology", "GET", "/", "Cookie", "edi-token=bad; auth-token="+pasta); w.Code != 401 {
		t.Errorf("beside an edi-token that is not good: %d", w.Code)
	}
	wantCode(t, e.verify("ecology", "GET", "/", "Cookie", "auth-token=bad; edi-token="+edi), 200)

	e.silence(time.Minute)
	wantCode(t, ask(pasta), 503)
	e.advance(0)
	if _, err := e.app.Engine.Revoke(t.Context(), token.Operator(), token.RevokeRequest{Account: e.ada.ID}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, ask(pasta), 401)
	e.advance(10 * time.Second)
	_, later := e.ediPair("ecology")
	wantCode(t, ask(later), 200)
	e.advance(9 * time.Hour)
	wantCode(t, ask(later), 401)
}
