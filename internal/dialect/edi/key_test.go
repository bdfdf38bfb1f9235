package edi

import (
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

func TestKeyOfAProfile(t *testing.T) {
	e := newEnv(t, nil)
	key, id := e.APIKey(token.KeyRequest{Account: e.ldap, To: start.Add(90 * 24 * time.Hour)})
	w := e.Do("POST", "/auth/v1/key", `{"key": "`+key+`"}`, "Content-Type: application/x-www-form-urlencoded")
	edi, pasta := tokens(t, w)
	want(t, w, http.StatusOK, "{\n  \"msg\": \"Token created successfully\",\n  \"pasta-token\": \""+pasta+
		"\",\n  \"edi-token\": \""+edi+"\",\n  \"method\": \"getTokenByKey\"\n}")
	s := start.Unix()
	wantPayload := `{"sub":"` + EDIID(ldapUID) + `","cn":"edi","email":"edi@example.org","principals":["EDI-078e6e3cee4f7f2812f150701da9351acb51e089",` +
		`"EDI-7be3510d08def0dfc667824ebd4f4f1bbd770234","EDI-bdae74972ed710c56b1e0df18ccb6e23c31f60f6"],"links":[],"isEmailEnabled":false,"isEmailVerified":false,` +
		`"idpCommonName":null,"idpName":"ldap","idpUid":"` + ldapUID + `","iss":"https://auth.edirepository.org","hd":"edirepository.org",` +
		fmt.Sprintf(`"iat":%d,"nbf":%d,"exp":%d,"gid":%d,"cap":%d}`, s, s, s+28800, id, s+90*86400)
	if diff := cmp.Diff(wantPayload, payloadOf(t, edi)); diff != "" {
		t.Error(diff)
	}
	if got, text := e.legacyText(pasta), fmt.Sprintf("%s*%s*%d*vetted*authenticated", ldapUID, legacySystem, roundUp(start.Add(8*time.Hour)).UnixMilli()); got != text {
		t.Errorf("legacy %s, want %s", got, text)
	}
}

func TestKeyOfAGroup(t *testing.T) {
	e := newEnv(t, nil)
	uid := strings.Repeat("cd", 16)
	if _, err := e.Store.AddGroup(t.Context(), dialecttest.Operator, start, "reviewers", uid, "demo"); err != nil {
		t.Fatal(err)
	}
	group, err := groupNumber(e, "reviewers")
	if err != nil {
		t.Fatal(err)
	}
	key, id := e.APIKey(token.KeyRequest{Account: e.demo, Group: group})
	edi, pasta := tokens(t, e.post("/auth/v1/key", map[string]any{"key": key}))
	s := start.Unix()
	wantPayload := `{"sub":"` + EDIID(uid) + `","cn":"reviewers","email":null,"principals":[],"links":[],"isEmailEnabled":false,"isEmailVerified":false,` +
		`"idpCommonName":null,"idpName":null,"idpUid":null,"iss":"https://auth.edirepository.org","hd":"edirepository.org",` +
		fmt.Sprintf(`"iat":%d,"nbf":%d,"exp":%d,"gid":%d,"cap":%d}`, s, s, s+28800, id, s+90*86400)
	if diff := cmp.Diff(wantPayload, payloadOf(t, edi)); diff != "" {
		t.Error(diff)
	}
	if got, text := e.legacyText(pasta), fmt.Sprintf("public*%s*%d", legacySystem, roundUp(start.Add(8*time.Hour)).UnixMilli()); got != text {
		t.Errorf("legacy %s, want %s", got, text)
	}
	tokens(t, e.refresh(pasta, edi))
	want(t, e.refresh(e.legacy(demoUID, start, "authenticated"), edi), http.StatusUnauthorized,
		message("refreshToken", "Attempted to refresh invalid pasta-token: Token belongs to another user"))
}

func groupNumber(e *env, name string) (int64, error) {
	all, err := e.Store.Groups(e.T.Context())
	for _, g := range all {
		if g.Name == name {
			return g.ID, nil
		}
	}
	return 0, fmt.Errorf("no group %s: %w", name, err)
}

func TestKeyBadRequests(t *testing.T) {
	e := newEnv(t, nil)
	for _, tc := range []struct{ name, body, msg string }{
		{"urlencoded", "key=R9arQwYMFqdgVVYt7jqcsxfyPyU", "Invalid JSON in request body: Expecting value: line 1 column 1 (char 0)"},
		{"no key", `{"Kind":1}`, "Missing field in JSON in request body: 'key'"},
		{"odd case", `{"Key":"x"}`, "Invalid JSON in request body: a member name differs only in letter case"},
		{"null", `{"key":null}`, "Field in JSON in request body is not a string: 'key'"},
		{"list", `{"key":["x"]}`, "Field in JSON in request body is not a string: 'key'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want(t, e.Do("POST", "/auth/v1/key", tc.body), http.StatusBadRequest, message("getTokenByKey", "Bad request: "+tc.msg))
		})
	}
}

func TestKeyRefused(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Allow.Groups = []string{"vetted"} })
	good, _ := e.APIKey(token.KeyRequest{Account: e.ldap})
	tokens(t, e.post("/auth/v1/key", map[string]any{"key": good}))
	deleted, id := e.APIKey(token.KeyRequest{Account: e.ldap})
	e.revoke(token.RevokeRequest{Grant: id})
	waiting, _ := e.APIKey(token.KeyRequest{Account: e.ldap, From: start.Add(time.Hour)})
	short, _ := e.APIKey(token.KeyRequest{Account: e.ldap, To: start.Add(time.Second)})
	foreign, _ := e.APIKey(token.KeyRequest{Account: e.demo})
	e.Advance(time.Second)
	for name, key := range map[string]string{
		"empty": "", "unknown": "R9arQwYMFqdgVVYt7jqcsxfyPyU", "deleted": deleted, "not yet valid": waiting, "expired": short,
		"of an account the service is not for": foreign,
		"longer":                               good + "A", "shorter": good[:26], "other case": strings.ToUpper(good), "with a NUL": good[:26] + "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			want(t, e.post("/auth/v1/key", map[string]any{"key": key}), http.StatusUnauthorized, message("getTokenByKey", "Invalid API key"))
		})
	}
	if strings.Contains(e.Log.String(), good[:26]) {
		t.Error("the log holds a key")
	}
}

func TestKeyEndsItsTokens(t *testing.T) {
	e := newEnv(t, nil)
	key, id := e.APIKey(token.KeyRequest{Account: e.demo, To: start.Add(time.Hour)})
	edi, pasta := tokens(t, e.post("/auth/v1/key", map[string]any{"key": key}))
	if !strings.Contains(payloadOf(t, edi), fmt.Sprintf(`"exp":%d,`, start.Unix()+3600)) {
		t.Errorf("the token outlives its key: %s", payloadOf(t, edi))
	}
	if !strings.Contains(e.legacyText(pasta), fmt.Sprint(roundUp(start.Add(time.Hour)).UnixMilli())) {
		t.Errorf("the legacy token outlives its key: %s", e.legacyText(pasta))
	}
	e.revoke(token.RevokeRequest{Grant: id})
	want(t, e.refresh(pasta, edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid edi-token: Token has been revoked"))
}

func TestKeyStoreFails(t *testing.T) {
	e := newEnv(t, nil)
	key, _ := e.APIKey(token.KeyRequest{Account: e.demo})
	e.BreakStore()
	w := e.post("/auth/v1/key", map[string]any{"key": key})
	want(t, w, http.StatusServiceUnavailable, message("getTokenByKey", "Service unavailable: please try again later"))
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
}

const publicID = "EDI-078e6e3cee4f7f2812f150701da9351acb51e089"

func TestTokenForAProfile(t *testing.T) {
	e := newEnv(t, nil)
	id := EDIID(demoUID)
	w := e.post("/auth/v1/token/"+id, map[string]any{"key": tokenKey})
	edi, _ := tokens(t, w)
	want(t, w, http.StatusOK, "{\n  \"msg\": \"Token created successfully\",\n  \"edi_id\": \""+id+"\",\n  \"edi-token\": \""+edi+"\",\n  \"method\": \"getToken\"\n}")
	if !strings.HasPrefix(payloadOf(t, edi), `{"sub":"`+id+`","cn":"Demo Person",`) {
		t.Errorf("payload %s", payloadOf(t, edi))
	}
}

func TestTokenForPublic(t *testing.T) {
	e := newEnv(t, nil)
	edi, _ := tokens(t, e.post("/auth/v1/token/"+publicID, map[string]any{"key": tokenKey}))
	start := `{"sub":"` + publicID + `","cn":"Public Access","email":null,"principals":[],"links":[],"isEmailEnabled":false,"isEmailVerified":false,` +
		`"idpCommonName":null,"idpName":"system","idpUid":null,`
	if !strings.HasPrefix(payloadOf(t, edi), start) {
		t.Errorf("payload %s", payloadOf(t, edi))
	}
	tokens(t, e.refresh(e.legacy("public", e.Now()), edi))
}

func TestTokenForRefused(t *testing.T) {
	e := newEnv(t, nil)
	id := EDIID(demoUID)
	withID := func(id, msg string) string {
		return "{\n  \"msg\": \"" + msg + "\",\n  \"edi_id\": \"" + id + "\",\n  \"method\": \"getToken\"\n}"
	}
	denied, bad := "Access denied: Invalid request", message("getToken", "Bad request: Invalid request")
	for _, tc := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"no JSON", id, `key=` + tokenKey, http.StatusBadRequest, bad},
		{"no key", id, `{}`, http.StatusBadRequest, bad},
		{"the field's former name", id, `{"token":"` + tokenKey + `"}`, http.StatusBadRequest, bad},
		{"key a number", id, `{"key":5}`, http.StatusBadRequest, bad},
		{"wrong key", id, `{"key":"x"}`, http.StatusForbidden, withID(id, denied)},
		{"empty key", id, `{"key":""}`, http.StatusForbidden, withID(id, denied)},
		{"key with its line break", id, `{"key":"` + tokenKey + `\n"}`, http.StatusForbidden, withID(id, denied)},
		{"wrong key and no such profile", "EDI-0", `{"key":"x"}`, http.StatusForbidden, withID("EDI-0", denied)},
		{"no such profile", "EDI-0", `{"key":"` + tokenKey + `"}`, http.StatusNotFound, withID("EDI-0", "Not found: Invalid request")},
		{"a group", "EDI-bdae74972ed710c56b1e0df18ccb6e23c31f60f6", `{"key":"` + tokenKey + `"}`, http.StatusNotFound,
			withID("EDI-bdae74972ed710c56b1e0df18ccb6e23c31f60f6", "Not found: Invalid request")},
		{"strange id", "%22%C3%A9%3C", `{"key":"` + tokenKey + `"}`, http.StatusNotFound, withID(`\"\u00e9<`, "Not found: Invalid request")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want(t, e.Do("POST", "/auth/v1/token/"+tc.path, tc.body), tc.status, tc.want)
		})
	}
}

func TestTokenForIsOff(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.EDI.TokenKeyFile = "" })
	for _, key := range []string{"", tokenKey} {
		if w := e.post("/auth/v1/token/"+publicID, map[string]any{"key": key}); w.Code != http.StatusForbidden {
			t.Errorf("key %q: status %d", key, w.Code)
		}
	}
}

func TestTokenForAnEndedAccount(t *testing.T) {
	e := newEnv(t, nil)
	id := EDIID(demoUID)
	edi, _ := tokens(t, e.post("/auth/v1/token/"+id, map[string]any{"key": tokenKey}))
	if _, err := e.Engine.EndAccount(t.Context(), token.Operator(), e.demo, account.Disabled, "test"); err != nil {
		t.Fatal(err)
	}
	e.CatchUp()
	want(t, e.refresh(nil, edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid edi-token: Token has been revoked"))
	if w := e.post("/auth/v1/token/"+id, map[string]any{"key": tokenKey}); w.Code != http.StatusNotFound {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestTokenForCannotBeStretched(t *testing.T) {
	e := newEnv(t, nil)
	edi, _ := tokens(t, e.post("/auth/v1/token/"+publicID, map[string]any{"key": tokenKey}))
	e.Advance(7 * time.Hour)
	edi, _ = tokens(t, e.refresh(nil, edi))
	e.Advance(time.Hour)
	want(t, e.refresh(nil, edi), http.StatusUnauthorized, message("refreshToken", "Attempted to refresh invalid edi-token: Signature has expired"))
}
