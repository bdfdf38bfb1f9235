package app

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/token"
)

const (
	sesarDown = `{"detail":"Service temporarily unavailable, try again later.","code":"service_unavailable"}`
	xmlDown   = `<results><valid>no</valid><error>Service temporarily unavailable, try again later</error></results>`
)

func ediDown(call string) string {
	return "{\n  \"msg\": \"Service unavailable: please try again later\",\n  \"method\": \"" + call + "\"\n}"
}

const itemDown = "{\"msg\":\"Service Unavailable\"}\n"

// caDown is the whole envelope, or that of a field of a query.
func caDown(field string, column int) string {
	const message = `{"ok":false,"errors":[{"message":"Service temporarily unavailable: try again later"`
	if field == "" {
		return message + "}]}"
	}
	return fmt.Sprintf(`%s,"locations":[{"line":1,"column":%d}],"path":["%s"]}],"data":{"%[3]s":null}}`, message, column, field)
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

	"ca validate":       caDown("validate", 21),
	"ca whoami":         caDown("", 0),
	"ca whoami jwt=":    caDown("", 0),
	"application-token": itemDown,
	"stations":          itemDown,
	"users":             itemDown,
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
	e := newSignIn(t)
	text := map[string]string{}
	for _, c := range consumers {
		text[c.name] = tokenFor(e, c.name)
	}
	edi, pasta := e.ediPair("ecology")
	bad := e.issue("samples", e.ada.ID)
	machine := e.applicationToken("/api", "warehouse", e.robot())
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
	t.Run("signing in", func(t *testing.T) {
		w, _, _ := e.caLogin("ada", adaPassword)
		wantDown(t, w, caDown("login", 21))
		w, _ = e.itemLogin("ada", adaPassword)
		wantDown(t, w, itemDown)
	})
	t.Run("what is bad anyway", func(t *testing.T) {
		wantCode(t, e.refresh(bad.Access.Reveal()), 401)
		wantCode(t, e.refresh(bad.Refresh.Reveal()+"x"), 401)
		wantCode(t, e.json("POST", "/auth/v1/key", "key", "short"), 401)
		wantCode(t, e.caRefresh("", text["stations"]), 500)
		wantCode(t, e.bearer("GET", "/service/whoami", text["ca refresh"]+"x"), 401)
		wantCode(t, e.bearer("GET", "/api/users/refresh", text["stations"]), 422)
		wantCode(t, e.bearer("GET", "/api/stations", text["item refresh"]), 422)
	})
	offline := func(t *testing.T, code int) {
		t.Helper()
		wantCode(t, e.ediRefresh(pasta, edi), code)
		wantCode(t, e.ediRefresh(nil, edi), code)
		wantCode(t, e.bearer("GET", "/auth/v1/whoami", edi), code)
		for _, name := range []string{"ca refresh", "ca refresh bearer", "item refresh", "item refresh GET"} {
			i := slices.IndexFunc(consumers, func(c consumer) bool { return c.name == name })
			wantCode(t, consumers[i].use(e, text[name]), code)
		}
		for service, text := range map[string]string{"collections": text["ca whoami"], "warehouse": machine} {
			if _, err := e.app.Engine.Verify(t.Context(), service, text, token.Access); (err == nil) != (code == 200) {
				t.Errorf("verifying a token of %s: %v", service, err)
			}
		}
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
	if !soon(w) || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
		t.Errorf("headers %v", w.Header())
	}
}

// TestNothingIsHalfDone: what answered 503 has changed nothing.
func TestNothingIsHalfDone(t *testing.T) {
	e := newEnv(t, nil)
	pair := e.issue("samples", e.ada.ID)
	admin, machine := first(e.pairOf("warehouse", e.boss())), second(e.pairOf("warehouse", e.robot()))
	if err := e.app.db.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, e.refresh(pair.Refresh.Reveal()), 503)
	wantCode(t, e.json("POST", "/api/auth/token/blacklist/", "refresh", pair.Refresh.Reveal()), 503)
	wantCode(t, e.bearer("DELETE", "/api/auth/token/blacklist-all/", pair.Access.Reveal()), 503)
	wantCode(t, e.do("POST", "/api/users/1", `{"status":2}`, "Content-Type", "application/json", "Authorization", "Bearer "+admin), 503)
	wantCode(t, e.bearer("POST", "/api/users/application-token", machine), 503)
	e.app = e.open(e.app.Config)
	e.serve()
	if got, err := e.app.Engine.List(t.Context(), token.Operator(), token.Filter{Account: e.robot()}); err != nil || len(got) != 1 {
		t.Errorf("the application has %d grants, want 1 (%v)", len(got), err)
	}
	wantCode(t, e.bearer("GET", "/api/auth/user/", pair.Access.Reveal()), 200)
	wantCode(t, e.refresh(pair.Refresh.Reveal()), 200)
}

// soon reports whether the answer asks to come back in one to three seconds: not everybody in the same.
func soon(w *httptest.ResponseRecorder) bool {
	return slices.Contains([]string{"1", "2", "3"}, w.Header().Get("Retry-After"))
}
