//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"symbolon/internal/store/postgres/pgtest"
)

const spacePrefix = "symbolon-e2e-"

// space is a network namespace with two cables to here: over one its server reaches the database, over the other we reach
// the server.
type space struct {
	t                *testing.T
	name             string
	database, client string // names of the cables' ends here
}

func newSpace(t *testing.T) *space {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("making a network namespace needs root: run `make e2e` as root")
	}
	removeLeftSpaces(t)
	pid := os.Getpid()
	s := &space{t: t, name: spacePrefix + strconv.Itoa(pid), database: fmt.Sprintf("sd%d", pid), client: fmt.Sprintf("sc%d", pid)}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", s.name).Run() }) // the cables go with it
	s.ip("netns", "add", s.name)
	s.ip("-n", s.name, "link", "set", "lo", "up")
	for i, cable := range []string{s.database, s.client} {
		s.ip("link", "add", cable, "type", "veth", "peer", "name", "eth"+strconv.Itoa(i), "netns", s.name)
		s.ip("addr", "add", s.address(i, 1)+"/30", "dev", cable)
		s.ip("-n", s.name, "addr", "add", s.address(i, 2)+"/30", "dev", "eth"+strconv.Itoa(i))
		s.ip("link", "set", cable, "up")
		s.ip("-n", s.name, "link", "set", "eth"+strconv.Itoa(i), "up")
	}
	return s
}

// address is one of a cable: 1 here, 2 there. Each process has its own, since several may test at once.
func (s *space) address(cable, end int) string {
	n := 8*(os.Getpid()%4096) + 4*cable + end
	return fmt.Sprintf("10.213.%d.%d", n>>8, n&0xff)
}

// removeLeftSpaces removes what a test left that was killed.
func removeLeftSpaces(t *testing.T) {
	t.Helper()
	all, err := os.ReadDir("/run/netns")
	if err != nil {
		return // there never was one
	}
	for _, x := range all {
		pid, ours := strings.CutPrefix(x.Name(), spacePrefix)
		if _, err := os.Stat("/proc/" + pid); ours && err != nil {
			_ = exec.Command("ip", "netns", "del", x.Name()).Run()
		}
	}
}

func (s *space) ip(args ...string) {
	s.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		s.t.Fatalf("ip %s: %v: %s; run `make tools`, or install Debian's package iproute2", strings.Join(args, " "), err, out)
	}
}

// program is a program that runs another in the namespace.
func (s *space) program(path string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "symbolon")
	save(s.t, file, fmt.Appendf(nil, "#!/bin/sh\nexec ip netns exec %s %s \"$@\"\n", s.name, path))
	if err := os.Chmod(file, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// cut takes the database's cable down, or up again.
func (s *space) cut(down bool) {
	s.t.Helper()
	state := map[bool]string{true: "down", false: "up"}[down]
	s.ip("link", "set", s.database, state)
}

// cutTimes are how long the network is cut: less than the bound, and more.
func cutTimes(t *testing.T) []time.Duration {
	t.Helper()
	long := 8 * time.Second
	if text := os.Getenv("SYMBOLON_CUT_TIME"); text != "" {
		var err error
		if long, err = time.ParseDuration(text); err != nil || long < 8*time.Second {
			t.Fatalf("SYMBOLON_CUT_TIME=%s: write it like 60s, and not less than 8s", text)
		}
	}
	return []time.Duration{time.Second, long}
}

// TestNetworkCut takes the network between one of three servers and the database away, under load. Within the bound it
// vouches, then it refuses and says why; what was ended elsewhere it never takes again; then it goes on by itself. It needs
// root, to make a network namespace.
func TestNetworkCut(t *testing.T) {
	times := cutTimes(t)
	s := newSpace(t)
	c := newCluster(t, 2*time.Second, "fsync=off")
	c.add("")
	c.add("")
	gate := newLine(t, s.address(0, 1)+":0", "127.0.0.1:"+portOf(c.pg.URL("symbolon")))
	c.program = s.program(binary(t))
	port := gate.ln.Addr().(*net.TCPAddr).Port
	c.add(strings.Replace(pgtest.AddressAt(port, "symbolon"), "127.0.0.1", s.address(0, 1), 1), "listen: 127.0.0.1", "listen: "+s.address(1, 2))
	c.program = ""
	far := c.nodes[2]
	revoked, _ := c.pair("ada")
	good, goodRefresh := c.pair("bob")
	_, moving := c.pair("eve")
	met(t, far, revoked)
	met(t, far, good)
	l := startTraffic(c, "load", 6)
	for _, length := range times {
		s.cut(true)
		cut := time.Now()
		if length > c.bound {
			moving = s.whileCut(c, l, cut, revoked, good, moving)
		}
		for time.Until(cut.Add(length)) > 0 {
			if yes, _ := far.accepts(revoked); yes && length > c.bound {
				t.Errorf("%s after the cut, what was ended elsewhere is accepted", time.Since(cut))
			}
			time.Sleep(50 * time.Millisecond)
		}
		s.cut(false)
		healed := time.Now()
		within(t, patience, "the far server vouches again", func() bool {
			if yes, _ := far.accepts(revoked); yes && length > c.bound {
				t.Errorf("what was ended during the cut is accepted %s after it", time.Since(healed))
			}
			yes, _ := far.accepts(good)
			return yes
		})
		t.Logf("cut for %s: it vouches %s after", length, time.Since(healed).Round(time.Millisecond))
	}
	within(t, c.bound+slack, "what was ended during the cut is refused as such", func() bool {
		yes, other := far.accepts(revoked)
		return !yes && other == ""
	})
	recovers(t, far, good, goodRefresh)
	r, err := far.refresh(moving)
	if err != nil || r.status != http.StatusOK {
		t.Errorf("what the near server gave during the cut gets %d %s %v", r.status, r.body, err)
	}
	time.Sleep(time.Second)
	calls, unknown := l.end()
	t.Logf("%d calls, %d of them 503", calls, unknown)
}

// whileCut looks at a server that is cut off for longer than the bound. It returns the successor of a token that the server
// could not rotate and another did.
func (s *space) whileCut(c *cluster, l *traffic, cut time.Time, revoked, good, moving string) string {
	s.t.Helper()
	near, far := c.nodes[0], c.nodes[2]
	c.run("account", "disable", "ada")
	l.disable(0)
	within(s.t, c.bound+slack, "the near server refuses what was ended", func() bool { yes, _ := near.accepts(revoked); return !yes })
	vouching(s.t, far, good, cut, c.bound+slack)
	asked := time.Now()
	r, err := far.refresh(moving)
	if err != nil || r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" || time.Since(asked) > 5*time.Second+slack {
		s.t.Errorf("a rotation gets %d %v after %s, want 503 with Retry-After within 5 s", r.status, err, time.Since(asked))
	}
	r, err = near.refresh(moving)
	if err != nil || r.status != http.StatusOK {
		s.t.Fatalf("then at the near server %d %s %v", r.status, r.body, err)
	}
	return r.member("refresh")
}
