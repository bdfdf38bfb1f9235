package app

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	sesarDown = `{"detail":"Service temporarily unavailable, try again later.","code":"service_unavailable"}`
	xmlDown   = `<results><valid>no</valid><error>Service temporarily unavailable, try again later</error></results>`
)

func ediDown(call string) string {
	return "{\n  \"msg\": \"Service unavailable: please try again later\",\n  \"method\": \"" + call + "\"\n}"
}

// downAnswers are all answers that need the store, by what consumer or call gives them.
var downAnswers = map[string]string{ // :: consumer → body
	"credentials":   xmlDown,
	"refresh.php":   sesarDown,
	"refresh form":  sesarDown,
	"refresh json":  sesarDown,
	"blacklist":     sesarDown,
	"blacklist-all": sesarDown,
	"auth/user":     sesarDown,
	"mint":          sesarDown,
	"edi key":       ediDown("getTokenByKey"),
}

// tokenFor is a credential that the consumer would take.
func tokenFor(e *env, consumer string) string {
	for _, k := range kinds {
		for name := range strings.SplitSeq(k.good, ", ") {
			if name == consumer {
				return k.make(e)
			}
		}
	}
	e.t.Fatalf("nothing is good for %s", consumer)
	return ""
}

// TestStoreDown: without a store what needs it is 503 in the shape of its wire,
// never a yes and never "your token is bad"; what needs none goes on, but only
// as long as the news of revocations are fresh.
func TestStoreDown(t *testing.T) {
	e := newEnv(t, nil)
	text := map[string]string{}
	for _, c := range consumers {
		text[c.name] = tokenFor(e, c.name)
	}
	edi, pasta := e.ediPair("ecology")
	bad := e.issue("samples", e.ada.ID)
	if err := e.app.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range consumers {
		body, needs := downAnswers[c.name]
		if !needs {
			continue
		}
		t.Run(c.name, func(t *testing.T) { wantDown(t, c.use(e, text[c.name]), body) })
	}
	t.Run("the service key", func(t *testing.T) {
		w := e.json("POST", "/auth/v1/token/"+e.ada.Subjects["ecology"], "key", serviceKey)
		wantDown(t, w, "{\n  \"msg\": \"Service unavailable: please try again later\",\n  \"method\": \"getToken\"\n}")
	})
	t.Run("what is bad anyway", func(t *testing.T) {
		wantCode(t, e.refresh(bad.Access.Reveal()), 401)
		wantCode(t, e.refresh(bad.Refresh.Reveal()+"x"), 401)
		wantCode(t, e.json("POST", "/auth/v1/key", "key", "short"), 401)
	})
	offline := func(t *testing.T, code int) {
		t.Helper()
		wantCode(t, e.ediRefresh(pasta, edi), code)
		wantCode(t, e.ediRefresh(nil, edi), code)
		wantCode(t, e.bearer("GET", "/auth/v1/whoami", edi), code)
		wantCode(t, e.do("GET", "/readyz", ""), code)
		wantCode(t, e.do("GET", "/healthz", ""), 200)
		wantCode(t, e.do("GET", "/.well-known/jwks.json", ""), 200)
		wantCode(t, e.do("GET", "/auth/v1/ping", ""), 200)
	}
	t.Run("within the bound", func(t *testing.T) { offline(t, 200) })
	e.silence(30*time.Second + time.Millisecond)
	t.Run("past the bound", func(t *testing.T) {
		offline(t, 503)
		for _, c := range consumers {
			if body, needs := downAnswers[c.name]; needs {
				wantDown(t, c.use(e, text[c.name]), body)
			}
		}
	})
}

func wantDown(t *testing.T, w *httptest.ResponseRecorder, body string) {
	t.Helper()
	wantCode(t, w, 503)
	if diff := cmp.Diff(body, w.Body.String()); diff != "" {
		t.Error(diff)
	}
	if w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
		t.Errorf("headers %v", w.Header())
	}
}

// TestNothingIsHalfDone: what answered 503 has changed nothing.
func TestNothingIsHalfDone(t *testing.T) {
	e := newEnv(t, nil)
	pair := e.issue("samples", e.ada.ID)
	if err := e.app.db.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, e.refresh(pair.Refresh.Reveal()), 503)
	wantCode(t, e.json("POST", "/api/auth/token/blacklist/", "refresh", pair.Refresh.Reveal()), 503)
	wantCode(t, e.bearer("DELETE", "/api/auth/token/blacklist-all/", pair.Access.Reveal()), 503)
	e.app = e.open(e.app.Config)
	e.serve()
	wantCode(t, e.bearer("GET", "/api/auth/user/", pair.Access.Reveal()), 200)
	wantCode(t, e.refresh(pair.Refresh.Reveal()), 200)
}
