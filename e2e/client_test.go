//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// built is the folder for what is built once for all tests.
var built string

func TestMain(m *testing.M) {
	var err error
	if built, err = os.MkdirTemp("", "symbolon-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, "making a folder for the tests:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// Holders are processes of e2e/holder, a program that knows package client alone.

var buildHolder = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "holder")
	out, err := exec.Command("go", "build", "-tags", "e2e", "-o", path, "./holder").CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: "go build ./holder: " + string(out), Err: err}
	}
	return path, nil
})

// holder is one process: what it is told, and what it says.
type holder struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	log bytes.Buffer
}

// startProgram runs a program that answers line by line; the test's end kills it.
func startProgram(t testing.TB, name string, args ...string) *holder {
	t.Helper()
	h := &holder{cmd: exec.Command(name, args...)}
	var err error
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	h.out, h.cmd.Stderr = bufio.NewReader(out), &h.log
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.cmd.Process.Kill(); _ = h.cmd.Wait() })
	return h
}

func startHolder(t testing.TB, args ...string) *holder {
	t.Helper()
	path, err := buildHolder()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, path, args...)
}

// line reads what it says next.
func (h *holder) line(t testing.TB) string {
	t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%s said no more: %v: %s", h.cmd.Path, err, h.log.String())
	}
	return strings.TrimSuffix(line, "\n")
}

// says gives it a line and reads one.
func (h *holder) says(t testing.TB, line string) string {
	t.Helper()
	if _, err := io.WriteString(h.in, line+"\n"); err != nil {
		t.Fatalf("%s: %v: %s", h.cmd.Path, err, h.log.String())
	}
	return h.line(t)
}

// sharedTime is how long the processes of TestSharedSource run. SYMBOLON_SHARED_TIME sets it.
func sharedTime(t *testing.T) time.Duration {
	text := os.Getenv("SYMBOLON_SHARED_TIME")
	if text == "" {
		return 20 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("SYMBOLON_SHARED_TIME: %v", err)
	}
	return d
}

// configured starts a server whose configuration differs from that of development.
func configured(t testing.TB, pairs ...string) *server {
	t.Helper()
	dir := t.TempDir()
	startDev(t, dir).stop(t)
	configure(t, dir, pairs...)
	return restart(t, dir)
}

// TestSharedSource: fifty processes share one file of tokens that live for a second, and are killed at random. None of
// them ever fails, they rotate one grant, and nothing looks like theft to the server.
func TestSharedSource(t *testing.T) {
	s := configured(t, "    access_lifetime: 1d", "    access_lifetime: 1s")
	file := filepath.Join(t.TempDir(), "pair.json")
	save(t, file, []byte(commandOn(t, s, 0, "token", "issue", "--service", "samples", "--account", "demo", "--json").out))
	const counting = "SELECT count(*) FROM grants WHERE service = 'samples'"
	grants := query(t, s, counting)
	args := []string{"source", s.base + "/webservices/refresh_token.php", file, s.base + "/webservices/credentials_service_v2.php"}
	team := make([]*holder, 50)
	for i := range team {
		team[i] = startHolder(t, args...)
	}
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	kills, begin := 0, time.Now()
	for ; time.Since(begin) < sharedTime(t); kills++ {
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
		i := rng.IntN(len(team))
		if err := team[i].cmd.Process.Kill(); err != nil { // one that has failed is gone already
			t.Fatalf("a process had ended: %s%s", team[i].line(t), team[i].log.String())
		}
		_ = team[i].cmd.Wait()
		team[i] = startHolder(t, args...)
	}
	used := 0
	for _, h := range team {
		if err := h.in.Close(); err != nil {
			t.Error(err)
		}
		text := h.line(t)
		n, err := strconv.Atoi(strings.TrimPrefix(text, "used "))
		if err != nil {
			t.Errorf("a process ended with %q", text)
		}
		used += n
	}
	var pair struct{ Refresh string }
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &pair)
	}
	if err != nil {
		t.Fatal(err)
	}
	rotations := claims(t, pair.Refresh)["gen"].(float64)
	t.Logf("seed %d: in %s %d kills, %.0f rotations, %d uses by those alive at the end", seed, time.Since(begin).Round(time.Second), kills, rotations, used)
	if least := sharedTime(t).Seconds() / 2; rotations < least {
		t.Errorf("only %.0f rotations: the run shows nothing", rotations)
	}
	if r, err := s.refresh(pair.Refresh); err != nil || r.status != 200 {
		t.Errorf("the pair in the file is not alive: %d %s %v", r.status, r.body, err)
	}
	if now := query(t, s, counting); now != grants {
		t.Errorf("%s grants, there were %s", now, grants)
	}
	// refresh_replayed alone is right: the same pair again, for a refresh that a kill had broken off.
	if bad := query(t, s, "SELECT kind FROM audit WHERE kind LIKE 'refresh_%' AND kind <> 'refresh_replayed'"); bad != "" {
		t.Errorf("in the audit log: %s", bad)
	}
}

// query asks the server's database.
func query(t testing.TB, s *server, sql string) string {
	t.Helper()
	out, err := exec.Command("sqlite3", "-readonly", filepath.Join(s.dir, "symbolon.db"), sql).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", sql, err, out)
	}
	return strings.TrimSpace(string(out))
}
