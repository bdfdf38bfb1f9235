//go:build e2e

package e2e

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"symbolon/internal/store/postgres/pgtest"
)

// slack is what a busy machine may add to a promised time.
const slack = 3 * time.Second

// met has a server meet a token.
func met(t *testing.T, s *server, access string) {
	t.Helper()
	if yes, other := s.accepts(access); !yes {
		t.Fatalf("a good token is not accepted: %s", other)
	}
}

// vouching wants a token to be accepted up to a moment, and then refused as unavailable, never as bad.
func vouching(t *testing.T, s *server, access string, from time.Time, bound time.Duration) {
	t.Helper()
	for accepted := 0; ; time.Sleep(50 * time.Millisecond) {
		asked := time.Now()
		yes, other := s.accepts(access)
		switch {
		case yes && asked.Sub(from) > bound:
			t.Fatalf("accepted %s after the database was gone, past the bound of %s", asked.Sub(from), bound)
		case yes:
			accepted++
			continue
		case !strings.HasPrefix(other, "503 ") || strings.HasPrefix(other, "503  "):
			t.Fatalf("a good token gets %q, want 503 with Retry-After", other)
		}
		if accepted == 0 && asked.Sub(from) < bound/4 { // a busy machine is asked late, and refuses early
			t.Errorf("it was vouched for at no time, %s after the database was gone", asked.Sub(from))
		}
		break
	}
	if status, text := s.ready(); status != http.StatusServiceUnavailable || !strings.Contains(text, "no news of revocations within the bound") {
		t.Errorf("readyz is %d %q", status, text)
	}
	if r := call(t, "GET", s.base+"/healthz", ""); r.status != http.StatusOK {
		t.Errorf("healthz is %d", r.status)
	}
}

// recovers wants a server to serve again by itself, and a broken-off rotation to have one successor.
func recovers(t *testing.T, s *server, access, refresh string) (next string) {
	t.Helper()
	within(t, patience, "the server vouches again", func() bool { yes, _ := s.accepts(access); return yes })
	within(t, patience, "the server rotates again", func() bool {
		r, err := s.refresh(refresh)
		if err == nil && r.status == http.StatusOK {
			next = r.member("refresh")
		}
		return next != ""
	})
	if status, text := s.ready(); status != http.StatusOK {
		t.Errorf("readyz is %d %q", status, text)
	}
	return next
}

// TestDatabaseFaults stops the database in mid-air, kills it, and starts it again.
func TestDatabaseFaults(t *testing.T) {
	const bound = 6 * time.Second
	c := startCluster(t, bound, "")
	s := c.nodes[0]
	access, refresh := c.pair("ada")
	met(t, s, access)
	writes := func(refresh string) *sync.WaitGroup {
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				asked := time.Now()
				r, err := s.refresh(refresh)
				if err != nil || r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
					t.Errorf("a rotation gets %d %v, want 503 with Retry-After", r.status, err)
				}
				if took := time.Since(asked); took > 5*time.Second+slack {
					t.Errorf("a rotation took %s", took)
				}
			})
		}
		return &all
	}

	from := time.Now()
	if err := c.pg.Freeze(); err != nil {
		t.Fatal(err)
	}
	all := writes(refresh)
	vouching(t, s, access, from, bound+slack)
	all.Wait()
	if err := c.pg.Thaw(); err != nil {
		t.Fatal(err)
	}
	refresh = recovers(t, s, access, refresh)

	from = time.Now()
	c.pg.Kill()
	all = writes(refresh)
	vouching(t, s, access, from, bound+slack)
	all.Wait()
	if err := c.pg.Run(); err != nil {
		t.Fatal(err)
	}
	recovers(t, s, access, refresh)
}

// cable is a TCP proxy that can be cut: then nothing passes, and nobody is told.
type cable struct {
	ln net.Listener
	to string

	mu   sync.Mutex
	cond *sync.Cond
	cut  bool
}

func newCable(t *testing.T) *cable {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{ln: ln}
	c.cond = sync.NewCond(&c.mu)
	t.Cleanup(func() {
		ln.Close()
		c.set(false)
	})
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go c.carry(conn)
		}
	}()
	return c
}

func (c *cable) port() int { return c.ln.Addr().(*net.TCPAddr).Port }

func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	c.cond.Broadcast()
}

func (c *cable) carry(conn net.Conn) {
	defer conn.Close()
	c.mu.Lock()
	to := c.to
	c.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(far, held{conn, c})
		far.Close()
	}()
	_, _ = io.Copy(conn, held{far, c})
}

// held gives what it has read only while the cable is whole.
type held struct {
	io.Reader
	c *cable
}

func (h held) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.c.mu.Lock()
	defer h.c.mu.Unlock()
	for h.c.cut {
		h.c.cond.Wait()
	}
	return n, err
}

// TestNodeCutOff cuts one server off from the database: what another revokes it accepts for the bound at most, then it
// vouches for nothing, and after the cut it knows.
func TestNodeCutOff(t *testing.T) {
	const bound = 3 * time.Second
	line := newCable(t)
	c := startCluster(t, bound, "", "")
	line.mu.Lock()
	line.to = "127.0.0.1:" + portOf(c.pg.URL("symbolon"))
	line.mu.Unlock()
	c.nodes[1].stop(t)
	conf, err := os.ReadFile(c.config(1))
	if err != nil {
		t.Fatal(err)
	}
	save(t, c.config(1), []byte(strings.Replace(string(conf), c.pg.URL("symbolon"), pgtest.AddressAt(line.port(), "symbolon"), 1)))
	c.start(1)
	near, far := c.nodes[0], c.nodes[1]
	revoked, _ := c.pair("ada")
	good, refresh := c.pair("bob")
	met(t, far, revoked)
	met(t, far, good)
	for _, length := range []time.Duration{time.Second, 6 * time.Second} {
		line.set(true)
		cut := time.Now()
		if length > bound {
			c.run("account", "disable", "ada")
			if yes, _ := near.accepts(revoked); yes {
				within(t, time.Second, "the near server refuses", func() bool { yes, _ := near.accepts(revoked); return !yes })
			}
			vouching(t, far, good, cut, bound+slack)
		}
		time.Sleep(time.Until(cut.Add(length)))
		line.set(false)
		within(t, patience, "the far server vouches again", func() bool { yes, _ := far.accepts(good); return yes })
	}
	if yes, other := far.accepts(revoked); yes || other != "" {
		t.Errorf("after the cut the revoked token gets %v %q", yes, other)
	}
	recovers(t, far, good, refresh)
}

func portOf(url string) string {
	_, after, _ := strings.Cut(url, "127.0.0.1:")
	port, _, _ := strings.Cut(after, "/")
	return port
}

// TestStandbyConfirmsNothing: a database that can only be read is no source of news.
func TestStandbyConfirmsNothing(t *testing.T) {
	c := startCluster(t, 2*time.Second, "")
	access, refresh := c.pair("ada")
	met(t, c.nodes[0], access)
	if err := c.pg.Set("default_transaction_read_only", "on"); err != nil {
		t.Fatal(err)
	}
	vouching(t, c.nodes[0], access, time.Now(), 2*time.Second+slack)
	if err := c.pg.Set("default_transaction_read_only", ""); err != nil {
		t.Fatal(err)
	}
	recovers(t, c.nodes[0], access, refresh)
}
