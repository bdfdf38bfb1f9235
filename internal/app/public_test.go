package app

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// payload decodes what a token or a list says, unchecked.
func payload(t *testing.T, text string, into any) {
	t.Helper()
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatal(err)
	}
}

// listed is the part of a list that a verifier reads.
type listed struct {
	Sub  string
	IAT  int64
	Exp  int64
	List struct {
		Bits int
		Lst  string
	} `json:"status_list"`
	NotBefore map[string]int64 `json:"not_before"`
}

// bit follows a token to its bit as a server elsewhere does.
func (e *env) bit(access string) bool {
	e.t.Helper()
	var c struct{ Status token.Status }
	payload(e.t, access, &c)
	path, ours := strings.CutPrefix(c.Status.List.URI, e.app.Config.BaseURL)
	if !ours {
		e.t.Fatalf("the token names the list %q", c.Status.List.URI)
	}
	w := e.do("GET", path, "")
	wantCode(e.t, w, 200)
	if kind := w.Header().Get("Content-Type"); kind != "application/statuslist+jwt" {
		e.t.Errorf("Content-Type %q", kind)
	}
	var l listed
	payload(e.t, w.Body.String(), &l)
	if l.Sub != c.Status.List.URI || l.Exp-l.IAT != 60 {
		e.t.Errorf("list %+v", l)
	}
	raw, err := base64.RawURLEncoding.DecodeString(l.List.Lst)
	if err != nil {
		e.t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		e.t.Fatal(err)
	}
	bits, err := io.ReadAll(z)
	if err != nil {
		e.t.Fatal(err)
	}
	return bits[c.Status.List.Index/8]>>(c.Status.List.Index%8)&1 == 1
}

// TestRevokedIsInTheStatusList follows a token of every dialect.
func TestRevokedIsInTheStatusList(t *testing.T) {
	e := newEnv(t, nil)
	for _, service := range []string{"samples", "ecology", "collections", "warehouse"} {
		tokens := e.issue(service, e.ada.ID)
		other := e.issue(service, e.ada.ID)
		if e.bit(tokens.Access.Reveal()) {
			t.Errorf("%s: a good token is in the list", service)
		}
		if _, err := e.app.Engine.Revoke(t.Context(), token.Operator(), token.RevokeRequest{Grant: tokens.Grant.ID}); err != nil {
			t.Fatal(err)
		}
		e.advance(time.Second)
		if !e.bit(tokens.Access.Reveal()) || e.bit(other.Access.Reveal()) {
			t.Errorf("%s: revoked %v, the other %v", service, e.bit(tokens.Access.Reveal()), e.bit(other.Access.Reveal()))
		}
	}
}

func TestPlainClaimsNameNoList(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.Services[1].EDI.PlainClaims = true })
	var c map[string]any
	payload(t, e.issue("ecology", e.ada.ID).Access.Reveal(), &c)
	if _, ok := c["status"]; ok {
		t.Errorf("%v", c)
	}
}

// TestListIsSignedByAPublishedKey, which signs nothing else.
func TestListIsSignedByAPublishedKey(t *testing.T) {
	e := newEnv(t, nil)
	text := e.do("GET", "/symbolon/status/0", "").Body.String()
	kid := headerOf(t, text).KID
	for _, path := range []string{"/.well-known/jwks.json", "/symbolon/keys/samples/jwks.json", "/symbolon/keys/warehouse/jwks.json"} {
		if body := e.do("GET", path, "").Body.String(); !strings.Contains(body, `"kid":"`+kid+`"`) {
			t.Errorf("%s has no key %s: %s", path, kid, body)
		}
	}
	if headerOf(t, e.issue("samples", e.ada.ID).Access.Reveal()).KID == kid {
		t.Error("the key of the lists signs tokens")
	}
	if _, err := e.app.Engine.Verify(t.Context(), "samples", text, token.Access); token.CodeOf(err) != token.Malformed {
		t.Errorf("a list as a token: %v", err)
	}
}

func headerOf(t *testing.T, text string) (h struct{ Alg, KID, Typ string }) {
	t.Helper()
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &h); err != nil {
		t.Fatal(err)
	}
	return h
}

// TestServiceJWKS has the service's own keys and no other service's.
func TestServiceJWKS(t *testing.T) {
	e := newEnv(t, nil)
	samples, ecology := e.kid("samples"), e.kid("ecology")
	for service, want := range map[string][2]bool{"samples": {true, false}, "ecology": {false, true}, "warehouse": {false, false}} {
		body := e.do("GET", "/symbolon/keys/"+service+"/jwks.json", "").Body.String()
		if got := [2]bool{strings.Contains(body, samples), strings.Contains(body, ecology)}; got != want {
			t.Errorf("%s: %v", service, got)
		}
	}
	wantCode(t, e.do("GET", "/symbolon/keys/nobody/jwks.json", ""), 404)
}

// kid is the key that signs a service's access tokens.
func (e *env) kid(service string) string {
	e.t.Helper()
	_, kid, err := e.app.Keys.Signer(service, "access", e.now())
	if err != nil {
		e.t.Fatal(err)
	}
	return kid
}

// asking asks with one header more.
func (e *env) asking(path, name, value string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set(name, value)
	w := httptest.NewRecorder()
	e.http.ServeHTTP(w, r)
	return w
}

func TestConditionalGet(t *testing.T) {
	e := newEnv(t, nil)
	for path, keep := range map[string]string{"/.well-known/jwks.json": "300", "/symbolon/keys/samples/jwks.json": "300",
		"/symbolon/keys/samples.pem": "300", "/symbolon/status/0": "15"} {
		full := e.do("GET", path, "")
		tag := full.Header().Get("ETag")
		if !strings.HasPrefix(tag, `"`) || len(tag) < 20 || full.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Fatalf("%s: %v", path, full.Header())
		}
		for _, have := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			w := e.asking(path, "If-None-Match", have)
			if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != tag ||
				w.Header().Get("Cache-Control") != "public, max-age="+keep || w.Header().Get("Content-Type") != "" {
				t.Errorf("%s with %s: %d %v", path, have, w.Code, w.Header())
			}
		}
		w := e.asking(path, "If-None-Match", `"other"`)
		if w.Code != 200 || w.Body.String() != full.Body.String() || w.Header().Get("Content-Type") != full.Header().Get("Content-Type") {
			t.Errorf("%s with another tag: %d %v", path, w.Code, w.Header())
		}
	}
}

// TestListsThatAreNotThere: what is far above the last grant, or is not written as we write it.
func TestListsThatAreNotThere(t *testing.T) {
	e := newEnv(t, nil)
	for _, n := range []string{"2", "-1", "-0", "00", "01", "1e3", "0x0", "+0", "99999999999999", "9223372036854775808", "", "0/", " 0", "a"} {
		w := e.do("GET", "/symbolon/status/"+strings.ReplaceAll(n, " ", "%20"), "")
		if w.Code != 404 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("list %q: %d %v", n, w.Code, w.Header())
		}
	}
	wantCode(t, e.do("GET", "/symbolon/status/1", ""), 200)
}

// TestNoListWithoutNews: an old list would call revoked tokens good.
func TestNoListWithoutNews(t *testing.T) {
	e := newEnv(t, nil)
	wantCode(t, e.do("GET", "/symbolon/status/0", ""), 200)
	e.silence(31 * time.Second)
	w := e.do("GET", "/symbolon/status/0", "")
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	e.advance(0)
	wantCode(t, e.do("GET", "/symbolon/status/0", ""), 200)
}

// TestTheSameTokenNamesTheSamePlace, also after a restart: an answer that was lost is given again, byte for byte.
func TestTheSameTokenNamesTheSamePlace(t *testing.T) {
	e := newEnv(t, nil)
	before := e.app.Engine.Place(77)
	conf := e.app.Config
	e.app.Close()
	e.app = e.open(conf)
	if after := e.app.Engine.Place(77); after != before {
		t.Errorf("%v, then %v", before, after)
	}
	if before.Index == 77 {
		t.Error("the place is the number itself")
	}
}

// TestEventsNeedTheirSecret, and are off without one.
func TestEventsNeedTheirSecret(t *testing.T) {
	e := newEnv(t, nil)
	wantCode(t, e.do("GET", "/symbolon/events", ""), 403)
	e = newEnv(t, func(c *config.Config) {
		c.VerifierKeyFile = writeFile(t, t.TempDir()+"/verifier.key", []byte("a-secret-of-the-verifiers\n"))
	})
	wantCode(t, e.do("GET", "/symbolon/events", ""), 401)
	server := httptest.NewServer(e.http)
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/symbolon/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer a-secret-of-the-verifiers")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	tokens := e.issue("samples", e.ada.ID)
	if _, err := e.app.Engine.Revoke(t.Context(), token.Operator(), token.RevokeRequest{Grant: tokens.Grant.ID}); err != nil {
		t.Fatal(err)
	}
	e.advance(time.Second)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), `data: {"grant":`) {
			break
		}
	}
	if want := fmt.Sprintf(`data: {"grant":%d,"service":"samples",`, tokens.Grant.ID); !strings.HasPrefix(lines.Text(), want) {
		t.Errorf("got %s", lines.Text())
	}
	resp.Body.Close()
}

func TestShortVerifierKey(t *testing.T) {
	conf := small(t)
	conf.VerifierKeyFile = writeFile(t, t.TempDir()+"/verifier.key", []byte("short\n"))
	wantText(t, openAt(t, conf, true), `^verifier_key_file .* holds 5 characters; put a random secret of 20 or more there`)
}

// TestRestoredIsInTheLists: a verifier that knows lists alone refuses what was made before, also what the restore lost.
func TestRestoredIsInTheLists(t *testing.T) {
	e := newEnv(t, nil)
	pair := e.issue("samples", e.ada.ID).Access.Reveal()
	lost := e.app.Engine.Place(5000) // given out after the backup
	if _, err := e.app.Store.NewEpoch(t.Context(), sqlstore.EpochVerb{By: token.Operator(), Now: e.now()}); err != nil {
		t.Fatal(err)
	}
	if err := e.app.Close(); err != nil { // as it must be
		t.Fatal(err)
	}
	e.app = e.open(e.app.Config)
	e.serve()
	e.advance(2 * time.Second)
	fresh := e.issue("samples", e.ada.ID)
	if !e.bit(pair) || e.bit(fresh.Access.Reveal()) {
		t.Errorf("of before: %v, of after: %v", e.bit(pair), e.bit(fresh.Access.Reveal()))
	}
	list, err := e.app.Engine.StatusList(0)
	if err != nil {
		t.Fatal(err)
	}
	if list.Bits[lost.Index/8]>>(lost.Index%8)&1 == 0 {
		t.Error("a grant that the restore lost is not in the list")
	}
	if fresh.Grant.ID <= 1<<32 {
		t.Errorf("the first grant after is %d", fresh.Grant.ID)
	}
}
