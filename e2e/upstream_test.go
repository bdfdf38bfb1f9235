//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Two services as they run today: each verifies a token by itself under the key that it has had for years, and
// knows nothing else.

const backendPHP = `<?php
$key = rtrim(file_get_contents(getenv('KEY')), "\n");
header('Content-Type: application/json');
if (!preg_match('/Bearer\s(\S+)/', $_SERVER['HTTP_AUTHORIZATION'] ?? '', $m)) { http_response_code(500); die('{"error":"no token"}'); }
$parts = explode('.', $m[1]);
$decode = fn($s) => base64_decode(str_pad(strtr($s, '-_', '+/'), strlen($s) + (4 - strlen($s) % 4) % 4, '='), true);
$header = json_decode($decode($parts[0]));
$claims = json_decode($decode($parts[1] ?? ''));
$mac = hash_hmac('sha256', $parts[0] . '.' . ($parts[1] ?? ''), $key, true);
if (count($parts) != 3 || $header->alg !== 'HS256' || !hash_equals($mac, (string)$decode($parts[2]))) { http_response_code(500); die('{"error":"bad signature"}'); }
if ($claims->nbf > time() || time() >= $claims->exp) { http_response_code(500); die('{"error":"out of time"}'); }
echo json_encode(['user' => (string)$claims->id, 'life' => $claims->exp - $claims->iat, 'account' => $_SERVER['HTTP_X_AUTH_ACCOUNT'] ?? '',
	'uri' => $_SERVER['REQUEST_URI'], 'token' => $m[1]]);
`

const backendPython = `
import http.server, json, os, jwt
key = open(os.environ["KEY"], "rb").read().rstrip(b"\n")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            scheme, token = self.headers["Authorization"].split()
            claims = jwt.decode(token, key, algorithms=["HS256"])
            assert scheme == "Bearer" and claims["type"] == "access"
            status, body = 200, {"user": claims["identity"], "life": claims["exp"] - claims["iat"],
                "account": self.headers["X-Auth-Account"], "uri": self.path, "token": token}
        except Exception as e:
            status, body = 500, {"error": type(e).__name__}
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *args):
        pass
host, port = os.environ["ADDR"].split(":")
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
`

// runBackend starts a program that listens on the address in $ADDR.
func runBackend(t *testing.T, addr, key string, command ...string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(environment(), "KEY="+key, "ADDR="+addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var log text
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	within(t, patience, command[0]+" answers", func() bool {
		_, err := try("GET", "http://"+addr+"/", "")
		return err == nil
	})
}

// TestOldServersBehind: PHP and Python code that verifies tokens as it always did serves those who come through, with
// a short token that was minted for it.
func TestOldServersBehind(t *testing.T) {
	dir := t.TempDir()
	startDev(t, dir).stop(t)
	php, python, addr := filepath.Join(dir, "index.php"), filepath.Join(dir, "app.py"), map[string]string{}
	save(t, php, []byte(backendPHP))
	save(t, python, []byte(backendPython))
	for service, setting := range map[string]string{"collections": "graphql_services_jwt_token_key_file", "warehouse": "jwt_secret_key_file"} {
		addr[service] = freeAddress(t)
		key := filepath.Join(dir, service+".key")
		save(t, key, []byte("the key that the site of "+service+" has had for years\n"))
		inService(t, dir, service, setting+": "+key, "upstream: http://"+addr[service], "protect: [/old/"+service+"]", "upstream_token: mint")
	}
	runBackend(t, addr["collections"], filepath.Join(dir, "collections.key"), "php", "-S", addr["collections"], php)
	runBackend(t, addr["warehouse"], filepath.Join(dir, "warehouse.key"), "/usr/bin/python3", python) // Debian's, which has the library
	s := restart(t, dir)
	for service, user := range map[string]string{"collections": "1", "warehouse": "demo"} {
		t.Run(service, func(t *testing.T) {
			mine := data[issued](t, s, "token", "issue", "--service", service, "--account", "demo")
			url := s.base + "/old/" + service + "/a%20b?c=d"
			r := call(t, "GET", url, "", "Authorization", "Bearer "+mine.Access)
			if r.status != 200 || r.member("user") != user || r.member("account") != "demo" || r.member("token") == mine.Access ||
				r.member("uri") != "/old/"+service+"/a%20b?c=d" || !strings.Contains(strings.ReplaceAll(r.body, " ", ""), `"life":300`) {
				t.Errorf("got %d %s", r.status, r.body)
			}
			if service == "collections" {
				if r := call(t, "GET", url+"&jwt="+mine.Access, ""); r.status != 200 || r.member("uri") != "/old/collections/a%20b?c=d" {
					t.Errorf("by ?jwt=: %d %s", r.status, r.body)
				}
			}
			for name, header := range map[string]string{"nothing": "", "garbage": "Bearer a.b.c", "its refresh token": "Bearer " + mine.Refresh} {
				if r := call(t, "GET", url, "", "Authorization", header); r.status != 401 && r.status != 422 {
					t.Errorf("%s: %d %s", name, r.status, r.body)
				}
			}
			commandOn(t, s, 0, "token", "revoke", "--grant", strconv.FormatInt(mine.Grant, 10))
			within(t, 2*time.Second, "a revoked token is refused", func() bool {
				return call(t, "GET", url, "", "Authorization", "Bearer "+mine.Access).status == 401
			})
		})
	}
}

// pausing waits at its half.
type pausing struct {
	left int64
	half int64
	wait func()
}

func (p *pausing) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	if p.left <= p.half && p.wait != nil {
		p.wait()
		p.wait = nil
	}
	n := int(min(int64(len(b)), p.left))
	clear(b[:n])
	p.left -= int64(n)
	return n, nil
}

// TestLongUpload: 1 GiB whose token ends half way arrives whole, and hardly touches the server's memory.
func TestLongUpload(t *testing.T) {
	const size = 1 << 30
	dir := t.TempDir()
	startDev(t, dir).stop(t)
	back := startBehind(t)
	inService(t, dir, "samples", "upstream: "+back.URL, "protect: [/data]")
	s := restart(t, dir)
	file := filepath.Join(dir, "symbolon.yaml")
	conf, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	inService(t, dir, "samples", "access_lifetime: 4s") // for the command alone
	access := data[issued](t, s, "token", "issue", "--service", "samples", "--account", "demo").Access
	save(t, file, conf)
	before := memory(t, s)

	body := &pausing{left: size, half: size / 2, wait: func() {
		within(t, patience, "the token ends", func() bool {
			return call(t, "GET", s.base+"/data", "", "Authorization", "Bearer "+access).status == 401
		})
	}}
	r, err := http.NewRequest("PUT", s.base+"/data/huge", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	r.Header.Set("Authorization", "Bearer "+access)
	begin := time.Now()
	resp, err := (&http.Client{Timeout: 2 * time.Minute}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || !strings.Contains(string(answer), fmt.Sprintf(`"Bytes":%d`, size)) {
		t.Errorf("got %d %s", resp.StatusCode, answer)
	}
	grown := memory(t, s) - before
	t.Logf("1 GiB in %v; the server's memory at its highest is %d KiB more", time.Since(begin).Round(time.Millisecond), grown)
	if grown > 64<<10 {
		t.Errorf("the server's memory grew by %d KiB", grown)
	}
}

// memory is the most that the server ever had, in KiB.
func memory(t *testing.T, s *server) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
