package app

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/web/api"
)

// ours is somebody who uses the API.
type ours struct {
	*env
	bearer string // session token or API key; "" is nobody
}

// thing is an answer of the API, or a part of one.
type thing = map[string]any

const bossPassword = "the boss's password"

// newOurs is ada with a password and a session; the group admins is the one of the admins.
func newOurs(t *testing.T) ours {
	e := newEnv(t, func(c *config.Config) { c.SignIn.AdminGroup = "admins" })
	e.set("ada", account.Change{Password: new(adaPassword)})
	return ours{e, e.session("ada", adaPassword)}
}

// admin is the account boss with a session.
func (o ours) admin() ours {
	o.t.Helper()
	o.boss()
	o.set("boss", account.Change{Password: new(bossPassword)})
	return ours{o.env, o.session("boss", bossPassword)}
}

func (e *env) session(name, password string) string {
	e.t.Helper()
	w := ours{e, ""}.ask("POST", "/session", thing{"name": name, "password": password})
	wantCode(e.t, w, 201)
	return read(e.t, w)["token"].(string)
}

// ask sends one request; a nil body is none.
func (o ours) ask(method, path string, body any, headers ...string) *httptest.ResponseRecorder {
	o.t.Helper()
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			o.t.Fatal(err)
		}
		text = string(b)
		headers = append(headers, "Content-Type", "application/json")
	}
	return o.raw(method, path, text, headers...)
}

func (o ours) raw(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	o.t.Helper()
	if o.bearer != "" {
		headers = append(headers, "Authorization", "Bearer "+o.bearer)
	}
	return o.do(method, api.Root+path, body, headers...)
}

// get wants a 200 and gives what it holds.
func (o ours) get(path string) thing {
	o.t.Helper()
	w := o.ask("GET", path, nil)
	wantCode(o.t, w, 200)
	return read(o.t, w)
}

// make wants a 201.
func (o ours) make(path string, body any) thing {
	o.t.Helper()
	w := o.ask("POST", path, body)
	wantCode(o.t, w, 201)
	return read(o.t, w)
}

// refused wants a problem with the status, whose detail or faults hold the words.
func (o ours) refused(w *httptest.ResponseRecorder, code int, words string) {
	o.t.Helper()
	wantCode(o.t, w, code)
	if kind := w.Header().Get("Content-Type"); kind != problemType {
		o.t.Errorf("Content-Type %q", kind)
	}
	p := read(o.t, w)
	if p["status"] != float64(code) || p["title"] == "" {
		o.t.Errorf("problem %v", p)
	}
	if text := w.Body.String(); !strings.Contains(text, words) {
		o.t.Errorf("%q is not in %s", words, text)
	}
}

func read(t *testing.T, w *httptest.ResponseRecorder) thing {
	t.Helper()
	var v thing
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%d %q: %v", w.Code, w.Body, err)
	}
	return v
}

// items are those of a list.
func items(v thing) (all []thing) {
	for _, x := range v["items"].([]any) {
		all = append(all, x.(thing))
	}
	return all
}

// pick lists one member of each item.
func pick(v thing, name string) string {
	var all []string
	for _, x := range items(v) {
		all = append(all, fmt.Sprint(x[name]))
	}
	return strings.Join(all, " ")
}

func (o ours) pair(service, name string) thing {
	o.t.Helper()
	return o.make("/tokens", thing{"service": service, "name": name})
}

func id(v thing) int64 { return int64(v["token"].(thing)["id"].(float64)) }

func (o ours) key(name string) thing {
	o.t.Helper()
	return o.make("/keys", thing{"name": name, "to": o.now().Add(24 * time.Hour).Format(time.RFC3339)})
}
