package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		v := newVerifier(t, f, nil)
		f.ended[71] = true
		h := Middleware(v, func(r *http.Request, c *Claims) bool { return r.Method == "GET" || c.Subject == "1" })(http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte("hello " + FromContext(r.Context()).Subject))
			}))
		good := f.access(nil)
		const realm = `Bearer realm="samples"`
		for name, tc := range map[string]struct {
			method    string
			header    []string
			status    int
			challenge string
			body      string
		}{
			"good":               {"GET", []string{"Bearer " + good}, 200, "", "hello 2"},
			"bearer":             {"GET", []string{"bearer " + good}, 200, "", "hello 2"},
			"nothing":            {"GET", nil, 401, realm, "an access token is needed"},
			"empty":              {"GET", []string{""}, 401, realm, "an access token is needed"},
			"Basic":              {"GET", []string{"Basic bWU6c2VjcmV0"}, 401, realm, "an access token is needed"},
			"Bearer alone":       {"GET", []string{"Bearer"}, 400, realm + `, error="invalid_request"`, "one Authorization header"},
			"two words":          {"GET", []string{"Bearer " + good + " x"}, 400, realm + `, error="invalid_request"`, "one Authorization header"},
			"two blanks":         {"GET", []string{"Bearer  " + good}, 400, realm + `, error="invalid_request"`, "one Authorization header"},
			"two tokens":         {"GET", []string{"Bearer " + good + "," + good}, 400, realm + `, error="invalid_request"`, "one Authorization header"},
			"two headers":        {"GET", []string{"Bearer " + good, "Bearer " + good}, 400, realm + `, error="invalid_request"`, "one Authorization header"},
			"no token":           {"GET", []string{"Bearer x"}, 401, realm + `, error="invalid_token"`, "not valid here"},
			"expired":            {"GET", []string{"Bearer " + f.access(claims{"exp": 1})}, 401, realm + `, error="invalid_token"`, "has expired"},
			"revoked":            {"GET", []string{"Bearer " + f.access(claims{"status": claims{"status_list": claims{"idx": 71, "uri": listAt}}})}, 401, realm + `, error="invalid_token"`, "was revoked"},
			"of another service": {"GET", []string{"Bearer " + f.access(claims{"aud": "ecology"})}, 401, realm + `, error="invalid_token"`, "not valid here"},
			"not allowed":        {"POST", []string{"Bearer " + good}, 403, realm + `, error="insufficient_scope"`, "does not allow"},
			"unknown list":       {"GET", []string{"Bearer " + f.access(claims{"status": claims{"status_list": claims{"idx": 1, "uri": base + "/symbolon/status/3"}}})}, 503, "", "try again later"},
		} {
			r := httptest.NewRequest(tc.method, "/?access_token="+good, strings.NewReader("access_token="+good))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.AddCookie(&http.Cookie{Name: "access_token", Value: good})
			r.Header["Authorization"] = tc.header
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got := w.Header().Get("WWW-Authenticate")
			if w.Code != tc.status || !strings.HasPrefix(got, tc.challenge) || tc.challenge == "" && got != "" || !strings.Contains(w.Body.String(), tc.body) {
				t.Errorf("%s: %d, %s, %s", name, w.Code, got, w.Body)
			}
			if w.Code != 200 && w.Header().Get("Cache-Control") != "no-store" || (w.Code == 503) != (w.Header().Get("Retry-After") == "5") {
				t.Errorf("%s: %v", name, w.Header())
			}
		}
		if FromContext(t.Context()) != nil {
			t.Error("claims from nowhere")
		}
		open := Middleware(v, nil)(h)
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", "Bearer "+good)
		if open.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	})
}
