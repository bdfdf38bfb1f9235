//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestFailover kills the database of three servers under load and promotes its synchronous stand-by. Meanwhile tokens are
// verified and writes are 503; then all goes on by itself, and nothing that was acknowledged is lost.
func TestFailover(t *testing.T) {
	c := newCluster(t, 6*time.Second, "fsync=off")
	standby, err := c.pg.Standby("second")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.pg.Set("synchronous_standby_names", "second"); err != nil {
		t.Fatal(err)
	}
	both := fmt.Sprintf("postgres://symbolon@127.0.0.1:%d,127.0.0.1:%d/symbolon?sslmode=disable&target_session_attrs=read-write", c.pg.Port, standby.Port)
	for range 3 {
		c.add(both)
	}
	access, refresh := c.pair("ada")
	for _, s := range c.nodes {
		met(t, s, access)
	}
	l := startTraffic(c, "load", 8)
	time.Sleep(time.Second)
	for i := range 4 { // the last is acknowledged a moment before the end
		l.disable(i)
	}
	c.pg.Kill()
	killed := time.Now()
	for _, s := range c.nodes {
		r, err := s.refresh(refresh)
		if err != nil || r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
			t.Errorf("without a database a rotation gets %d %v, want 503 with Retry-After", r.status, err)
		}
		if yes, other := s.accepts(access); !yes {
			t.Errorf("%s after the database was gone, a token gets %q", time.Since(killed), other)
		}
	}
	time.Sleep(time.Until(killed.Add(2 * time.Second)))
	if err := standby.Exec("postgres", "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
	promoted := time.Now()
	for _, s := range c.nodes {
		refresh = recovers(t, s, access, refresh)
	}
	t.Logf("all servers rotate again %s after the promotion", time.Since(promoted).Round(time.Millisecond))
	c.pg = standby // whom the rest asks
	c.add(both)    // which knows only what the database does
	l.disable(4)
	time.Sleep(time.Second)
	calls, unknown := l.end()
	t.Logf("%d calls, %d without an answer", calls, unknown)
	if r := c.run("doctor"); strings.Contains(r.out, "WRONG") {
		t.Errorf("doctor says %s", r.out)
	}
}
