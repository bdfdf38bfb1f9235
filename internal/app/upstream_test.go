package app

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"symbolon/internal/config"
)

// echo is what the server behind says it received.
type echo struct {
	Method, URI, Host, Body string
	Header, Trailer         http.Header
}

// backend is a server behind that says what it received, and counts.
type backend struct {
	*httptest.Server
	asked atomic.Int64
}

func newBackend(t *testing.T, h http.HandlerFunc) *backend {
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked.Add(1)
		h(w, r)
	}))
	t.Cleanup(b.Close)
	return b
}

func sayBack(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_ = json.NewEncoder(w).Encode(echo{r.Method, r.RequestURI, r.Host, string(body), r.Header, r.Trailer})
}

// inFront is an environment that listens, with a server behind its service.
type inFront struct {
	*env
	back *backend
	addr string
}

// newInFront protects /data of the service with that index, and what change adds.
func newInFront(t *testing.T, service int, h http.HandlerFunc, change func(*config.Config)) *inFront {
	back := newBackend(t, h)
	e := newEnv(t, func(c *config.Config) {
		c.Services[service].Upstream, c.Services[service].Protect = back.URL, []string{"/data"}
		if change != nil {
			change(c)
		}
	})
	server := httptest.NewServer(e.http)
	t.Cleanup(server.Close)
	return &inFront{e, back, server.Listener.Addr().String()}
}

// send makes one request to the server in front; headers are names and values in turn.
func (f *inFront) send(method, target string, body io.Reader, headers ...string) *http.Response {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, "http://"+f.addr+target, body)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// echoed is what reached the server behind.
func (f *inFront) echoed(method, target, body string, headers ...string) echo {
	f.t.Helper()
	resp := f.send(method, target, strings.NewReader(body), headers...)
	var got echo
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != 200 {
		f.t.Fatalf("%s %s: %d, %v", method, target, resp.StatusCode, err)
	}
	return got
}

// raw sends bytes and returns the status of the answer, 0 if the connection was closed without one.
func (f *inFront) raw(request string) int {
	f.t.Helper()
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		f.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func (f *inFront) bearer(service string) string {
	f.t.Helper()
	return "Bearer " + f.issue(service, f.ada.ID).Access.Reveal()
}

// The server behind is told who asks, by us and by nobody else.
func TestWhatTheServerBehindGets(t *testing.T) {
	f := newInFront(t, 0, sayBack, nil)
	bearer := f.bearer("samples")
	got := f.echoed("post", "/data/a%20b/?x=%2f..&jwt=kept&y", "the body", "Authorization", bearer, "Cookie", "a=b", "Cookie", "c=d",
		"X-Auth-Account", "root", "x-auth-account", "root", "X_Auth_Account", "root", "X-Auth_Account", "root", "X-Auth-Extra", "stays",
		"X-Forwarded-For", "10.1.1.1", "X-Forwarded-Host", "evil", "X-Forwarded-Proto", "gopher", "X_Forwarded_User", "root", "Forwarded", "for=x",
		"X-Original-Url", "/admin", "X-Rewrite-Url", "/admin", "X-Http-Method-Override", "DELETE", "Proxy", "http://evil",
		"Connection", "X-Auth-Subject, authorization, Keep-Alive", "Keep-Alive", "300", "X-Other", "kept")
	if got.Method != "POST" || got.URI != "/data/a%20b/?x=%2f..&jwt=kept&y" || got.Host != f.addr || got.Body != "the body" {
		t.Errorf("got %+v", got)
	}
	for name, want := range map[string]string{
		"X-Auth-Account": "ada", "X-Auth-Subject": "1", "X-Auth-Name": "Ada Example", "X-Auth-Groups": "", "X-Auth-Scope": "",
		"X-Auth-Identities": "", "Authorization": bearer, "X-Other": "kept", "X-Auth-Extra": "stays", "X-Forwarded-For": "127.0.0.1",
		"X-Forwarded-Host": f.addr, "X-Forwarded-Proto": "http",
	} {
		if values := got.Header[name]; len(values) != 1 || values[0] != want {
			t.Errorf("%s is %q, want %q", name, values, want)
		}
	}
	for _, name := range []string{"X_auth_account", "X-Auth_account", "X_Auth_Account", "X-Auth_Account", "X_forwarded_user", "X_Forwarded_User", "Forwarded", "X-Original-Url",
		"X-Rewrite-Url", "X-Http-Method-Override", "Proxy", "Keep-Alive"} {
		if values, there := got.Header[name]; there {
			t.Errorf("%s came through: %q", name, values)
		}
	}
	for name, values := range got.Header {
		for _, v := range values {
			if strings.Contains(v, "root") || strings.Contains(v, "evil") {
				t.Errorf("%s: %s", name, v)
			}
		}
	}
	if cookies := strings.Join(got.Header["Cookie"], "; "); cookies != "a=b; c=d" {
		t.Errorf("cookies: %s", cookies)
	}
}

// Nothing reaches the server behind without a good token, nor by a path with two meanings.
func TestNothingReachesTheServerBehind(t *testing.T) {
	f := newInFront(t, 0, sayBack, func(c *config.Config) {
		public := config.NewRule("/data/public")
		public.Who = "anonymous"
		c.Services[0].Rules = []config.Rule{public}
	})
	expired := "Authorization: " + f.bearer("samples") + "\r\n"
	f.advance(25 * time.Hour)
	bearer := "Authorization: " + f.bearer("samples") + "\r\n"
	other := "Authorization: " + f.bearer("ecology") + "\r\n"
	for _, tc := range []struct {
		line, headers string
		want          []int
	}{
		{"GET /data HTTP/1.1", "", []int{401}},
		{"GET /data HTTP/1.1", expired, []int{401}},
		{"GET /data HTTP/1.1", other, []int{401}},
		{"GET /data HTTP/1.1", "Authorization: Bearer x\r\n", []int{401}},
		{"GET /data HTTP/1.1", "X-Auth-Account: ada\r\nX-Forwarded-Uri: /data/public\r\nX-Original-URI: /data/public\r\nX-Original-URL: /data/public\r\n", []int{401}},
		{"GET /data/public/../secret HTTP/1.1", "", []int{400}},
		{"GET /data/public/..%2fsecret HTTP/1.1", "", []int{400}},
		{"GET /data/public/%2e%2e/secret HTTP/1.1", "", []int{400}},
		{"GET /data/public/..;/secret HTTP/1.1", "", []int{400}},
		{"GET /data/public;/secret HTTP/1.1", "", []int{400}},
		{"GET /data//public HTTP/1.1", "", []int{400}},
		{"GET /data/public%00 HTTP/1.1", "", []int{400}},
		{"GET /data/public%5c..%5csecret HTTP/1.1", "", []int{400}},
		{`GET /data/public\..\secret HTTP/1.1`, "", []int{400}},
		{"GET /data/secret#/data/public HTTP/1.1", "", []int{400, 401}},
		{"GET /data/secret?/data/public HTTP/1.1", "", []int{401}},
		{"GET /data/secret%23/../public HTTP/1.1", "", []int{400}},
		{"GET /data/public%ff HTTP/1.1", bearer, []int{400}},
		{"GET /data/public/\xfc HTTP/1.1", bearer, []int{400}},
		{"GET /DATA/x HTTP/1.1", bearer, []int{404}},
		{"GET //data/x HTTP/1.1", bearer, []int{400}},
		{"GET /x/../data/x HTTP/1.1", bearer, []int{400}},
		{"GET /data;/../data/x HTTP/1.1", bearer, []int{400}},
		{"GET http://elsewhere/data/x HTTP/1.1", bearer, []int{400}},
		{"CONNECT /data HTTP/1.1", bearer, []int{400, 404}},
		{"TRACE /data HTTP/1.1", bearer, []int{400}},
		{"OPTIONS * HTTP/1.1", bearer, []int{200, 400, 404}},
		{"GET /data HTTP/1.1", bearer + "Content-Length: 5\r\nContent-Length: 6\r\n", []int{400}},
		{"GET /data HTTP/1.1", bearer + "Content-Length: +5\r\n", []int{400}},
		{"GET /data HTTP/1.1", bearer + "Transfer-Encoding: chunked, identity\r\n", []int{400, 501}},
		{"GET /data HTTP/1.1", bearer + "Transfer-Encoding: xchunked\r\n", []int{400, 501}},
		{"GET /data HTTP/1.1", bearer + "Transfer-Encoding : chunked\r\n", []int{400}},
		{"GET /data HTTP/1.1", bearer + "Host: two\r\n", []int{400}},
		{"GET /data HTTP/1.1", bearer + " Folded: x\r\n", []int{400, 401}},
		{"GET /data HTTP/1.1", bearer + "X\x00Y: x\r\n", []int{400}},
		{"GET /data HTTP/1.1", bearer + "X-Y: a\rX-Auth-Account: root\r\n", []int{400}},
		{"GET /data\tHTTP/1.1", bearer, []int{400}},
	} {
		got := f.raw(tc.line + "\r\nHost: h\r\n" + tc.headers + "Connection: close\r\n\r\n")
		ok := got == 0
		for _, w := range tc.want {
			ok = ok || got == w
		}
		if !ok {
			t.Errorf("%q with %.60q: %d, want %d", tc.line, tc.headers, got, tc.want)
		}
	}
	if n := f.back.asked.Load(); n != 0 {
		t.Errorf("%d requests reached the server behind", n)
	}
	if got := f.raw("GET /data/public/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); got != 200 {
		t.Errorf("what is for everybody: %d", got)
	}
}

// Two messages in one, by Content-Length and chunks, stay one for the server behind.
func TestNoRequestIsSmuggled(t *testing.T) {
	f := newInFront(t, 0, sayBack, nil)
	bearer := "Authorization: " + f.bearer("samples") + "\r\n"
	inner := "GET /data/inner HTTP/1.1\r\nHost: h\r\nX-Auth-Account: root\r\n\r\n"
	f.raw("POST /data HTTP/1.1\r\nHost: h\r\n" + bearer + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", len(inner)+5) + inner)
	f.raw("POST /data HTTP/1.1\r\nHost: h\r\n" + bearer + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(inner)) + inner)
	if n := f.back.asked.Load(); n > 2 {
		t.Errorf("%d requests reached the server behind", n)
	}
	got := f.echoed("POST", "/data", inner, "Authorization", strings.TrimSpace(strings.TrimPrefix(bearer, "Authorization: ")))
	if got.Body != inner || got.Header.Get("X-Auth-Account") != "ada" {
		t.Errorf("got %+v", got)
	}
	folded := f.raw("GET /data HTTP/1.1\r\nHost: h\r\n" + bearer + "X-A: b\r\n X-Auth-Account: root\r\nConnection: close\r\n\r\n")
	if folded != 200 && folded != 400 {
		t.Errorf("a folded line: %d", folded)
	}
}

// A client cannot wish our headers away, nor turn the connection into something else, nor add them at the end.
func TestHopByHop(t *testing.T) {
	f := newInFront(t, 0, sayBack, nil)
	bearer := f.bearer("samples")
	for _, connection := range []string{"X-Auth-Account", "close, X-Auth-Account, X_Auth_Account", "Authorization", "cookie", "X-Forwarded-For", ","} {
		got := f.echoed("GET", "/data", "", "Authorization", bearer, "Cookie", "a=b", "Connection", connection, "X-Auth-Account", "root")
		if got.Header.Get("X-Auth-Account") != "ada" || got.Header.Get("Authorization") != bearer || got.Header.Get("Cookie") != "a=b" || got.Header.Get("X-Forwarded-For") != "127.0.0.1" {
			t.Errorf("Connection: %s: got %v", connection, got.Header)
		}
	}
	got := f.echoed("GET", "/data", "", "Authorization", bearer, "Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "Http2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")
	for _, name := range []string{"Upgrade", "Http2-Settings", "Connection"} {
		if v, there := got.Header[name]; there {
			t.Errorf("%s came through: %s", name, v)
		}
	}
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /data HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nTransfer-Encoding: chunked\r\nTrailer: X-Auth-Account, X-Auth-Groups\r\n\r\n"+
		"1\r\na\r\n0\r\nX-Auth-Account: root\r\nX-Auth-Groups: admins\r\n\r\n", bearer)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var told echo
	if err := json.NewDecoder(resp.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	if told.Header.Get("X-Auth-Account") != "ada" || len(told.Trailer) != 0 || told.Body != "a" {
		t.Errorf("got %+v", told)
	}
}

// Our own paths and the dialect's are answered here, whatever is protected.
func TestWhoseAPathIs(t *testing.T) {
	back := newBackend(t, sayBack)
	e := newEnv(t, func(c *config.Config) {
		c.Services[2].Upstream, c.Services[2].Protect = back.URL, []string{"/"}
		c.Services[3].Upstream, c.Services[3].Protect = back.URL, []string{"/api"}
	})
	server := httptest.NewServer(e.http)
	defer server.Close()
	f := &inFront{e, back, server.Listener.Addr().String()}
	ca, item := f.bearer("collections"), f.bearer("warehouse")
	for _, tc := range []struct {
		method, target, bearer string
		status                 int
		behind                 bool
	}{
		{"GET", "/healthz", "", 200, false},
		{"GET", "/healthz/x", ca, 404, false},
		{"GET", "/.well-known/jwks.json", "", 200, false},
		{"GET", "/.well-known/other", ca, 404, false},
		{"GET", "/symbolon/other", ca, 404, false},
		{"GET", "/%73ymbolon/verify/collections", ca, 404, false},
		{"GET", "/symbolon/verify/collections", ca, 200, false},
		{"POST", "/service/Auth", ca, 500, false},
		{"POST", "/service/Auth/getBearerToken", ca, 404, false},
		{"POST", "/service.php/auth", ca, 500, false},
		{"POST", "/service/Item", ca, 200, true},
		{"POST", "/service/Item", "", 401, false},
		{"POST", "/service/Item", item, 401, false},
		{"POST", "/service.php/Search", ca, 200, true},
		{"GET", "/index.php", ca, 200, true},
		{"GET", "/", ca, 200, true},
		{"GET", "/webservices/other", ca, 200, true},
		{"GET", "/auth/v1/ping", "", 200, false},
		{"POST", "/api/users/login", item, 400, false},
		{"GET", "/api/orders", item, 200, true},
		{"GET", "/api/orders", ca, 422, false},
		{"GET", "/api", item, 200, true},
		{"POST", "/api/auth/token/refresh/", "", 400, false},
	} {
		before := back.asked.Load()
		resp := f.send(tc.method, tc.target, nil, "Authorization", tc.bearer)
		if behind := back.asked.Load() > before; resp.StatusCode != tc.status || behind != tc.behind {
			t.Errorf("%s %s: %d, behind %v, want %d, %v", tc.method, tc.target, resp.StatusCode, behind, tc.status, tc.behind)
		}
	}
}

// A server behind that does not answer is a 502 or 504 in the wire's shape.
func TestServerBehindDown(t *testing.T) {
	hang := make(chan struct{})
	f := newInFront(t, 0, func(w http.ResponseWriter, r *http.Request) { <-hang }, func(c *config.Config) {
		c.Services[0].UpstreamTimeout = config.Duration(100 * time.Millisecond)
		c.Services[1].Upstream, c.Services[1].Protect = "http://127.0.0.1:1", []string{"/eco"}
	})
	t.Cleanup(func() { close(hang) })
	late := f.send("GET", "/data", nil, "Authorization", f.bearer("samples"))
	body, _ := io.ReadAll(late.Body)
	if late.StatusCode != 504 || late.Header.Get("Content-Type") != "application/json" || string(body) != `{"detail":"A server error occurred."}` {
		t.Errorf("got %d %s", late.StatusCode, body)
	}
	gone := f.send("GET", "/eco", nil, "Authorization", f.bearer("ecology"))
	body, _ = io.ReadAll(gone.Body)
	if gone.StatusCode != 502 || string(body) != "{\n  \"msg\": \"502 Bad Gateway\"\n}" || gone.Header.Get("X-Request-Id") == "" {
		t.Errorf("got %d %s", gone.StatusCode, body)
	}
}

// Events arrive when they are sent, and a body when it is.
func TestStreaming(t *testing.T) {
	next := make(chan string)
	f := newInFront(t, 0, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.Header().Set("Content-Type", "text/event-stream")
		for piece := make([]byte, 1); ; {
			if _, err := io.ReadFull(r.Body, piece); err != nil {
				return
			}
			fmt.Fprintf(w, "data: %s %s\n\n", piece, <-next)
			_ = http.NewResponseController(w).Flush()
		}
	}, nil)
	in, out := io.Pipe()
	answered := make(chan *http.Response, 1)
	bearer := f.bearer("samples")
	go func() {
		r, _ := http.NewRequest("POST", "http://"+f.addr+"/data", in)
		r.Header.Set("Authorization", bearer)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	_, _ = io.WriteString(out, "a")
	next <- "one"
	var resp *http.Response
	select {
	case resp = <-answered:
	case <-time.After(10 * time.Second):
	}
	if resp == nil {
		t.Fatal("no answer begins while the request is sent")
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); line != "data: a one\n" {
		t.Errorf("got %q, %v", line, err)
	}
	f.advance(25 * time.Hour) // the token has ended; what began with it goes on
	_, _ = lines.ReadString('\n')
	_, _ = io.WriteString(out, "b")
	next <- "two"
	if line, err := lines.ReadString('\n'); line != "data: b two\n" {
		t.Errorf("got %q, %v", line, err)
	}
	out.Close()
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Errorf("the end: %v", err)
	}
}

// Nothing is cut off while it moves: the deadlines of the server are those of a standing still.
func TestNoTotalTimeout(t *testing.T) {
	const step, still = 500 * time.Millisecond, 1500 * time.Millisecond // four steps are longer than still
	f := newInFront(t, 0, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		for range 4 {
			time.Sleep(step)
			_, _ = io.WriteString(w, ".")
			_ = http.NewResponseController(w).Flush()
		}
		fmt.Fprint(w, n)
	}, func(c *config.Config) { c.Services[0].UpstreamTimeout = config.Duration(still) })
	server := httptest.NewUnstartedServer(f.http)
	server.Config.ReadTimeout, server.Config.WriteTimeout = still, still
	server.Start()
	defer server.Close()
	in, out := io.Pipe()
	go func() {
		for range 4 {
			time.Sleep(step)
			_, _ = io.WriteString(out, "....")
		}
		out.Close()
	}()
	f.addr = server.Listener.Addr().String()
	resp := f.send("POST", "/data", in, "Authorization", f.bearer("samples"))
	if body, err := io.ReadAll(resp.Body); string(body) != "....16" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
	resp = f.send("GET", "/data", nil, "Authorization", f.bearer("samples"))
	if body, err := io.ReadAll(resp.Body); string(body) != "....0" || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
}

// A WebSocket goes through, both ways.
func TestWebSocket(t *testing.T) {
	f := newInFront(t, 0, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("X-Auth-Account") != "ada" {
			w.WriteHeader(400)
			return
		}
		c, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		line, _ := buf.ReadString('\n')
		_, _ = io.WriteString(c, "you said "+line)
	}, nil)
	c, err := net.Dial("tcp", f.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /data HTTP/1.1\r\nHost: h\r\nAuthorization: %s\r\nConnection: Upgrade, X-Auth-Account\r\nUpgrade: websocket\r\n\r\n", f.bearer("samples"))
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v, %v", resp, err)
	}
	_, _ = io.WriteString(c, "hello\n")
	if line, err := in.ReadString('\n'); line != "you said hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// What the server behind gets of the token, by upstream_token.
func TestUpstreamToken(t *testing.T) {
	keys := t.TempDir()
	for _, tc := range []struct {
		service int
		mode    string
	}{{1, "pass"}, {1, "mint"}, {1, "none"}, {2, "pass"}, {2, "mint"}, {2, "none"}, {3, "mint"}} {
		name := []string{"samples", "ecology", "collections", "warehouse"}[tc.service]
		t.Run(name+" "+tc.mode, func(t *testing.T) {
			f := newInFront(t, tc.service, sayBack, func(c *config.Config) {
				c.Services[tc.service].UpstreamToken = tc.mode
				c.Services[2].CollectiveAccess.KeyFile = writeFile(t, filepath.Join(keys, "ca.key"), []byte("the key of collections, of 32 bytes or more"))
				c.Services[3].ItemPath.KeyFile = writeFile(t, filepath.Join(keys, "item.key"), []byte("the key of warehouse, of 32 bytes or more"))
			})
			text := f.issue(name, f.ada.ID).Access.Reveal()
			byHeader := f.echoed("GET", "/data?a=b", "", "Authorization", "Bearer "+text, "Cookie", "x=y; auth-token=other")
			f.wantToken(name, tc.mode, text, byHeader)
			if tc.service == 1 {
				f.wantToken(name, tc.mode, text, f.echoed("GET", "/data?a=b", "", "Cookie", "x=y; edi-token="+text+"; auth-token=other"))
				byKey := f.echoed("GET", "/data?a=b&key="+f.apiKey(), "", "Cookie", "x=y")
				if tc.mode == "pass" {
					tc.mode = "none" // a key never goes on
				}
				f.wantToken(name, tc.mode, "", byKey)
			}
			if tc.service == 2 {
				f.wantToken(name, tc.mode, text, f.echoed("GET", "/data?jwt="+text+"&a=b", "", "Cookie", "x=y"))
			}
		})
	}
}

// wantToken fails unless what reached the server behind has the token that the mode is for, and none else.
func (f *inFront) wantToken(service, mode, text string, got echo) {
	f.t.Helper()
	if got.URI != "/data?a=b" {
		f.t.Errorf("the target is %s", got.URI)
	}
	r := &http.Request{Header: got.Header}
	found := map[string]string{"bearer": strings.TrimPrefix(got.Header.Get("Authorization"), "Bearer ")}
	for _, c := range r.Cookies() {
		found[c.Name] = c.Value
	}
	if service != "ecology" {
		delete(found, "auth-token") // there it is a cookie like any other
	}
	if found["x"] != "y" {
		f.t.Errorf("another cookie is %q", found["x"])
	}
	have := found["bearer"]
	if service == "ecology" && have == "" {
		have = found["edi-token"]
	}
	switch mode {
	case "none":
		if have != "" || found["auth-token"] != "" {
			f.t.Errorf("got %v", found)
		}
	case "pass":
		if have != text || service == "ecology" && found["auth-token"] != "" {
			f.t.Errorf("got %v", found)
		}
	case "mint":
		h, err := f.app.Engine.Identify(f.t.Context(), service, have)
		if err != nil || have == text || h.Claims.Expires.Sub(f.now()) != 5*time.Minute || !h.Claims.Cap.IsZero() {
			f.t.Errorf("minted: %+v, %v", h.Claims, err)
		}
		if service == "ecology" {
			w := f.ediRefresh(found["auth-token"], f.issue("ecology", f.ada.ID).Access.Reveal())
			wantCode(f.t, w, 200)
		}
	}
}

// On a path for everybody the server behind is told nobody, and given no token that was not good.
func TestAnonymousGetsNoToken(t *testing.T) {
	f := newInFront(t, 1, sayBack, func(c *config.Config) {
		public := config.NewRule("/data")
		public.Who = "anonymous"
		c.Services[1].Rules = []config.Rule{public}
	})
	got := f.echoed("GET", "/data?key=x&a", "", "Authorization", "Bearer bad", "Cookie", "edi-token=bad; auth-token=bad; a=b", "X-Auth-Account", "root")
	if got.Header.Get("Authorization") != "" || got.Header.Get("Cookie") != "a=b" || got.URI != "/data?a" || got.Header.Get("X-Auth-Account") != "" {
		t.Errorf("got %+v", got)
	}
	edi, _ := f.ediPair("ecology")
	if got := f.echoed("GET", "/data", "", "Cookie", "edi-token="+edi); got.Header.Get("X-Auth-Account") != "ada" {
		t.Errorf("got %+v", got)
	}
}

// The log names the service, never the target or what was presented.
func TestTheProxyLogsNoSecret(t *testing.T) {
	f := newInFront(t, 1, sayBack, nil)
	e := f.env
	key := f.apiKey()
	edi, _ := f.ediPair("ecology")
	f.echoed("GET", "/data/secret-path?key="+key, "")
	f.echoed("GET", "/data", "", "Cookie", "edi-token="+edi)
	f.send("GET", "/data?key=wrong-"+key, nil)
	for _, secret := range []string{key, edi, "secret-path"} {
		if strings.Contains(e.log.String(), secret) {
			t.Errorf("%.12s… is in the log", secret)
		}
	}
	if !strings.Contains(e.log.String(), `route="upstream of ecology"`) {
		t.Errorf("no line for the request:\n%s", e.log.String())
	}
}
