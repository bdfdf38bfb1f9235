package sesar

import (
	"net/http"
	"strings"
	"testing"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
)

const required = `{"refresh":["This field is required."]}`

// TestFieldRows is the framework's field errors, one by one, at both endpoints that
// read the field in its way.
func TestFieldRows(t *testing.T) {
	e := newEnv(t, nil)
	multipart := "--xyz\r\nContent-Disposition: form-data; name=\"%\"\r\n\r\nabc\r\n--xyz--\r\n"
	for _, c := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"empty body", "", "", 400, required},
		{"empty body of any type", "text/plain", "", 400, required},
		{"empty object", "application/json", `{}`, 400, required},
		{"other member only", "application/json", `{"token":"x"}`, 400, required},
		{"null", "application/json", `{"refresh":null}`, 400, `{"refresh":["This field may not be null."]}`},
		{"empty", "application/json", `{"refresh":""}`, 400, `{"refresh":["This field may not be blank."]}`},
		{"blank", "application/json", `{"refresh":" \t\n"}`, 400, `{"refresh":["This field may not be blank."]}`},
		{"true", "application/json", `{"refresh":true}`, 400, `{"refresh":["Not a valid string."]}`},
		{"list", "application/json", `{"refresh":[]}`, 400, `{"refresh":["Not a valid string."]}`},
		{"object", "application/json", `{"refresh":{}}`, 400, `{"refresh":["Not a valid string."]}`},
		{"NUL", "application/json", `{"refresh":"a\u0000b"}`, 400, `{"refresh":["Null characters are not allowed."]}`},
		{"number", "application/json", `{"refresh":12}`, 401, genericBody},
		{"text", "application/json", `{"refresh":"abc","extra":1}`, 401, genericBody},
		{"charset", "application/json; charset=utf-8", `{"refresh":"abc"}`, 401, genericBody},
		{"long", "application/json", `{"refresh":"` + strings.Repeat("a", 20<<10) + `"}`, 401, genericBody},
		{"list at the top", "application/json", `[]`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}`},
		{"text at the top", "application/json", `"x"`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got str."]}`},
		{"int at the top", "application/json", `7`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got int."]}`},
		{"float at the top", "application/json", `7.0`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got float."]}`},
		{"true at the top", "application/json", `true`, 400, `{"non_field_errors":["Invalid data. Expected a dictionary, but got bool."]}`},
		{"null at the top", "application/json", `null`, 400, `{"non_field_errors":["No data provided"]}`},
		{"broken", "application/json", `{"refresh":`, 400, `{"detail":"JSON parse error - not valid JSON: unexpected end at byte 11"}`},
		{"white space", "application/json", ` `, 400, `{"detail":"JSON parse error - not valid JSON: unexpected end at byte 1"}`},
		{"twice", "application/json", `{"refresh":"a","refresh":"b"}`, 400, `{"detail":"JSON parse error - member name appears twice at byte 15"}`},
		{"twice inside", "application/json", `{"x":{"a":1,"a":2},"refresh":"b"}`, 400, `{"detail":"JSON parse error - member name appears twice at byte 12"}`},
		{"odd case", "application/json", `{"Refresh":"a"}`, 400, `{"detail":"JSON parse error - member name differs only in letter case: expected refresh at byte 1"}`},
		{"deep", "application/json", `{"refresh":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 400,
			`{"detail":"JSON parse error - nested too deeply: more than 16 levels at byte 26"}`},
		{"plain text", "text/plain", `refresh=a`, 415, `{"detail":"Unsupported media type \"text/plain\" in request."}`},
		{"no type", "", `refresh=a`, 415, `{"detail":"Unsupported media type \"\" in request."}`},
		{"form", "application/x-www-form-urlencoded", `refresh=abc`, 401, genericBody},
		{"form without it", "application/x-www-form-urlencoded", `token=abc`, 400, required},
		{"form blank", "application/x-www-form-urlencoded", `refresh=+`, 400, `{"refresh":["This field may not be blank."]}`},
		{"form NUL", "application/x-www-form-urlencoded", `refresh=a%00`, 400, `{"refresh":["Null characters are not allowed."]}`},
		{"form twice", "application/x-www-form-urlencoded", `refresh=a&refresh=b`, 400, `{"refresh":["This field may not be given more than once."]}`},
		{"form broken", "application/x-www-form-urlencoded", `refresh=%zz`, 400, `{"detail":"Form parse error - malformed form body: bad escape or separator"}`},
		{"multipart", "multipart/form-data; boundary=xyz", strings.Replace(multipart, "%", "refresh", 1), 401, genericBody},
		{"multipart without it", "multipart/form-data; boundary=xyz", strings.Replace(multipart, "%", "token", 1), 400, required},
		{"multipart under a form's label", "application/x-www-form-urlencoded", strings.Replace(multipart, "%", "refresh", 1), 401, genericBody},
	} {
		for _, path := range []string{"/webservices/refresh_token.php", "/api/auth/token/blacklist/"} {
			t.Run(c.name+path, func(t *testing.T) {
				var headers []string
				if c.kind != "" {
					headers = []string{"Content-Type: " + c.kind}
				}
				want(t, at(t, e).Do("POST", path, c.body, headers...), c.status, c.want)
			})
		}
	}
}

// at gives e the running test.
func at(t *testing.T, e *env) *env {
	e.T = t
	return e
}

// TestMediaTypes refreshes with a good token in every form a client sends one.
func TestMediaTypes(t *testing.T) {
	for name, c := range map[string]struct{ kind, before, after string }{
		"json":             {"application/json", `{"refresh":"`, `"}`},
		"json with space":  {"application/json", `{"refresh":"  `, `\n"}`},
		"form":             {"application/x-www-form-urlencoded", "refresh=", ""},
		"multipart":        {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"refresh\"\r\n\r\n", "\r\n--b--\r\n"},
		"multipart hidden": {"application/x-www-form-urlencoded", "--b\r\nContent-Disposition: form-data; name=\"refresh\"\r\n\r\n", "\r\n--b--\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, nil)
			w := e.Do("POST", "/webservices/refresh_token.php", c.before+e.pair().Refresh.Reveal()+c.after, "Content-Type: "+c.kind)
			if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"access":"`) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Sesar.MintByGet = true })
	const parses = `"renders":["application/json"],"parses":["application/json","application/x-www-form-urlencoded","multipart/form-data"]}`
	for _, c := range []struct {
		method, path string
		status       int
		allow, want  string
	}{
		{"GET", "/webservices/refresh_token.php", 405, "POST, OPTIONS", `{"detail":"Method \"GET\" not allowed."}`},
		{"PUT", "/webservices/refresh_token.php", 405, "POST, OPTIONS", `{"detail":"Method \"PUT\" not allowed."}`},
		{"OPTIONS", "/webservices/refresh_token.php", 200, "POST, OPTIONS", `{"name":"Token Refresh","description":"",` + parses},
		{"PUT", "/webservices/credentials_service_v2.php", 405, "GET, HEAD, POST", `<results><valid>no</valid><error>Method not allowed</error></results>`},
		{"OPTIONS", "/webservices/credentials_service_v2.php", 405, "GET, HEAD, POST", `<results><valid>no</valid><error>Method not allowed</error></results>`},
		{"DELETE", "/api/auth/token/", 405, "GET, POST, HEAD, OPTIONS", `{"detail":"Method \"DELETE\" not allowed."}`},
		{"GET", "/api/auth/token/", 401, "GET, POST, HEAD, OPTIONS", `{"detail":"Authentication credentials were not provided."}`},
		{"GET", "/api/auth/token/refresh/", 405, "POST, OPTIONS", `{"detail":"Method \"GET\" not allowed."}`},
		{"GET", "/api/auth/token/blacklist/", 405, "POST, OPTIONS", `{"detail":"Method \"GET\" not allowed."}`},
		{"GET", "/api/auth/token/blacklist-all/", 405, "POST, DELETE, OPTIONS", `{"detail":"Method \"GET\" not allowed."}`},
		{"POST", "/api/auth/user/", 405, "GET, HEAD, OPTIONS", `{"detail":"Method \"POST\" not allowed."}`},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			w := at(t, e).Do(c.method, c.path, "")
			want(t, w, c.status, c.want)
			if got := w.Header().Get("Allow"); got != c.allow {
				t.Errorf("Allow %q, want %q", got, c.allow)
			}
		})
	}
}

func TestRetryKey(t *testing.T) {
	for name, c := range map[string]struct {
		values []string
		want   string
	}{
		"none":      {nil, ""},
		"one":       {[]string{"a-1"}, "a-1"},
		"longest":   {[]string{strings.Repeat("a", 255)}, strings.Repeat("a", 255)},
		"too long":  {[]string{strings.Repeat("a", 256)}, ""},
		"empty":     {[]string{""}, ""},
		"two":       {[]string{"a", "a"}, ""},
		"space":     {[]string{"a b"}, ""},
		"not ASCII": {[]string{"ä"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := retryKey(&httpio.Request{Header: http.Header{"Idempotency-Key": c.values}})
			if got != c.want {
				t.Errorf("key %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzReadField(f *testing.F) {
	f.Add("application/json", []byte(`{"refresh":"a"}`))
	f.Add("application/x-www-form-urlencoded", []byte("refresh=a&b=c"))
	f.Add("application/x-www-form-urlencoded", []byte("--b\r\nContent-Disposition: form-data; name=refresh\r\n\r\nx\r\n--b--"))
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\n\r\n--b--"))
	f.Add("text/plain", []byte("x"))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		text, refusal := textField(&httpio.Request{Header: http.Header{"Content-Type": {kind}}, Body: body}, "refresh")
		switch {
		case refusal == nil && (text == "" || strings.ContainsRune(text, 0)):
			t.Fatalf("accepted %q", text)
		case refusal != nil && refusal.Status != 400 && refusal.Status != 415:
			t.Fatalf("status %d", refusal.Status)
		}
	})
}
