//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"symbolon/internal/store/postgres/pgtest"
)

const poolerConf = `[databases]
symbolon = host=127.0.0.1 port=%s dbname=symbolon user=symbolon
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
logfile = %s
`

// startPooler starts PgBouncer before a server, giving away connections by transaction, and returns its port.
func startPooler(t *testing.T, pg *pgtest.Server) int {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	log := filepath.Join(dir, "log")
	conf := filepath.Join(dir, "conf")
	save(t, conf, fmt.Appendf(nil, poolerConf, portOf(pg.URL("symbolon")), port, log))
	cmd := exec.Command("/usr/sbin/pgbouncer", "-q", conf)
	if os.Getuid() == 0 { // which it refuses to be
		for _, name := range []string{filepath.Dir(dir), dir, conf} {
			if err := os.Chown(name, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	within(t, patience, "the pooler listens", func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return port
}

// TestPooler: behind a pooler everything works but the hint, and the doctor says so.
func TestPooler(t *testing.T) {
	c := startCluster(t, 2*time.Second, "")
	pooled := pgtest.AddressAt(startPooler(t, c.pg), "symbolon") + "&default_query_exec_mode=cache_describe"
	for i := range 2 {
		conf, err := os.ReadFile(c.config(0))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(conf), c.pg.URL("symbolon"), pooled, 1)
		for _, port := range regexp.MustCompile(`(?m)listen: 127\.0\.0\.1:(\d+)$`).FindAllStringSubmatch(text, -1) {
			text = strings.Replace(text, ":"+port[1]+"\n", ":"+fmt.Sprint(freePort(t))+"\n", 1)
		}
		save(t, c.config(i+1), []byte(strings.Replace(text, filepath.Join(c.dir, "0"), filepath.Join(c.dir, fmt.Sprint(i+1)), 1)))
		c.start(i + 1)
	}
	access, refresh := c.pair("ada")
	for round := range 40 {
		r, err := c.nodes[1+round%2].refresh(refresh)
		if err != nil || r.status != http.StatusOK {
			t.Fatalf("rotation %d behind the pooler: %d %s %v", round, r.status, r.body, err)
		}
		access, refresh = r.member("access"), r.member("refresh")
	}
	met(t, c.nodes[2], access)
	if r := call(t, "DELETE", c.nodes[1].base+"/api/auth/token/blacklist-all/", "", "Authorization", "Bearer "+access); r.status/100 != 2 {
		t.Fatalf("revoking: %d %s", r.status, r.body)
	}
	took := within(t, 2*time.Second+slack, "the other server refuses", func() bool { yes, _ := c.nodes[2].accepts(access); return !yes })
	t.Logf("known to the other server after %s", took)
	r := command(t, "", "doctor", "--config", c.config(1))
	if r.code != 0 || !strings.Contains(r.out, "no notification arrives, so a pooler lies between") {
		t.Errorf("doctor behind the pooler ended with %d:\n%s%s", r.code, r.out, r.err)
	}
	if r := command(t, "", "doctor", "--config", c.config(0)); r.code != 0 || strings.Contains(r.out, "pooler") {
		t.Errorf("doctor without it ended with %d:\n%s%s", r.code, r.out, r.err)
	}
}
