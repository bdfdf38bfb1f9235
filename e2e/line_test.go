//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"symbolon/internal/store/postgres/pgtest"
)

// line is a bad network before PostgreSQL: slow, cut into single bytes, reset at any or the worst moment, or dumb.
type line struct {
	ln net.Listener
	to string

	mu     sync.Mutex
	conns  map[net.Conn]bool // from servers, those that are not dead
	lag    time.Duration     // of each piece, both ways
	crumbs bool              // a piece is one byte
	before int               // so many resets before a commit is passed on
	after  int               // so many once it was answered, instead of the answer
	rotate []byte            // name of the prepared statement that rotates, once it was seen
}

func newLine(t *testing.T, at, to string) *line {
	t.Helper()
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{ln: ln, to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		ln.Close()
		l.reset()
	})
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go l.carry(conn)
		}
	}()
	return l
}

// is changes how the line behaves.
func (l *line) is(change func(*line)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

func (l *line) carry(near net.Conn) {
	far, err := net.Dial("tcp", l.to)
	if err != nil {
		reset(near)
		return
	}
	defer far.Close()
	l.is(func(l *line) { l.conns[near] = true })
	deaf := make(chan struct{}, 1) // holds one when the next answer is not for the server's ears
	go func() {
		defer far.Close()
		l.pump(near, far, func(piece []byte) bool {
			before, after := l.fate(piece)
			if after {
				deaf <- struct{}{}
			}
			return !before
		})
	}()
	l.pump(far, near, func([]byte) bool { return len(deaf) == 0 })
	reset(near)
	l.is(func(l *line) { delete(l.conns, near) })
}

// fate says what becomes of a piece that a server sends: whether it is the last thing seen of it, or its answer is not seen.
func (l *line) fate(piece []byte) (before, after bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if name := regexp.MustCompile(`P....(stmtcache_[0-9a-f]+)\x00WITH p AS MATERIALIZED`).FindSubmatch(piece); name != nil {
		l.rotate = append(bytes.Clone(name[1]), 0)
	}
	commits := bytes.Contains(piece, []byte("commit\x00")) || piece[0] == 'B' && l.rotate != nil && bytes.Contains(piece, l.rotate)
	switch {
	case commits && l.before > 0:
		l.before--
		return true, false
	case commits && l.after > 0:
		l.after--
		return false, true
	}
	return false, false
}

// pump carries pieces while passes says so. On a connection that is dead nothing passes and nobody is told.
func (l *line) pump(from, to net.Conn, passes func([]byte) bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !passes(buffer[:n]) || l.deliver(from, to, buffer[:n]) != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (l *line) deliver(from, to net.Conn, piece []byte) error {
	l.mu.Lock()
	lag, crumbs, alive := l.lag, l.crumbs, l.conns[from] || l.conns[to]
	l.mu.Unlock()
	time.Sleep(lag)
	switch {
	case !alive:
		return nil
	case !crumbs:
		_, err := to.Write(piece)
		return err
	}
	for i := range piece {
		if _, err := to.Write(piece[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// reset resets every connection, in whatever it is doing.
func (l *line) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for conn := range l.conns {
		reset(conn)
	}
}

// forget leaves every connection half open: nothing passes on it any more. New ones are not touched.
func (l *line) forget() { l.is(func(l *line) { clear(l.conns) }) }

// reset closes a connection as a machine does that knows nothing of it.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

var metricsAt = regexp.MustCompile(`(?m)^metrics_listen: (.*)$`)

// metric is a number that a server tells of itself.
func (c *cluster) metric(i int, name string) float64 {
	c.t.Helper()
	conf, err := os.ReadFile(c.config(i))
	if err != nil {
		c.t.Fatal(err)
	}
	r := call(c.t, "GET", "http://"+metricsAt.FindStringSubmatch(string(conf))[1]+"/metrics", "")
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(r.body)
	if found == nil {
		c.t.Fatalf("metrics (%d) lack %s", r.status, name)
	}
	v, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		c.t.Fatal(err)
	}
	return v
}

// held are a server's goroutines and open files while nobody asks it for anything.
func (c *cluster) held(i int) (goroutines, files int) {
	c.t.Helper()
	client.CloseIdleConnections()
	time.Sleep(100 * time.Millisecond)
	goroutines = int(c.metric(i, "go_goroutines"))
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.nodes[i].cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	return goroutines, len(all)
}

// TestBadLine puts a bad network between a server and PostgreSQL, under load.
func TestBadLine(t *testing.T) {
	c := newCluster(t, 2*time.Second, "fsync=off")
	c.add("")
	l := newLine(t, "127.0.0.1:0", "127.0.0.1:"+portOf(c.pg.URL("symbolon")))
	c.add(pgtest.AddressAt(l.ln.Addr().(*net.TCPAddr).Port, "symbolon"))
	access, refresh := c.pair("ada")
	refresh = lostCommits(t, c, l, refresh)

	warm := startTraffic(c, "warm", 8) // until every connection there may be is there
	time.Sleep(time.Second)
	warm.end()
	goroutines, files := c.held(1)
	l2 := startTraffic(c, "load", 8)
	for _, bad := range []func(*line){
		func(l *line) { l.lag = 30 * time.Millisecond },
		func(l *line) { l.lag, l.crumbs = 0, true },
	} {
		l.is(bad)
		time.Sleep(time.Second)
	}
	l.is(func(l *line) { l.crumbs = false })
	for range 15 {
		l.reset()
		time.Sleep(80 * time.Millisecond)
	}
	for range 20 {
		l.is(func(l *line) { l.before, l.after = 4, 4 })
		time.Sleep(80 * time.Millisecond)
	}
	l.is(func(l *line) { l.before, l.after = 0, 0 })
	l.forget()
	time.Sleep(time.Second)
	within(t, patience, "the server vouches again", func() bool { yes, _ := c.nodes[1].accepts(access); return yes })
	time.Sleep(time.Second)
	calls, unknown := l2.end()
	if unknown < 10 {
		t.Errorf("%d calls without an answer: the line was not bad", unknown)
	}
	recovers(t, c.nodes[1], access, refresh)
	var now, open int
	within(t, patience, "the server holds no more than before", func() bool {
		now, open = c.held(1)
		return now <= goroutines+4 && open <= files+4
	})
	t.Logf("%d calls, %d of them 503; %d goroutines and %d files before, %d and %d after", calls, unknown, goroutines, files, now, open)
}

// lostCommits resets the connection just before a rotation is committed, and just after: the client gets 503, and when it
// asks again, at either server, the one pair that there is.
func lostCommits(t *testing.T, c *cluster, l *line, refresh string) string {
	t.Helper()
	near, far := c.nodes[0], c.nodes[1]
	if r, err := far.refresh(refresh); err != nil || r.status != http.StatusOK { // the line learns what a rotation is
		t.Fatalf("a rotation gets %d %s %v", r.status, r.body, err)
	} else {
		refresh = r.member("refresh")
	}
	for i := range 8 {
		l.is(func(l *line) { l.before, l.after = i%2, 1-i%2 })
		asked := time.Now()
		r, err := far.refresh(refresh)
		if err != nil || r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
			t.Fatalf("a rotation whose commit is reset gets %d %s %v, want 503 with Retry-After", r.status, r.body, err)
		}
		if took := time.Since(asked); took > 5*time.Second+slack {
			t.Errorf("which took %s", took)
		}
		l.is(func(l *line) { l.before, l.after = 0, 0 })
		again, other := far, near
		if i%4 >= 2 { // once the other has told the database
			time.Sleep(time.Second)
			again, other = near, far
		}
		first, err := again.refresh(refresh)
		if err != nil || first.status != http.StatusOK {
			t.Fatalf("%d: asking again gets %d %s %v", i, first.status, first.body, err)
		}
		if i%2 == 0 { // it was committed: whoever asks gets that pair
			second, err := other.refresh(refresh)
			if err != nil || second.status != http.StatusOK || second.body != first.body {
				t.Errorf("%d: asking twice gives\n%s and then\n%d %s %v", i, first.body, second.status, second.body, err)
			}
		}
		had, has := claims(t, refresh)["gen"].(float64), claims(t, first.member("refresh"))["gen"].(float64)
		if has != had+1 {
			t.Errorf("%d: generation %v is followed by %v", i, had, has)
		}
		refresh = first.member("refresh")
	}
	return refresh
}
