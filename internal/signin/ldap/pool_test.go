package ldap

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/signin/signintest"
)

// searching returns a directory that searches as bind_dn, and its server.
func searching(t *testing.T) (*Directory, *signintest.Directory) {
	t.Helper()
	server := signintest.NewDirectory(t, maria(), signintest.Entry{DN: searcher, Password: "searching"})
	d := open(t, conf(func(c *config.LDAP) {
		bySearch(c)
		c.BindDN, c.BindPasswordFile = searcher, write(t, "searching")
	}, server.URL))
	t.Cleanup(d.Close)
	return d, server
}

// signIns tries the right and a wrong password, and a name that nobody has.
func signIns(t *testing.T, d *Directory) {
	t.Helper()
	if _, err := d.SignIn(t.Context(), "maria", right); err != nil {
		t.Error(err)
	}
	for _, c := range [][2]string{{"maria", "wrong"}, {"nobody", right}} {
		if _, err := d.SignIn(t.Context(), c[0], c[1]); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%s: got %v, want %v", c[0], err, ErrBadCredentials)
		}
	}
}

// The searcher signs in once, and nothing is ever searched as a person.
func TestSearchConnectionIsKept(t *testing.T) {
	d, server := searching(t)
	signIns(t, d)
	signIns(t, d)
	wantBinds := []string{searcher, mariaDN, mariaDN, "uid=nobody," + base, mariaDN, mariaDN, "uid=nobody," + base}
	if diff := cmp.Diff(wantBinds, server.Binds()); diff != "" {
		t.Errorf("binds (-want +got):\n%s", diff)
	}
	for i, as := range server.Searches() {
		if as != searcher {
			t.Errorf("search %d was made as %q", i, as)
		}
	}
}

// A connection that died while it was idle, or dies when it is used, is replaced once.
func TestDeadConnectionIsReplaced(t *testing.T) {
	for name, kill := range map[string]func(*signintest.Directory, *atomic.Bool){
		"server started anew":  func(s *signintest.Directory, _ *atomic.Bool) { s.Drop() },
		"gone when it is used": func(_ *signintest.Directory, die *atomic.Bool) { die.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			d, server := searching(t)
			var die atomic.Bool
			server.Answer = func(op ber.Tag) (uint16, bool) {
				if op == goldap.ApplicationSearchRequest && die.CompareAndSwap(true, false) {
					server.Drop()
				}
				return 0, false
			}
			signIns(t, d)
			kill(server, &die)
			signIns(t, d)
			if diff := cmp.Diff([]string{searcher, mariaDN, mariaDN, "uid=nobody," + base, searcher, mariaDN, mariaDN, "uid=nobody," + base}, server.Binds()); diff != "" {
				t.Errorf("binds (-want +got):\n%s", diff)
			}
		})
	}
}

// A server that fails whatever the connection is asked no third time.
func TestReplacedOnce(t *testing.T) {
	d, server := searching(t)
	var fail atomic.Bool
	var searches atomic.Int32
	server.Answer = func(op ber.Tag) (uint16, bool) {
		if op == goldap.ApplicationSearchRequest && fail.Load() {
			searches.Add(1)
			server.Drop()
		}
		return 0, false
	}
	signIns(t, d)
	fail.Store(true)
	if _, err := d.SignIn(t.Context(), "maria", right); err == nil || errors.Is(err, ErrBadCredentials) {
		t.Errorf("got %v", err)
	}
	if n := searches.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestKeptConnectionsAreBounded(t *testing.T) {
	d, server := searching(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := d.SignIn(t.Context(), "maria", right); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	kept := len(d.servers[0].searchers.idle)
	if kept == 0 || kept > maxIdle {
		t.Errorf("%d connections are kept", kept)
	}
	d.Close()
	for i := 0; server.Open() > 0; i++ {
		if i == 200 {
			t.Fatalf("%d connections are open after Close", server.Open())
		}
		time.Sleep(10 * time.Millisecond) // the server hears of it a moment later
	}
	signIns(t, d)
	if kept := len(d.servers[0].searchers.idle); kept != 0 {
		t.Errorf("%d connections are kept after Close", kept)
	}
}

// What is old, or was lent to somebody who has gone, is not kept.
func TestNotKept(t *testing.T) {
	for name, spoil := range map[string]func(*conn){
		"old":      func(c *conn) { c.made = c.made.Add(-maxInUse) },
		"caller's": func(c *conn) { c.stop() },
		"closed":   func(c *conn) { c.Conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := searching(t)
			signIns(t, d)
			p := d.servers[0].searchers
			c := p.take()
			c.lend(t.Context())
			spoil(c)
			p.put(c)
			if len(p.idle) != 0 || !c.IsClosing() {
				t.Error("it was kept")
			}
		})
	}
}
