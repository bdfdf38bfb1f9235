//go:build e2e

// Package e2e runs the real binary as its users do: a shell, a signal, a cable
// pulled out, other programs that read its tokens. Nothing here looks inside.
// The binary's path is in $SYMBOLON_BINARY; `make e2e` sets it.
package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	lineBegin = "serving on http://"      // of the first line of any server
	lineEnd   = "  symbolon account list" // of the last line of a development server
	patience  = 30 * time.Second          // for what has no promised time, on a busy machine
)

// binary is the program under test.
func binary(t testing.TB) string {
	path := os.Getenv("SYMBOLON_BINARY")
	if path == "" {
		t.Fatal("SYMBOLON_BINARY is not set: run `make e2e`, or build the program and put its path there")
	}
	return path
}

// environment lacks our own variables: the program refuses those it does not know.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SYMBOLON_") })
}

// text is written by a process and read by the test at the same time.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// server is one running process.
type server struct {
	dir  string // data folder
	base string // http://HOST:PORT
	cmd  *exec.Cmd
	out  text // what it printed
	log  text // its standard error
	done chan struct{}
}

// launch starts `symbolon serve` and returns at once; the test's end kills it.
func launch(t testing.TB, args ...string) *server {
	t.Helper()
	return launchProgram(t, binary(t), nil, args...)
}

// launchProgram is launch for another program, or with more variables.
func launchProgram(t testing.TB, program string, variables []string, args ...string) *server {
	t.Helper()
	s := &server{cmd: exec.Command(program, append([]string{"serve"}, args...)...), done: make(chan struct{})}
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr = append(environment(), variables...), &s.out, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() { s.kill() })
	return s
}

// await returns when the server has printed a line that begins so.
func (s *server) await(t testing.TB, begin string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		out := s.out.String()
		if at := strings.Index("\n"+out, "\n"+begin); at >= 0 && strings.Contains(out[at:], "\n") {
			break
		}
		if !s.running() || time.Now().After(end) {
			t.Fatalf("the server has not printed %q; it printed %q and logged:\n%s", begin, out, s.log.String())
		}
	}
	first, _, _ := strings.Cut(s.out.String(), "\n")
	s.base = strings.TrimPrefix(first, "serving on ")
}

func (s *server) running() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// kill ends the server as a power cut does: it can do nothing about it.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// stop asks the server to end and returns its exit code.
func (s *server) stop(t testing.TB) int {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return s.ended(t)
}

// ended waits for the exit code.
func (s *server) ended(t testing.TB) int {
	t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		t.Fatalf("the server has not ended; it logged:\n%s", s.log.String())
	}
	return s.cmd.ProcessState.ExitCode()
}

// startDev starts a development server on a folder, on any free port.
func startDev(t testing.TB, dir string) *server {
	t.Helper()
	s := launch(t, "--dev", "--listen", "127.0.0.1:0", "--data", dir)
	s.dir = dir
	s.await(t, lineBegin)
	s.await(t, lineEnd)
	return s
}

// restart starts a server with the configuration that the folder holds.
func restart(t testing.TB, dir string) *server {
	t.Helper()
	s := launch(t, "--config", filepath.Join(dir, "symbolon.yaml"))
	s.dir = dir
	s.await(t, lineBegin)
	return s
}

// configure replaces texts, old and new in turn, in the folder's configuration.
func configure(t testing.TB, dir string, pairs ...string) {
	t.Helper()
	file := filepath.Join(dir, "symbolon.yaml")
	conf, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(conf, []byte(pairs[i])) {
			t.Fatalf("%s does not contain %q", file, pairs[i])
		}
		conf = bytes.Replace(conf, []byte(pairs[i]), []byte(pairs[i+1]), 1)
	}
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ran is what a command did.
type ran struct {
	code     int
	out, err string
	took     time.Duration
}

// command runs the program to its end with an input.
func command(t testing.TB, input string, args ...string) ran {
	t.Helper()
	return commandOf(t, binary(t), nil, input, args...)
}

// commandOf is command for another program, or with more variables.
func commandOf(t testing.TB, program string, variables []string, input string, args ...string) ran {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	cmd := exec.CommandContext(ctx, program, args...)
	var out, words bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = append(environment(), variables...), strings.NewReader(input), &out, &words
	begin := time.Now()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("symbolon %s: %v", strings.Join(args, " "), errors.Join(err, ctx.Err()))
	}
	return ran{cmd.ProcessState.ExitCode(), out.String(), words.String(), time.Since(begin)}
}

// commandOn runs a command that knows nothing of the server but its folder, and
// must end with a code.
func commandOn(t testing.TB, s *server, code int, args ...string) ran {
	t.Helper()
	r := command(t, "", append(args, "--data", s.dir)...)
	if r.code != code {
		t.Fatalf("symbolon %s ended with %d, not %d: %s", strings.Join(args, " "), r.code, code, r.err)
	}
	return r
}

// data runs a command with --json and decodes what it prints.
func data[T any](t testing.TB, s *server, args ...string) T {
	t.Helper()
	r := commandOn(t, s, 0, append(args, "--json")...)
	var v T
	if err := json.Unmarshal([]byte(r.out), &v); err != nil {
		t.Fatalf("symbolon %s printed %q: %v", strings.Join(args, " "), r.out, err)
	}
	return v
}

// issued is what `token issue --json` prints.
type issued struct {
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
	Pasta   string `json:"pasta-token"`
	Grant   int64  `json:"grant"`
}

// apikey is what `apikey create --json` prints.
type apikey struct {
	Key string `json:"key"`
	ID  int64  `json:"id"`
}

var client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}

// reply is one answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// member returns a text of a JSON answer.
func (r reply) member(name string) string {
	var members map[string]any
	_ = json.Unmarshal([]byte(r.body), &members)
	s, _ := members[name].(string)
	return s
}

// try makes a request; headers are names and values in turn.
func try(method, url, body string, headers ...string) (reply, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(b)}, err
}

func call(t testing.TB, method, url, body string, headers ...string) reply {
	t.Helper()
	r, err := try(method, url, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return r
}

// The requests that several tests make.

func (s *server) refresh(token string) (reply, error) {
	return try("POST", s.base+"/webservices/refresh_token.php", `{"refresh":"`+token+`"}`, "Content-Type", "application/json")
}

func (s *server) use(t testing.TB, access string) reply {
	t.Helper()
	return call(t, "GET", s.base+"/webservices/credentials_service_v2.php", "", "Authorization", "Bearer "+access)
}

func (s *server) useEDI(t testing.TB, token string) reply {
	t.Helper()
	return call(t, "GET", s.base+"/auth/v1/whoami", "", "Cookie", "edi-token="+token)
}

// refreshEDI presents EDI's two tokens; an empty legacy token goes as null.
func (s *server) refreshEDI(t testing.TB, pasta, token string) reply {
	t.Helper()
	old := "null"
	if pasta != "" {
		old = `"` + pasta + `"`
	}
	return call(t, "POST", s.base+"/auth/v1/token/refresh", `{"pasta-token":`+old+`,"edi-token":"`+token+`"}`)
}

func (s *server) exchange(t testing.TB, key string) reply {
	t.Helper()
	return call(t, "POST", s.base+"/auth/v1/key", fmt.Sprintf(`{"key":%q}`, key))
}

// pair asks for a SESAR pair by an API key.
func (s *server) pair(t testing.TB, key string) reply {
	t.Helper()
	r := call(t, "POST", s.base+"/api/auth/token/", "", "Authorization", "Bearer "+key)
	if r.status != http.StatusOK {
		t.Fatalf("a pair for an API key: %d %s", r.status, r.body)
	}
	return r
}

// claims decodes a token without checking it.
func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	var c map[string]any
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		t.Fatalf("reading the claims of a token: %v", err)
	}
	return c
}

// within waits until something is so, and returns how long that took.
func within(t testing.TB, limit time.Duration, what string, so func() bool) time.Duration {
	t.Helper()
	begin := time.Now()
	for !so() {
		if time.Since(begin) > limit {
			t.Fatalf("not within %s: %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begin)
}
