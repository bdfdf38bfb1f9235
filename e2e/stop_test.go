//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// half sends a request but for the end of its body.
func half(t *testing.T, s *server, path, body string) (c net.Conn, rest string) {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	cut := len(body) / 2
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body[:cut])
	return c, body[cut:]
}

func TestStopFinishesWhatIsInFlight(t *testing.T) {
	s := startDev(t, t.TempDir())
	got := data[issued](t, s, "token", "issue", "--service", "samples", "--account", "demo")
	c, rest := half(t, s, "/webservices/refresh_token.php", `{"refresh":"`+got.Refresh+`"}`)
	time.Sleep(200 * time.Millisecond) // until the server has begun to read
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	within(t, 5*time.Second, "no new connection is taken", func() bool {
		other, err := net.Dial("tcp", strings.TrimPrefix(s.base, "http://"))
		if err == nil {
			other.Close()
		}
		return err != nil
	})
	if !s.running() {
		t.Fatal("the server ended under a request")
	}
	if _, err := io.WriteString(c, rest); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), `"refresh":`) {
		t.Errorf("the request in flight got %d %s %v", resp.StatusCode, body, err)
	}
	if code := s.ended(t); code != 0 {
		t.Errorf("the server ended with %d: %s", code, s.log.String())
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	s := startDev(t, t.TempDir())
	conf := filepath.Join(s.dir, "symbolon.yaml")
	before, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	r := command(t, "", "serve", "--dev", "--listen", "127.0.0.1:0", "--data", s.dir)
	if pid := fmt.Sprintf("process %d ", s.cmd.Process.Pid); r.code != 1 || !strings.Contains(r.err, pid) {
		t.Errorf("ended with %d and named no %q: %s", r.code, pid, r.err)
	}
	if after, err := os.ReadFile(conf); err != nil || string(after) != string(before) {
		t.Errorf("the refused server changed the configuration of the running one (%v)", err)
	}
	if r := call(t, "GET", s.base+"/readyz", ""); r.status != http.StatusOK {
		t.Errorf("the first server answers %d %s", r.status, r.body)
	}
}

// refusedStarts are starts that must fail, and the words that must say what to do.
var refusedStarts = []struct {
	name    string
	prepare func(t *testing.T, dir string) []string // gives the arguments
	code    int
	words   []string
}{
	{"no configuration", func(t *testing.T, dir string) []string {
		t.Chdir(dir)
		return nil
	}, 1, []string{"SYMBOLON_CONFIG", "symbolon.yaml", "/etc/symbolon/symbolon.yaml", "serve --dev"}},
	{"development for all the world", func(_ *testing.T, dir string) []string {
		return []string{"--dev", "--listen", "0.0.0.0:0", "--data", dir}
	}, 2, []string{"loopback", "0.0.0.0"}},
	{"development with a configuration", func(_ *testing.T, dir string) []string {
		return []string{"--dev", "--config", filepath.Join(dir, "symbolon.yaml")}
	}, 2, []string{"--dev", "--config"}},
	{"an unknown flag", func(*testing.T, string) []string { return []string{"--davel"} }, 2, []string{"--davel", "--help"}},
	{"a missing master key", func(t *testing.T, dir string) []string {
		remove(t, used(t, dir), "master.key")
		return []string{"--dev", "--listen", "127.0.0.1:0", "--data", dir}
	}, 1, []string{"master.key", "backup", "master_key_file"}},
	{"a foreign master key", func(t *testing.T, dir string) []string {
		remove(t, used(t, dir), "master.key")
		other := used(t, filepath.Join(dir, "other"))
		if err := os.Rename(filepath.Join(other, "master.key"), filepath.Join(dir, "master.key")); err != nil {
			t.Fatal(err)
		}
		return []string{"--dev", "--listen", "127.0.0.1:0", "--data", dir}
	}, 1, []string{"master key"}},
	{"an unknown key", func(t *testing.T, dir string) []string {
		configure(t, used(t, dir), "log_level: info", "log_levle: info")
		return []string{"--config", filepath.Join(dir, "symbolon.yaml")}
	}, 1, []string{"symbolon.yaml:", "log_levle", "log_level"}},
	{"all mistakes at once", func(t *testing.T, dir string) []string {
		configure(t, used(t, dir), "replay: refuse", "replay: perhaps", "access_lifetime: 8h", "access_lifetime: soon")
		return []string{"--config", filepath.Join(dir, "symbolon.yaml")}
	}, 1, []string{"perhaps", "soon"}},
	{"a configuration of noise", func(t *testing.T, dir string) []string {
		save(t, filepath.Join(dir, "symbolon.yaml"), []byte("\x00\xff{{{"))
		return []string{"--config", filepath.Join(dir, "symbolon.yaml")}
	}, 1, []string{"symbolon.yaml"}},
	{"a database of noise", func(t *testing.T, dir string) []string {
		save(t, filepath.Join(dir, "symbolon.db"), []byte(strings.Repeat("not a database\n", 1000)))
		return []string{"--dev", "--listen", "127.0.0.1:0", "--data", dir}
	}, 1, []string{"symbolon.db"}},
}

func TestRefusedStarts(t *testing.T) {
	for _, c := range refusedStarts {
		t.Run(c.name, func(t *testing.T) {
			r := command(t, "", append([]string{"serve"}, c.prepare(t, t.TempDir())...)...)
			if r.code != c.code || strings.Contains(r.err, "panic") {
				t.Errorf("ended with %d, not %d: %s", r.code, c.code, r.err)
			}
			for _, w := range c.words {
				if !strings.Contains(r.err, w) {
					t.Errorf("does not say %q: %s", w, r.err)
				}
			}
			if strings.Contains(r.out, lineBegin) {
				t.Errorf("said that it serves: %s", r.out)
			}
		})
	}
}

// used is a folder that a server has run on.
func used(t *testing.T, dir string) string {
	t.Helper()
	if code := startDev(t, dir).stop(t); code != 0 {
		t.Fatalf("preparing a folder: the server ended with %d", code)
	}
	return dir
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

func save(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
