package config

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExampleLoadsWithoutProblemsOrWarnings(t *testing.T) {
	c, err := load(t, string(Example()))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Warnings(); got != nil {
		t.Errorf("warnings: %v", got)
	}
	if err := c.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
}

// Every key stands in the example with its whole manual text above it.
func TestExampleShowsEveryKeyWithItsManual(t *testing.T) {
	example := string(Example())
	for _, s := range []any{Config{}, Rule{}, LDAP{}, LDAPGroups{}, SignIn{}, Provider{}, Service{}, Allow{}, Sesar{}, EDI{}} {
		typ := reflect.TypeOf(s)
		for i := range typ.NumField() {
			f := typ.Field(i)
			key := f.Tag.Get("yaml")
			if key == "" || key == "-" {
				continue
			}
			lines := manual()[typ.Name()+"."+f.Name]
			if len(lines) == 0 || lines[0] == "" {
				t.Errorf("%s.%s has no comment", typ.Name(), f.Name)
			}
			for _, line := range lines {
				if !strings.Contains(example, "# "+line+"\n") {
					t.Errorf("the example lacks %q of %s", line, key)
				}
			}
			if !strings.Contains(strings.ReplaceAll(example, "- ", "  "), " "+key+":") && !strings.Contains(example, "\n"+key+":") {
				t.Errorf("the example lacks the key %s", key)
			}
		}
	}
}

func TestExampleNamesEveryVariable(t *testing.T) {
	for _, v := range Variables() {
		if !strings.Contains(string(Example()), "# Variable: "+v.Name+"\n"+v.Key+":") {
			t.Errorf("%s does not stand above %s", v.Name, v.Key)
		}
	}
}

func TestDevRoundTrip(t *testing.T) {
	data := t.TempDir()
	dev := Dev(data, "127.0.0.1:8123")
	if err := dev.Check(); err != nil {
		t.Fatal(err)
	}
	if got := dev.Warnings(); len(got) != 1 || !strings.Contains(got[0], "application tokens of service warehouse never end") {
		t.Errorf("warnings: %v", got)
	}
	dir := folder(t, fileName, string(dev.Marshal()))
	c, err := Load(Sources{DataDir: dir, Flags: map[string]string{"data": data}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	// --data says where the file was found, and moves the database with it.
	dev.Data, dev.Store = dir, "sqlite:"+dir+"/symbolon.db"
	if diff := cmp.Diff(dev, c, same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWrittenFileFollowsFlags(t *testing.T) {
	dir := folder(t, fileName, string(Dev("/elsewhere", "").Marshal()))
	c, err := Load(Sources{File: filepath.Join(dir, fileName), Flags: map[string]string{"listen": "127.0.0.1:9"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.BaseURL != "http://127.0.0.1:9" || c.Services[0].Issuer != c.BaseURL {
		t.Errorf("base_url %s, issuer %s", c.BaseURL, c.Services[0].Issuer)
	}
	if got := c.SignIn.Providers[0].Issuer; got != "http://127.0.0.1:9/symbolon/dev/orcid" {
		t.Errorf("issuer of the stand-in %s", got)
	}
}

func TestDevWithAFreePort(t *testing.T) {
	c := Dev(t.TempDir(), "127.0.0.1:0")
	if c.BaseURL != "" || c.Services[0].Issuer != "" {
		t.Fatalf("base_url %q and issuer %q before the port is known", c.BaseURL, c.Services[0].Issuer)
	}
	if err := c.Check(); err != nil {
		t.Errorf("Check before the port is known: %v", err)
	}
	c.Listen = "127.0.0.1:41234"
	c.Resolve()
	if c.BaseURL != "http://127.0.0.1:41234" || c.Services[0].Issuer != c.BaseURL {
		t.Errorf("base_url %q, issuer %q", c.BaseURL, c.Services[0].Issuer)
	}
	if got := c.Services[1].Issuer; got != "https://auth.edirepository.org" {
		t.Errorf("issuer of edi %q", got)
	}
}

func TestQuotedTextsReadBackAsTheyWere(t *testing.T) {
	for _, want := range []string{
		"plain", "/a b", "true", "null", "~", "12", "1e3", "0x1f", "2020-01-01", "yes", "a: b", "a #b", "#a", "- a", "[a]", "{a}",
		`back\slash`, `"quoted"`, "'single'", "&a", "*a", "!a", "%a", "@a", "<a&b>", "é", "日本", ".inf", "...", "---", "10:20", "a:", "a,b", "",
	} {
		t.Run(want, func(t *testing.T) {
			c, err := load(t, "trusted_proxies: []\nservices:\n  - {name: samples, dialect: sesar, path: /, audience: "+quoted(want)+", allow: {groups: [x, "+quoted(want+"x")+"]}}\n")
			if err != nil {
				t.Fatal(err)
			}
			if want == "" {
				want = "samples" // empty means the name
			}
			if got := c.Services[0].Audience; got != want {
				t.Errorf("read back %q", got)
			}
		})
	}
}
