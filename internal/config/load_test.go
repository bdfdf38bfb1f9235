package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"symbolon/internal/secret"
)

const minimal = "services: [{name: samples, dialect: sesar, path: /webservices}]\n"

// same compares what a file says, not where it stood.
var same = cmp.Options{
	cmpopts.IgnoreUnexported(Config{}),
	cmpopts.IgnoreFields(Config{}, "File"),
	cmp.Comparer(func(a, b secret.Text) bool { return a.Reveal() == b.Reveal() }),
}

// folder returns a new folder with one file in it.
func folder(t testing.TB, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func load(t testing.TB, text string) (*Config, error) {
	t.Helper()
	dir := folder(t, "c.yaml", text)
	return Load(Sources{File: "c.yaml", Dir: dir, Etc: dir})
}

func TestLoadGivesDefaults(t *testing.T) {
	dir := folder(t, "c.yaml", minimal)
	got, err := Load(Sources{File: "c.yaml", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Listen: "127.0.0.1:8080", Data: dir + "/data", Store: "sqlite:" + dir + "/data/symbolon.db",
		BaseURL: "http://127.0.0.1:8080", KeyRotation: 90 * Day, RevocationBound: Duration(30 * time.Second), StatusTTL: Duration(time.Minute),
		LogFormat: "text", LogLevel: "info", AuditKeep: 400 * Day, AddressKeep: 90 * Day,
		LDAP:   LDAP{Timeout: Duration(5 * time.Second), Filter: "(&(objectClass=person)(uid=NAME))", Groups: LDAPGroups{Attribute: "memberOf"}},
		SignIn: SignIn{Password: true, Idle: Duration(12 * time.Hour), Absolute: 7 * Day},
		Services: []Service{{
			Name: "samples", Dialect: "sesar", Path: "/webservices", Issuer: "http://127.0.0.1:8080", Audience: "samples",
			AccessLifetime: Day, RefreshLifetime: 30 * Day, Replay: "refuse", ReplayWindow: Duration(time.Minute),
			VerifiedBy: "here", Sessions: 100, Pairs: 5, Sesar: &Sesar{AccessAlg: "ES256"},
			UpstreamTimeout: Duration(time.Minute), UpstreamToken: "pass", UpstreamTokenLifetime: Duration(5 * time.Minute),
		}},
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.File != dir+"/c.yaml" || got.MasterKeyPath() != dir+"/data/master.key" {
		t.Errorf("File is %s, master key %s", got.File, got.MasterKeyPath())
	}
}

func TestLoadReadsEveryKindOfValue(t *testing.T) {
	c, err := load(t, `
listen: "[::1]:9000"
data: /srv/symbolon
revocation_bound: 2
trusted_proxies: [10.0.0.7, 192.168.0.0/16]
services:
  - replay: same
    path: /
    dialect: sesar
    name: samples
    sessions: 7
    mint_by_get: true
    access_key_file: keys/a.pem
    allow: {groups: [curators], types: [application]}
    require_identity: orcid
  - {name: ecology, dialect: edi, path: /auth, access_lifetime: 900s, cap: 1d12h, issuer: "https://a.example"}
`)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(c.File)
	samples := NewService("samples", "sesar", "/")
	samples.Replay, samples.Sessions, samples.Issuer, samples.Audience = "same", 7, "http://[::1]:9000", "samples"
	samples.Sesar.MintByGet, samples.Sesar.AccessKeyFile = true, dir+"/keys/a.pem"
	samples.Allow = Allow{Groups: []string{"curators"}, Types: []string{"application"}}
	samples.RequireIdentity, samples.VerifiedBy = "orcid", "secret"
	ecology := NewService("ecology", "edi", "/auth")
	ecology.AccessLifetime, ecology.Cap = Duration(15*time.Minute), Duration(36*time.Hour)
	ecology.Issuer, ecology.Audience, ecology.VerifiedBy = "https://a.example", "ecology", "here"
	ecology.EDI.LegacyLifetime = ecology.AccessLifetime
	if diff := cmp.Diff([]Service{samples, ecology}, c.Services); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var networks []string
	for _, p := range c.ProxyPrefixes() {
		networks = append(networks, p.String())
	}
	if diff := cmp.Diff([]string{"10.0.0.7/32", "192.168.0.0/16"}, networks); diff != "" {
		t.Errorf("proxies (-want +got):\n%s", diff)
	}
	if c.RevocationBound != Duration(2*time.Second) || c.Store != "sqlite:/srv/symbolon/symbolon.db" {
		t.Errorf("bound %v, store %s", c.RevocationBound, c.Store)
	}
}

func TestFlagBeatsVariableBeatsFile(t *testing.T) {
	dir := folder(t, "c.yaml", "listen: 127.0.0.1:1\ndata: file\nlog_level: warn\naudit_keep: 500d\n"+minimal)
	work := t.TempDir()
	c, err := Load(Sources{
		File: filepath.Join(dir, "c.yaml"), Dir: work, DataDir: "flag",
		Flags: map[string]string{"listen": "127.0.0.1:3"},
		Env:   []string{"SYMBOLON_LISTEN=127.0.0.1:2", "SYMBOLON_DATA=variable", "SYMBOLON_LOG_LEVEL=error", "SYMBOLON_LOG_FORMAT=", "HOME=/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Listen, c.Data, c.LogLevel, c.LogFormat, c.AuditKeep.String(), c.BaseURL, c.Store}
	want := []string{"127.0.0.1:3", work + "/flag", "error", "text", "500d", "http://127.0.0.1:3", "sqlite:" + work + "/flag/symbolon.db"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEachVariableSetsItsKey(t *testing.T) {
	values := map[string]string{
		"listen": "127.0.0.1:7", "data": "/d", "store": "sqlite:/s.db", "base_url": "https://b.example", "master_key_file": "/m",
		"revocation_bound": "5s", "key_rotation": "30d", "status_ttl": "1m30s", "verifier_key_file": "/v", "log_format": "json", "log_level": "debug", "audit_keep": "90d",
		"address_keep": "60d", "metrics_listen": "127.0.0.1:8",
	}
	dir := folder(t, "c.yaml", minimal)
	for _, v := range Variables() {
		t.Run(v.Name, func(t *testing.T) {
			c, err := Load(Sources{File: "c.yaml", Dir: dir, Env: []string{v.Name + "=" + values[v.Key]}})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(c.Marshal()), "\n"+v.Key+": "+values[v.Key]+"\n") {
				t.Errorf("%s did not set %s:\n%s", v.Name, v.Key, c.Marshal())
			}
		})
	}
	if len(Variables()) != len(values) {
		t.Errorf("variables are %v, want the %d keys of %v", Variables(), len(values), values)
	}
}

func TestMasterKeyVariable(t *testing.T) {
	dir := folder(t, "c.yaml", minimal)
	c, err := Load(Sources{File: "c.yaml", Dir: dir, Env: []string{"SYMBOLON_MASTER_KEY=canary"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.MasterKey.Reveal() != "canary" || c.MasterKeyPath() != "" {
		t.Errorf("master key %q, path %q", c.MasterKey.Reveal(), c.MasterKeyPath())
	}
	if strings.Contains(string(c.Marshal()), "canary") {
		t.Error("the written file holds the master key")
	}
	c.MasterKeyFile = "/m"
	want := []string{"SYMBOLON_MASTER_KEY is ignored, because master_key_file is set; remove one of the two"}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" || c.MasterKeyPath() != "/m" {
		t.Errorf("path %s, warnings (-want +got):\n%s", c.MasterKeyPath(), diff)
	}
}

func TestVariableAndFlagProblems(t *testing.T) {
	dir := folder(t, "c.yaml", "data: ''\n"+minimal)
	_, err := Load(Sources{
		File: "c.yaml", Dir: dir, Flags: map[string]string{"listen": "nowhere", "colour": "red"},
		Env: []string{"SYMBOLON_LISTENS=canary", "SYMBOLON_ZZ=canary", "SYMBOLON_AUDIT_KEEP=soon", "SYMBOLON_STORE=postgres://u:canary@h"},
	})
	want := dir + `/c.yaml:1: data is empty; name a folder, such as ./data
SYMBOLON_AUDIT_KEEP: audit_keep: "soon" is not a duration; write it like 900s, 15m, 8h, 30d or 1d12h, or as a number of seconds
SYMBOLON_LISTENS: no such variable; did you mean SYMBOLON_LISTEN?
SYMBOLON_ZZ: no such variable; unset it
--colour: there is no key "colour" to set; remove it
--listen: listen "nowhere" is not an address with a port; write it like 127.0.0.1:8080
SYMBOLON_STORE: store is no address of a PostgreSQL database; write it like postgres://symbolon@db.example.org/symbolon?sslmode=verify-full
`
	problems(t, err, want)
}

// problems compares an error with the exact lines of an InvalidError.
func problems(t *testing.T, err error, want string) {
	t.Helper()
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want an InvalidError", err)
	}
	if diff := cmp.Diff(want, err.Error()+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLookUpOrder(t *testing.T) {
	data, work, etc, named := folder(t, fileName, minimal), folder(t, fileName, minimal), folder(t, fileName, minimal), folder(t, "n.yaml", minimal)
	empty := t.TempDir()
	variable := []string{"SYMBOLON_CONFIG=" + named + "/n.yaml"}
	tests := []struct {
		name string
		src  Sources
		want string
	}{
		{"flag first", Sources{File: named + "/n.yaml", DataDir: data, Dir: work, Etc: etc}, named + "/n.yaml"},
		{"then the data folder", Sources{DataDir: data, Env: variable, Dir: work, Etc: etc}, data + "/symbolon.yaml"},
		{"then the variable", Sources{DataDir: empty, Env: variable, Dir: work, Etc: etc}, named + "/n.yaml"},
		{"then the working folder", Sources{DataDir: empty, Dir: work, Etc: etc}, work + "/symbolon.yaml"},
		{"then the system", Sources{Dir: empty, Etc: etc}, etc + "/symbolon.yaml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Load(tt.src)
			if err != nil {
				t.Fatal(err)
			}
			if c.File != tt.want {
				t.Errorf("read %s, want %s", c.File, tt.want)
			}
		})
	}
}

func TestNothingFound(t *testing.T) {
	_, err := Load(Sources{Dir: t.TempDir(), DataDir: "d", Etc: "/nowhere/symbolon"})
	var missing *NotFoundError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v, want a NotFoundError", err)
	}
	want := []string{"d/symbolon.yaml", "$SYMBOLON_CONFIG (not set)", "./symbolon.yaml", "/nowhere/symbolon/symbolon.yaml"}
	if diff := cmp.Diff(want, missing.Looked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, words := range append(want, "symbolon serve --dev", "--config") {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%q lacks %q", err, words)
		}
	}
}

func TestFileErrors(t *testing.T) {
	dir := folder(t, "big.yaml", strings.Repeat("#", maxFile+1))
	tests := []struct {
		name string
		src  Sources
		want error
	}{
		{"named but missing", Sources{File: "none.yaml", Dir: dir}, fs.ErrNotExist},
		{"variable names none", Sources{Env: []string{"SYMBOLON_CONFIG=none.yaml"}, Dir: dir}, fs.ErrNotExist},
		{"too large", Sources{File: "big.yaml", Dir: dir}, ErrTooLarge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Load(tt.src); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	for _, s := range []string{
		minimal, string(Example()), "", "---\n---\n", "a: &a [*a]", "? {a: b}\n: c", "services: [{dialect: edi}]",
		"listen: !!binary aGk=\n" + minimal, "<<: {listen: x}", "services:\n- name: a\n  name: b\n",
		"trusted_proxies: [fe80::1, '::1']\n" + minimal, "data: 'a: b # c'\n" + minimal,
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := loadBytes(t, dir, text)
		if err != nil {
			var invalid *InvalidError
			if !errors.As(err, &invalid) && !errors.Is(err, ErrTooLarge) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		again, err := loadBytes(t, dir, c.Marshal())
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, c.Marshal())
		}
		if diff := cmp.Diff(c, again, same, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-first +again):\n%s", diff)
		}
	})
}

func loadBytes(t *testing.T, dir string, text []byte) (*Config, error) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "f.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(Sources{File: "f.yaml", Dir: dir})
}
