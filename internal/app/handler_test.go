package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

const (
	notFoundBody  = `{"title":"Not Found","status":404}`
	notMethodBody = `{"title":"Method Not Allowed","status":405}`
	problemType   = "application/problem+json"
)

func TestOwnPaths(t *testing.T) {
	e := newEnv(t, nil)
	for _, tc := range []struct {
		name, method, path string
		code               int
		kind, body         string // body "" is not compared
	}{
		{"alive", "GET", "/healthz", 200, "text/plain; charset=utf-8", "ok\n"},
		{"ready", "GET", "/readyz", 200, "text/plain; charset=utf-8", "ready\n"},
		{"keys", "GET", "/.well-known/jwks.json", 200, "application/jwk-set+json", ""},
		{"key file", "GET", "/symbolon/keys/samples.pem", 200, "application/x-pem-file", ""},
		{"key file of edi", "GET", "/symbolon/keys/ecology.pem", 200, "application/x-pem-file", ""},
		{"legacy certificate", "GET", "/symbolon/keys/ecology-legacy.crt", 200, "application/x-x509-ca-cert", ""},
		{"key file of nobody", "GET", "/symbolon/keys/nobody.pem", 404, problemType, notFoundBody},
		{"certificate of nobody", "GET", "/symbolon/keys/nobody-legacy.crt", 404, problemType, notFoundBody},
		{"certificate where none is", "GET", "/symbolon/keys/samples-legacy.crt", 404, problemType, notFoundBody},
		{"other file", "GET", "/symbolon/keys/samples", 404, problemType, notFoundBody},
		{"master key", "GET", "/symbolon/keys/..%2fmaster.key", 404, problemType, notFoundBody},
		{"no file", "GET", "/symbolon/keys/", 404, problemType, notFoundBody},
		{"root", "GET", "/other", 404, problemType, notFoundBody},
		{"unknown", "POST", "/symbolon/api", 404, problemType, notFoundBody},
		{"other well-known", "GET", "/.well-known/openid-configuration", 404, problemType, notFoundBody},
		{"posted health", "POST", "/healthz", 405, problemType, notMethodBody},
		{"deleted keys", "DELETE", "/.well-known/jwks.json", 405, problemType, notMethodBody},
		{"put key file", "PUT", "/symbolon/keys/samples.pem", 405, problemType, notMethodBody},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := e.do(tc.method, tc.path, "")
			wantCode(t, w, tc.code)
			if got := w.Header().Get("Content-Type"); got != tc.kind {
				t.Errorf("Content-Type %q, want %q", got, tc.kind)
			}
			if tc.body != "" && w.Body.String() != tc.body {
				t.Errorf("body %q, want %q", w.Body, tc.body)
			}
			if allow := w.Header().Get("Allow"); (tc.code == 405) != (allow == "GET, HEAD") {
				t.Errorf("Allow %q", allow)
			}
			if len(w.Header().Get("X-Request-Id")) != 16 {
				t.Errorf("X-Request-Id %q", w.Header().Get("X-Request-Id"))
			}
		})
	}
}

func TestPublicDocumentsMayBeKept(t *testing.T) {
	e := newEnv(t, nil)
	for path, want := range map[string]string{
		"/.well-known/jwks.json":            "public, max-age=300",
		"/symbolon/keys/samples.pem":        "public, max-age=300",
		"/symbolon/keys/ecology-legacy.crt": "public, max-age=300",
		"/symbolon/keys/nobody.pem":         "no-store",
		"/readyz":                           "no-store",
	} {
		if got := e.do("GET", path, "").Header().Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", path, got, want)
		}
	}
}

// A recorder shows the body of an answer to HEAD; a socket must not.
func TestHead(t *testing.T) {
	e := newEnv(t, nil)
	server := httptest.NewServer(e.http)
	defer server.Close()
	access := e.issue("samples", e.ada.ID).Access.Reveal()
	for _, path := range []string{"/healthz", "/.well-known/jwks.json", "/symbolon/keys/ecology.pem", "/nothing",
		"/webservices/credentials_service_v2.php", "/api/auth/user/", "/auth/v1/ping", "/service/Auth", "/service/whoami", "/api/stations", "/api/users"} {
		var bodies [2]string
		var lengths [2]int64
		for i, method := range []string{"GET", "HEAD"} {
			req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+access)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			bodies[i], lengths[i] = string(body), resp.ContentLength
		}
		if bodies[1] != "" || lengths[0] != lengths[1] || int64(len(bodies[0])) != lengths[0] {
			t.Errorf("%s: GET %d bytes (%d), HEAD %q (%d)", path, len(bodies[0]), lengths[0], bodies[1], lengths[1])
		}
	}
}

// TestPublishedKeys checks real tokens with nothing but what is published.
func TestPublishedKeys(t *testing.T) {
	e := newEnv(t, nil)
	var set struct {
		Keys []struct{ KID, Alg, X, Y, D string }
	}
	if err := json.Unmarshal(e.do("GET", "/.well-known/jwks.json", "").Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 3 {
		t.Fatalf("%d keys, want those of two services and of the status lists", len(set.Keys))
	}
	points := map[string]bool{} // :: x and y in base64url
	for _, k := range set.Keys {
		if k.Alg != "ES256" || k.D != "" || k.KID == "" {
			t.Errorf("key %+v", k)
		}
		points[k.X+k.Y] = true
	}
	for _, service := range []string{"samples", "ecology"} {
		block, rest := pem.Decode(e.do("GET", "/symbolon/keys/"+service+".pem", "").Body.Bytes())
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil || len(rest) != 0 {
			t.Fatalf("key of %s: %v, rest %q", service, err, rest)
		}
		point, err := key.(*ecdsa.PublicKey).Bytes()
		if err != nil {
			t.Fatal(err)
		}
		b64 := base64.RawURLEncoding.EncodeToString
		if !points[b64(point[1:33])+b64(point[33:])] {
			t.Errorf("the key file of %s is not in the JWK set", service)
		}
	}
	block, _ := pem.Decode(e.do("GET", "/symbolon/keys/ecology-legacy.crt", "").Body.Bytes())
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	key, err := e.app.Keys.Legacy(t.Context(), "ecology")
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(cert.PublicKey.(*rsa.PublicKey)) {
		t.Error("the certificate is for another key")
	}
}

func TestSharedSecretIsNotPublished(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.Services[0].Sesar.AccessAlg = "HS256" })
	wantCode(t, e.do("GET", "/symbolon/keys/samples.pem", ""), 404)
	if body := e.do("GET", "/.well-known/jwks.json", "").Body.String(); strings.Contains(body, "HS256") || strings.Contains(body, "oct") {
		t.Error(body)
	}
}

// TestReadiness: a server without news says so, and is ready again with news.
func TestReadiness(t *testing.T) {
	e := newEnv(t, nil)
	e.silence(30 * 1e9)
	wantCode(t, e.do("GET", "/readyz", ""), 200)
	e.silence(1e9)
	w := e.do("GET", "/readyz", "")
	wantCode(t, w, 503)
	if got, want := w.Body.String(), "not ready: no news of revocations within the bound: the store cannot be read\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
	}
	wantCode(t, e.do("GET", "/healthz", ""), 200)
	e.advance(0)
	wantCode(t, e.do("GET", "/readyz", ""), 200)
}

func TestTwoServicesOnOnePath(t *testing.T) {
	e := newEnv(t, nil)
	ecology := e.app.mounts[1]
	ecology.config.Name = "forest"
	ecology.routes = func(*token.Engine) []httpio.Route {
		return []httpio.Route{{Pattern: "/webservices/refresh_token.php", Handle: answerOnly(ecology.notFound)}}
	}
	e.app.mounts = append(e.app.mounts, ecology)
	_, err := e.app.Handler()
	want := "services samples and forest both claim /webservices/refresh_token.php: give one of them another path"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestNoPathIsShadowed asks the whole handler for every path of every service,
// under prefixes that lie inside one another.
func TestNoPathIsShadowed(t *testing.T) {
	for _, tc := range []struct{ name, samples, json, ecology, collections, warehouse string }{
		{"as in development", "/webservices", "/api", "/auth", "/", "/api"},
		{"all at the root", "/", "/", "/", "/", "/"},
		{"json api inside edi", "/webservices", "/auth", "/auth", "/auth", "/auth"},
		{"edi inside json api", "/webservices", "/api", "/api/auth", "/api", "/api/auth"},
		{"web services inside edi's tokens", "/auth/v1/token", "/auth/v1", "/auth", "/auth/v1", "/auth/v1/token"},
		{"edi inside web services", "/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/b/c/d/e"},
		{"all inside the warehouse's users", "/api/users", "/api/users", "/api/users", "/api/users", "/api"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnv(t, func(c *config.Config) {
				c.Services[0].Path, c.Services[0].Sesar.JSONPath, c.Services[1].Path = tc.samples, tc.json, tc.ecology
				c.Services[2].Path, c.Services[3].Path = tc.collections, tc.warehouse
			})
			mux := e.http.(*front).mux
			for _, m := range e.app.mounts {
				for _, r := range m.routes(e.app.Engine) {
					path := strings.NewReplacer("{edi_id}", "EDI-1", "{id}", "4711", "{$}", "").Replace(r.Pattern)
					if _, got := mux.Handler(httptest.NewRequest("POST", path, nil)); got != r.Pattern {
						t.Errorf("%s of %s is answered by %s", path, m.config.Name, got)
					}
				}
			}
			for _, r := range e.app.ownRoutes() {
				path := strings.Replace(r.Pattern, "{file}", "samples.pem", 1)
				if path == "/" {
					path = "/other" // the root itself leads to the pages
				}
				if _, got := mux.Handler(httptest.NewRequest("GET", path, nil)); got != r.Pattern {
					t.Errorf("%s is answered by %s", path, got)
				}
			}
		})
	}
}

func TestOtherPathsBelowAPrefix(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.Services[2].Path, c.Services[3].Path = "/ca", "/wms/api" })
	const (
		xml    = `<results><valid code="NotFound">no</valid><error>There is no such service here</error></results>`
		django = `{"detail":"Not found."}`
		fast   = `{"detail":"Not Found"}`
		flask  = "{\"msg\":\"Not Found\"}\n"
		routed = `{"ok":false,"errors":{"message":"Invalid controller path","extensions":{"category":"routing"},"locations":null}}`
	)
	for _, tc := range []struct{ path, kind, body string }{
		{"/webservices/upload.php", "application/xml", xml},
		{"/webservices/", "application/xml", xml},
		{"/api/samples/", "application/json", django},
		{"/api/auth/token", "application/json", django},
		{"/auth/v1/eml", "application/json", fast},
		{"/auth/v1/token", "application/json", fast},
		{"/auth/", "application/json", fast},
		{"/ca/service/Item", "application/json", routed},
		{"/ca/service/", "application/json", routed},
		{"/ca/", "application/json", routed},
		{"/wms/api/orders", "application/json", flask},
		{"/wms/api/users/login/", "application/json", flask},
		{"/wms/api/", "application/json", flask},
	} {
		w := e.do("POST", tc.path, "")
		wantCode(t, w, 404)
		if diff := cmp.Diff(tc.body, w.Body.String()); diff != "" || w.Header().Get("Content-Type") != tc.kind {
			t.Errorf("%s: %s %s", tc.path, w.Header().Get("Content-Type"), diff)
		}
	}
}

// TestPanics: whatever goes wrong in a handler is 500 in the shape of its wire,
// and neither answer nor log quotes it.
func TestPanics(t *testing.T) {
	e := newEnv(t, nil)
	const secret = "the-secret-in-the-panic"
	panics := func(context.Context, *httpio.Request) httpio.Response { panic(secret) }
	for _, tc := range []struct {
		name   string
		failed func(int) httpio.Response
		body   string
	}{
		{"samples", e.app.mounts[0].failed, `{"detail":"A server error occurred."}`},
		{"ecology", e.app.mounts[1].failed, "{\n  \"msg\": \"500 Internal Server Error\"\n}"},
		{"collections", e.app.mounts[2].failed, `{"ok":false,"errors":[{"message":"Internal server error"}]}`},
		{"warehouse", e.app.mounts[3].failed, "{\"msg\":\"Internal Server Error\"}\n"},
		{"our own", ownFailure, `{"title":"Internal Server Error","status":500}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			e.app.adapter(tc.failed).Handle(panics).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			wantCode(t, w, 500)
			if diff := cmp.Diff(tc.body, w.Body.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if log := e.log.String(); strings.Contains(log, secret) || !strings.Contains(log, "msg=panic") {
		t.Errorf("log: %s", log)
	}
}

// A path that is not plain is sent to its plain form before any dialect sees it.
func TestCleanedPaths(t *testing.T) {
	e := newEnv(t, nil)
	for path, want := range map[string]string{
		"/auth//v1/ping":            "/auth/v1/ping",
		"/webservices/../healthz":   "/healthz",
		"/service//Auth":            "/service/Auth",
		"/api/./users/../stations/": "/api/stations/",
	} {
		w := e.do("GET", path, "")
		if w.Code != 307 && w.Code != 301 || w.Header().Get("Location") != want {
			t.Errorf("%s: %d to %q, want %q", path, w.Code, w.Header().Get("Location"), want)
		}
	}
}
