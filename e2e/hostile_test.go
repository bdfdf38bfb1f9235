//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answers fails unless the server still does its work for others.
func answers(t *testing.T, s *server) {
	t.Helper()
	if !s.running() {
		t.Fatalf("the server has ended: %s", s.log.String())
	}
	begin := time.Now()
	if r := call(t, "GET", s.base+"/readyz", ""); r.status != http.StatusOK {
		t.Fatalf("readyz: %d %s", r.status, r.body)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("others wait %s", took)
	}
	if strings.Contains(s.log.String(), "msg=panic") {
		t.Errorf("the log tells of a panic:\n%s", s.log.String())
	}
}

// raw sends bytes as they are and returns the status of the answer, 0 for none.
func raw(t *testing.T, s *server, request string) int {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(s.base, "http://"), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(c, request) // a server that refuses early closes early
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// post is a request of HTTP/1.1 that ends its connection.
func post(path, headers, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s", path, headers, len(body), body)
}

func TestHostileRequests(t *testing.T) {
	s := startDev(t, t.TempDir())
	const (
		rotate = "/webservices/refresh_token.php"
		use    = "/webservices/credentials_service_v2.php"
		both   = "/auth/v1/token/refresh"
		graph  = "/service/Auth"
		login  = "/api/users/login"
		asJSON = "Content-Type: application/json\r\n"
	)
	big := strings.Repeat("a", 2<<20)
	deep := strings.Repeat(`{"refresh":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	for _, c := range []struct {
		name, request string
		want          []int
	}{
		{"a million dots as a token", post(use, "Authorization: Bearer "+strings.Repeat(".", 1_000_000)+"\r\n", ""), []int{431, 0}},
		{"as many dots as fit", post(use, "Authorization: Bearer "+strings.Repeat(".", 60_000)+"\r\n", ""), []int{401}},
		{"a token of dots in a body", post(rotate, asJSON, `{"refresh":"`+strings.Repeat(".", 1_000_000)+`"}`), []int{401}},
		{"a body of 2 MiB", post(rotate, asJSON, `{"refresh":"`+big+`"}`), []int{413}},
		{"a body of 2 MiB to EDI", post(both, asJSON, big), []int{413}},
		{"a body of 2 MiB in chunks", "POST " + rotate + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + big + "\r\n0\r\n\r\n", []int{413}},
		{"deep JSON", post(rotate, asJSON, deep), []int{400}},
		{"deep JSON to EDI", post(both, asJSON, deep), []int{400}},
		{"deep arrays", post(both, asJSON, strings.Repeat("[", 100_000)), []int{400}},
		{"a body of 2 MiB to CollectiveAccess", post(graph, asJSON, big), []int{413}},
		{"a body of 2 MiB to ItemPath", post(login, asJSON, big), []int{413}},
		{"deep JSON to ItemPath", post(login, asJSON, deep), []int{400}},
		{"a deep query", post(graph, asJSON, `{"query":"`+strings.Repeat("{a ", 100_000)+`"}`), []int{500}},
		{"a query of aliases", post(graph, asJSON, `{"query":"{`+strings.Repeat("a:__typename ", 50_000)+`}"}`), []int{500}},
		{"fragments that double", post(graph, asJSON, `{"query":"{ ...F0 } `+doubling(20)+`"}`), []int{500}},
		{"a hundred sign-ins", post(graph, asJSON, `{"query":"{`+logins(100)+`}"}`), []int{500}},
		{"two lengths", "POST " + rotate + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", []int{400}},
		{"length and chunks", "POST " + rotate + " HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400, 415}},
		{"another protocol", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", []int{400}},
		{"a path of escapes", "GET /auth/v1/token/%00%ff%2e%2e%2f HTTP/1.1\r\nHost: x\r\n\r\n", []int{404, 405}},
		{"a path that climbs", "GET /auth/v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", []int{301, 307, 404}},
		{"a query of noise", "GET " + use + "?%zz=%&;=; HTTP/1.1\r\nHost: x\r\n\r\n", []int{400}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := raw(t, s, c.request)
			for _, w := range c.want {
				if got == w {
					return
				}
			}
			t.Errorf("answered %d, not one of %v", got, c.want)
		})
	}
	answers(t, s)
}

// doubling is fragments that each spread the next one twice.
func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "fragment F%d on Auth { ...F%d ...F%[2]d } ", i, i+1)
	}
	return b.String() + fmt.Sprintf("fragment F%d on Auth { __typename }", n)
}

// logins is a query's fields that each try a password.
func logins(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `a%d: login(username: \"demo\", password: \"guess %[1]d\") { jwt } `, i)
	}
	return b.String()
}

// TestSlowClients holds a hundred connections that never get on with it.
func TestSlowClients(t *testing.T) {
	const promised = 10 * time.Second // for the header
	s := startDev(t, t.TempDir())
	begin := time.Now()
	var slow []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "POST /webservices/refresh_token.php HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		slow = append(slow, c)
	}
	answers(t, s)
	for _, c := range slow {
		_ = c.SetReadDeadline(begin.Add(2 * promised))
		if _, err := io.Copy(io.Discard, c); err != nil {
			t.Fatalf("a connection without an end to its header is not closed within %s: %v", 2*promised, err)
		}
	}
	answers(t, s)
}

var hostilePaths = []string{
	"/webservices/refresh_token.php", "/webservices/credentials_service_v2.php", "/webservices/other.php",
	"/api/auth/token/", "/api/auth/token/refresh/", "/api/auth/token/blacklist/", "/api/auth/token/blacklist-all/", "/api/auth/user/", "/api/auth/user",
	"/auth/v1/token/refresh", "/auth/v1/key", "/auth/v1/token/EDI-1", "/auth/v1/ping", "/auth/v1/whoami", "/auth/v1/key/", "/auth/login",
	"/service/Auth", "/service/auth/", "/service.php/Auth", "/service.php/auth/_default", "/service/Item", "/service", "/service/whoami", "/service/whoami?jwt=a.b.c&pretty=1",
	"/api/users/login", "/api/users/refresh", "/api/users/application-token", "/api/users", "/api/users/1", "/api/users/%00", "/api/users/login/", "/api/stations",
	"/healthz", "/readyz", "/.well-known/jwks.json", "/symbolon/keys/ecology.pem", "/symbolon/keys/samples-legacy.crt", "/symbolon/keys/%00", "/", "/%2f",
}

var hostileBodies = []string{
	``, `{`, `{}`, `[]`, `null`, `""`, `0`, `{"refresh":null}`, `{"refresh":1e999}`, `{"refresh":{"a":[]}}`, `{"refresh":"a.b.c"}`,
	`{"refresh":"a.b.c","refresh":"d.e.f"}`, `{"Refresh":"a.b.c"}`, "{\"refresh\":\"\\ud800\"}", "{\"refresh\":\"\x00\xff\"}", "\xef\xbb\xbf{}",
	`refresh=a.b.c&refresh=d`, `refresh=%`, `;;;`, `--x`, "--x\r\nContent-Disposition: form-data; name=\"refresh\"\r\n\r\na.b.c\r\n--x--\r\n",
	`{"key":"R9arQwYMFqdgVVYt7jqcsxfyPyU"}`, `{"key":["x"]}`, `{"pasta-token":null,"edi-token":"a.b.c"}`, `{"pasta-token":"*","edi-token":5}`,
	`{"username":"demo","password":"x"}`, `{"username":["x"],"password":{}}`, `{"username":"demo","password":"x","Password":"y"}`, `{"name":"\ud800"}`,
	`{"username":"x y","type":"robot","status":7}`, `{"type":"application","status":1e9}`,
	`{"query":"{ login(username: \"demo\", password: \"x\") { jwt } }"}`, `{"query":"query($a: [String!]! = [\"x\"]) { refresh(token: $a) { jwt } }","variables":{"a":5}}`,
	`{"query":"{ __schema { types { name fields { name type { ofType { name } } } } } }"}`, `{"query":"fragment F on Auth { ...F } { ...F }"}`,
	`{"query":"mutation { x }"}`, `{"query":5}`, `{"query":"{","variables":"x"}`, `login(username:"demo"){jwt}`,
	`<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`,
}

var hostileKinds = []string{"", "application/json", "application/json; charset=utf-7", "application/x-www-form-urlencoded",
	"multipart/form-data; boundary=x", "multipart/form-data", "text/xml", "\x01/;;="}

var hostileAuth = []string{"", "Bearer", "Bearer ", "Bearer a.b.c", "Bearer ..", "bearer eyJhbGciOiJub25lIn0.e30.", "Basic OjpAOg==", "Bearer a b", "Token \xff"}

// TestNoRequestIsAServerError sends a few hundred requests that are wrong in many
// ways, half of them good ones with bytes changed, to every route.
func TestNoRequestIsAServerError(t *testing.T) {
	const seed, count = 20260, 1600
	rng := rand.New(rand.NewPCG(seed, 0))
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	s := startDev(t, t.TempDir())
	got := data[issued](t, s, "token", "issue", "--service", "ecology", "--account", "demo")
	good := []string{`{"pasta-token":"` + got.Pasta + `","edi-token":"` + got.Access + `"}`, `{"refresh":"` + got.Access + `"}`}
	seen := map[int]int{} // :: status → answers
	for i := range count {
		path := hostilePaths[i%len(hostilePaths)]
		body, auth := pick(hostileBodies), pick(hostileAuth)
		if i%2 == 0 {
			body, auth = mutate(rng, pick(good)), "Bearer "+mutate(rng, got.Access)
		}
		headers := "Content-Type: " + pick(hostileKinds) + "\r\nAuthorization: " + clean(auth) + "\r\nCookie: edi-token=" + clean(auth) +
			"\r\nAccept: " + pick([]string{"*/*", "text/xml", "application/json;q=x", ",,,"}) + "\r\nX-Forwarded-For: " + pick([]string{"", "::1", "x, y"}) + "\r\n"
		method := pick([]string{"POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "SYMBOLON"})
		request := strings.Replace(post(path, headers, body), "POST", method, 1)
		status := raw(t, s, request)
		// The old service's answer to every query that is wrong is 500.
		masked := status == 500 && (strings.HasPrefix(path, "/service/") || strings.HasPrefix(path, "/service.php/"))
		if seen[status]++; status >= 500 && !masked {
			t.Errorf("seed %d, request %d: answered %d to\n%q", seed, i, status, request)
		}
	}
	t.Logf("answers by status: %v", seen)
	if seen[400]+seen[401]+seen[404]+seen[405] < count/2 {
		t.Errorf("hardly a refusal: %v", seen)
	}
	answers(t, s)
}

// mutate changes a few bytes.
func mutate(rng *rand.Rand, s string) string {
	b := []byte(s)
	for range 1 + rng.IntN(3) {
		b[rng.IntN(len(b))] = byte(rng.IntN(256))
	}
	return string(b)
}

// clean takes out what would end a header.
func clean(s string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(s) }
