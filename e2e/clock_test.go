//go:build e2e

package e2e

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// wrongClock is what a variant of the program has for its time: the system's, with as many seconds added to the wall
// clock alone as a file says. No library outside can do this to a Go program, and the shipped one knows no such file.
const wrongClock = `package main

import (
	"os"
	"strconv"
	"time"
	"unsafe"
)

var clockFile = os.Getenv("SYMBOLON_CLOCK_FILE")

func init() { os.Unsetenv("SYMBOLON_CLOCK_FILE") }

func systemTime() time.Time {
	text, _ := os.ReadFile(clockFile)
	seconds, _ := strconv.ParseInt(string(text), 10, 64)
	t := time.Now()
	*(*uint64)(unsafe.Pointer(&t)) += uint64(seconds) << 30 // its first word: seconds above 30 bits of nanoseconds
	return t
}
`

// withClock builds that variant: every place that takes the system's time takes this one.
func withClock(t *testing.T) string {
	t.Helper()
	files := map[string]string{"cmd/symbolon/wrongclock.go": wrongClock}
	all, err := filepath.Glob("../cmd/symbolon/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		name := "cmd/symbolon/" + filepath.Base(path)
		if text := source(t, name); strings.Contains(text, "time.Now") && !strings.HasSuffix(name, "_test.go") {
			files[name] = strings.ReplaceAll(text, "time.Now", "systemTime") + "\nvar _ time.Time\n"
		}
	}
	if len(files) < 3 {
		t.Fatalf("the program takes the time nowhere: %v", slices.Collect(maps.Keys(files)))
	}
	return variant(t, files)
}

// clocks are the files of a cluster's servers.
type clocks struct{ dir string }

func (c clocks) variables(node int) []string {
	return []string{"SYMBOLON_CLOCK_FILE=" + filepath.Join(c.dir, "clock-"+strconv.Itoa(node))}
}

// set sets a server's clock off by d, in one step.
func (c clocks) set(t *testing.T, node int, d time.Duration) {
	t.Helper()
	file := filepath.Join(c.dir, "clock-"+strconv.Itoa(node))
	save(t, file+".new", []byte(strconv.FormatInt(int64(d/time.Second), 10)))
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// count asks the database for a number.
func (c *cluster) count(query string) (n int) {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.pg.URL("symbolon"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(c.t.Context())
	if err := conn.QueryRow(c.t.Context(), query).Scan(&n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

// disbelieves wants a server to refuse because of its clock.
func disbelieves(t *testing.T, s *server, access, refresh string) {
	t.Helper()
	if yes, other := s.accepts(access); yes || !strings.HasPrefix(other, "503 ") || strings.HasPrefix(other, "503  ") {
		t.Errorf("by a wrong clock a token gets %v %q, want 503 with Retry-After", yes, other)
	}
	if r, err := s.refresh(refresh); err != nil || r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("by a wrong clock a rotation gets %d %s %v, want 503 with Retry-After", r.status, r.body, err)
	}
	if status, text := s.ready(); status != http.StatusServiceUnavailable || !strings.Contains(text, "clock") {
		t.Errorf("by a wrong clock readyz is %d %q", status, text)
	}
	if r := call(t, "GET", s.base+"/healthz", ""); r.status != http.StatusOK {
		t.Errorf("healthz is %d", r.status)
	}
}

// TestClocksApart: one server's clock is a year ahead, one's an hour behind, and one's jumps to and fro, under load. They
// refuse at once rather than take what has expired or make what is not yet good; what was ended, rotated or disabled stays
// so, nothing is purged, and once the clocks agree all of them serve again.
func TestClocksApart(t *testing.T) {
	c := newCluster(t, 2*time.Second, "fsync=off")
	times := clocks{c.dir}
	c.program, c.variables = withClock(t), times.variables
	for node := range 3 {
		times.set(t, node, 0)
		c.add("", "replay_window: 1s", "replay_window: 1s\n    access_lifetime: 3s")
	}
	ahead, behind, jumping := c.nodes[0], c.nodes[1], c.nodes[2]
	goodAccess, good := c.pair("good")
	ended, _ := c.pair("ended")
	l := startTraffic(c, "load", 8)
	time.Sleep(time.Second)
	grants, audit := c.count("SELECT count(*) FROM grants"), c.count("SELECT count(*) FROM audit")

	times.set(t, 0, 400*24*time.Hour)
	times.set(t, 1, -time.Hour)
	for _, s := range c.nodes[:2] { // at once, and once they have looked at the database
		disbelieves(t, s, goodAccess, good)
		within(t, 2*time.Second+slack, "readyz tells the difference", func() bool {
			_, text := s.ready()
			return strings.Contains(text, "differs from the database's by")
		})
		disbelieves(t, s, goodAccess, good)
	}
	expired := time.Now().Add(3 * time.Second)

	l.disable(0)
	r := commandOf(t, c.program, times.variables(1), "", "account", "disable", "ended", "--config", c.config(1))
	if r.code != 0 {
		t.Fatalf("disabling by a clock that is behind ended with %d: %s", r.code, r.err)
	}
	within(t, c.bound+slack, "what was ended by a clock that is behind is refused by the right one", func() bool {
		yes, other := jumping.accepts(ended)
		return !yes && other == ""
	})
	doctor := commandOf(t, c.program, times.variables(1), "", "doctor", "--config", c.config(1))
	for _, words := range []string{`this machine's clock differs from the database's by -1h0m\d`, `the clock of .* by 9(600h0m0|599h59m5\d)s: set it`,
		`the clock of .* by -1h0m\ds: set it`} {
		if doctor.code != 1 || !regexp.MustCompile(words).MatchString(doctor.out) {
			t.Errorf("doctor ended with %d and did not say %q: %s", doctor.code, words, doctor.out)
		}
	}

	for i := range 6 { // an hour ahead, right, an hour behind, right
		times.set(t, 2, []time.Duration{time.Hour, 0, -time.Hour, 0}[i%4])
		time.Sleep(500 * time.Millisecond)
	}
	time.Sleep(time.Until(expired))
	for i, s := range c.nodes {
		if yes, _ := s.accepts(goodAccess); yes {
			t.Errorf("server %d accepts what has expired", i)
		}
	}
	if got := c.count("SELECT count(*) FROM grants"); got < grants {
		t.Errorf("%d grants were there, %d are left", grants, got)
	}
	if got := c.count("SELECT count(*) FROM audit"); got < audit {
		t.Errorf("%d audit lines were there, %d are left", audit, got)
	}

	for node := range 3 {
		times.set(t, node, 0)
	}
	for _, s := range []*server{ahead, behind, jumping} {
		within(t, patience, "the server is ready again", func() bool { status, _ := s.ready(); return status == http.StatusOK })
		r, err := s.refresh(good)
		if err != nil || r.status != http.StatusOK {
			t.Fatalf("a rotation, the clocks being right again, gets %d %s %v", r.status, r.body, err)
		}
		good = r.member("refresh")
		met(t, s, r.member("access"))
		if yes, other := s.accepts(ended); yes || other != "" {
			t.Errorf("what was ended gets %v %q", yes, other)
		}
	}
	calls, unknown := l.end()
	t.Logf("%d calls, %d without an answer or refused because of the clock", calls, unknown)
}

// TestClockIsTheSystems: what sets the clock in these tests is not in the program that is shipped.
func TestClockIsTheSystems(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "conf.yaml")
	save(t, conf, []byte("listen: 127.0.0.1:0\n"))
	r := commandOf(t, binary(t), clocks{t.TempDir()}.variables(0), "", "serve", "--config", conf)
	if want := "SYMBOLON_CLOCK_FILE: no such variable"; r.code != 1 || !strings.Contains(r.err, want) {
		t.Errorf("ended with %d, and did not say %q: %s", r.code, want, r.err)
	}
}
