//go:build e2e

package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"symbolon/e2e/load"
	"symbolon/internal/secret"
	"symbolon/internal/store/postgres/pgtest"
)

// node is one server, which is taken down and started again on the same port and folder: the same server.
type node struct {
	addr, metrics, config string
	binary                string
	logged                bounded // its standard error, of all its lives

	// life is even while it serves. It becomes odd before anything is done to the process.
	life   atomic.Int64
	server *load.Server
}

// up is the number of the life in which it serves now, false where it does not.
func (n *node) up() (life int64, ok bool) {
	life = n.life.Load()
	return life, life%2 == 0
}

func (n *node) start() (err error) {
	cmd := exec.Command(n.binary, "serve", "--config", n.config)
	cmd.Stderr = &n.logged
	n.server, err = load.Run(cmd, "serving on http://")
	if err != nil {
		err = fmt.Errorf("%w: %s", err, n.logged.String())
	}
	return err
}

// restart takes the server down, by a crash or in good order, and starts it again.
func (n *node) restart(kill bool) (took time.Duration, err error) {
	n.life.Add(1)
	begin := time.Now()
	if kill {
		n.server.Kill()
	} else if err := n.server.Stop(); err != nil {
		return 0, fmt.Errorf("stopping in good order: %w", err)
	}
	if err := n.start(); err != nil {
		return 0, err
	}
	n.life.Add(1)
	return time.Since(begin), nil
}

// stage is one store with its servers.
type stage struct {
	name   string
	plan   plan
	dir    string
	base   string // base_url, which is the first node's
	nodes  []*node
	pg     *pgtest.Server // nil on SQLite
	report *report
	boss   string       // a session token of an operator
	broken atomic.Bool  // a server is gone for good, and nothing is left to measure
	rush   atomic.Int64 // server that all ask without pause, from 1; 0 means none
}

const settings = `listen: %s
metrics_listen: %s
data: %s
store: "%s"
base_url: %s
master_key_file: %s
verifier_key_file: %s
dev: true
log_level: warn
key_rotation: %s
revocation_bound: %s
status_ttl: %s
audit_keep: 1d
address_keep: 1d
sign_in: {admin_group: operators}
services:
  - {name: samples, dialect: sesar, path: /webservices, json_path: /api, access_lifetime: %[11]s, refresh_lifetime: %[12]s, pairs: 1000}
  - {name: ecology, dialect: edi, path: /auth, access_lifetime: %[11]s, cap: %[13]s}
  - {name: collections, dialect: collectiveaccess, path: /, graphql_services_jwt_access_token_lifetime: %[11]s,
     graphql_services_jwt_refresh_token_lifetime: %[13]s}
  - {name: warehouse, dialect: itempath, path: /api, access_lifetime: %[11]s, refresh_lifetime: %[13]s}
`

const (
	bound     = 15 * time.Second // revocation_bound
	statusTTL = 10 * time.Second // status_ttl
)

// newStage starts the servers of one store: one on SQLite, two on PostgreSQL.
func newStage(name, binary, dir string, p plan, r *report) (s *stage, err error) {
	s = &stage{name: name, plan: p, dir: dir, report: r}
	count, store := 1, ""
	if name == "postgres" {
		if s.pg, err = pgtest.Start(); err != nil {
			return nil, err
		}
		if err := s.pg.Create("symbolon"); err != nil {
			return nil, errors.Join(err, s.pg.Close())
		}
		count, store = 2, s.pg.URL("symbolon")
	}
	for range count {
		if err := s.addNode(binary, store); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func (s *stage) addNode(binary, store string) error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	n := &node{addr: ports[0], metrics: ports[1], binary: binary}
	if s.base == "" {
		s.base = "http://" + n.addr
	}
	dir := filepath.Join(s.dir, fmt.Sprintf("%s-%d", s.name, len(s.nodes)))
	n.config = dir + ".yaml"
	text := fmt.Sprintf(settings, n.addr, n.metrics, dir, store, s.base, filepath.Join(s.dir, "master.key"),
		filepath.Join(s.dir, "verifier.key"), s.plan.rotation, bound, statusTTL, s.plan.access, s.plan.refresh, s.plan.cap)
	if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing a configuration: %w", err)
	}
	if err := n.start(); err != nil {
		return err
	}
	s.nodes = append(s.nodes, n)
	return nil
}

// writeSecrets makes what all servers share.
func writeSecrets(dir string) error {
	master := base64.StdEncoding.EncodeToString(secret.Random(32))
	verifier := base64.RawURLEncoding.EncodeToString(secret.Random(32))
	return errors.Join(os.WriteFile(filepath.Join(dir, "master.key"), []byte(master), 0o600),
		os.WriteFile(filepath.Join(dir, "verifier.key"), []byte(verifier), 0o600))
}

func freePorts(count int) (addrs []string, err error) {
	for range count {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		defer ln.Close()
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}

func (s *stage) close() {
	for _, n := range s.nodes {
		n.server.Kill()
	}
	if s.pg != nil {
		_ = s.pg.Close()
	}
}

// running is whether the stage goes on until over.
func (s *stage) running(over time.Time) bool { return !s.broken.Load() && s.report.running(over) }

// command runs the program beside the servers, as an operator does.
func (s *stage) command(input string, args ...string) error {
	cmd := exec.Command(s.nodes[0].binary, append(args, "--config", s.nodes[0].config)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SYMBOLON_") })
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("symbolon %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// rushTime is how long the workers make no pauses before a server is taken down: it must be in the middle of something.
const rushTime = 300 * time.Millisecond

// restarts takes one server after the other down until the quiet time begins, in good order and by a crash in turn.
func (s *stage) restarts() {
	over := s.plan.begin.Add(s.plan.length * 6 / 10)
	for i := 0; s.running(over.Add(-s.plan.restartEvery)); i++ {
		s.report.sleep(s.plan.restartEvery)
		kill := i/len(s.nodes)%2 == 1
		n := s.nodes[i%len(s.nodes)]
		repeated := s.lostAnswers(n)
		s.rush.Store(int64(i%len(s.nodes)) + 1)
		time.Sleep(rushTime)
		took, err := n.restart(kill)
		s.rush.Store(0)
		if err != nil {
			s.report.fail("%s: restarting server %d: %v", s.name, i%len(s.nodes), err)
			s.broken.Store(true)
			return
		}
		s.report.restarted(kill, took)
		if !kill {
			s.checkAnswered(n, repeated)
		}
	}
}

// checkAnswered fails when a server that stopped in good order did something and did not say so: the client that asks again
// is then given the same answer, and that is counted.
func (s *stage) checkAnswered(stopped *node, before float64) {
	time.Sleep(min(2*time.Second, s.plan.restartEvery/2))
	after := s.lostAnswers(stopped)
	own, err := stopped.scrape()
	if err != nil {
		s.report.fail("%s: reading metrics: %v", s.name, err)
		return
	}
	if lost := after - before + own[lostAnswers]; lost > 0 {
		s.report.fail("%s: a stop in good order lost %v answers", s.name, lost)
	}
}

// lostAnswers is how many answers the other servers have given again.
func (s *stage) lostAnswers(but *node) (sum float64) {
	for _, n := range s.nodes {
		if n == but {
			continue
		}
		m, err := n.scrape()
		if err != nil {
			s.report.fail("%s: reading metrics: %v", s.name, err)
		}
		sum += m[lostAnswers]
	}
	return sum
}

// bounded keeps the first 64 KiB that are written to it, and counts the lines.
type bounded struct {
	mu    sync.Mutex
	b     bytes.Buffer
	lines int
}

func (x *bounded) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lines += bytes.Count(p, []byte("\n"))
	if x.b.Len() < 64<<10 {
		x.b.Write(p)
	}
	return len(p), nil
}

func (x *bounded) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}
