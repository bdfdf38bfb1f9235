package itempath

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/jws"
	"symbolon/internal/token"
)

const (
	noBearerText  = "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'"
	badHeaderText = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'"
	stationsBody  = `{"stations":[{"id":1,"name":"Demo station"}],"username":"demo","id":1}` + "\n"
)

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// TestHeaderRows is rows 1 to 6 of the error table: the Authorization header, on every
// route that reads it.
func TestHeaderRows(t *testing.T) {
	e := newEnv(t, nil)
	good := e.session(1).Access.Reveal()
	for _, tc := range []struct {
		name   string
		values []string
		status int
		text   string // of the refusal
	}{
		{"1 no header", nil, 401, "Missing Authorization Header"},
		{"1 empty", []string{""}, 401, "Missing Authorization Header"},
		{"1 blanks and commas", []string{" , ,"}, 401, "Missing Authorization Header"},
		{"2 Bearer alone", []string{"Bearer"}, 422, badHeaderText},
		{"2 Bearer and a blank", []string{"Bearer "}, 422, badHeaderText},
		{"2 three words", []string{"Bearer " + good + " b"}, 422, badHeaderText},
		{"3 lower case", []string{"bearer " + good}, 401, noBearerText},
		{"3 upper case", []string{"BEARER " + good}, 401, noBearerText},
		{"3 another scheme", []string{"Basic eDp5"}, 401, noBearerText},
		{"3 no scheme", []string{good}, 401, noBearerText},
		{"3 no blank", []string{"Bearer" + good}, 401, noBearerText},
		{"4 two parts", []string{"Bearer " + good + ", Bearer " + good}, 401, noBearerText},
		{"4 two headers", []string{"Bearer " + good, "Bearer " + good}, 401, noBearerText},
		{"5 Basic first", []string{"Basic eDp5, Bearer " + good}, 200, ""},
		{"5 two headers", []string{"Basic eDp5", "Bearer " + good}, 200, ""},
		{"5 two blanks", []string{"Bearer  " + good}, 200, ""},
		{"5 a tab", []string{"Bearer\t" + good}, 200, ""},
		{"6 trailing comma", []string{"Bearer " + good + ","}, 200, ""},
		{"6 commas around", []string{",, Bearer " + good + " ,,"}, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var headers []string
			for _, v := range tc.values {
				headers = append(headers, "Authorization: "+v)
			}
			w := e.Do("GET", "/api/stations", "", headers...)
			if tc.status == http.StatusOK {
				want(t, w, tc.status, stationsBody)
				return
			}
			want(t, w, tc.status, msg(tc.text))
			for _, path := range []string{"/api/users/refresh", "/api/users/application-token", "/api/users", "/api/users/1"} {
				want(t, e.Do("POST", path, "", headers...), tc.status, msg(tc.text))
			}
		})
	}
}

// TestTokenRows is rows 7 to 34 of the error table, each with its exact body. Where
// this service is stricter than the library the name says so.
func TestTokenRows(t *testing.T) {
	e := newEnv(t, nil)
	session := e.session(1)
	access, refresh := session.Access.Reveal(), session.Refresh.Reveal()
	parts := strings.Split(access, ".")
	head, body, sig := parts[0], parts[1], parts[2]
	payload := payloadOf(t, access)
	other := secretKey(t, 9)
	with := func(old, replacement string) string { return e.altered(token.Access, access, old, replacement) }
	headed := func(h string) string { return sign(t, e.Keys.Access, h, payload) }
	past := strings.Replace(payload, `"exp":1767323945`, `"exp":1767323045`, 1)
	if past == payload {
		t.Fatal(payload)
	}
	for _, tc := range []struct {
		name, text string
		status     int
		body       string
	}{
		{"7 no dots", "x", 422, "Not enough segments"},
		{"7 one dot", head + "." + body, 422, "Not enough segments"},
		{"8 four segments", access + "." + sig, 422, "Invalid payload padding"},
		{"9 header of impossible length", head[:len(head)-3] + "." + body + "." + sig, 422, "Invalid header padding"},
		{"9 header padded", head + "=." + body + "." + sig, 422, "Invalid header padding"},
		{"10 header not JSON", b64("x") + "." + body + "." + sig, 422, "Invalid header string: Expecting value: line 1 column 1 (char 0)"},
		{"10 header empty", "." + body + "." + sig, 422, "Invalid header string: Expecting value: line 1 column 1 (char 0)"},
		{"10 header with a member twice, stricter", b64(`{"alg":"HS256","alg":"none"}`) + "." + body + "." + sig, 422, "Invalid header string: member name appears twice"},
		{"10 header in odd case, stricter", b64(`{"ALG":"HS256"}`) + "." + body + "." + sig, 422, "Invalid header string: member name differs only in letter case"},
		{"11 header an array", b64("[]") + "." + body + "." + sig, 422, "Invalid header string: must be a json object"},
		{"12 payload not decodable", head + ".*." + sig, 422, "Invalid payload padding"},
		{"12 payload with a stray character, stricter", head + "." + body + "~." + sig, 422, "Invalid payload padding"},
		{"13 signature not decodable", head + "." + body + ".*", 422, "Invalid crypto padding"},
		{"13 signature padded, stricter", access + "=", 422, "Invalid crypto padding"},
		{"14 payload not JSON, signed", sign(t, e.Keys.Access, header, "x"), 422, "Invalid payload string: Expecting value: line 1 column 1 (char 0)"},
		{"14 payload not JSON, not signed", head + "." + b64("x") + "." + sig, 422, "Invalid payload string: Expecting value: line 1 column 1 (char 0)"},
		{"14 payload not JSON, alg none", b64(`{"alg":"none"}`) + "." + b64("x") + ".", 422, "Invalid payload string: Expecting value: line 1 column 1 (char 0)"},
		{"14 payload empty", head + ".." + sig, 422, "Invalid payload string: Expecting value: line 1 column 1 (char 0)"},
		{"14 second line", sign(t, e.Keys.Access, header, "{\n\"é\":x}"), 422, "Invalid payload string: Expecting value: line 2 column 5 (char 6)"},
		{"14 a member twice, stricter", sign(t, e.Keys.Access, header, `{"iat":1,"iat":2}`), 422, "Invalid payload string: member name appears twice"},
		{"15 payload an array", sign(t, other, header, "[]"), 422, "Invalid payload string: must be a json object"},
		{"16 wrong key", sign(t, other, header, payload), 422, "Signature verification failed"},
		{"16 wrong key and expired", sign(t, other, header, past), 422, "Signature verification failed"},
		{"16 tampered", head + "." + b64(strings.Replace(payload, "demo", "boss", 1)) + "." + sig, 422, "Signature verification failed"},
		{"16 empty signature", head + "." + body + ".", 422, "Signature verification failed"},
		{"16 access token under the refresh key", sign(t, e.Keys.Refresh, header, payload), 422, "Signature verification failed"},
		{"16 refresh token under the access key", sign(t, e.Keys.Access, header, payloadOf(t, refresh)), 422, "Signature verification failed"},
		{"17 alg none", b64(`{"typ":"JWT","alg":"none"}`) + "." + body + ".", 422, "The specified alg value is not allowed"},
		{"17 alg HS512", headed(`{"typ":"JWT","alg":"HS512"}`), 422, "The specified alg value is not allowed"},
		{"17 alg RS256", headed(`{"typ":"JWT","alg":"RS256"}`), 422, "The specified alg value is not allowed"},
		{"17 alg in lower case", headed(`{"typ":"JWT","alg":"hs256"}`), 422, "The specified alg value is not allowed"},
		{"18 no alg", headed(`{"typ":"JWT"}`), 422, "The specified alg value is not allowed"},
		{"19 kid a number", headed(`{"typ":"JWT","alg":"HS256","kid":1}`), 422, "Key ID header parameter must be a string"},
		{"19 kid before payload", b64(`{"alg":"HS256","kid":1}`) + "." + b64("x") + ".", 422, "Key ID header parameter must be a string"},
		{"crit, stricter", headed(`{"typ":"JWT","alg":"HS256","crit":["b64"]}`), 422, "Unsupported critical extension"},
		{"typ a number, stricter", headed(`{"typ":1,"alg":"HS256"}`), 422, "Invalid header string: typ must be a string"},
		{"too long, stricter", "Bearer" + strings.Repeat("x", 16<<10), 422, "Token is too long"},
		{"20 expired", sign(t, e.Keys.Access, header, past), 401, "Token has expired"},
		{"21 expiring now, stricter", with(`"exp":1767323945`, `"exp":1767323045`), 401, "Token has expired"},
		{"22 exp a string", with(`"exp":1767323945`, `"exp":"tomorrow"`), 422, "Expiration Time claim (exp) must be an integer."},
		{"22 exp a fraction, stricter", with(`"exp":1767323945`, `"exp":1767323945.5`), 422, "Expiration Time claim (exp) must be an integer."},
		{"23 nbf in the future", with(`"nbf":1767323045`, `"nbf":1767323046`), 422, "The token is not yet valid (nbf)"},
		{"24 nbf null", with(`"nbf":1767323045`, `"nbf":null`), 422, "Not Before claim (nbf) must be an integer."},
		{"25 iat in the future, stricter", with(`"iat":1767323045`, `"iat":1767323046`), 422, "The token is not yet valid (iat)"},
		{"26 iat a string", with(`"iat":1767323045`, `"iat":"x"`), 422, "Issued At claim (iat) must be an integer."},
		{"26 no iat, stricter", with(`"iat":1767323045,`, ``), 422, "Issued At claim (iat) must be an integer."},
		{"28 refresh token", refresh, 422, "Only non-refresh tokens are allowed"},
		{"29 type foo, stricter", with(`"type":"access"`, `"type":"foo"`), 422, "Missing or invalid claim: type"},
		{"29 no type, stricter", with(`"type":"access",`, ``), 422, "Missing or invalid claim: type"},
		{"30 no identity", with(`"identity":"demo",`, ``), 422, "Missing claim: identity"},
		{"30 no identity and expired", e.altered(token.Access, sign(t, e.Keys.Access, header, past), `"identity":"demo",`, ``), 422, "Missing claim: identity"},
		{"31 identity a number, stricter", with(`"identity":"demo"`, `"identity":1`), 422, "Subject must be a string"},
		{"31 identity null, stricter", with(`"identity":"demo"`, `"identity":null`), 422, "Subject must be a string"},
		{"32 jti a number, stricter", with(`"jti":"`, `"jti":1,"old":"`), 422, "JWT ID must be a string"},
		{"32 jti no UUID, stricter", with(`"jti":"`, `"jti":"x`), 422, "JWT ID must be a UUID"},
		{"34 made elsewhere, stricter", with(`"gid":1`, `"g":1`), 401, "Token has been revoked"},
		{"34 gid below one, stricter", with(`"gid":1`, `"gid":0`), 401, "Token has been revoked"},
		{"34 no uid, stricter", with(`"uid":1`, `"u":1`), 401, "Token has been revoked"},
		{"34 cap a string, stricter", with(`"cap":1769915045`, `"cap":"x"`), 401, "Token has been revoked"},
		{"34 without an end, not on the list", with(`"exp":1767323945,`, ``), 401, "Token has been revoked"},
		{"another's uid", with(`"uid":1`, `"uid":2`), 422, "Invalid token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := e.Do("GET", "/api/stations", "", bearerOf(tc.text))
			want(t, w, tc.status, msg(tc.body))
			challenge := map[int]string{401: "Bearer"}[tc.status]
			if got := w.Header().Get("WWW-Authenticate"); got != challenge {
				t.Errorf("WWW-Authenticate %q, want %q", got, challenge)
			}
			if got := w.Header().Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
	for name, text := range map[string]string{
		"33 aud": with(`"gid":1`, `"aud":"x","gid":1`), "35 not fresh": access, "header order": headed(`{"alg":"HS256","typ":"JWT"}`),
		"a foreign kid": headed(`{"typ":"JWT","alg":"HS256","kid":"x"}`), "no nbf": with(`"nbf":1767323045,`, ``), "no fresh": with(`"fresh":false,`, ``),
	} {
		t.Run(name, func(t *testing.T) { want(t, e.Do("GET", "/api/stations", "", bearerOf(text)), 200, stationsBody) })
	}
}

// TestRefreshRouteRows is what differs on the two routes that take refresh tokens.
func TestRefreshRouteRows(t *testing.T) {
	e := newEnv(t, nil)
	session := e.session(2)
	access, refresh := session.Access.Reveal(), session.Refresh.Reveal()
	with := func(old, replacement string) string { return e.altered(token.Refresh, refresh, old, replacement) }
	for _, tc := range []struct {
		name, text string
		status     int
		body       string
	}{
		{"16 refresh token under the access key", sign(t, e.Keys.Access, header, payloadOf(t, refresh)), 422, "Signature verification failed"},
		{"16 access token under the refresh key", sign(t, e.Keys.Refresh, header, payloadOf(t, access)), 422, "Signature verification failed"},
		{"20 expired", with(`"exp":1769915045`, `"exp":1767323045`), 401, "Token has expired"},
		{"20 expired beats wrong type", e.altered(token.Access, access, `"exp":1767323945`, `"exp":1767323045`), 401, "Token has expired"},
		{"22 no exp, stricter", with(`"exp":1769915045,`, ``), 422, "Expiration Time claim (exp) must be an integer."},
		{"27 access token", access, 422, "Only refresh tokens are allowed"},
		{"27 application token", e.application(2).Access.Reveal(), 422, "Only refresh tokens are allowed"},
		{"30 no identity", with(`"identity":"robot",`, ``), 422, "Missing claim: identity"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want(t, e.Do("POST", "/api/users/refresh", "", bearerOf(tc.text)), tc.status, msg(tc.body))
			want(t, e.Do("POST", "/api/users/application-token", "", bearerOf(tc.text)), tc.status, msg(tc.body))
		})
	}
	want(t, e.Do("POST", "/api/users/refresh", "", bearerOf(with(`"cap":1769915045`, `"c":1`))), 422, msg("Only refresh tokens are allowed"))
}

// TestRevokedRow is row 34, and where it stands in the order: wrong type beats revoked.
func TestRevokedRow(t *testing.T) {
	e := newEnv(t, nil)
	session, app := e.session(2), e.application(2)
	e.revoke(session.Grant.ID)
	e.revoke(app.Grant.ID)
	gone := msg("Token has been revoked")
	want(t, e.Do("GET", "/api/stations", "", bearerOf(session.Access.Reveal())), 401, gone)
	want(t, e.Do("GET", "/api/stations", "", bearerOf(app.Access.Reveal())), 401, gone)
	want(t, e.Do("POST", "/api/users/refresh", "", bearerOf(session.Refresh.Reveal())), 401, gone)
	want(t, e.Do("POST", "/api/users/application-token", "", bearerOf(session.Refresh.Reveal())), 401, gone)
	want(t, e.Do("GET", "/api/stations", "", bearerOf(session.Refresh.Reveal())), 422, msg("Only non-refresh tokens are allowed"))
	want(t, e.Do("POST", "/api/users/refresh", "", bearerOf(session.Access.Reveal())), 422, msg("Only refresh tokens are allowed"))
	e.Advance(15 * time.Minute)
	want(t, e.Do("GET", "/api/stations", "", bearerOf(session.Access.Reveal())), 401, msg("Token has expired"))
}

// TestUserGone: the account is away before the news of it is here. The blocklist comes before the lookup, so it is row 34;
// row 36 is in the table of codes.
func TestUserGone(t *testing.T) {
	e := newEnv(t, nil)
	session := e.session(2)
	v := token.RevokeVerb{By: token.Operator(), Now: e.Now(), Account: 2, Status: "deleted"}
	if _, err := e.Store.Revoke(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	gone := msg("Token has been revoked")
	want(t, e.Do("GET", "/api/stations", "", bearerOf(session.Access.Reveal())), 401, gone)
	want(t, e.Do("GET", "/api/users", "", bearerOf(session.Access.Reveal())), 401, gone)
	want(t, e.Do("POST", "/api/users/application-token", "", bearerOf(session.Refresh.Reveal())), 401, gone)
	e.Advance(0)
	want(t, e.Do("GET", "/api/stations", "", bearerOf(session.Access.Reveal())), 401, msg("Token has been revoked"))
}

// TestDisabledIsRevoked is the decision that a deactivated user's token is row 34.
func TestDisabledIsRevoked(t *testing.T) {
	e := newEnv(t, nil)
	session := e.session(1)
	if _, err := e.Store.Revoke(t.Context(), token.RevokeVerb{By: token.Operator(), Now: e.Now(), Account: 1, Status: "disabled"}); err != nil {
		t.Fatal(err)
	}
	want(t, e.Do("GET", "/api/stations", "", bearerOf(session.Access.Reveal())), 401, msg("Token has been revoked"))
}

// TestInvalidTokenStatus is the switch for sites whose clients want 401.
func TestInvalidTokenStatus(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.ItemPath.InvalidTokenStatus = 401 })
	refresh := e.session(1).Refresh.Reveal()
	for text, body := range map[string]string{"x": "Not enough segments", "a b": badHeaderText, refresh: "Only non-refresh tokens are allowed"} {
		w := e.Do("GET", "/api/stations", "", bearerOf(text))
		want(t, w, 401, msg(body))
		if w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: no challenge", body)
		}
	}
}

// TestOtherPlaces: tokens in cookies, queries and bodies are not looked at.
func TestOtherPlaces(t *testing.T) {
	e := newEnv(t, nil)
	s := e.session(1)
	access, refresh := s.Access.Reveal(), s.Refresh.Reveal()
	missing := msg("Missing Authorization Header")
	want(t, e.Do("GET", "/api/stations?jwt="+access, "", "Cookie: access_token_cookie="+access), 401, missing)
	want(t, e.Do("POST", "/api/users/refresh?jwt="+refresh, `{"refresh_token":"`+refresh+`"}`,
		"Content-Type: application/json", "Cookie: refresh_token_cookie="+refresh), 401, missing)
}

// TestTamperedNeverPasses flips every character of a good token.
func TestTamperedNeverPasses(t *testing.T) {
	e := newEnv(t, nil)
	good := []byte(e.session(1).Access.Reveal())
	for i := range good {
		bad := bytes.Clone(good)
		if bad[i] == 'A' {
			bad[i] = 'B'
		} else {
			bad[i] = 'A'
		}
		if w := e.Do("GET", "/api/stations", "", bearerOf(string(bad))); w.Code != 422 {
			t.Fatalf("character %d: %d %s", i, w.Code, w.Body)
		}
	}
}

func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"", "Bearer x", "Bearer  x ,", "Basic y, Bearer x", "Bearer x, Bearer y", " , ,", "bearer x", "Bearer a b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		text, fault := bearer(http.Header{"Authorization": {value}})
		if (text == "") == (fault.status == 0) {
			t.Errorf("%q: token %q and status %d", value, text, fault.status)
		}
		if strings.ContainsAny(text, " ,\t") || !strings.Contains(value, text) {
			t.Errorf("%q: token %q", value, text)
		}
	})
}

func FuzzWords(f *testing.F) {
	for _, seed := range []string{"", ".", "..", "a.b.c", "a.b.c.d", b64("{}") + "." + b64("x") + ".", b64(header) + "." + b64("{}") + "."} {
		f.Add(seed)
	}
	k := fixedKeys(f)
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := jws.Parse(text)
		if err == nil {
			_, err = k.Verify("", parsed, nil)
		}
		if err == nil {
			return
		}
		if got := words(&token.Error{Code: token.Malformed, Err: err}, text); got == "" || got == "Invalid token" {
			t.Errorf("%q: %v is %q", text, err, got)
		}
	})
}
