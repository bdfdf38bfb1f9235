//go:build e2e

package e2e

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// withLDAP starts a server whose configuration has the section, given as old and new
// lines in turn.
func withLDAP(t *testing.T, pairs ...string) *server {
	t.Helper()
	dir := t.TempDir()
	s := startDev(t, dir)
	if code := s.stop(t); code != 0 {
		t.Fatalf("the development server ended with %d", code)
	}
	configure(t, dir, append([]string{`idp_uid: "uid=NAME,o=EDI`, `idp_uid: "uid=NAME,o=HERE`}, pairs...)...)
	return restart(t, dir)
}

var byDN = []string{`  user_dn: ""`, "  user_dn: uid=NAME," + tree, "    attribute: memberOf", "    attribute: seeAlso",
	"    map: {}", `    map: {"cn=vetted,` + tree + `": vetted}`}

func servers(urls ...string) []string {
	return []string{"  servers: []", `  servers: ["` + strings.Join(urls, `", "`) + `"]`}
}

var plainly = []string{"  plain: false", "  plain: true"}

// ldapLogins counts sign-ins: each comes from an address of its own, so that none is refused
// for those before it.
var ldapLogins atomic.Int32

// pastaLogin signs a program in and returns status, body and cookies.
func (s *server) pastaLogin(t *testing.T, dn, password string) (int, string, []*http.Cookie) {
	t.Helper()
	req, err := http.NewRequest("GET", s.base+"/auth/login/pasta", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(dn+":"+password)))
	n := ldapLogins.Add(1)
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(n>>8), byte(n))}}
	resp, err := (&http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Cookies()
}

func (s *server) wantLogin(t *testing.T, dn, password string, status int) {
	t.Helper()
	want := map[int]string{200: "Login successful", 401: "Authentication failed for user: " + dn,
		503: "Service unavailable: please try again later"}[status]
	code, body, cookies := s.pastaLogin(t, dn, password)
	if code != status || body != want || (len(cookies) > 0) != (status == 200) {
		t.Errorf("%q with %q: got %d %s %v, want %d %s; the server logged:\n%s", dn, password, code, body, cookies, status, want, s.log.String())
	}
}

// wantLog waits for a line, which may come a little after the answer.
func (s *server) wantLog(t *testing.T, part string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(s.log.String(), part); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the server has not logged %q, but:\n%s", part, s.log.String())
		}
	}
}

// hostileNames mean something in a DN or a filter, or are no names.
var hostileNames = []string{"*", "a)(uid=*", "*)(objectClass=*", `\2a`, "\\\\2a", "maria\x00", `maria\00`, "", " maria", "maria ", "maria+cn=x",
	`maria\,o=EDI`, `"maria"`, "#0405", "maria;x", "<maria>", "ma=ria", "ｍaria", "\xc3", "away", "nobody", "twin"}

func TestLDAP(t *testing.T) {
	dir := startSlapd(t)
	s := withLDAP(t, append(append(servers(dir.plain), plainly...), byDN...)...)
	s.wantLogin(t, mariaDN, mariaPass, 503) // the group is not there: the log says so
	s.wantLog(t, `there is no group \"vetted\"`)
	if r := command(t, "", "group", "add", "vetted", "--config", s.dir+"/symbolon.yaml"); r.code != 0 {
		t.Fatal(r.err)
	}
	s.wantLogin(t, mariaDN, mariaPass, 200)
	s.wantLogin(t, mariaDN, mariaPass, 200)
	r := command(t, "", "account", "show", "maria", "--config", s.dir+"/symbolon.yaml")
	for _, part := range []string{"ldap:" + mariaDN, "Maria Example", "maria@example.org", "vetted"} {
		if !strings.Contains(r.out, part) {
			t.Errorf("the account lacks %s:\n%s%s", part, r.out, r.err)
		}
	}
	s.wantLogin(t, mariaDN, "wrong", 401)
	s.wantLogin(t, mariaDN, "", 401)
	s.wantLogin(t, "uid=MARIA,"+tree, mariaPass, 401)
	for _, name := range hostileNames {
		for _, password := range []string{mariaPass, ""} {
			code, _, cookies := s.pastaLogin(t, "uid="+name+","+tree, password)
			// Bytes that are no UTF-8 are 400.
			if code != 401 && !(name == "\xc3" && code == 400) || len(cookies) > 0 {
				t.Errorf("%q with %q: got %d, %v", name, password, code, cookies)
			}
		}
	}
	if log := s.log.String(); strings.Contains(log, mariaPass) {
		t.Error("the password is in the log")
	}
	_, _, cookies := s.pastaLogin(t, mariaDN, mariaPass)
	for i, name := range []string{"auth-token", "edi-token"} {
		if c := cookies[i]; c.Name != name || c.Path != "/" || c.SameSite != http.SameSiteLaxMode || c.Quoted || c.Value == "" {
			t.Errorf("cookie %v", c)
		}
	}
	if r := command(t, "", "account", "disable", "maria", "--config", s.dir+"/symbolon.yaml"); r.code != 0 {
		t.Fatal(r.err)
	}
	s.wantLogin(t, mariaDN, mariaPass, 401)
}

func TestLDAPBySearch(t *testing.T) {
	dir := startSlapd(t)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(searchPass+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := withLDAP(t, append(append(servers(dir.plain), plainly...), `  base: ""`, "  base: "+tree, `  bind_dn: ""`, "  bind_dn: "+searcherDN,
		`  bind_password_file: ""`, "  bind_password_file: "+file)...)
	s.wantLogin(t, mariaDN, mariaPass, 200) // a reference to another server stands beside it
	s.wantLogin(t, mariaDN, "wrong", 401)
	s.wantLogin(t, mariaDN, "", 401)
	s.wantLogin(t, "uid=twin,ou=a,"+tree, mariaPass, 401) // two entries
	for _, name := range hostileNames {
		if code, body, cookies := s.pastaLogin(t, "uid="+name+","+tree, mariaPass); code/100 != 4 || code == 429 || len(cookies) > 0 {
			t.Errorf("%q: got %d %s", name, code, body)
		}
	}
	s.wantLog(t, "2 entries match")
}

// A server that is dead, and one that is stopped, cost their time and no more.
func TestLDAPServersDown(t *testing.T) {
	stopped, good := startSlapd(t), startSlapd(t)
	s := withLDAP(t, append(append(servers("ldap://"+freeAddress(t), stopped.plain, good.plain), plainly...),
		`  user_dn: ""`, "  user_dn: uid=NAME,"+tree, "  timeout: 5s", "  timeout: 1s")...)
	s.wantLogin(t, mariaDN, mariaPass, 200)
	stopped.stop(t)
	s.wantLogin(t, mariaDN, mariaPass, 200)
	good.stop(t)
	begin := time.Now()
	s.wantLogin(t, mariaDN, mariaPass, 503)
	if took := time.Since(begin); took > patience {
		t.Errorf("refused after %v", took)
	}
	if code, body, _ := s.pastaLogin(t, mariaDN, ""); code != 401 {
		t.Errorf("an empty password needs no server: got %d %s", code, body)
	}
	good.signal(t, syscall.SIGCONT)
	s.wantLogin(t, mariaDN, mariaPass, 200)
}

func TestLDAPOverTLS(t *testing.T) {
	dir := startSlapd(t)
	for name, c := range map[string]struct {
		url, ca string
		status  int
	}{
		"ldaps":                       {dir.tls, "ca.pem", 200},
		"StartTLS":                    {dir.plain, "ca.pem", 200},
		"ldaps, another authority":    {dir.tls, "other.pem", 503},
		"StartTLS, another authority": {dir.plain, "other.pem", 503},
		"another name":                {strings.Replace(dir.tls, "127.0.0.1", "localhost", 1), "ca.pem", 503},
		"ldaps, no TLS there":         {strings.Replace(dir.plain, "ldap:", "ldaps:", 1), "ca.pem", 503},
	} {
		t.Run(name, func(t *testing.T) {
			s := withLDAP(t, append(servers(c.url), `  ca_file: ""`, "  ca_file: "+filepath.Join(dir.dir, c.ca),
				`  user_dn: ""`, "  user_dn: uid=NAME,"+tree)...)
			s.wantLogin(t, mariaDN, mariaPass, c.status)
		})
	}
}
