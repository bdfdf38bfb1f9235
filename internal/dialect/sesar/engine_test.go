package sesar

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

// tokensIn reads a pair out of an answer's body.
func tokensIn(t *testing.T, body string) (access, refresh string) {
	t.Helper()
	var p struct{ Access, Refresh string }
	if err := json.Unmarshal([]byte(body), &p); err != nil || p.Access == "" || p.Refresh == "" {
		t.Fatalf("no pair in %s: %v", body, err)
	}
	return p.Access, p.Refresh
}

func (e *env) mustRefresh(refresh string) (string, string) {
	e.T.Helper()
	w := e.refreshPHP(refresh)
	if w.Code != 200 {
		e.T.Fatalf("refresh: %d %s", w.Code, w.Body)
	}
	return tokensIn(e.T, w.Body.String())
}

func bearer(text string) string { return "Authorization: Bearer " + text }

// valid reports whether credentials_service_v2.php says yes to an access token.
func (e *env) valid(access string) bool {
	e.T.Helper()
	w := e.Do("GET", "/webservices/credentials_service_v2.php", "", bearer(access))
	if w.Code != 200 && w.Code != 401 {
		e.T.Fatalf("credentials: %d %s", w.Code, w.Body)
	}
	return w.Code == 200
}

func TestCredentialsRefusals(t *testing.T) {
	e := newEnv(t, nil)
	p := e.pair()
	form := "username=demo&password=secret"
	for name, c := range map[string]struct {
		method, body string
		headers      []string
	}{
		"nothing":              {"GET", "", nil},
		"name and password":    {"POST", form, []string{asForm}},
		"under an XML label":   {"POST", form, []string{"Content-Type: application/xml"}},
		"multipart":            {"POST", "--b\r\n", []string{"Content-Type: multipart/form-data; boundary=b"}},
		"broken form":          {"POST", "%zz&;", []string{asForm}},
		"other scheme":         {"GET", "", []string{"Authorization: Basic ZGVtbzp4"}},
		"scheme in lower case": {"GET", "", []string{"Authorization: bearer " + p.Access.Reveal()}},
		"no token":             {"GET", "", []string{"Authorization: Bearer"}},
		"not a token":          {"GET", "", []string{bearer("abc")}},
		"refresh token":        {"GET", "", []string{bearer(p.Refresh.Reveal())}},
		"two headers":          {"GET", "", []string{bearer(p.Access.Reveal()), bearer(p.Access.Reveal())}},
		"token in the query":   {"GET", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := at(t, e).Do(c.method, "/webservices/credentials_service_v2.php?access_token="+p.Access.Reveal(), c.body, c.headers...)
			want(t, w, 401, invalidLogin)
			if got := w.Header().Get("Content-Type"); got != "application/xml" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
}

func TestCredentialsCodes(t *testing.T) {
	e := newEnv(t, nil)
	access := e.pair().Access.Reveal()
	for _, c := range []struct{ attr, users, sesar string }{
		{"", "", ""},
		{"MOB", "<user_code>MOB</user_code>", "<sesar_code>MOB</sesar_code>"},
		{" MOB ,, ABC,", "<user_code>MOB</user_code><user_code>ABC</user_code>", "<sesar_code>MOB</sesar_code><sesar_code>ABC</sesar_code>"},
	} {
		t.Run(c.attr, func(t *testing.T) {
			at(t, e).setAttr("samples.user_codes", c.attr)
			body := "<results><valid>yes</valid><user_codes>" + c.users + "</user_codes><sesar_codes>" + c.sesar + "</sesar_codes></results>"
			want(t, e.Do("GET", "/webservices/credentials_service_v2.php", "", bearer(access)), 200, body)
			want(t, e.Do("POST", "/webservices/credentials_service_v2.php", "username=x", bearer(access), asForm), 200, body)
			if w := e.Do("HEAD", "/webservices/credentials_service_v2.php", "", bearer(access)); w.Code != 200 {
				t.Errorf("HEAD: status %d", w.Code)
			}
		})
	}
}

func TestBearerRows(t *testing.T) {
	e := newEnv(t, nil)
	p := e.pair()
	const notProvided = `{"detail":"Authentication credentials were not provided."}`
	const badHeader = `{"detail":"Authorization header must contain two space-delimited values","code":"bad_authorization_header"}`
	for name, c := range map[string]struct {
		headers []string
		want    string
	}{
		"none":          {nil, notProvided},
		"empty":         {[]string{"Authorization: "}, notProvided},
		"other scheme":  {[]string{"Authorization: Token abc"}, notProvided},
		"lower case":    {[]string{"Authorization: bearer abc"}, notProvided},
		"scheme alone":  {[]string{"Authorization: Bearer"}, badHeader},
		"three words":   {[]string{"Authorization: Bearer a b"}, badHeader},
		"bad token":     {[]string{bearer("abc")}, badBearerBody},
		"refresh token": {[]string{bearer(p.Refresh.Reveal())}, notAccessBody},
	} {
		for _, to := range []string{"GET /api/auth/user/", "DELETE /api/auth/token/blacklist-all/", "POST /api/auth/token/blacklist-all/"} {
			t.Run(name+" "+to, func(t *testing.T) {
				method, path, _ := strings.Cut(to, " ")
				w := at(t, e).Do(method, path, "", c.headers...)
				want(t, w, 401, c.want)
				if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="api"` {
					t.Errorf("WWW-Authenticate %q", got)
				}
			})
		}
	}
	if !e.valid(p.Access.Reveal()) {
		t.Error("a refused revoke-all ended the pair")
	}
}

func TestMint(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Sesar.MintByGet = true; c.Pairs = 50 })
	key, keyGrant := e.apiKey()
	long := strings.Repeat("é", 101)
	for _, c := range []struct {
		name, method, body, label string
		status                    int
		want                      string
	}{
		{"without a name", "POST", "", "API", 200, ""},
		{"by GET", "GET", "", "API", 200, ""},
		{"with a name", "POST", `{"name":"night job"}`, "night job", 200, ""},
		{"longest name", "POST", `{"name":"` + long[2:] + `"}`, long[2:], 200, ""},
		{"too long", "POST", `{"name":"` + long + `"}`, "", 400, `{"name":["Ensure this field has no more than 100 characters."]}`},
		{"null", "POST", `{"name":null}`, "", 400, `{"name":["This field may not be null."]}`},
		{"odd case", "POST", `{"NAME":"x"}`, "", 400, `{"detail":"JSON parse error - member name differs only in letter case: expected name at byte 1"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := at(t, e).Do(c.method, "/api/auth/token/", c.body, bearer(key), asJSON)
			if c.status != 200 {
				want(t, w, c.status, c.want)
				return
			}
			if !strings.HasPrefix(w.Body.String(), `{"refresh":"`) {
				t.Errorf("body %s", w.Body)
			}
			tokensIn(t, w.Body.String())
			all, err := e.Engine.List(t.Context(), token.Operator(), token.Filter{Account: e.demo, Kinds: []token.GrantKind{token.Pair}})
			if err != nil {
				t.Fatal(err)
			}
			if all[0].Label != c.label || all[0].Parent != keyGrant {
				t.Errorf("made %q under key %d, want %q under %d", all[0].Label, all[0].Parent, c.label, keyGrant)
			}
		})
	}
	access, _ := tokensIn(t, e.Do("POST", "/api/auth/token/", "", bearer(key)).Body.String())
	if _, err := e.Engine.Revoke(t.Context(), token.Operator(), token.RevokeRequest{Grant: keyGrant}); err != nil {
		t.Fatal(err)
	}
	if e.valid(access) {
		t.Error("a pair outlived the key it was made with")
	}
	want(t, e.Do("POST", "/api/auth/token/", "", bearer(key)), 401, badBearerBody)
}

func TestMintNeedsPermission(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Allow.Groups = []string{"curators"} })
	key, _ := e.apiKey()
	p := e.pair() // the operator is not bound by it
	want(t, e.Do("POST", "/api/auth/token/", "", bearer(key)), 401,
		`{"errors":{"permissions":"You do not have permission to generate a jwt."}}`)
	want(t, e.Do("POST", "/api/auth/token/", "", bearer(p.Access.Reveal())), 401, badBearerBody)
	want(t, e.Do("POST", "/api/auth/token/", ""), 401, `{"detail":"Authentication credentials were not provided."}`)
	if w := e.Do("GET", "/api/auth/user/", "", bearer(p.Access.Reveal())); !strings.Contains(w.Body.String(), `"upload_permission_status":"denied"`) {
		t.Errorf("user: %d %s", w.Code, w.Body)
	}
	want(t, e.refreshPHP(p.Refresh.Reveal()), 401, genericBody)
}

// TestDisabledAccount: whatever it holds stops at once, with the generic text.
func TestDisabledAccount(t *testing.T) {
	e := newEnv(t, nil)
	p := e.pair()
	key, _ := e.apiKey()
	if _, err := e.Engine.EndAccount(t.Context(), token.Operator(), e.demo, "disabled", "left"); err != nil {
		t.Fatal(err)
	}
	want(t, e.refreshPHP(p.Refresh.Reveal()), 401, genericBody)
	want(t, e.Do("POST", "/api/auth/token/", "", bearer(key)), 401, badBearerBody)
	want(t, e.Do("GET", "/api/auth/user/", "", bearer(p.Access.Reveal())), 401, badBearerBody)
	want(t, e.Do("GET", "/webservices/credentials_service_v2.php", "", bearer(p.Access.Reveal())), 401, invalidLogin)
}

// TestStoreFails: 503 in the endpoint's own shape, and nothing is half done.
func TestStoreFails(t *testing.T) {
	e := newEnv(t, nil)
	p := e.pair()
	key, _ := e.apiKey()
	e.BreakStore()
	const asDRF = `{"detail":"Service temporarily unavailable, try again later.","code":"service_unavailable"}`
	const asXML = `<results><valid>no</valid><error>Service temporarily unavailable, try again later</error></results>`
	body := `{"refresh":"` + p.Refresh.Reveal() + `"}`
	for _, c := range []struct{ method, path, body, auth, want string }{
		{"POST", "/webservices/refresh_token.php", body, "", asDRF},
		{"GET", "/webservices/credentials_service_v2.php", "", p.Access.Reveal(), asXML},
		{"POST", "/api/auth/token/", "", key, asDRF},
		{"POST", "/api/auth/token/refresh/", body, "", asDRF},
		{"POST", "/api/auth/token/blacklist/", body, "", asDRF},
		{"DELETE", "/api/auth/token/blacklist-all/", "", p.Access.Reveal(), asDRF},
		{"GET", "/api/auth/user/", "", p.Access.Reveal(), asDRF},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			w := at(t, e).Do(c.method, c.path, c.body, bearer(c.auth), asJSON)
			want(t, w, 503, c.want)
			if got := w.Header().Get("Retry-After"); got != "1" {
				t.Errorf("Retry-After %q, want 1", got)
			}
		})
	}
	e.MendStore()
	at(t, e).mustRefresh(p.Refresh.Reveal())
}

// TestNoSecretInLog looks for every token and key of a session in what was logged.
func TestNoSecretInLog(t *testing.T) {
	e := newEnv(t, nil)
	p := e.pair()
	key, _ := e.apiKey()
	access, refresh := e.mustRefresh(p.Refresh.Reveal())
	e.refreshPHP(p.Refresh.Reveal())
	e.refreshPHP(access)
	e.refreshPHP(refresh + "x")
	e.valid(refresh)
	e.Do("POST", "/api/auth/token/", "", bearer(key[1:]))
	logged := e.Log.String()
	if n := strings.Count(logged, "token refused"); n != 5 {
		t.Errorf("%d refusals logged, want 5:\n%s", n, logged)
	}
	for _, want := range []string{`code=reused`, `code="wrong kind"`, "grant 1 generation 0"} {
		if !strings.Contains(logged, want) {
			t.Errorf("the log has no %q:\n%s", want, logged)
		}
	}
	for _, secret := range []string{p.Access.Reveal(), p.Refresh.Reveal(), access, refresh, key[1:]} {
		if part := secret[len(secret)/2:]; strings.Contains(logged, part) {
			t.Errorf("the log has a part of a secret: %s", part)
		}
	}
}

func TestServiceTellsTheEngine(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Allow.Types = []string{"person"}; c.RequireIdentity = "orcid" })
	s := e.dialect.Service()
	if !s.Rotates || !s.TakesKeys || s.Limits[token.Pair] != 5 || s.Limits[token.Session] != 100 || s.ReplayWindow != time.Minute ||
		s.Replay != token.RefuseReplay || s.RequireIdentity != "orcid" || s.Types[0] != "person" || s.NewSubject != nil {
		t.Errorf("service is %+v", s)
	}
	if more, err := e.dialect.Companions(t.Context(), token.Tokens{}); more != nil || err != nil {
		t.Errorf("companions %v, %v", more, err)
	}
}

// TestPrefixes: the root as prefix, no JSON API, and a prefix inside the other.
func TestPrefixes(t *testing.T) {
	root := newEnv(t, func(c *config.Service) { c.Path, c.Sesar.JSONPath = "/", "" })
	if w := root.Do("POST", "/refresh_token.php", `{"refresh":"`+root.pair().Refresh.Reveal()+`"}`, asJSON); w.Code != 200 {
		t.Errorf("at the root: %d %s", w.Code, w.Body)
	}
	want(t, root.Do("POST", "/api/auth/token/refresh/", "{}", asJSON), 404,
		`<results><valid code="NotFound">no</valid><error>There is no such service here</error></results>`)
	inner := newEnv(t, func(c *config.Service) { c.Path, c.Sesar.JSONPath = "/api/php", "/api" })
	want(t, inner.Do("GET", "/api/php/x", ""), 404,
		`<results><valid code="NotFound">no</valid><error>There is no such service here</error></results>`)
	want(t, inner.Do("GET", "/api/x", ""), 404, `{"detail":"Not found."}`)
}

func TestNames(t *testing.T) {
	for _, c := range []struct{ name, first, last string }{
		{"Ada Lovelace", "Ada", "Lovelace"},
		{"Ada M. Lovelace", "Ada M.", "Lovelace"},
		{"ada", "", "ada"},
		{"", "", ""},
	} {
		if first, last := splitName(c.name); first != c.first || last != c.last {
			t.Errorf("%q splits into %q and %q", c.name, first, last)
		}
	}
}
