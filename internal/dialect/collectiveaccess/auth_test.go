package collectiveaccess

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/jws"
	"symbolon/internal/token"
)

func TestLoginGivesTokensAndUser(t *testing.T) {
	e := newEnv(t, nil)
	w := e.query(`{ login(username: "API", password: "correct horse") { user { userclass lname fname email username id } refresh jwt id } }`)
	body := w.Body.String()
	const before = `{"ok":true,"data":{"login":{"user":{"userclass":"0","lname":"User","fname":"Api","email":"api@test.com","username":"api","id":1},"refresh":"`
	if w.Code != 200 || !strings.HasPrefix(body, before) || !strings.HasSuffix(body, `","id":1}}}`) {
		t.Errorf("%d %s", w.Code, body)
	}
	access, refresh := e.login()
	for name, c := range map[string]struct {
		text string
		life time.Duration
	}{"access": {access, 15 * time.Minute}, "refresh": {refresh, 7 * 24 * time.Hour}} {
		head, _, _ := strings.Cut(c.text, ".")
		if head != "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9" {
			t.Errorf("%s: header %s", name, head)
		}
		want := fmt.Sprintf(`{"iss":"ca.example.org","aud":"ca.example.org","iat":%d,"nbf":%[1]d,"exp":%d,"id":"1","gid":2,"cap":%d}`,
			start.Unix(), start.Add(c.life).Unix(), start.Add(7*24*time.Hour).Unix())
		if got := payloadOf(t, c.text); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// Whoever asks cannot tell why a login failed, nor, by aliases, which of several did.
func TestFailedLoginsLookAlike(t *testing.T) {
	e := newEnv(t, nil)
	e.disable(e.account("gone", "Gone"))
	attempts := []string{`username: "api", password: "wrong"`, `username: "nobody", password: "correct horse"`,
		`username: "gone", password: "correct horse"`, `username: "api", password: ""`, `username: "", password: "x"`,
		`username: "api"`, `password: "correct horse"`, `username: null, password: null`, `username: "a\tb", password: "x"`}
	var aliases strings.Builder
	expected := ""
	for i, a := range attempts {
		want(t, e.query(`{ login(`+a+`) { id jwt refresh user { id } } }`), 200, nulls)
		fmt.Fprintf(&aliases, "a%d: login(%s) { id jwt } ", i, a)
		expected += fmt.Sprintf(`,"a%d":{"id":null,"jwt":null}`, i)
	}
	want(t, e.query("{"+aliases.String()+"}"), 200, `{"ok":true,"data":{`+expected[1:]+`}}`)
	if log := e.Log.String(); strings.Contains(log, "wrong") || strings.Contains(log, password) {
		t.Errorf("the log holds a password: %s", log)
	}
}

func TestNotAdmittedLooksLikeAWrongPassword(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Allow.Groups = []string{"staff"} })
	want(t, e.query(`{ login(username: "api", password: "correct horse") { id jwt refresh user { id } } }`), 200, nulls)
}

func TestTenLoginsAtMost(t *testing.T) {
	e := newEnv(t, nil)
	aliases := func(n int) string {
		var b strings.Builder
		b.WriteString("query { ...F } fragment F on Auth {")
		for i := range n {
			fmt.Fprintf(&b, ` a%d: login(username: "api", password: "correct horse") { id }`, i)
		}
		return b.String() + "}"
	}
	if w := e.query(aliases(10)); w.Code != 200 || strings.Count(w.Body.String(), `{"id":1}`) != 10 {
		t.Errorf("ten: %d %s", w.Code, w.Body)
	}
	e.door.calls = 0
	w := e.query(aliases(11))
	if w.Code != 500 || !strings.HasPrefix(w.Body.String(), `{"ok":false,"errors":[{"message":"Field \"login\" may be asked for only a few times in one query: send several."`) {
		t.Errorf("eleven: %d %s", w.Code, w.Body)
	}
	if e.door.calls != 0 {
		t.Errorf("%d sign-ins were tried all the same", e.door.calls)
	}
	// Skipped ones and one asked for twice under one name do not count.
	if w := e.query(`{` + strings.Repeat(` a: login { id }`, 20) + ` b: login @skip(if: true) { id } }`); w.Code != 200 {
		t.Errorf("one key: %d %s", w.Code, w.Body)
	}
}

func TestTooManyFailures(t *testing.T) {
	e := newEnv(t, nil)
	for range 10 {
		e.query(`{ login(username: "api", password: "wrong") { id } }`)
	}
	w := e.query(`{ login(username: "api", password: "correct horse") { id } }`)
	want(t, w, 429, `{"ok":false,"errors":[{"message":"Too many failed sign-ins: try again later","locations":[{"line":1,"column":3}],"path":["login"]}],"data":{"login":null}}`)
	if got := w.Header().Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After %q", got)
	}
	e.Advance(time.Minute)
	if w := e.query(loginQuery); w.Code != 200 || strings.Contains(w.Body.String(), "null") {
		t.Errorf("after a minute: %d %s", w.Code, w.Body)
	}
}

func TestStoreFailure(t *testing.T) {
	e := newEnv(t, nil)
	access, refresh := e.login()
	e.BreakStore()
	for _, field := range []string{`login(username: "api", password: "correct horse")`, `validate`} {
		name, _, _ := strings.Cut(field, "(")
		w := e.query(`{ `+field+` { id } }`, bearerOf(access))
		want(t, w, 503, `{"ok":false,"errors":[{"message":"Service temporarily unavailable: try again later","locations":[{"line":1,"column":3}],"path":["`+name+`"]}],"data":{"`+name+`":null}}`)
		if got := w.Header().Get("Retry-After"); got != "1" {
			t.Errorf("Retry-After %q", got)
		}
	}
	e.refreshed(refresh) // reads no store
}

func TestRefreshGivesFreshClaims(t *testing.T) {
	e := newEnv(t, nil)
	access, refresh := e.login()
	e.Advance(10 * time.Minute)
	for name, text := range map[string]string{"refresh token": refresh, "access token": access} {
		payload := payloadOf(t, e.refreshed(text))
		want := fmt.Sprintf(`{"iss":"ca.example.org","aud":"ca.example.org","iat":%d,"nbf":%[1]d,"exp":%d,"id":"1","gid":1,"cap":%d}`,
			e.Now().Unix(), e.Now().Add(15*time.Minute).Unix(), start.Add(7*24*time.Hour).Unix())
		if payload != want {
			t.Errorf("by %s: %s, want %s", name, payload, want)
		}
	}
	// The argument wins over the bearer, and variables work.
	w := e.Do("POST", "/service.php/auth", `{"query":"query($t:String!){refresh(token:$t){jwt}}","variables":{"t":"`+refresh+`"}}`, bearerOf("garbage"))
	if w.Code != 200 || strings.Contains(w.Body.String(), "null") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRefreshStopsAtTheCap(t *testing.T) {
	e := newEnv(t, nil)
	_, refresh := e.login()
	e.Advance(7*24*time.Hour - time.Minute)
	last := e.refreshed(refresh)
	if end := fmt.Sprintf(`"exp":%d,`, start.Add(7*24*time.Hour).Unix()); !strings.Contains(payloadOf(t, last), end) {
		t.Errorf("%s, want %s", payloadOf(t, last), end)
	}
	e.Advance(time.Minute)
	for _, text := range []string{refresh, last} {
		w := e.query(`{ refresh { jwt } }`, bearerOf(text))
		want(t, w, 401, `{"ok":false,"errors":[{"message":"Internal server error","locations":[{"line":1,"column":3}],"path":["refresh"],"expiredToken":true}],"data":{"refresh":null}}`)
	}
}

func TestUnknownClaimsAreCarriedOver(t *testing.T) {
	e := newEnv(t, nil)
	access, _ := e.login()
	with := e.altered(access, `,"gid"`, `,"anonymous":true,"x":{"ü":[1]},"gid"`)
	e.Advance(time.Minute)
	if got := payloadOf(t, e.refreshed(with)); !strings.HasSuffix(got, `,"anonymous":true,"x":{"\u00fc":[1]}}`) {
		t.Errorf("%s", got)
	}
}

const maskedRefresh = `{"ok":false,"errors":[{"message":"Internal server error","locations":[{"line":1,"column":3}],"path":["refresh"]}],"data":{"refresh":null}}`

func TestSharedKeyDoesNotRefresh(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.CollectiveAccess.KeyShared = true })
	access, refresh := e.login()
	want(t, e.query(`{ refresh { jwt } }`, bearerOf(access)), 500, maskedRefresh)
	e.refreshed(refresh)
}

func TestEndedGrantsAreRefused(t *testing.T) {
	for name, end := range map[string]func(e *env){
		"disabled": func(e *env) { e.disable(e.api) },
		"revoked": func(e *env) {
			if _, err := e.Engine.Revoke(e.T.Context(), token.Operator(), token.RevokeRequest{Grant: 1}); err != nil {
				e.T.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, nil)
			access, refresh := e.login()
			end(e)
			for _, text := range []string{access, refresh} {
				want(t, e.query(`{ refresh { jwt } }`, bearerOf(text)), 500, maskedRefresh)
			}
			want(t, e.query(`{ validate { id } }`, bearerOf(access)), 500, strings.ReplaceAll(maskedRefresh, "refresh", "validate"))
		})
	}
}

func TestRefreshTokenIsNoAccessToken(t *testing.T) {
	e := newEnv(t, nil)
	_, refresh := e.login()
	want(t, e.query(`{ validate { id } }`, bearerOf(refresh)), 500, strings.ReplaceAll(maskedRefresh, "refresh", "validate"))
	want(t, e.Do("GET", "/service/whoami", "", bearerOf(refresh)), 401, `{"ok":false,"errors":[{"message":"Internal server error"}]}`)
}

func TestValidate(t *testing.T) {
	e := newEnv(t, nil)
	access, _ := e.login()
	const answer = `{"ok":true,"data":{"validate":{"id":1,"username":"api","email":"api@test.com","fname":"Api","lname":"User","userclass":"0"}}}`
	const fields = ` { id username email fname lname userclass } }`
	want(t, e.query(`{ validate`+fields, bearerOf(access)), 200, answer)
	want(t, e.query(`{ validate(jwt: "`+access+`")`+fields, bearerOf("garbage")), 200, answer)
	e.setAttr("userclass", "1")
	want(t, e.query(`{ validate { userclass } }`, bearerOf(access)), 200, `{"ok":true,"data":{"validate":{"userclass":"1"}}}`)
}

func TestUserInfoOfOddAccounts(t *testing.T) {
	for name, c := range map[string]struct {
		sub  token.Subject
		want map[string]any
	}{
		"no display name": {token.Subject{ID: "7", Name: "api"}, map[string]any{"id": int64(7), "username": "api", "email": "", "fname": "", "lname": "api", "userclass": "0"}},
		"one word":        {token.Subject{ID: "x7", Display: "Plato"}, map[string]any{"id": nil, "username": "", "email": "", "fname": "", "lname": "Plato", "userclass": "0"}},
		"three words":     {token.Subject{ID: "1", Display: "Ada M. Lovelace"}, map[string]any{"id": int64(1), "username": "", "email": "", "fname": "Ada M.", "lname": "Lovelace", "userclass": "0"}},
	} {
		if diff := cmp.Diff(c.want, userInfo(c.sub)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPermission(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.CollectiveAccess.RequirePermission = true })
	want(t, e.query(`{ login(username: "api", password: "correct horse") { id jwt refresh user { id } } }`), 200, nulls)
	if grant, err := e.Store.Grant(t.Context(), 1); token.CodeOf(err) != token.NotFound {
		t.Errorf("a refused login made a grant: %+v, %v", grant, err)
	}
	for _, value := range []string{"1", "true", "YES"} {
		e.setAttr(permission, value)
		access, _ := e.login()
		want(t, e.query(`{ validate { id } }`, bearerOf(access)), 200, `{"ok":true,"data":{"validate":{"id":1}}}`)
	}
	access, refresh := e.login()
	for _, value := range []string{"0", "no", ""} {
		e.setAttr(permission, value)
		e.Advance(0)
		want(t, e.query(`{ refresh { jwt } }`, bearerOf(refresh)), 500, maskedRefresh)
		want(t, e.query(`{ validate { id } }`, bearerOf(access)), 500, strings.ReplaceAll(maskedRefresh, "refresh", "validate"))
		want(t, e.Do("GET", "/service/whoami", "", bearerOf(access)), 401, `{"ok":false,"errors":[{"message":"Internal server error"}]}`)
	}
}

func TestWhoami(t *testing.T) {
	e := newEnv(t, nil)
	access, _ := e.login()
	const answer = `{"ok":true,"data":{"id":1,"username":"api","issued":"2026-01-02T03:04:05Z","expires":"2026-01-02T03:19:05Z"}}`
	want(t, e.Do("GET", "/service/whoami", "", bearerOf(access)), 200, answer)
	want(t, e.Do("GET", "/service/whoami?jwt="+access, ""), 200, answer)
	want(t, e.Do("GET", "/service/whoami?jwt=garbage", "", bearerOf(access)), 200, answer)
	want(t, e.Do("OPTIONS", "/service/whoami", ""), 200, "")
	for _, path := range []string{"/service/whoami", "/service/whoami?jwt=garbage"} {
		want(t, e.Do("GET", path, ""), 401, `{"ok":false,"errors":[{"message":"Internal server error"}]}`)
	}
	e.Advance(15 * time.Minute)
	want(t, e.Do("GET", "/service/whoami", "", bearerOf(access)), 401, `{"ok":false,"errors":[{"message":"Internal server error","expiredToken":true}]}`)
}

// The parameter jwt counts where the service is used, never at the endpoint.
func TestParameterAtTheEndpoint(t *testing.T) {
	e := newEnv(t, nil)
	access, refresh := e.login()
	want(t, e.Do("POST", "/service/Auth?jwt="+refresh, `{"query":"{ refresh { jwt } }"}`), 200, `{"ok":true,"data":{"refresh":{"jwt":null}}}`)
	want(t, e.Do("POST", "/service/Auth?jwt="+access, `{"query":"{ validate { id } }"}`), 500, strings.ReplaceAll(maskedRefresh, "refresh", "validate"))
}

func TestNoWhoamiOutsideDevelopment(t *testing.T) {
	d, err := New(config.NewService("collections", "collectiveaccess", "/"), &door{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.Routes(fixedEngine{}) {
		if strings.Contains(r.Pattern, "whoami") {
			t.Errorf("%s", r.Pattern)
		}
	}
	if got, err := d.Companions(t.Context(), token.Tokens{}); got != nil || err != nil {
		t.Errorf("companions %v, %v", got, err)
	}
}

func TestNewNeedsItsSettings(t *testing.T) {
	_, err := New(config.Service{Name: "collections"}, &door{}, Options{})
	if err == nil || err.Error() != "service collections has no settings of dialect collectiveaccess" {
		t.Errorf("%v", err)
	}
}

// TestRulesOfPHPJWT is what the PHP library of the old service refuses, in its order, and what it does not look at.
func TestRulesOfPHPJWT(t *testing.T) {
	e := newEnv(t, nil)
	access, _ := e.login()
	payload := payloadOf(t, access)
	head, body, _ := strings.Cut(access, ".")
	body, signature, _ := strings.Cut(body, ".")
	k := e.Keys.Access
	at := func(d time.Duration) string { return fmt.Sprint(start.Add(d).Unix()) }
	iat, nbf, exp := `"iat":`+at(0), `"nbf":`+at(0), `"exp":`+at(15*time.Minute)
	for name, c := range map[string]struct {
		text   string
		status int
	}{
		"good":                       {access, 200},
		"two segments":               {head + "." + body, 500},
		"four segments":              {access + ".x", 500},
		"header no JSON":             {sign(t, k, `x`, payload), 500},
		"payload no JSON":            {sign(t, k, tokenHeader, `x`), 500},
		"payload a list":             {sign(t, k, tokenHeader, `[1]`), 500},
		"exp a text":                 {e.altered(access, exp, `"exp":"9999999999"`), 500},
		"no alg":                     {sign(t, k, `{"typ":"JWT"}`, payload), 500},
		"alg none":                   {sign(t, k, `{"typ":"JWT","alg":"none"}`, payload), 500},
		"alg none, no signature":     {b64(`{"typ":"JWT","alg":"none"}`) + "." + body + ".", 500},
		"alg HS512":                  {sign(t, k, `{"typ":"JWT","alg":"HS512"}`, payload), 500},
		"alg RS256":                  {sign(t, k, `{"typ":"JWT","alg":"RS256"}`, payload), 500},
		"another key":                {sign(t, secretKey(t, []byte("blah")), tokenHeader, payload), 500},
		"no signature":               {head + "." + body + ".", 500},
		"signature with padding":     {access + "=", 500},
		"signature cut":              {access[:len(access)-1], 500},
		"payload changed":            {head + "." + b64(strings.Replace(payload, `"id":"1"`, `"id":"2"`, 1)) + "." + signature, 500},
		"nbf in a second":            {e.altered(access, nbf, `"nbf":`+at(time.Second)), 500},
		"iat in a second, no nbf":    {e.altered(access, iat+","+nbf, `"iat":`+at(time.Second)), 500},
		"exp now":                    {e.altered(access, exp, `"exp":`+at(0)), 401},
		"exp a second ago":           {e.altered(access, exp, `"exp":`+at(-time.Second)), 401},
		"exp in a second":            {e.altered(access, exp, `"exp":`+at(time.Second)), 200},
		"no exp":                     {e.altered(access, exp+",", ``), 500},
		"id a number":                {e.altered(access, `"id":"1"`, `"id":1`), 200},
		"id another's":               {e.altered(access, `"id":"1"`, `"id":"7"`), 500},
		"header of another order":    {sign(t, k, `{"alg":"HS256","typ":"JWT"}`, payload), 200},
		"typ not looked at":          {sign(t, k, `{"typ":"other","alg":"HS256"}`, payload), 200},
		"spaces in the payload":      {sign(t, k, tokenHeader, strings.ReplaceAll(payload, ",", " , ")), 200},
		"longer than 16 KiB":         {sign(t, k, tokenHeader, payload[:len(payload)-1]+`,"x":"`+strings.Repeat("y", 11000)+`"}`) + strings.Repeat("A", 2000), 500},
		"no grant":                   {e.altered(access, `,"gid":1`, ``), 500},
		"a grant that never was":     {e.altered(access, `"gid":1`, `"gid":99`), 500},
		"another site's":             {e.altered(access, `"iss":"ca.example.org"`, `"iss":"x.example.org"`), 500},
		"a refresh token's key":      {sign(t, e.Keys.Refresh, tokenHeader, payload), 500},
		"header with crit":           {sign(t, k, `{"typ":"JWT","alg":"HS256","crit":["exp"]}`, payload), 500},
		"header with a second alg":   {sign(t, k, `{"typ":"JWT","alg":"HS256","alg":"none"}`, payload), 500},
		"second exp in capitals":     {e.altered(access, exp, exp+`,"EXP":1`), 500},
		"segment in common base64":   {strings.NewReplacer("-", "+", "_", "/").Replace(e.altered(access, `,"gid"`, `,"x":"???>>>","gid"`)), 500},
		"payload ends in extra bits": {head + "." + body + "." + signature[:len(signature)-1] + string(signature[len(signature)-1]+1), 500},
	} {
		t.Run(name, func(t *testing.T) {
			w := e.Do("POST", "/service/Auth", string(httpio.JSON(map[string]any{"query": `query($t:String!){validate(jwt:$t){id}}`, "variables": map[string]string{"t": c.text}})))
			if w.Code != c.status {
				t.Errorf("status %d, want %d: %s", w.Code, c.status, w.Body)
			}
			if expired := strings.Contains(w.Body.String(), `"expiredToken":true`); expired != (c.status == 401) {
				t.Errorf("expiredToken: %v", expired)
			}
		})
	}
}

func b64(s string) string {
	text, err := jws.Sign([]byte(s), nil, noSignature{})
	if err != nil {
		panic(err)
	}
	return strings.TrimRight(text, ".")
}

// noSignature signs nothing.
type noSignature struct{}

func (noSignature) Alg() string                 { return "none" }
func (noSignature) Sign([]byte) ([]byte, error) { return nil, nil }

// The log tells why, and never a token.
func TestLogHasReasonsAndNoTokens(t *testing.T) {
	e := newEnv(t, nil)
	access, refresh := e.login()
	e.disable(e.api)
	e.query(`{ validate { id } }`, bearerOf(access))
	e.query(`{ refresh { jwt } }`, bearerOf(refresh))
	log := e.Log.String()
	if strings.Count(log, `reason="revoked: grant 1"`) != 2 {
		t.Errorf("%s", log)
	}
	for _, text := range []string{access, refresh} {
		if strings.Contains(log, text[len(text)-20:]) {
			t.Error("a token is in the log")
		}
	}
}
