package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/signin/signintest"
)

const (
	base     = "o=EDI,dc=edirepository,dc=org"
	mariaDN  = "uid=maria," + base
	right    = "correct horse"
	searcher = "cn=searcher," + base
)

func maria() signintest.Entry {
	return signintest.Entry{DN: mariaDN, Password: right, Attributes: map[string][]string{"uid": {"maria"}, "cn": {"Maria Example"},
		"mail": {"maria@example.org"}, "memberOf": {"CN=Vetted, " + base, "cn=other," + base, "no DN"}}}
}

// byDN binds as the person; bySearch looks the person up first.
func byDN(c *config.LDAP) { c.UserDN = "uid=NAME," + base }

func bySearch(c *config.LDAP) { c.Base = base }

func conf(change func(*config.LDAP), urls ...string) config.LDAP {
	c := config.Dev("", "").LDAP
	c.Servers, c.Plain = urls, true
	c.Groups.Map = map[string]string{"cn=vetted," + base: "vetted", "cn=staff," + base: "staff"}
	change(&c)
	return c
}

func open(t *testing.T, c config.LDAP) *Directory {
	t.Helper()
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSignIn(t *testing.T) {
	want := Person{DN: mariaDN, Name: "maria", CommonName: "Maria Example", Email: "maria@example.org", Groups: []string{"vetted"}}
	for name, mode := range map[string]func(*config.LDAP){"by DN": byDN, "by search": bySearch, "by search as somebody": func(c *config.LDAP) {
		bySearch(c)
		c.BindDN, c.BindPasswordFile = searcher, write(t, "searching\n")
	}} {
		t.Run(name, func(t *testing.T) {
			server := signintest.NewDirectory(t, maria(), signintest.Entry{DN: searcher, Password: "searching"})
			d := open(t, conf(mode, server.URL))
			for _, as := range []string{"maria", "MARIA"} {
				got, err := d.SignIn(t.Context(), as, right)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("as %s (-want +got):\n%s", as, diff)
				}
			}
		})
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Names that mean something in a filter or a DN are names, and nobody has them.
func TestRefused(t *testing.T) {
	long := strings.Repeat("x", 256)
	for name, mode := range map[string]func(*config.LDAP){"by DN": byDN, "by search": bySearch} {
		for _, c := range []struct {
			name, password, why string
			asked               bool
		}{
			{"maria", "wrong", "Invalid Credentials", true},
			{"nobody", right, "", true},
			{"*", right, "", true},
			{"a)(uid=*", right, "", true},
			{"*)(uid=*))(|(uid=*", right, "", true},
			{`\2a`, right, "", true},
			{"maria,o=EDI", right, "", true},
			{"maria+cn=x", right, "", true},
			{`"maria"`, right, "", true},
			{"#04056d61726961", right, "", true},
			{"maria", "", "one of them cannot be such", false},
			{"", right, "one of them cannot be such", false},
			{"", "", "one of them cannot be such", false},
			{"maria\x00", right, "one of them cannot be such", false},
			{" maria", right, "one of them cannot be such", false},
			{"ｍaria", right, "one of them cannot be such", false},
			{long, right, "one of them cannot be such", false},
			{"maria", strings.Repeat("x", maxPassword+1), "one of them cannot be such", false},
		} {
			t.Run(fmt.Sprintf("%s %.20q %.10q", name, c.name, c.password), func(t *testing.T) {
				server := signintest.NewDirectory(t, maria())
				_, err := open(t, conf(mode, server.URL)).SignIn(t.Context(), c.name, c.password)
				if !errors.Is(err, ErrBadCredentials) || !strings.Contains(err.Error(), c.why) {
					t.Errorf("got %v, want %v, %s", err, ErrBadCredentials, c.why)
				}
				if asked := len(server.Binds()) > 0; asked != c.asked {
					t.Errorf("asked: %v (%q)", asked, server.Binds())
				}
			})
		}
	}
}

// A name never reaches beyond its place in the DN.
func TestNameStaysInItsPlace(t *testing.T) {
	for _, name := range []string{"maria,ou=twins", "maria+cn=x", "#0405", `a\2cb`, `"a"`, "a;b", "a=b", "<a>", "NAME", "a b"} {
		server := signintest.NewDirectory(t)
		if _, err := open(t, conf(byDN, server.URL)).SignIn(t.Context(), name, right); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%q: got %v, want %v", name, err, ErrBadCredentials)
		}
		bound := server.Binds()[0]
		if got, ok := NameOf(bound); !ok || got != name || !strings.HasSuffix(bound, ","+base) {
			t.Errorf("%q was bound as %s", name, bound)
		}
	}
}

func TestAnswersThatAreNoPerson(t *testing.T) {
	twin := maria()
	twin.DN = "uid=maria,ou=twins," + base
	nameless := maria()
	nameless.DN = ""
	codeFor := func(which ber.Tag, code uint16) func(ber.Tag) (uint16, bool) {
		return func(op ber.Tag) (uint16, bool) { return code, op == which }
	}
	for name, c := range map[string]struct {
		mode    func(*config.LDAP)
		entries []signintest.Entry
		answer  func(ber.Tag) (uint16, bool)
		why     string
	}{
		"two entries":           {bySearch, []signintest.Entry{maria(), twin}, nil, "2 entries match"},
		"three entries":         {bySearch, []signintest.Entry{maria(), twin, maria()}, nil, "several entries match"},
		"no entry":              {bySearch, nil, nil, "0 entries match"},
		"entry not to be seen":  {byDN, []signintest.Entry{{DN: mariaDN, Password: right}}, nil, "0 entries match"},
		"referral of a bind":    {byDN, nil, codeFor(goldap.ApplicationBindRequest, goldap.LDAPResultReferral), "Referral"},
		"referral of a search":  {bySearch, nil, codeFor(goldap.ApplicationSearchRequest, goldap.LDAPResultReferral), "Referral"},
		"account locked":        {byDN, nil, codeFor(goldap.ApplicationBindRequest, goldap.LDAPResultUnwillingToPerform), "Unwilling To Perform"},
		"no such base":          {bySearch, nil, codeFor(goldap.ApplicationSearchRequest, goldap.LDAPResultNoSuchObject), "No Such Object"},
		"success of the search": {bySearch, []signintest.Entry{maria()}, codeFor(goldap.ApplicationBindRequest, goldap.LDAPResultInvalidCredentials), "Invalid Credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			server := signintest.NewDirectory(t, c.entries...)
			server.Answer = c.answer
			_, err := open(t, conf(c.mode, server.URL)).SignIn(t.Context(), "maria", right)
			if !errors.Is(err, ErrBadCredentials) || !strings.HasSuffix(err.Error(), c.why) {
				t.Errorf("got %v, want %v: %s", err, ErrBadCredentials, c.why)
			}
		})
	}
}

// deadURL is an address that refuses connections.
func deadURL(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	return "ldap://" + ln.Addr().String()
}

func TestNextServer(t *testing.T) {
	mute := signintest.NewDirectory(t)
	mute.Mute = true
	good, other := signintest.NewDirectory(t, maria()), signintest.NewDirectory(t, maria())
	c := conf(byDN, deadURL(t), mute.URL, good.URL, other.URL)
	c.Timeout = config.Duration(300 * time.Millisecond)
	d := open(t, c)
	if _, err := d.SignIn(t.Context(), "maria", right); err != nil {
		t.Error(err)
	}
	if _, err := d.SignIn(t.Context(), "maria", "wrong"); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("got %v, want %v", err, ErrBadCredentials)
	}
	if got := [2]int{len(good.Binds()), len(other.Binds())}; got != [2]int{2, 0} {
		t.Errorf("%v binds at the third and fourth server, want 2 and 0", got)
	}
}

func TestUnavailable(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*config.LDAP, *signintest.Directory)
		why    string
	}{
		"dead":           {func(c *config.LDAP, _ *signintest.Directory) { c.Servers = []string{deadURL(t), deadURL(t)} }, "connection refused"},
		"mute":           {func(_ *config.LDAP, s *signintest.Directory) { s.Mute = true }, "asking ldap://"},
		"no LDAP":        {func(_ *config.LDAP, s *signintest.Directory) { s.Raw = []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }, "asking ldap://"},
		"endless":        {func(_ *config.LDAP, s *signintest.Directory) { s.Raw = []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff} }, "asking ldap://"},
		"no StartTLS":    {func(c *config.LDAP, _ *signintest.Directory) { c.Plain = false }, "no safe connection: starting TLS: LDAP Result Code 2"},
		"searcher's own": {func(c *config.LDAP, _ *signintest.Directory) { bySearcher(t, c) }, "signing in to the directory as bind_dn: LDAP Result Code 49"},
		"busy": {func(_ *config.LDAP, s *signintest.Directory) {
			s.Answer = func(ber.Tag) (uint16, bool) { return goldap.LDAPResultBusy, true }
		}, "signing in to the directory: LDAP Result Code 51"},
	} {
		t.Run(name, func(t *testing.T) {
			server := signintest.NewDirectory(t, maria())
			set := conf(byDN, server.URL)
			set.Timeout = config.Duration(300 * time.Millisecond)
			c.change(&set, server)
			_, err := open(t, set).SignIn(t.Context(), "maria", right)
			if err == nil || errors.Is(err, ErrBadCredentials) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("got %v, want %s", err, c.why)
			}
		})
	}
}

func bySearcher(t *testing.T, c *config.LDAP) {
	c.UserDN = ""
	bySearch(c)
	c.BindDN, c.BindPasswordFile = searcher, write(t, "not its password")
}

// The caller's deadline holds, also while all places are taken.
func TestCallerGivesUp(t *testing.T) {
	server := signintest.NewDirectory(t)
	server.Mute = true
	set := conf(byDN, server.URL, server.URL)
	set.Timeout = config.Duration(time.Minute)
	d := open(t, set)
	for name, fill := range map[string]int{"asking": 0, "waiting": maxAtOnce} {
		for range fill {
			d.slots <- struct{}{}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := d.SignIn(ctx, "maria", right)
		cancel()
		if err == nil || errors.Is(err, ErrBadCredentials) || ctx.Err() == nil {
			t.Errorf("%s: got %v", name, err)
		}
		for range fill {
			<-d.slots
		}
	}
}

func TestBoundedConnection(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		defer there.Close()
		for i := 0; i < 3; i++ {
			if _, err := there.Write([]byte("12345")); err != nil {
				return
			}
		}
	}()
	b := &bounded{Conn: here}
	b.left.Store(7)
	buf := make([]byte, 10)
	var sizes []int
	for {
		n, err := b.Read(buf)
		if err != nil {
			if err != errTooMuch {
				t.Errorf("got %v, want %v", err, errTooMuch)
			}
			break
		}
		sizes = append(sizes, n)
	}
	if diff := cmp.Diff([]int{5, 2}, sizes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewRefuses(t *testing.T) {
	empty, text := write(t, "\n"), write(t, "no certificate")
	for want, change := range map[string]func(*config.LDAP){
		`reading ldap.user_dn: "uid" is no DN`:  func(c *config.LDAP) { c.UserDN = "uid" },
		`reading ldap.filter: `:                 func(c *config.LDAP) { c.Filter = "(uid=NAME" },
		`reading ldap.groups.map: "x" is no DN`: func(c *config.LDAP) { c.Groups.Map = map[string]string{"x": "y"} },
		`reading ldap.ca_file: open /none`:      func(c *config.LDAP) { c.CAFile = "/none" },
		`reading ldap.ca_file: ` + text + ` holds no PEM certificate; put the authority's there`:     func(c *config.LDAP) { c.CAFile = text },
		`reading ldap.bind_password_file: ` + empty + ` is empty; put the password of bind_dn there`: func(c *config.LDAP) { c.BindPasswordFile = empty },
		`reading ldap.bind_password_file: open /none: no such file or directory`:                     func(c *config.LDAP) { c.BindPasswordFile = "/none" },
	} {
		if _, err := New(conf(change, "ldap://127.0.0.1")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for url, want := range map[string]string{"ldaps://h": "h:636", "ldap://h": "h:389", "ldaps://h:1": "h:1", "ldap://[::1]": "[::1]:389"} {
		s, err := newServer(url, false, nil)
		if err != nil || s.address != want || s.tls == nil || s.start != strings.HasPrefix(url, "ldap:") {
			t.Errorf("%s: %+v, %v", url, s, err)
		}
	}
}

func TestNameOf(t *testing.T) {
	for dn, want := range map[string]string{
		mariaDN: "maria", "UID=Maria": "Maria", `uid=a\2cb,o=x`: "a,b", `uid=a\00,o=x`: "a\x00",
		"": "", "maria": "", "cn=maria,o=x": "", "uid=a+cn=b,o=x": "", "uid=,o=x": "", "o=x,uid=maria": "",
		"uid=" + strings.Repeat("x", 2000): "",
	} {
		if got, ok := NameOf(dn); ok != (want != "") || ok && got != want {
			t.Errorf("NameOf(%.40q) = %q, %v, want %q", dn, got, ok, want)
		}
	}
}

func FuzzNameOf(f *testing.F) {
	for _, dn := range []string{mariaDN, `uid=a\2cb`, "uid=#0401", "uid=a+b=c", `uid="x`, "", "=", "uid=\xff"} {
		f.Add(dn)
	}
	f.Fuzz(func(t *testing.T, dn string) {
		name, ok := NameOf(dn)
		if !ok || !usable(name) {
			return
		}
		again, ok := NameOf("uid=" + goldap.EscapeDN(name) + "," + base)
		if !ok || again != name {
			t.Errorf("%q gives the name %q, which comes back as %q, %v", dn, name, again, ok)
		}
	})
}
