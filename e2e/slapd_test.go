//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

const (
	tree       = "o=EDI,dc=edirepository,dc=org"
	mariaDN    = "uid=maria," + tree
	mariaPass  = "correct: horse"
	searcherDN = "cn=searcher," + tree
	searchPass = "searching"
	nobody     = 65534 // whom slapd runs as when the test is root
)

// slapdConf lets anybody bind without a password, as carelessly kept servers do.
const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
allow bind_anon_cred bind_anon_dn
pidfile DIR/pid
TLSCACertificateFile DIR/ca.pem
TLSCertificateFile DIR/server.pem
TLSCertificateKeyFile DIR/server.key
database mdb
maxsize 10485760
suffix "TREE"
directory DIR/db
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous read
`

const slapdEntries = `dn: TREE
objectClass: organization
o: EDI

dn: cn=searcher,TREE
objectClass: person
cn: searcher
sn: searcher
userPassword: searching

dn: uid=maria,TREE
objectClass: inetOrgPerson
uid: maria
cn: Maria Example
sn: Example
mail: maria@example.org
seeAlso: cn=vetted,TREE
userPassword: correct: horse

dn: ou=a,TREE
objectClass: organizationalUnit
ou: a

dn: ou=b,TREE
objectClass: organizationalUnit
ou: b

dn: uid=twin,ou=a,TREE
objectClass: inetOrgPerson
uid: twin
cn: twin
sn: twin
userPassword: correct: horse

dn: uid=twin,ou=b,TREE
objectClass: inetOrgPerson
uid: twin
cn: twin
sn: twin
userPassword: correct: horse

dn: uid=away,TREE
objectClass: referral
objectClass: extensibleObject
uid: away
ref: ldap://127.0.0.1:9/uid=away,TREE
`

// slapd is one running directory server.
type slapd struct {
	dir, plain, tls string // folder, ldap://…, ldaps://…
	cmd             *exec.Cmd
}

// startSlapd starts OpenLDAP on free ports, as nobody where the test is root.
func startSlapd(t *testing.T) *slapd {
	t.Helper()
	dir, err := os.MkdirTemp("", "slapd") // not t.TempDir: nobody may not enter that
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &slapd{dir: dir, plain: "ldap://" + freeAddress(t), tls: "ldaps://" + freeAddress(t)}
	certificates(t, dir)
	fill := strings.NewReplacer("DIR", dir, "TREE", tree)
	for name, text := range map[string]string{"slapd.conf": slapdConf, "entries.ldif": slapdEntries} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fill.Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.chown(t)
	add := s.command("/usr/sbin/slapadd", "-f", dir+"/slapd.conf", "-l", dir+"/entries.ldif")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	s.cmd = s.command("/usr/sbin/slapd", "-f", dir+"/slapd.conf", "-h", s.plain+"/ "+s.tls+"/", "-d", "0")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	})
	s.careless(t)
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func (s *slapd) chown(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *slapd) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// careless waits for the server, and makes sure that it takes a DN without a password,
// or the tests of that would show nothing.
func (s *slapd) careless(t *testing.T) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var c *goldap.Conn
		if c, err = goldap.DialURL(s.plain); err != nil {
			continue
		}
		if err = c.UnauthenticatedBind(mariaDN); err != nil {
			t.Fatalf("slapd refuses a bind without a password: %v", err)
		}
		c.Close()
		return
	}
	t.Fatalf("slapd does not answer: %v", err)
}

// certificates makes an authority, a certificate of 127.0.0.1, and another authority.
func certificates(t *testing.T, dir string) {
	t.Helper()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for _, ca := range []string{"ca", "other"} {
		run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
			"-subj", "/CN="+ca, "-keyout", ca+".key", "-out", ca+".pem")
	}
	run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=directory", "-keyout", "server.key", "-out", "server.csr")
	if err := os.WriteFile(filepath.Join(dir, "san"), []byte("subjectAltName=IP:127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", "server.pem")
}

// stop halts every thread of the server, which is not at once, as a hanging machine does.
func (s *slapd) stop(t *testing.T) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	for end := time.Now().Add(patience); !s.halted(t); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("slapd goes on after SIGSTOP")
		}
	}
}

func (s *slapd) halted(t *testing.T) bool {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.cmd.Process.Pid))
	if err != nil || threads == nil {
		t.Fatalf("reading the threads of slapd: %v", err)
	}
	for _, file := range threads {
		stat, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(stat), ") T ") {
			return false
		}
	}
	return true
}

func (s *slapd) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("signalling slapd: %v", err)
	}
}
