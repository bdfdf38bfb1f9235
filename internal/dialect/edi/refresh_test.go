package edi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/dialect/dialecttest"
	"symbolon/internal/token"
)

func TestRefresh(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, grant := e.pair(e.ldap)
	e.Advance(time.Hour)
	w := e.refresh(pasta, edi)
	newEDI, newPasta := tokens(t, w)
	want(t, w, http.StatusOK, "{\n  \"msg\": \"PASTA and EDI tokens refreshed successfully\",\n  \"pasta-token\": \""+newPasta+
		"\",\n  \"edi-token\": \""+newEDI+"\",\n  \"method\": \"refreshToken\"\n}")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type %q", got)
	}
	born := start.Add(time.Hour).Unix()
	wantPayload := strings.Replace(payloadOf(t, edi), fmt.Sprintf(`"iat":%d,"nbf":%d,"exp":%d`, born-3600, born-3600, born-3600+28800),
		fmt.Sprintf(`"iat":%d,"nbf":%d,"exp":%d`, born, born, born+28800), 1)
	if diff := cmp.Diff(wantPayload, payloadOf(t, newEDI)); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
	if !strings.Contains(wantPayload, fmt.Sprintf(`"gid":%d,"cap":%d}`, grant, start.Add(30*24*time.Hour).Unix())) {
		t.Errorf("grant and cap are not as issued: %s", wantPayload)
	}
	ttl := time.Date(2026, 1, 2, 12, 5, 0, 0, time.UTC).UnixMilli()
	if diff := cmp.Diff(fmt.Sprintf("%s*https://pasta.edirepository.org/authentication*%d*vetted*authenticated", ldapUID, ttl), e.legacyText(newPasta)); diff != "" {
		t.Error(diff)
	}
}

func TestRefreshStopsAtTheCap(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Cap = config.Duration(10 * time.Hour) })
	edi, pasta, _ := e.pair(e.ldap)
	for range 3 {
		e.Advance(3 * time.Hour)
		edi, pasta = tokens(t, e.refresh(pasta, edi))
	}
	end := start.Add(10 * time.Hour)
	if !strings.Contains(payloadOf(t, edi), fmt.Sprintf(`"exp":%d`, end.Unix())) {
		t.Errorf("exp is not the cap: %s", payloadOf(t, edi))
	}
	if !strings.Contains(e.legacyText(pasta), fmt.Sprint(roundUp(end).UnixMilli())) {
		t.Errorf("the legacy token's end is not the cap: %s", e.legacyText(pasta))
	}
	e.Advance(time.Hour)
	want(t, e.refresh(pasta, edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid edi-token: Signature has expired"))
}

func TestRefreshBadRequests(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, _ := e.pair(e.demo)
	for _, tc := range []struct{ name, body, msg string }{
		{"empty", ``, "Invalid JSON in request body: Expecting value: line 1 column 1 (char 0)"},
		{"urlencoded", `edi-token=x`, "Invalid JSON in request body: Expecting value: line 1 column 1 (char 0)"},
		{"the documentation's trailing comma", "{\n  \"pasta-token\": \"a\",\n  \"edi-token\": \"b\",\n}",
			"Invalid JSON in request body: Expecting property name enclosed in double quotes: line 4 column 1 (char 44)"},
		{"byte order mark", "\ufeff{}", "Invalid JSON in request body: Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)"},
		{"UTF-16", "{\x00}\x00", "Invalid JSON in request body: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"},
		{"not UTF-8", "{\"a\":\"\xff\"}", "Invalid JSON in request body: not valid JSON in UTF-8"},
		{"list", `[]`, "Invalid JSON in request body: must be an object"},
		{"null", `null`, "Invalid JSON in request body: must be an object"},
		{"number", `5`, "Invalid JSON in request body: must be an object"},
		{"NaN", `{"a":NaN}`, "Invalid JSON in request body: not valid JSON in UTF-8"},
		{"a member twice", `{"edi-token":"a","edi-token":"b","pasta-token":null}`, "Invalid JSON in request body: a member name appears twice"},
		{"a nested member twice", `{"x":{"a":1,"a":2},"edi-token":"a","pasta-token":null}`, "Invalid JSON in request body: a member name appears twice"},
		{"another letter case", `{"EDI-token":"a","edi-token":"b","pasta-token":null}`, "Invalid JSON in request body: a member name differs only in letter case"},
		{"very deep", strings.Repeat(`[`, 100000), "Invalid JSON in request body: too large or nested too deeply"},
		{"neither", `{}`, "Missing field in JSON in request body: 'pasta-token'"},
		{"no pasta-token", `{"edi-token":"` + edi + `"}`, "Missing field in JSON in request body: 'pasta-token'"},
		{"no edi-token", `{"pasta-token":"` + pasta + `"}`, "Missing field in JSON in request body: 'edi-token'"},
		{"pasta-token a number", `{"pasta-token":5,"edi-token":"` + edi + `"}`, "Field in JSON in request body is not a string: 'pasta-token'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want(t, e.Do("POST", "/auth/v1/token/refresh", tc.body), http.StatusBadRequest, message("refreshToken", "Bad request: "+tc.msg))
		})
	}
}

func TestRefreshIgnoresContentTypeAndStrangers(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, _ := e.pair(e.demo)
	body := `{"x":[1,{"y":null}],"pasta-token":"` + pasta + `","edi-token":"` + edi + `"}`
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin1"} {
		tokens(t, e.Do("POST", "/auth/v1/token/refresh?key=R9arQwYMFqdgVVYt7jqcsxfyPyU", body, "Content-Type: "+kind))
	}
}

func TestRefreshBadEDIToken(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, _ := e.pair(e.demo)
	head, rest, _ := strings.Cut(edi, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, tc := range []struct {
		name   string
		edi    any
		reason string
	}{
		{"null", nil, "Invalid token type. Token must be a <class 'bytes'>"},
		{"number", 7, "Invalid token type. Token must be a <class 'bytes'>"},
		{"list", []string{edi}, "Invalid token type. Token must be a <class 'bytes'>"},
		{"empty", "", "Not enough segments"},
		{"one segment", "abc", "Not enough segments"},
		{"two segments", head + "." + payload, "Not enough segments"},
		{"four segments", edi + ".x", "Invalid payload padding"},
		{"header no base64url", "*." + rest, "Invalid header padding"},
		{"header no JSON", b64("x") + "." + rest, "Invalid header string: Expecting value: line 1 column 1 (char 0)"},
		{"header a list", b64("[]") + "." + rest, "Invalid header string: must be a json object"},
		{"header with alg twice", b64(`{"alg":"ES256","alg":"none"}`) + "." + rest, "Invalid header string: a member name appears twice"},
		{"header with crit", dialecttest.Sign(e.T, e.Keys.Access, `{"alg":"ES256","crit":[]}`, payloadOf(t, edi)), "Unsupported critical extension"},
		{"payload no base64url", head + ".*." + signature, "Invalid payload padding"},
		{"signature no base64url", head + "." + payload + ".*", "Invalid crypto padding"},
		{"none", b64(`{"alg":"none","typ":"JWT"}`) + "." + payload + ".", "The specified alg value is not allowed"},
		{"HS256", b64(`{"alg":"HS256","typ":"JWT"}`) + "." + rest, "The specified alg value is not allowed"},
		{"signature of another", head + "." + b64("{}") + "." + signature, "Signature verification failed"},
		{"no signature", head + "." + payload + ".", "Signature verification failed"},
		{"expired", e.altered(edi, fmt.Sprintf(`"exp":%d`, start.Unix()+28800), fmt.Sprintf(`"exp":%d`, start.Unix())), "Signature has expired"},
		{"not yet", e.altered(edi, fmt.Sprintf(`"nbf":%d`, start.Unix()), fmt.Sprintf(`"nbf":%d`, start.Unix()+1)), "The token is not yet valid (nbf)"},
		{"from the future", e.altered(edi, fmt.Sprintf(`"iat":%d`, start.Unix()), fmt.Sprintf(`"iat":%d`, start.Unix()+1)), "The token is not yet valid (iat)"},
		{"exp a string", e.altered(edi, fmt.Sprintf(`"exp":%d`, start.Unix()+28800), `"exp":"9999999999"`), "Expiration Time claim (exp) must be an integer."},
		{"exp a fraction", e.altered(edi, fmt.Sprintf(`"exp":%d`, start.Unix()+28800), `"exp":9999999999.5`), "Expiration Time claim (exp) must be an integer."},
		{"exp past all clocks", e.altered(edi, fmt.Sprintf(`"exp":%d`, start.Unix()+28800), `"exp":9223372036854775807`), "Expiration Time claim (exp) must be an integer."},
		{"no exp", e.altered(edi, fmt.Sprintf(`,"exp":%d`, start.Unix()+28800), ``), `Token is missing the "exp" claim`},
		{"no iat", e.altered(edi, fmt.Sprintf(`"iat":%d,`, start.Unix()), ``), `Token is missing the "iat" claim`},
		{"audience", e.altered(edi, `{"sub"`, `{"aud":"ecology","sub"`), "Invalid audience"},
		{"other issuer", e.altered(edi, `"iss":"https://auth.edirepository.org"`, `"iss":"https://auth.edirepository.org/"`), "Invalid issuer"},
		{"other domain", e.altered(edi, `"hd":"edirepository.org"`, `"hd":"example.org"`), "Invalid issuer"},
		{"sub a number", e.altered(edi, `{"sub":"`+EDIID(demoUID)+`"`, `{"sub":5`), "Subject must be a string"},
		{"no sub", e.altered(edi, `{"sub":"`+EDIID(demoUID)+`",`, `{`), "EdiTokenClaims.__init__() missing 1 required positional argument: 'sub'"},
		{"no grant", e.altered(edi, `"gid":`, `"gone":`), "Token has no grant"},
		{"grant 0", e.altered(edi, `"gid":`, `"gid":0,"gone":`), "Token has no grant"},
		{"no cap", e.altered(edi, `"cap":`, `"gone":`), "Token cannot be refreshed"},
		{"principals no list", e.altered(edi, `"principals":[`, `"principals":5,"x":[`), "Invalid payload string: a claim has the wrong type"},
		{"claim twice", e.altered(edi, `"cn":`, `"sub":"x","cn":`), "Invalid payload string"},
		{"claim in another letter case", e.altered(edi, `"cn":`, `"Gid":7,"cn":`), "Invalid payload string"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want(t, e.refresh(pasta, tc.edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid edi-token: "+tc.reason))
		})
	}
	if strings.Contains(e.Log.String(), signature) || strings.Contains(e.Log.String(), payload) {
		t.Error("the log holds a token")
	}
}

func TestRefreshBadPastaToken(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, _ := e.pair(e.demo)
	text, signature, _ := strings.Cut(pasta, "-")
	for _, tc := range []struct{ name, pasta, reason string }{
		{"empty", "", "not enough values to unpack (expected 2, got 1)"},
		{"the documentation's", "uid=EDI,o=EDI,dc=edirepository...", "not enough values to unpack (expected 2, got 1)"},
		{"three parts", pasta + "-x", "too many values to unpack (expected 2)"},
		{"signature without padding", strings.TrimRight(pasta, "="), "Incorrect padding"},
		{"another spelling of the signature", text + "-" + otherSpelling(signature), "Incorrect padding"},
		{"signature of 5 characters", text + "-abcde", "Invalid base64-encoded string: number of data characters (5) cannot be 1 more than a multiple of 4"},
		{"line break in the signature", text + "-" + signature[:4] + "\n" + signature[4:], "Incorrect padding"},
		{"no signature", text + "-", "Invalid signature"},
		{"signature of another", "dWlk-" + signature, "Invalid signature"},
		{"too long", strings.Repeat("A", 16<<10) + "-" + signature, "Invalid signature"},
		{"of another system", e.legacy("x*y", start), "Invalid token text"},
		{"no uid", e.legacy("", start), "Invalid token text"},
		{"of another person", e.legacy(ldapUID, start.Add(time.Hour), "vetted", "authenticated"), "Token belongs to another user"},
		{"of nobody", e.legacy("public", start.Add(time.Hour)), "Token belongs to another user"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want(t, e.refresh(tc.pasta, edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid pasta-token: "+tc.reason))
		})
	}
}

// otherSpelling sets a bit of base64 that stands for nothing, in a text that ends in "==".
func otherSpelling(b64 string) string {
	last := len(b64) - 3
	return b64[:last] + string(base64Alphabet[strings.IndexByte(base64Alphabet, b64[last])^1]) + b64[last+1:]
}

func TestRefreshJudgesTheEDITokenFirst(t *testing.T) {
	e := newEnv(t, nil)
	want(t, e.refresh("", ""), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid edi-token: Not enough segments"))
}

func TestRefreshWithoutLegacyToken(t *testing.T) {
	e := newEnv(t, nil)
	edi, _, _ := e.pair(e.demo)
	w := e.refresh(nil, edi)
	renewed, _ := tokens(t, w)
	want(t, w, http.StatusOK, "{\n  \"msg\": \"PASTA and EDI tokens refreshed successfully\",\n  \"pasta-token\": null,\n  \"edi-token\": \""+renewed+"\",\n  \"method\": \"refreshToken\"\n}")
}

func TestRefreshRenewsAnExpiredLegacyToken(t *testing.T) {
	e := newEnv(t, nil)
	edi, _, _ := e.pair(e.demo)
	_, pasta := tokens(t, e.refresh(e.legacy(demoUID, time.UnixMilli(1558090703946), "authenticated"), edi))
	if got, text := e.legacyText(pasta), fmt.Sprintf("%s*%s*%d*authenticated", demoUID, legacySystem, roundUp(start.Add(8*time.Hour)).UnixMilli()); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
}

func TestRefreshOfALinkedIdentity(t *testing.T) {
	e := newEnv(t, nil)
	id := e.Account(account.AddVerb{Name: "fern", Identities: []account.Identity{
		{Provider: "github", Subject: "https://github.com/fern", Name: "Fern"},
		{Provider: "google", Subject: "1234", Email: "fern@example.org"},
		{Provider: "orcid", Subject: "0000-0002-1825-0097"},
	}})
	edi, _, _ := e.pair(id)
	for _, uid := range []string{"https://github.com/fern", "fern@example.org", "https://orcid.org/0000-0002-1825-0097"} {
		_, pasta := tokens(t, e.refresh(e.legacy(uid, start, "authenticated"), edi))
		if !strings.HasPrefix(e.legacyText(pasta), uid+"*") {
			t.Errorf("%s became %s", uid, e.legacyText(pasta))
		}
	}
}

func TestRefreshKeepsUnknownClaims(t *testing.T) {
	e := newEnv(t, nil)
	edi, _, _ := e.pair(e.demo)
	public, authenticated := `"EDI-078e6e3cee4f7f2812f150701da9351acb51e089"`, `"EDI-7be3510d08def0dfc667824ebd4f4f1bbd770234"`
	strange := e.altered(edi, public+","+authenticated, authenticated+","+public)
	strange = e.altered(e.altered(strange, `"principals":`, `"avatarUrl":"https://x/y","principals":`), `{"sub"`, `{"badge":{"z":1,"a":["é"]},"sub"`)
	renewed, _ := tokens(t, e.refresh(nil, strange))
	wantPayload := strings.Replace(payloadOf(t, edi), `"principals":`, `"avatarUrl":"https://x/y","principals":`, 1)
	wantPayload = strings.TrimSuffix(wantPayload, "}") + `,"badge":{"z":1,"a":["\u00e9"]}}`
	if diff := cmp.Diff(wantPayload, payloadOf(t, renewed)); diff != "" {
		t.Error(diff)
	}
}

func TestRefreshFillsMissingClaims(t *testing.T) {
	e := newEnv(t, nil)
	s := start.Unix()
	bare := dialecttest.Sign(e.T, e.Keys.Access, plainHeader, fmt.Sprintf(`{"sub":"EDI-x","iss":"https://auth.edirepository.org","hd":"edirepository.org","iat":%d,"exp":%d,"gid":9,"cap":%d}`, s, s+60, s+90000))
	renewed, _ := tokens(t, e.refresh(nil, bare))
	wantPayload := fmt.Sprintf(`{"sub":"EDI-x","cn":"","email":null,"principals":[],"links":[],"isEmailEnabled":false,"isEmailVerified":false,`+
		`"idpCommonName":null,"idpName":null,"idpUid":null,"iss":"https://auth.edirepository.org","hd":"edirepository.org","iat":%d,"nbf":%d,"exp":%d,"gid":9,"cap":%d}`, s, s, s+28800, s+90000)
	if diff := cmp.Diff(wantPayload, payloadOf(t, renewed)); diff != "" {
		t.Error(diff)
	}
}

func TestRefreshOfARevokedToken(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, grant := e.pair(e.demo)
	e.revoke(token.RevokeRequest{Grant: grant})
	want(t, e.refresh(pasta, edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid edi-token: Token has been revoked"))
}

func TestRefreshAfterACutOff(t *testing.T) {
	e := newEnv(t, nil)
	_, exact, grant := e.pair(e.demo)
	key, id := e.APIKey(token.KeyRequest{Account: e.demo})
	_, rounded := tokens(t, e.post("/auth/v1/key", map[string]any{"key": key}))
	e.Advance(time.Second)
	e.revoke(token.RevokeRequest{Grant: grant})
	e.revoke(token.RevokeRequest{Grant: id})
	edi, pasta, _ := e.pair(e.demo)
	tokens(t, e.refresh(pasta, edi))
	revoked := message("refreshToken", "Attempted to refresh invalid pasta-token: Token has been revoked")
	for _, old := range []string{exact, rounded, e.legacy(demoUID, start.Add(8*time.Hour+time.Second), "authenticated")} {
		want(t, e.refresh(old, edi), http.StatusUnauthorized, revoked)
	}
	key, _ = e.APIKey(token.KeyRequest{Account: e.demo})
	edi, pasta = tokens(t, e.post("/auth/v1/key", map[string]any{"key": key}))
	for range 2 {
		edi, pasta = tokens(t, e.refresh(pasta, edi))
	}
}

// The clock stands still between the revocation and the new sign-in.
func TestCompanionsPassACutOffOfTheSameMoment(t *testing.T) {
	for _, late := range []time.Duration{0, 500 * time.Millisecond, 55 * time.Second, 55*time.Second - time.Millisecond} {
		e := newEnv(t, nil)
		e.Advance(late)
		_, _, grant := e.pair(e.demo)
		e.revoke(token.RevokeRequest{Grant: grant})
		edi, pasta, _ := e.pair(e.demo)
		tokens(t, e.refresh(pasta, edi))
	}
}

func TestRefreshWithoutStore(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, _ := e.pair(e.demo)
	e.BreakStore()
	tokens(t, e.refresh(pasta, edi))
}

func TestRefreshAfterALoss(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, _ := e.pair(e.ldap)
	if !strings.Contains(payloadOf(t, edi), e.dialect.format.edi.VettedID) {
		t.Fatalf("not vetted to begin with: %s", payloadOf(t, edi))
	}
	e.Advance(time.Minute)
	if err := e.Store.RemoveMember(t.Context(), dialecttest.Operator, e.Now(), "vetted", "edi"); err != nil {
		t.Fatal(err)
	}
	e.Advance(time.Minute)
	want(t, e.refresh(pasta, edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid pasta-token: Token has been revoked"))
	now := e.legacy(ldapUID, e.Now().Add(8*time.Hour), "vetted", "authenticated")
	renewed, _ := tokens(t, e.refresh(now, edi))
	if strings.Contains(payloadOf(t, renewed), e.dialect.format.edi.VettedID) {
		t.Errorf("still vetted: %s", payloadOf(t, renewed))
	}
	e.BreakStore()
	w := e.refresh(nil, edi)
	want(t, w, http.StatusServiceUnavailable, message("refreshToken", "Service unavailable: please try again later"))
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	tokens(t, e.refresh(nil, renewed))
}

func TestRefreshWithoutNews(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta, _ := e.pair(e.demo)
	e.Silence(time.Minute)
	want(t, e.refresh(pasta, edi), http.StatusServiceUnavailable, message("refreshToken", "Service unavailable: please try again later"))
}

func TestPlainClaims(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.EDI.PlainClaims = true })
	edi, pasta, grant := e.pair(e.demo)
	header, _, _ := strings.Cut(edi, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	if got, wanted := string(text), fmt.Sprintf(`{"alg":"ES256","typ":"JWT","kid":"s1.%d.%d"}`, grant, start.Add(30*24*time.Hour).Unix()); got != wanted {
		t.Errorf("header %s, want %s", got, wanted)
	}
	if p := payloadOf(t, edi); strings.Contains(p, `"gid"`) || strings.Contains(p, `"cap"`) {
		t.Errorf("our claims are there: %s", p)
	}
	tokens(t, e.refresh(pasta, edi))
	noGrant := message("refreshToken", "Attempted to refresh invalid edi-token: Token has no grant")
	for _, kid := range []string{"s1", "s1.", "s1.0.5", "s1.-1.5", "s1.x.5", "s1.5", "s1.5.x", "s1.5.-1", "s1.1e3.5", "s1.5.5.5", "other"} {
		want(t, e.refresh(nil, dialecttest.Sign(e.T, e.Keys.Access, `{"alg":"ES256","typ":"JWT","kid":"`+kid+`"}`, payloadOf(t, edi))), http.StatusUnauthorized, noGrant)
	}
	twice := strings.TrimSuffix(payloadOf(t, edi), "}") + `,"gid":5}`
	want(t, e.refresh(nil, dialecttest.Sign(e.T, e.Keys.Access, string(text), twice)), http.StatusUnauthorized, noGrant)
	e.revoke(token.RevokeRequest{Grant: grant})
	want(t, e.refresh(nil, edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid edi-token: Token has been revoked"))
}
