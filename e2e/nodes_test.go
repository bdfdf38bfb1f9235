//go:build e2e

package e2e

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"symbolon/internal/secret"
	"symbolon/internal/store/postgres/pgtest"
)

// nodesConf is one server's. The window is so short that it explains nothing.
const nodesConf = `listen: 127.0.0.1:%d
metrics_listen: 127.0.0.1:%d
data: %s
store: %s
base_url: http://tokens.localhost
master_key_file: %s
revocation_bound: %s
services:
  - name: samples
    dialect: sesar
    path: /webservices
    json_path: /api
    pairs: 1000
    replay_window: 1s
`

// cluster is several servers on one PostgreSQL.
type cluster struct {
	t     *testing.T
	pg    *pgtest.Server
	dir   string
	bound time.Duration

	program   string                  // another one than the one under test
	variables func(node int) []string // more of its environment; may be nil

	mu    sync.RWMutex // guards the list while servers start under load
	nodes []*server
}

// newCluster starts PostgreSQL, with settings, and no server yet.
func newCluster(t *testing.T, bound time.Duration, settings ...string) *cluster {
	t.Helper()
	pg, err := pgtest.Start(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := pg.Create("symbolon"); err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, pg: pg, dir: t.TempDir(), bound: bound}
	save(t, filepath.Join(c.dir, "master.key"), []byte(base64.StdEncoding.EncodeToString(secret.Random(32))))
	return c
}

// startCluster starts PostgreSQL and a server for each address of it, an empty one meaning the direct.
func startCluster(t *testing.T, bound time.Duration, addresses ...string) *cluster {
	t.Helper()
	c := newCluster(t, bound, "fsync=off")
	for _, address := range addresses {
		c.add(address)
	}
	return c
}

// add configures one more server and starts it; edits are old and new texts of its configuration in turn.
func (c *cluster) add(address string, edits ...string) {
	c.t.Helper()
	if address == "" {
		address = c.pg.URL("symbolon")
	}
	i := len(c.nodes)
	conf := fmt.Sprintf(nodesConf, freePort(c.t), freePort(c.t), filepath.Join(c.dir, strconv.Itoa(i)), address, filepath.Join(c.dir, "master.key"), c.bound)
	save(c.t, c.config(i), []byte(strings.NewReplacer(edits...).Replace(conf)))
	c.start(i)
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

func (c *cluster) config(i int) string { return filepath.Join(c.dir, strconv.Itoa(i)+".yaml") }

func (c *cluster) start(i int) {
	c.t.Helper()
	var more []string
	if c.variables != nil {
		more = c.variables(i)
	}
	s := launchProgram(c.t, cmp.Or(c.program, binary(c.t)), more, "--config", c.config(i))
	s.await(c.t, lineBegin)
	c.mu.Lock()
	defer c.mu.Unlock()
	if i == len(c.nodes) {
		c.nodes = append(c.nodes, nil)
	}
	c.nodes[i] = s
}

// any is one of the servers.
func (c *cluster) any(r *rand.Rand) *server {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.nodes[r.IntN(len(c.nodes))]
}

// run runs a command, which must succeed, on the cluster's database.
func (c *cluster) run(args ...string) ran {
	c.t.Helper()
	r := commandOf(c.t, cmp.Or(c.program, binary(c.t)), nil, "", append(args, "--config", c.config(0))...)
	if r.code != 0 {
		c.t.Fatalf("symbolon %s ended with %d: %s", strings.Join(args, " "), r.code, r.err)
	}
	return r
}

// pair makes an account and a pair of it.
func (c *cluster) pair(name string) (access, refresh string) {
	c.t.Helper()
	c.run("account", "add", name)
	key := c.run("apikey", "create", "--account", name, "--name", "e2e").out
	r := c.nodes[0].pair(c.t, keyIn(c.t, key))
	return r.member("access"), r.member("refresh")
}

// apikey makes an API key of an account.
func (c *cluster) apikey(account string) (key apikey) {
	c.t.Helper()
	r := c.run("apikey", "create", "--account", account, "--name", "e2e", "--json")
	if err := json.Unmarshal([]byte(r.out), &key); err != nil {
		c.t.Fatalf("apikey create printed %q: %v", r.out, err)
	}
	return key
}

// keyIn finds the API key in what `apikey create` prints.
func keyIn(t *testing.T, out string) string {
	t.Helper()
	for _, word := range strings.Fields(out) {
		if len(word) == 27 {
			return word
		}
	}
	t.Fatalf("no API key in %q", out)
	return ""
}

// accepts is whether a server vouches for an access token, which it does from memory once it has met it; an answer that is neither yes nor no, 503 say, is given as text.
func (s *server) accepts(access string) (yes bool, other string) {
	r, err := try("GET", s.base+"/symbolon/verify/samples", "", "Authorization", "Bearer "+access)
	switch {
	case err != nil:
		return false, err.Error()
	case r.status == http.StatusOK:
		return true, ""
	case r.status == http.StatusUnauthorized || r.status == http.StatusForbidden:
		return false, ""
	}
	return false, fmt.Sprint(r.status, " ", r.header.Get("Retry-After"), " ", r.body)
}

func (s *server) ready() (int, string) {
	r, err := try("GET", s.base+"/readyz", "")
	if err != nil {
		return 0, err.Error()
	}
	return r.status, r.body
}

// story is what became of one grant, as all its clients saw it.
type story struct {
	name string

	mu      sync.Mutex
	newest  string
	access  []string
	tokens  map[int64]string // :: generation → the refresh token given for it
	history []porcupine.Operation
	ended   time.Time // when its end was acknowledged
	slowest time.Duration
	lost    []string // what there was instead of answers
}

// deed is one call: a generation presented, or an end asked for.
type deed struct {
	end       bool
	presented int64
}

// result is what was answered: the generation given, that it was refused, or nothing; or that the server was not there to be asked.
type result struct {
	given                    int64
	refused, unknown, unsent bool
}

type life struct {
	generation int64
	ended      bool
}

// stories is how a grant may answer. A direct predecessor may get the same pair again, if the answer was lost; an older
// one, or one past the window, ends the grant; what was not answered was done or not.
var stories = porcupine.NondeterministicModel{
	Init: func() []any { return []any{life{}} },
	Step: func(state, input, output any) []any {
		l, d, r := state.(life), input.(deed), output.(result)
		moved, gone := life{l.generation + 1, l.ended}, life{l.generation, true}
		switch {
		case r.unsent:
			return []any{l}
		case d.end && r.unknown:
			return []any{l, gone}
		case d.end:
			return []any{gone}
		case r.unknown && l.ended:
			return []any{l}
		case r.unknown && d.presented == l.generation:
			return []any{l, moved}
		case r.unknown:
			return []any{l, gone}
		case r.refused && (l.ended || d.presented < l.generation):
			return []any{l, gone}
		case !r.refused && !l.ended && d.presented == l.generation && r.given == l.generation+1:
			return []any{moved}
		case !r.refused && !l.ended && d.presented == l.generation-1 && r.given == l.generation:
			return []any{l}
		}
		return nil
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
}

const (
	nodeClients = 64
	nodeStories = 32
	nodeTime    = 15 * time.Second
)

// TestNodes lets clients rotate and revoke at three servers while accounts are disabled and servers killed, and checks the
// whole history: one order of calls explains all answers of a grant, no generation has two tokens, and nothing whose end
// was acknowledged is accepted past the bound.
func TestNodes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := startCluster(t, 2*time.Second, "", "", "")
	var all []*story
	for i := range nodeStories {
		name := "person-" + strconv.Itoa(i)
		access, refresh := c.pair(name)
		all = append(all, &story{name: name, newest: refresh, access: []string{access}, tokens: map[int64]string{0: refresh}})
	}
	begin := time.Now()
	over := begin.Add(nodeTime)
	var clients sync.WaitGroup
	for i := range nodeClients {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for time.Now().Before(over) && !t.Failed() {
				all[i%nodeStories].play(t, c, c.any(r), r, i, begin)
			}
		})
	}
	r := rand.New(rand.NewPCG(seed, nodeClients))
	kills, disabled := 0, 0
	for time.Now().Before(over) && !t.Failed() {
		time.Sleep(time.Duration(500+r.IntN(700)) * time.Millisecond)
		i := r.IntN(len(c.nodes))
		c.nodes[i].kill()
		c.start(i)
		kills++
		if disabled < 6 {
			all[disabled].disable(c, begin)
			disabled++
		}
	}
	clients.Wait()
	calls, unknown, ended := 0, 0, 0
	for _, s := range all {
		for _, op := range s.history {
			calls++
			if op.Output.(result).unknown {
				unknown++
			}
		}
		if !s.ended.IsZero() {
			ended++
		}
		if got := porcupine.CheckOperationsTimeout(stories.ToModel(), s.history, 30*time.Second); got != porcupine.Ok {
			t.Errorf("the history of %s, %d calls: %v", s.name, len(s.history), got)
		}
	}
	t.Logf("%d calls on %d grants by %d clients at %d servers, %d killed: %d without an answer, %d grants ended", calls, nodeStories,
		nodeClients, len(c.nodes), kills, unknown, ended)
	if kills < 3 || unknown == 0 || ended < 6 || calls < 500 {
		t.Error("too little happened: the run shows nothing")
	}
	c.endsHold(all)
}

// play makes one call for a client.
func (x *story) play(t *testing.T, c *cluster, s *server, r *rand.Rand, client int, begin time.Time) {
	x.mu.Lock()
	token, ended := x.newest, x.ended
	if r.IntN(20) == 0 { // an older one, if there is
		if old, ok := x.tokens[int64(r.IntN(len(x.tokens)))]; ok {
			token = old
		}
	}
	access := x.access[r.IntN(len(x.access))]
	x.mu.Unlock()
	switch n := r.IntN(400); {
	case n == 0:
		x.record(client, deed{end: true}, begin, func() result {
			answer, err := try("POST", s.base+"/api/auth/token/blacklist/", `{"refresh":"`+token+`"}`, "Content-Type", "application/json")
			if err != nil || answer.status >= 500 {
				return result{unknown: true}
			}
			if answer.status/100 == 2 {
				x.mu.Lock()
				x.ended = time.Now()
				x.mu.Unlock()
				return result{}
			}
			return result{unknown: true} // an old one, which may have ended it
		})
	case n < 200:
		asked := time.Now()
		if yes, _ := s.accepts(access); yes && !ended.IsZero() && asked.Sub(ended) > c.bound {
			t.Errorf("%s: an access token is accepted %s after its end was acknowledged", x.name, asked.Sub(ended))
		}
	default:
		x.refresh(t, s, client, token, begin)
	}
	time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
}

func (x *story) refresh(t *testing.T, s *server, client int, token string, begin time.Time) result {
	presented := int64(claims(t, token)["gen"].(float64))
	return x.record(client, deed{presented: presented}, begin, func() result {
		r, err := s.refresh(token)
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			return result{unsent: true}
		case err == nil && r.status >= 500 && (r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == ""):
			t.Errorf("%s: a rotation gets %d without Retry-After, or which is not 503: %s", x.name, r.status, r.body)
			return result{unknown: true}
		case err != nil || r.status >= 500:
			x.mu.Lock()
			defer x.mu.Unlock()
			x.lost = append(x.lost, fmt.Sprint(r.status, r.body, err))
			return result{unknown: true}
		case r.status != http.StatusOK:
			return result{refused: true}
		}
		given := int64(claims(t, r.member("refresh"))["gen"].(float64))
		x.mu.Lock()
		defer x.mu.Unlock()
		if other, ok := x.tokens[given]; ok && other != r.member("refresh") {
			t.Errorf("%s: generation %d has two refresh tokens", x.name, given)
		}
		if _, ok := x.tokens[given]; !ok {
			x.tokens[given], x.access = r.member("refresh"), append(x.access, r.member("access"))
		}
		if given > int64(claims(t, x.newest)["gen"].(float64)) {
			x.newest = r.member("refresh")
		}
		return result{given: given}
	})
}

// record makes a call and keeps it; one without an answer may be done until the very end.
func (x *story) record(client int, d deed, begin time.Time, call func() result) result {
	from := time.Since(begin).Nanoseconds()
	r := call()
	to := time.Since(begin).Nanoseconds()
	took := time.Duration(to - from)
	if r.unknown {
		to = (2 * time.Hour).Nanoseconds()
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.slowest = max(x.slowest, took)
	x.history = append(x.history, porcupine.Operation{ClientId: client, Input: d, Output: r, Call: from, Return: to})
	return r
}

// disable disables the account, which ends the grant.
func (x *story) disable(c *cluster, begin time.Time) {
	x.record(nodeClients, deed{end: true}, begin, func() result {
		c.run("account", "disable", x.name)
		x.mu.Lock()
		x.ended = time.Now()
		x.mu.Unlock()
		return result{}
	})
}

// endsHold asks every server for every token of the grants that ended, once the bound has passed.
func (c *cluster) endsHold(all []*story) {
	if !slices.ContainsFunc(all, func(x *story) bool { return !x.ended.IsZero() }) {
		return
	}
	time.Sleep(c.bound)
	for _, x := range all {
		if x.ended.IsZero() {
			continue
		}
		for i, s := range c.nodes {
			if yes, other := s.accepts(x.access[len(x.access)-1]); yes || other != "" {
				c.t.Errorf("%s ended, and server %d says %v %s", x.name, i, yes, other)
			}
			if r, err := s.refresh(x.newest); err != nil || r.status != http.StatusUnauthorized {
				c.t.Errorf("%s ended, and server %d refreshes: %d %v", x.name, i, r.status, err)
			}
		}
	}
}

// TestNodesDiffer: each server names the others whose configuration is not its own.
func TestNodesDiffer(t *testing.T) {
	c := startCluster(t, 2*time.Second, "", "")
	if status, text := c.nodes[0].ready(); status != http.StatusOK || text != "ready\n" {
		t.Errorf("alike: %d %q", status, text)
	}
	c.nodes[1].stop(t)
	conf, err := os.ReadFile(c.config(1))
	if err != nil {
		t.Fatal(err)
	}
	save(t, c.config(1), []byte(strings.Replace(string(conf), "replay_window: 1s", "replay_window: 2s", 1)))
	c.start(1)
	name := strings.TrimPrefix(c.nodes[1].base, "http://")
	within(t, patience, "server 0 names the other", func() bool {
		status, text := c.nodes[0].ready()
		return status == http.StatusOK && strings.Contains(text, name+" has another configuration")
	})
	r := command(t, "", "doctor", "--config", c.config(0))
	metrics := regexp.MustCompile(`(?m)^metrics_listen: (.*)$`)
	conf, err = os.ReadFile(c.config(0))
	if err != nil {
		t.Fatal(err)
	}
	told := call(t, "GET", "http://"+metrics.FindStringSubmatch(string(conf))[1]+"/metrics", "")
	for _, line := range []string{`symbolon_nodes{configuration="other"} 1`, `symbolon_nodes{configuration="same"} 1`, "symbolon_ready 1", `symbolon_replays_total{kind="reuse"} 0`} {
		if told.status != http.StatusOK || !strings.Contains(told.body, line+"\n") {
			t.Errorf("metrics (%d) lack %s", told.status, line)
		}
	}
	if r := call(t, "GET", c.nodes[0].base+"/metrics", ""); r.status != http.StatusNotFound {
		t.Errorf("the public address answers /metrics with %d", r.status)
	}
	if r.code != 1 || !strings.Contains(r.out, name+" has another configuration") {
		t.Errorf("doctor ended with %d: %s", r.code, r.out)
	}
}
