package itempath

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

func TestMethodsAndPaths(t *testing.T) {
	e := newEnv(t, nil)
	for _, tc := range []struct {
		method, path string
		status       int
		allow, body  string
	}{
		{"GET", "/api/users/login", 405, "OPTIONS, POST", msg("Method Not Allowed")},
		{"put", "/api/users/refresh", 405, "GET, HEAD, OPTIONS, POST", msg("Method Not Allowed")},
		{"GET", "/api/users/application-token", 405, "OPTIONS, POST", msg("Method Not Allowed")},
		{"DELETE", "/api/users/1", 405, "GET, HEAD, OPTIONS, POST", msg("Method Not Allowed")},
		{"DELETE", "/api/users", 405, "GET, HEAD, OPTIONS, POST", msg("Method Not Allowed")},
		{"POST", "/api/stations", 405, "GET, HEAD, OPTIONS", msg("Method Not Allowed")},
		{"OPTIONS", "/api/users/login", 200, "OPTIONS, POST", ""},
		{"OPTIONS", "/api/users", 200, "GET, HEAD, OPTIONS, POST", ""},
		{"POST", "/api/users/login/", 404, "", msg("Not Found")},
		{"POST", "/api/users/refresh/", 404, "", msg("Not Found")},
		{"GET", "/api/users/", 404, "", msg("Not Found")},
		{"GET", "/api/users/1/tokens", 404, "", msg("Not Found")},
		{"GET", "/api/orders", 404, "", msg("Not Found")},
		{"DELETE", "/api/logout", 404, "", msg("Not Found")},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			w := e.Do(tc.method, tc.path, "")
			want(t, w, tc.status, tc.body)
			if got := w.Header().Get("Allow"); got != tc.allow {
				t.Errorf("Allow %q, want %q", got, tc.allow)
			}
		})
	}
}

func TestStationsIsForDevelopment(t *testing.T) {
	d, err := New(config.NewService("warehouse", "itempath", "/"), nil, nil, Options{Log: newEnv(t, nil).dialect.log})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, r := range d.Routes(nil) {
		paths = append(paths, r.Pattern)
	}
	if diff := cmp.Diff([]string{"/users/login", "/users/refresh", "/users/application-token", "/users", "/users/{id}"}, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// TestErrors renders every code of the engine on every group of calls.
func TestErrors(t *testing.T) {
	d := newEnv(t, nil).dialect
	k := fixedKeys(t)
	text := sign(t, k.Access, header, `{"identity":"mgordon"}`)
	var b strings.Builder
	for _, call := range []string{callLogin, callRefresh, callApplication, callAccess, callPeople} {
		for _, code := range token.Codes() {
			r := refusalOf(call, token.Refuse(code, "a reason"), text)
			fmt.Fprintf(&b, "%s, %s: %d %s\n", call, code, d.status(r), r.msg)
		}
		r := refusalOf(call, errors.New("disk on fire"), text)
		fmt.Fprintf(&b, "%s, unknown error: %d %s\n\n", call, d.status(r), r.msg)
	}
	for _, status := range []int{400, 408, 413, 500, 503} {
		r := d.Failed(status)
		fmt.Fprintf(&b, "before any handler: %d %v\n%s\n", r.Status, r.Header, r.Body)
	}
	golden(t, "errors.txt", b.String())
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Second: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		if got := retryAfter(&token.Error{Code: token.TooMany, RetryAfter: wait}); got != want {
			t.Errorf("%v: %s, want %s", wait, got, want)
		}
	}
}
