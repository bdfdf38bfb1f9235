package httpio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// logBuffer collects log lines of a server that is still running.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newAdapter answers errors as a dialect would: `{"status":N}`.
func newAdapter() (*Adapter, *logBuffer) {
	logs := &logBuffer{}
	return &Adapter{
		Log: slog.New(slog.NewTextHandler(logs, nil)),
		Errors: func(status int) Response {
			return Response{Status: status, Body: JSON(map[string]int{"status": status})}
		},
	}, logs
}

func ok(context.Context, *Request) Response {
	return Response{Status: 200, Body: []byte("ok")}
}

func do(t *testing.T, h http.Handler, r *http.Request) *http.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result()
}

func bodyOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRequest(t *testing.T) {
	a, _ := newAdapter()
	a.Trusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	var got *Request
	mux := http.NewServeMux()
	mux.Handle("POST /auth/{id}", a.Handle(func(ctx context.Context, r *Request) Response {
		got = r
		return ok(ctx, r)
	}))
	r := httptest.NewRequest("POST", "/auth/EDI-1?a=1&a=2&b=%20", strings.NewReader("body"))
	r.Header.Set("User-Agent", "curl\x01/8 \xff"+strings.Repeat("é", 300))
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	r.Header.Set("X-Request-Id", "theirs")
	r.Header.Set("Cookie", `edi-token="abc.def"; edi-token=second; empty=`)
	do(t, mux, r)

	if !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(got.ID) {
		t.Errorf("ID = %q, want 16 hex digits", got.ID)
	}
	values := map[string]string{
		"method": got.Method, "path": got.Path, "body": string(got.Body), "id": got.PathValue("id"), "addr": got.Addr.String(),
		"agent": got.Agent, "cookie": got.Cookie("edi-token"), "empty": got.Cookie("empty"), "absent": got.Cookie("absent"),
	}
	want := map[string]string{
		"method": "POST", "path": "/auth/EDI-1", "body": "body", "id": "EDI-1", "addr": "203.0.113.9",
		"agent": "curl/8 " + strings.Repeat("é", 193), "cookie": "abc.def", "empty": "", "absent": "",
	}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"a": {"1", "2"}, "b": {" "}}, map[string][]string(got.Query)); diff != "" {
		t.Error(diff)
	}
}

func TestQueryIsStrict(t *testing.T) {
	for _, tc := range []struct {
		name, query string
		status      int
	}{
		{"none", "", 200},
		{"64 parameters", strings.Repeat("a=1&", 63) + "a=1", 200},
		{"65 parameters", strings.Repeat("a=1&", 64) + "a=1", 400},
		{"semicolon", "a=1;b=2", 400},
		{"bad escape", "a=%zz", 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, _ := newAdapter()
			r := httptest.NewRequest("GET", "/", nil)
			r.URL.RawQuery = tc.query
			if got := do(t, a.Handle(ok), r).StatusCode; got != tc.status {
				t.Errorf("status %d, want %d", got, tc.status)
			}
		})
	}
}

// fixedHeader leaves out what differs from answer to answer.
func fixedHeader(resp *http.Response) map[string]string {
	header := map[string]string{}
	for name, values := range resp.Header {
		if name != "Date" && name != "X-Request-Id" {
			header[name] = strings.Join(values, "|")
		}
	}
	return header
}

func TestAnswer(t *testing.T) {
	const nosniff, noStore = "nosniff", "no-store"
	for _, tc := range []struct {
		name, method string
		resp         Response
		status       int
		header       map[string]string
		body         string
	}{
		{"plain", "GET", Response{Status: 201, Body: []byte("<html>")}, 201,
			map[string]string{"Content-Length": "6", "Cache-Control": noStore, "X-Content-Type-Options": nosniff}, "<html>"},
		{"own headers", "GET", Response{Status: 200, Header: http.Header{
			"Content-Type": {"application/json"}, "Cache-Control": {"max-age=60"}, "Content-Length": {"99"}, "X-Request-Id": {"x"}}, Body: []byte("{}")}, 200,
			map[string]string{"Content-Length": "2", "Content-Type": "application/json", "Cache-Control": "max-age=60", "X-Content-Type-Options": nosniff}, "{}"},
		{"empty", "GET", Response{Status: 404}, 404,
			map[string]string{"Content-Length": "0", "Cache-Control": noStore, "X-Content-Type-Options": nosniff}, ""},
		{"head", "HEAD", Response{Status: 200, Body: []byte("four")}, 200,
			map[string]string{"Content-Length": "4", "Cache-Control": noStore, "X-Content-Type-Options": nosniff}, ""},
		{"no content", "POST", Response{Status: 204, Body: []byte("dropped")}, 204,
			map[string]string{"Cache-Control": noStore, "X-Content-Type-Options": nosniff}, ""},
		{"zero value", "GET", Response{}, 500,
			map[string]string{"Content-Length": "0", "Cache-Control": noStore, "X-Content-Type-Options": nosniff}, ""},
		{"impossible status", "GET", Response{Status: 1000, Body: []byte("x")}, 500,
			map[string]string{"Content-Length": "0", "Cache-Control": noStore, "X-Content-Type-Options": nosniff}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, _ := newAdapter()
			var method string
			srv := httptest.NewServer(a.Handle(func(_ context.Context, r *Request) Response {
				method = r.Method
				tc.resp.Lost = func(context.Context) { t.Error("the answer counts as lost") }
				return tc.resp
			}))
			defer srv.Close()
			r, _ := http.NewRequest(tc.method, srv.URL, nil)
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body := bodyOf(t, resp)
			if want := strings.Replace(tc.method, "HEAD", "GET", 1); method != want {
				t.Errorf("handler saw %s, want %s", method, want)
			}
			if resp.StatusCode != tc.status || body != tc.body {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, body, tc.status, tc.body)
			}
			if id := resp.Header.Get("X-Request-Id"); len(id) != 16 {
				t.Errorf("X-Request-Id = %q", id)
			}
			if diff := cmp.Diff(tc.header, fixedHeader(resp)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBodyLimit(t *testing.T) {
	for _, tc := range []struct {
		name   string
		max    int64
		size   int
		status int
		body   string
	}{
		{"at the limit", 8, 8, 200, "8"},
		{"over the limit", 8, 9, 413, `{"status":413}`},
		{"at the default", 0, 1 << 20, 200, "1048576"},
		{"over the default", 0, 1<<20 + 1, 413, `{"status":413}`},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %v", tc.name, chunked), func(t *testing.T) {
				a, _ := newAdapter()
				a.MaxBody = tc.max
				srv := httptest.NewServer(a.Handle(func(_ context.Context, r *Request) Response {
					return Response{Status: 200, Body: fmt.Append(nil, len(r.Body))}
				}))
				defer srv.Close()
				var body io.Reader = bytes.NewReader(make([]byte, tc.size))
				if chunked {
					body = io.MultiReader(body)
				}
				resp, err := srv.Client().Post(srv.URL, "", body)
				if err != nil {
					t.Fatal(err)
				}
				if got := bodyOf(t, resp); resp.StatusCode != tc.status || got != tc.body {
					t.Errorf("got %d %q, want %d %q", resp.StatusCode, got, tc.status, tc.body)
				}
			})
		}
	}
}

func TestErrorsMayBeNil(t *testing.T) {
	a, _ := newAdapter()
	a.Errors = nil
	resp := do(t, a.Handle(func(context.Context, *Request) Response { panic("x") }), httptest.NewRequest("GET", "/", nil))
	if got := bodyOf(t, resp); resp.StatusCode != 500 || got != "" {
		t.Errorf("got %d %q, want 500 and no body", resp.StatusCode, got)
	}
}

const canary = "s3cr3t-canary"

func TestPanicIsLoggedWithoutValues(t *testing.T) {
	for _, tc := range []struct {
		name  string
		panic func(r *Request)
		want  string
	}{
		{"string", func(r *Request) { panic("bad body " + string(r.Body)) }, `panic="value of type string"`},
		{"error", func(r *Request) { panic(errors.New(r.Header.Get("Authorization"))) }, `panic="value of type *errors.errorString"`},
		{"runtime", func(r *Request) { _ = r.Body[len(r.Body)+1] }, `panic="runtime error: index out of range [14] with length 13"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, logs := newAdapter()
			mux := http.NewServeMux()
			mux.Handle("POST /x/{secret}", a.Handle(func(_ context.Context, r *Request) Response {
				tc.panic(r)
				return Response{}
			}))
			resp := do(t, mux, canaryRequest())
			if got := bodyOf(t, resp); resp.StatusCode != 500 || got != `{"status":500}` {
				t.Errorf("got %d %q", resp.StatusCode, got)
			}
			for _, want := range []string{tc.want, `route="POST /x/{secret}"`, "TestPanicIsLoggedWithoutValues.func", "status=500"} {
				if !strings.Contains(logs.String(), want) {
					t.Errorf("log lacks %s:\n%s", want, logs)
				}
			}
			if strings.Contains(logs.String(), canary) {
				t.Errorf("log has the canary:\n%s", logs)
			}
		})
	}
}

// canaryRequest carries a secret in every place that a client can fill.
func canaryRequest() *http.Request {
	r := httptest.NewRequest("POST", "/x/"+canary+"?key="+canary, strings.NewReader(canary))
	r.Header.Set("Authorization", "Bearer "+canary)
	r.Header.Set("Cookie", "edi-token="+canary)
	r.Header.Set("User-Agent", canary)
	r.Header.Set("X-Request-Id", canary)
	r.Header.Set("X-Forwarded-For", canary)
	return r
}

func TestAbortPassesThrough(t *testing.T) {
	a, logs := newAdapter()
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", v)
		}
		if logs.String() != "" {
			t.Errorf("logged %s", logs)
		}
	}()
	do(t, a.Handle(func(context.Context, *Request) Response { panic(http.ErrAbortHandler) }), httptest.NewRequest("GET", "/", nil))
}

func TestLogLine(t *testing.T) {
	clock := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a, logs := newAdapter()
	a.Now = func() time.Time {
		clock = clock.Add(7 * time.Millisecond)
		return clock
	}
	mux := http.NewServeMux()
	mux.Handle("/x/{secret}", a.Handle(ok))
	resp := do(t, mux, canaryRequest())
	line := fmt.Sprintf(`level=INFO msg=request method=POST route=/x/{secret} status=200 duration_ms=7 bytes=2 request_id=%s addr=192.0.2.1`+"\n", resp.Header.Get("X-Request-Id"))
	if !strings.HasSuffix(logs.String(), line) || strings.Count(logs.String(), "\n") != 1 {
		t.Errorf("log is\n%swant one line ending\n%s", logs, line)
	}
	if strings.Contains(logs.String(), canary) {
		t.Errorf("log has the canary: %s", logs)
	}
}

func TestLogNamesOnlyKnownMethods(t *testing.T) {
	a, logs := newAdapter()
	do(t, a.Handle(ok), httptest.NewRequest(canary, "/", nil))
	if !strings.Contains(logs.String(), "method=other") || strings.Contains(logs.String(), canary) {
		t.Errorf("log: %s", logs)
	}
}
