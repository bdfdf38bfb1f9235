//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// behind is a server that knows nothing of tokens: it says what it received.
type behind struct {
	*httptest.Server
	mu    sync.Mutex
	asked int
}

// received is one request as it came to the server behind.
type received struct {
	Method, URI string
	Bytes       int64
	Header      http.Header
}

func startBehind(t *testing.T) *behind {
	b := &behind{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.asked++
		b.mu.Unlock()
		n, _ := io.Copy(io.Discard, r.Body)
		_ = json.NewEncoder(w).Encode(received{r.Method, r.RequestURI, n, r.Header})
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *behind) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

// proxy is one recipe of docs/gateway at work.
type proxy struct {
	name    string
	files   []string // of docs/gateway; the first is what the program is started with
	command []string // DIR is the folder
	words   bool     // a refusal has the dialect's body
	addr    string
	dir     string
	log     text
}

var proxies = []*proxy{
	{name: "nginx", files: []string{"nginx.conf"}, words: true,
		command: []string{"/usr/sbin/nginx", "-e", "DIR/start.log", "-c", "DIR/nginx.conf", "-g", "daemon off;"}},
	{name: "caddy", files: []string{"Caddyfile"}, words: true,
		command: []string{"/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", "DIR/Caddyfile"}},
	{name: "apache", files: []string{"apache.conf", "symbolon-apache.lua"},
		command: []string{"/usr/sbin/apache2", "-X", "-f", "DIR/apache.conf"}},
	{name: "haproxy", files: []string{"haproxy.cfg", "symbolon-haproxy.lua"}, words: true,
		command: []string{"/usr/sbin/haproxy", "-db", "-f", "DIR/haproxy.cfg"}},
}

// start runs the recipe as it stands, with other addresses and another folder in it.
func (p *proxy) start(t *testing.T, symbolon, back string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gateway") // not t.TempDir: nobody may not enter that
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p.dir, p.addr = dir, freeAddress(t)
	change := strings.NewReplacer("127.0.0.1:8000", p.addr, ":8000", p.addr[strings.LastIndex(p.addr, ":"):], "127.0.0.1:8080", symbolon, "127.0.0.1:9000", back, "/run/gateway", dir)
	for _, name := range p.files {
		content, err := os.ReadFile(filepath.Join("..", "docs", "gateway", name))
		if err != nil {
			t.Fatal(err)
		}
		save(t, filepath.Join(dir, name), []byte(change.Replace(string(content))))
	}
	args := strings.Split(strings.ReplaceAll(strings.Join(p.command, "\n"), "DIR", dir), "\n")
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(environment(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		giveAway(t, dir)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", p.name, err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its children too
		_ = cmd.Wait()
	})
}

func giveAway(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// awaitPort returns when the proxy accepts connections.
func (p *proxy) awaitPort(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(p.dir, "error.log"))
			t.Fatalf("%s does not listen; it said:\n%s%s", p.name, p.log.String(), log)
		}
	}
}

// send makes a request as it is written, and returns the answer.
func (p *proxy) send(t *testing.T, line string, headers ...string) reply {
	t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: gateway.example.org\r\n%sConnection: close\r\n\r\n", line, strings.Join(append(headers, ""), "\r\n"))
	return answerOf(c)
}

// answerOf reads one answer; a connection that is closed without one is status 0.
func answerOf(c net.Conn) reply {
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return reply{}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(body)}
}

// passed reads what came through.
func (r reply) passed(t *testing.T) received {
	t.Helper()
	var got received
	if err := json.Unmarshal([]byte(r.body), &got); err != nil || r.status != 200 {
		t.Fatalf("not through: %d %s", r.status, r.body)
	}
	return got
}

// inService puts lines into a service of the folder's configuration, in the place of those with the same keys.
func inService(t *testing.T, dir, service string, lines ...string) {
	t.Helper()
	file := filepath.Join(dir, "symbolon.yaml")
	conf, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(conf), "  - name: "+service+"\n")
	if !found {
		t.Fatalf("no service %s in %s", service, file)
	}
	own, after := rest, ""
	if i := strings.Index(rest, "\n  - name: "); i >= 0 {
		own, after = rest[:i+1], rest[i+1:]
	}
	for _, line := range lines {
		key, _, _ := strings.Cut(line, ":")
		var kept []string
		for l := range strings.Lines(own) {
			if !strings.HasPrefix(l, "    "+key+":") {
				kept = append(kept, l)
			}
		}
		own = strings.Join(kept, "") + "    " + line + "\n"
	}
	save(t, file, []byte(before+"  - name: "+service+"\n"+own+after))
}

// gatewayServer is a server that believes proxies on this machine, has rules for ecology, and is a proxy itself.
func gatewayServer(t *testing.T, back string) *server {
	dir := t.TempDir()
	startDev(t, dir).stop(t)
	configure(t, dir, "trusted_proxies: []", "trusted_proxies: [127.0.0.1]")
	inService(t, dir, "ecology", "upstream: "+back, "protect: [/data, /public, /staff, /long]",
		"rules: [{path: /public, methods: [GET], who: anonymous}, {path: /staff, groups: [staff]}, {path: /long, remaining: 100h}]")
	return restart(t, dir)
}

// TestRecipes runs each recipe of docs/gateway in the program that it is for, and the built-in proxy beside them.
func TestRecipes(t *testing.T) {
	back := startBehind(t)
	s := gatewayServer(t, back.URL)
	own := &proxy{name: "symbolon", words: true, addr: strings.TrimPrefix(s.base, "http://"), dir: s.dir}
	for _, p := range proxies {
		p.start(t, strings.TrimPrefix(s.base, "http://"), strings.TrimPrefix(back.URL, "http://"))
	}
	issue := func(service string) issued {
		return data[issued](t, s, "token", "issue", "--service", service, "--account", "demo")
	}
	expired := briefly(t, s)
	good, other := issue("ecology"), issue("samples")
	key := data[apikey](t, s, "apikey", "create", "--account", "demo", "--name", "job")
	for _, p := range append([]*proxy{own}, proxies...) {
		t.Run(p.name, func(t *testing.T) {
			p.awaitPort(t)
			cookie := "Cookie: a=b; edi-token=" + good.Access
			got := p.send(t, "GET /data/a%20b?x=%41/../y", cookie).passed(t)
			if got.URI != "/data/a%20b?x=%41/../y" || got.Header.Get("X-Auth-Account") != "demo" || got.Header.Get("X-Auth-Grant") != fmt.Sprint(good.Grant) ||
				!strings.HasPrefix(got.Header.Get("X-Auth-Subject"), "EDI-") || got.Header.Get("X-Auth-Expires") == "" {
				t.Errorf("got %+v", got)
			}
			p.send(t, "GET /data", "Authorization: Bearer "+good.Access).passed(t)
			if got := p.send(t, "GET /data?key="+key.Key).passed(t); got.Header.Get("X-Auth-Account") != "demo" {
				t.Errorf("by key: %+v", got)
			}
			p.spoofs(t, cookie)
			p.refusals(t, back, cookie, expired, other.Access)
			p.paths(t, back, cookie)
			p.upload(t, cookie)
			p.revocation(t, s, issue("ecology"))
			if p == own {
				fmt.Fprint(&p.log, s.log.String())
			}
			p.noSecret(t, good.Access, key.Key)
		})
	}
	s.kill()
	before := back.count()
	for _, p := range proxies {
		for _, line := range []string{"GET /data", "GET /public", "POST /data"} {
			if r := p.send(t, line, "Cookie: edi-token="+good.Access); r.status >= 100 && r.status < 500 {
				t.Errorf("%s, without Symbolon: %s: %d %s", p.name, line, r.status, r.body)
			}
		}
	}
	if back.count() != before {
		t.Error("without Symbolon something went on")
	}
}

// briefly returns a token of ecology that has ended.
func briefly(t *testing.T, s *server) string {
	t.Helper()
	file := filepath.Join(s.dir, "symbolon.yaml")
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Commands read the file, so this token ends at once whatever the server gives.
	inService(t, s.dir, "ecology", "access_lifetime: 1s", "legacy_lifetime: 1s")
	text := data[issued](t, s, "token", "issue", "--service", "ecology", "--account", "demo").Access
	save(t, file, before)
	time.Sleep(1100 * time.Millisecond)
	return text
}

// spoofs: what a client says of itself never arrives, in no spelling.
func (p *proxy) spoofs(t *testing.T, cookie string) {
	groups := p.send(t, "GET /data", cookie).passed(t).Header.Get("X-Auth-Groups")
	var headers []string
	for _, name := range []string{
		"X-Auth-Account", "x-auth-account", "X_Auth_Account", "X-Auth_Account", "X_Auth-Account", "x_auth_account", "X-AUTH-GROUPS", "X_Auth_Groups",
		"X-Auth-Scope", "X_Auth-Scope", "X-Auth-Identities", "X-Auth_Name", "X-Forwarded-User", "X_Forwarded_User", "X-Forwarded-Uri", "X-Forwarded-Method",
		"X-Original-URL", "X-Original-URI", "X-Original-Method", "X-Rewrite-URL", "X-HTTP-Method-Override", "Forwarded", "Proxy",
	} {
		headers = append(headers, name+": root")
	}
	headers = append(headers, "X-Forwarded-For: root", cookie)
	for _, connection := range []string{"", "Connection: X-Auth-Account, X-Auth-Groups", "Connection: Authorization, Cookie"} {
		all := headers
		if connection != "" {
			all = append([]string{connection}, headers...)
		}
		r := p.send(t, "GET /data", all...)
		if r.status == 400 || r.status == 401 && strings.Contains(connection, "Cookie") {
			continue // refused altogether
		}
		got := r.passed(t)
		if got.Header.Get("X-Auth-Account") != "demo" || got.Header.Get("X-Auth-Groups") != groups || strings.Contains(got.Header.Get("Connection"), "X-") {
			t.Errorf("%s: got %v", connection, got.Header)
		}
		for name, values := range got.Header {
			if strings.Contains(strings.Join(values, " "), "root") {
				t.Errorf("%s: %s is %q", connection, name, values)
			}
		}
	}
	anonymous := p.send(t, "GET /public/x", headers[:len(headers)-1]...).passed(t)
	for name, values := range anonymous.Header {
		if strings.Contains(strings.Join(values, " "), "root") {
			t.Errorf("as nobody: %s is %q", name, values)
		}
	}
}

func (p *proxy) refusals(t *testing.T, back *behind, cookie, expired, other string) {
	before := back.count()
	for _, tc := range []struct {
		line, header string
		status       int
	}{
		{"GET /data", "A: b", 401},
		{"POST /public", "A: b", 401},
		{"GET /data", "Cookie: edi-token=" + expired, 401},
		{"GET /data", "Cookie: edi-token=" + other, 401},
		{"GET /data", "Authorization: Bearer " + other, 401},
		{"GET /data", "Cookie: edi-token", 401},
		{"GET /data", "Cookie: edi-token=a; edi-token=b", 401},
		{"GET /data", "Authorization: Bearer " + strings.Repeat(".", 8000), 401},
		{"GET /data?key=AAAAAAAAAAAAAAAAAAAAAAAAAAA", "A: b", 401},
		{"GET /staff/a", cookie, 403},
		{"GET /long", cookie, 401},
	} {
		r := p.send(t, tc.line, tc.header)
		if r.status != tc.status || r.header.Get("WWW-Authenticate") == "" || p.words && !strings.Contains(r.body, `"method": "verify"`) {
			t.Errorf("%s with %.30q: %d %v %q, want %d", tc.line, tc.header, r.status, r.header, r.body, tc.status)
		}
	}
	if back.count() != before {
		t.Error("something that was refused went on")
	}
}

// paths: a path with two meanings goes nowhere; neither does one that only looks like what is for everybody.
func (p *proxy) paths(t *testing.T, back *behind, cookie string) {
	before := back.count()
	for _, target := range []string{
		"/public/../data", "/public/%2e%2e/data", "/public/..%2fdata", "/public%2f..%2fdata", "/public/..;/data", "/public;x/../data", "//public/../data", "/public//../data",
		"/public\\..\\data", "/public/%5c../data", "/data%23/public", "/data%3f/public", "/public%00/x", "/data/./public", "/public%252f..%252fdata", "/public/%c0%ae%c0%ae/data",
	} {
		if r := p.send(t, "GET "+target); r.status >= 100 && r.status < 400 {
			t.Errorf("%s: %d %s", target, r.status, r.body)
		}
	}
	for _, target := range []string{"/data?/public", "/data#/public"} {
		if r := p.send(t, "GET "+target); r.status >= 100 && r.status < 400 {
			t.Errorf("%s: %d %s", target, r.status, r.body)
		}
	}
	for _, request := range []string{
		"POST /data HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
		"POST /data HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
		"POST /data HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"GET /data HTTP/1.1\r\nHost: h\r\nX-A: b\r\n X-Auth-Account: root\r\n\r\n",
		"GET /data HTTP/1.1\r\nHost: h\r\nX-Auth-Account : root\r\n\r\n",
	} {
		c, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = io.WriteString(c, request)
		if r := answerOf(c); r.status >= 200 && r.status < 400 {
			t.Errorf("%q: %d %s", request, r.status, r.body)
		}
		c.Close()
	}
	if back.count() != before {
		t.Errorf("%d requests went on that must not", back.count()-before)
	}
}

// upload sends a body that no buffer holds.
func (p *proxy) upload(t *testing.T, cookie string) {
	const size = 8 << 20
	r, err := http.NewRequest("PUT", "http://"+p.addr+"/data/file", io.LimitReader(zeros{}, size))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	name, value, _ := strings.Cut(cookie, ": ")
	r.Header.Set(name, value)
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got received
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Bytes != size || got.Method != "PUT" {
		t.Errorf("%d, got %+v, %v", resp.StatusCode, got, err)
	}
}

// zeros is a reader without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// revocation: a command ends a token, and the proxy hears of it within the promised second.
func (p *proxy) revocation(t *testing.T, s *server, mine issued) {
	cookie := "Cookie: edi-token=" + mine.Access
	p.send(t, "GET /data", cookie).passed(t)
	commandOn(t, s, 0, "token", "revoke", "--grant", fmt.Sprint(mine.Grant))
	took := within(t, 2*time.Second, "a revoked token is refused", func() bool { return p.send(t, "GET /data", cookie).status == 401 })
	t.Logf("refused %v after the command", took.Round(time.Millisecond))
}

// noSecret looks through everything the proxy wrote.
func (p *proxy) noSecret(t *testing.T, secrets ...string) {
	written := []byte(p.log.String())
	for _, name := range []string{"access.log", "error.log"} {
		if b, err := os.ReadFile(filepath.Join(p.dir, name)); err == nil {
			written = append(written, b...)
		}
	}
	for _, secret := range secrets {
		if bytes.Contains(written, []byte(secret)) {
			t.Errorf("the proxy's log holds %.5s…", secret)
		}
	}
}
