//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// addition is a migration as releases may have them: it only adds. It takes its time, and fails half-way when told to.
const addition = `-- +goose Up
ALTER TABLE grants ADD COLUMN next_release TEXT NOT NULL DEFAULT '';
-- +goose StatementBegin
SELECT pg_sleep(%d);
-- +goose StatementEnd
CREATE TABLE next_release (id BIGINT PRIMARY KEY);
`

const nextVersion = "0.2.0-next"

// nextRelease builds a release to come: another version, and a schema with one more addition, which takes so many seconds.
func nextRelease(t *testing.T, seconds int) string {
	t.Helper()
	return variant(t, map[string]string{
		"cmd/symbolon/cli.go": regexp.MustCompile(`(?m)^const version = .*$`).ReplaceAllString(source(t, "cmd/symbolon/cli.go"), `const version = "`+nextVersion+`"`),
		"internal/store/sqlstore/migrations/postgres/99999_next.sql": fmt.Sprintf(addition, seconds),
	})
}

// TestRollingUpgrade replaces three servers one by one by those of the next release, under load, after a migration that was
// killed half-way and run again: no request fails, and for a while both releases share the database. A start of the old
// release is refused then.
func TestRollingUpgrade(t *testing.T) {
	next := nextRelease(t, 1)
	kept := client // a connection that is kept may be closed while something is sent on it; asking anew is for its owner
	client = &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	t.Cleanup(func() { client = kept })
	c := startCluster(t, 4*time.Second, "", "", "")
	access, _ := c.pair("ada")
	l := startTraffic(c, "load", 8)
	time.Sleep(time.Second)

	half := exec.Command(next, "migrate", "--config", c.config(0))
	half.Env = environment()
	if err := half.Start(); err != nil {
		t.Fatal(err)
	}
	within(t, patience, "the migration is half-way", func() bool {
		return c.count("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == 1
	})
	_ = half.Process.Kill()
	_ = half.Wait()
	if r := commandOf(t, next, nil, "", "migrate", "--dry-run", "--config", c.config(0)); r.code != 0 || !strings.Contains(r.out, "99999_next.sql") {
		t.Errorf("after a migration that was killed, the dry run ended with %d: %s%s", r.code, r.out, r.err)
	}
	if r := commandOf(t, next, nil, "", "migrate", "--config", c.config(0)); r.code != 0 || !strings.Contains(r.out, "99999_next.sql") {
		t.Fatalf("the migration, again, ended with %d: %s%s", r.code, r.out, r.err)
	}
	if r := commandOf(t, next, nil, "", "migrate", "--config", c.config(0)); r.code != 0 || strings.Contains(r.out, "99999_next.sql") {
		t.Errorf("the migration, once more, ended with %d: %s%s", r.code, r.out, r.err)
	}

	c.program = next
	for i := range c.nodes {
		if i == 1 {
			l.disable(0) // by a command of the next release, beside servers of both
		}
		old := c.nodes[i]
		if err := old.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := old.ended(t); code != 0 {
			t.Errorf("server %d ended with %d: %s", i, code, old.log.String())
		}
		c.start(i)
		met(t, c.nodes[i], access)
		if i < 2 {
			r := commandOf(t, next, nil, "", "doctor", "--config", c.config(0))
			if !strings.Contains(r.out, "(version "+nextVersion+")") || strings.Count(r.out, "(version ") != 3 || strings.Count(r.out, nextVersion) != i+1 {
				t.Errorf("with %d servers of the next release, doctor says %s", i+1, r.out)
			}
		}
		time.Sleep(300 * time.Millisecond)
	}
	r := commandOf(t, binary(t), nil, "", "serve", "--listen", "127.0.0.1:0", "--config", c.config(0))
	if want := "this program knows only"; r.code != 1 || !strings.Contains(r.err, want) {
		t.Errorf("the old release, started again, ended with %d and did not say %q: %s", r.code, want, r.err)
	}
	calls, unknown := l.end()
	for _, x := range l.all { // what waited to be taken when a server stopped to listen, its system resets; nothing else may fail
		for _, lost := range x.lost {
			if !strings.Contains(lost, "connection reset") && !strings.HasSuffix(lost, "EOF") {
				t.Errorf("%s: a request failed: %s", x.name, lost)
			}
		}
	}
	if again := c.count("SELECT count(*) FROM audit WHERE kind IN ('refresh_replayed', 'refresh_raced')"); again != 0 {
		t.Errorf("%d of them had been taken, and were not answered", again)
	}
	t.Logf("%d rotations; %d and %d verifications were reset before they were taken, and done elsewhere", calls, unknown, l.unserved.Load())
}
