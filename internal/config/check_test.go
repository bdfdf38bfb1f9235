package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// refusals are the problems of one file, without its folder.
func refusals(t *testing.T, text string) string {
	t.Helper()
	c, err := load(t, text)
	if err == nil {
		t.Fatalf("loaded: %+v", c)
	}
	dir := err.Error()[:strings.Index(err.Error(), "c.yaml:")]
	return strings.ReplaceAll(err.Error(), dir, "")
}

func TestEverythingWrongIsReportedAtOnce(t *testing.T) {
	got := refusals(t, `listne: 127.0.0.1:1
log_format: xml
log_format: text
audit_keep: -5d
dev: "yes"
base_url: 5
quite_another: 1
services:
  - name: Samples
    dialect: sesar
    path: webservices/
    hd: example.org
    access_lifetime: 40d
    pairs: 0
    allow: {group: [a], types: [robot]}
  - name: ecology
    dialect: edi
    path: /symbolon/x
    replay: refuse
    refresh_lifetime: 1d
    mint_by_get: true
    cap: 0
    idp_uid: someone
    sessions: many
  - name: ecology
    dialect: soap
    path: /z
    hd: known to some dialect
    vetted: x
`)
	want := `c.yaml:1: unknown key "listne"; did you mean listen?
c.yaml:2: log_format "xml" is not known; set text or json
c.yaml:3: "log_format" stands here a second time, first in line 2; remove one of the two
c.yaml:4: audit_keep: "-5d" is not a duration; write it like 900s, 15m, 8h, 30d or 1d12h, or as a number of seconds
c.yaml:5: dev must be true or false, without quotes
c.yaml:6: base_url must be a text; put it in quotes, like "value"
c.yaml:7: unknown key "quite_another"; remove the line (` + "`symbolon config example`" + ` shows every key)
c.yaml:9: name "Samples" must be a lower-case letter, then up to 31 lower-case letters, digits and hyphens, such as samples
c.yaml:9: refresh_lifetime 30d is shorter than access_lifetime 40d; make it at least as long
c.yaml:11: path "webservices/" is not a plain prefix; write it like /webservices, with no slash at the end
c.yaml:12: hd is a key of dialect edi, not of sesar; remove the line
c.yaml:14: pairs 0 is out of range; set 1 to 100000
c.yaml:15: unknown key "group"; did you mean groups?
c.yaml:15: types[0] "robot" is not known; set person or application
c.yaml:18: path "/symbolon/x" is reserved for Symbolon's own pages; choose another
c.yaml:19: replay has no meaning for dialect edi: an edi token is not used up by a refresh; remove the line
c.yaml:20: refresh_lifetime has no meaning for dialect edi: an edi token is refreshed by itself until its cap; remove the line
c.yaml:21: mint_by_get is a key of dialect sesar, not of edi; remove the line
c.yaml:22: cap must be set for dialect edi, whose tokens would else be refreshed for ever; set it, such as 30d
c.yaml:23: idp_uid "someone" has no NAME to replace by the account's name; write it like uid=NAME,o=EDI,dc=edirepository,dc=org
c.yaml:24: sessions must be a whole number, such as 5
c.yaml:25: two services are named "ecology"; give one another name
c.yaml:26: dialect "soap" is not known; set one of sesar, edi, collectiveaccess, itempath
c.yaml:29: unknown key "vetted"; did you mean vetted_id?`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	const sesar = "name: samples, dialect: sesar, path: /w"
	const edi = "name: ecology, dialect: edi, path: /auth"
	service := func(s string) string { return "services: [{" + s + "}]" }
	tests := []struct{ name, text, want string }{
		{"empty", "", "c.yaml: the file is empty; `symbolon config example` prints one to start from"},
		{"only comments", "# nothing\n", "c.yaml: the file is empty; `symbolon config example` prints one to start from"},
		{"null", "~\n", "c.yaml: the file is empty; `symbolon config example` prints one to start from"},
		{"two documents", minimal + "---\n" + minimal, "c.yaml: the file has more than one document; keep one and remove the line ---"},
		{"a list", "- a\n", "c.yaml:1: the file must be keys with values, each on a line of its own as `key: value`"},
		{"alias", "data: &d x\nstore: *d\n", "c.yaml:1: anchors (&) and aliases (*) are not allowed; write the value out, or put it in quotes\nc.yaml:2: anchors (&) and aliases (*) are not allowed; write the value out, or put it in quotes"},
		{"merge", "<<: {data: x}\n" + minimal, "c.yaml:1: unknown key \"<<\"; remove the line (`symbolon config example` shows every key)"},
		{"no value", "data:\n" + minimal, "c.yaml:1: data has no value; give it one, or remove the line"},
		{"unprintable", "data: \"a\\nb\"\n" + minimal, "c.yaml:1: data has a line break or another unprintable character; remove it"},
		{"binary", "data: !!binary aGk=\n" + minimal, `c.yaml:1: data must be a text; put it in quotes, like "value"`},
		{"no services", "data: x\n", "c.yaml:1: services is missing or empty; add at least one (`symbolon config example` shows two)"},
		{"services no list", "services: {a: b}\n", "c.yaml:1: services must be a list, each entry beginning with a hyphen as `- name: samples`"},
		{"services without end", "services: [" + strings.Repeat("{},", 1001) + "]\n", "c.yaml:1: services has 1001 entries, more than the 1000 allowed; split them over several servers"},
		{"service no mapping", "services: [samples]\n", "c.yaml:1: services[0] must be keys with values, each on a line of its own as `key: value`"},
		{"list no list", "trusted_proxies: 10.0.0.1\n" + minimal, "c.yaml:1: trusted_proxies must be a list, such as [first, second]"},
		{"proxy", "trusted_proxies: [proxy]\n" + minimal, `c.yaml:1: trusted_proxies: "proxy" is neither an address nor a network; write it like 10.0.0.7 or 10.0.0.0/8`},
		{"all addresses", "listen: :80\n" + minimal, `c.yaml:1: base_url is missing, and listen ":80" does not say by which name others come here; set it, such as https://tokens.example.org`},
		{"no port", "listen: 127.0.0.1\n" + minimal, `c.yaml:1: listen "127.0.0.1" is not an address with a port; write it like 127.0.0.1:8080`},
		{"high port", "listen: 127.0.0.1:65536\n" + minimal, `c.yaml:1: listen "127.0.0.1:65536" is not an address with a port; write it like 127.0.0.1:8080`},
		{"dev outside", "listen: 10.0.0.1:80\ndev: true\n" + minimal, `c.yaml:1: listen "10.0.0.1:80" can be reached from outside, which dev: true does not allow; use 127.0.0.1:8080, or remove dev`},
		{"postgres", "store: postgres://u:secret@h\n" + minimal, "c.yaml:1: store is no address of a PostgreSQL database; write it like postgres://symbolon@db.example.org/symbolon?sslmode=verify-full"},
		{"metrics without port", "metrics_listen: 127.0.0.1\n" + minimal, `c.yaml:1: metrics_listen "127.0.0.1" is not an address with a port; write it like 127.0.0.1:9090`},
		{"store without scheme", "store: /x.db\n" + minimal, "c.yaml:1: store does not begin with sqlite: or postgres:// ; write it like sqlite:/var/lib/symbolon/symbolon.db, or remove the line"},
		{"short address_keep", "address_keep: 1h\n" + minimal, "c.yaml:1: address_keep 1h is too short; set 1d or more, such as 90d, or 0 to keep addresses with their lines"},
		{"short bound", "revocation_bound: 1s\n" + minimal, "c.yaml:1: revocation_bound 1s is out of range; set 2s to 1d, such as 30s"},
		{"lifetime 0", service(sesar + ", access_lifetime: 0"), "c.yaml:1: access_lifetime 0s is out of range; set more than 0 and at most 3650d, such as 1d"},
		{"lifetime 11 years", service(sesar + ", refresh_lifetime: 4015d"), "c.yaml:1: refresh_lifetime 4015d is out of range; set more than 0 and at most 3650d, such as 1d"},
		{"short cap", service(sesar + ", cap: 1h"), "c.yaml:1: cap 1h is shorter than access_lifetime 1d; make it at least as long"},
		{"replay", service(sesar + ", replay: maybe"), `c.yaml:1: replay "maybe" is not known; set refuse or same`},
		{"replay window", service(sesar + ", replay_window: 2d"), "c.yaml:1: replay_window 2d is out of range; set 0s to 1d, such as 60s"},
		{"algorithm", service(sesar + ", access_alg: none"), `c.yaml:1: access_alg "none" is not known; set ES256 or HS256`},
		{"identity", service(sesar + ", require_identity: 'OR CID'"), `c.yaml:1: require_identity "OR CID" is no name of a provider; set one such as orcid, or remove the line`},
		{"empty group", service(sesar + ", allow: {groups: ['']}"), "c.yaml:1: allow.groups has an empty name; remove it"},
		{"no path", service("name: a, dialect: sesar"), "c.yaml:1: path is missing; write it like /webservices, with no slash at the end"},
		{"path pattern", service("name: a, dialect: sesar, path: '/{x}'"), `c.yaml:1: path "/{x}" is not a plain prefix; write it like /webservices, with no slash at the end`},
		{"path dots", service("name: a, dialect: sesar, path: /a/../b"), `c.yaml:1: path "/a/../b" is not a plain prefix; write it like /webservices, with no slash at the end`},
		{"own path", service("name: a, dialect: sesar, path: /.well-known"), `c.yaml:1: path "/.well-known" is reserved for Symbolon's own pages; choose another`},
		{"json path", service(sesar + ", json_path: /api/"), `c.yaml:1: json_path "/api/" is not a plain prefix; write it like /webservices, with no slash at the end`},
		{"same path", "services:\n- {" + sesar + "}\n- {name: b, dialect: sesar, path: /w}", `c.yaml:3: services "samples" and "b" both claim path /w; give one another prefix`},
		{"path and json path", "services:\n- {" + sesar + "}\n- {name: b, dialect: sesar, path: /x, json_path: /w}", `c.yaml:3: services "samples" and "b" both claim json_path /w; give one another prefix`},
		{"certificate alone", service(edi + ", legacy_cert_file: /c"), "c.yaml:1: legacy_cert_file is set without legacy_key_file, whose key it is for; set both or none"},
		{"no hd", service(edi + ", hd: ''"), "c.yaml:1: hd is empty; give it a value, or remove the line"},
		{"edi id", service(edi + ", public_id: EDI-xyz"), `c.yaml:1: public_id "EDI-xyz" is no EDI-ID; write EDI- and 40 (or, for old ones, 32) digits 0-9a-f`},
		{"same edi id", service(edi + ", vetted_id: EDI-078e6e3cee4f7f2812f150701da9351acb51e089"), "c.yaml:1: vetted_id is the same as public_id; give each its own"},
		{"legacy lifetime", service(edi + ", legacy_lifetime: 4015d"), "c.yaml:1: legacy_lifetime 4015d is out of range; set more than 0 and at most 3650d, such as 1d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, refusals(t, tt.text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBaseURLRefusals(t *testing.T) {
	for _, u := range []string{
		"tokens.example.org", "ftp://a.example", "https://", "https://a.example/", "https://a.example/x", "https://a.example?q", "https://a.example#f",
		"https://u:p@a.example", "https://a.example:", "https:a.example", "//a.example",
	} {
		t.Run(u, func(t *testing.T) {
			want := "c.yaml:1: base_url must be http:// or https://, a host and perhaps a port, with nothing after them; write it like https://tokens.example.org"
			if got := refusals(t, "base_url: "+quoted(u)+"\n"+minimal); got != want {
				t.Errorf("got %s", got)
			}
		})
	}
	if got := refusals(t, "base_url: 'http://[::1'\n"+minimal); got != "c.yaml:1: base_url is not a URL; write it like https://tokens.example.org" {
		t.Errorf("got %s", got)
	}
}

func TestNotYAML(t *testing.T) {
	got := refusals(t, "data: [a\nlisten: b\n")
	if !strings.HasPrefix(got, "c.yaml:") || !strings.Contains(got, "this is not YAML: ") {
		t.Errorf("got %s", got)
	}
}

func TestTwoDialectsMayShareAPrefix(t *testing.T) {
	if _, err := load(t, "services:\n- {name: a, dialect: sesar, path: /x, json_path: /x}\n- {name: b, dialect: edi, path: /x}\n"); err != nil {
		t.Error(err)
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"loopback http", "base_url: http://localhost:8080\n", nil},
		{"https", "base_url: https://tokens.example.org\n", nil},
		{"http", "base_url: http://tokens.example.org\n", []string{"base_url http://tokens.example.org is not encrypted, so every token can be read on its way; use https"}},
		{"everybody", "trusted_proxies: [0.0.0.0/0]\n", []string{"trusted_proxies 0.0.0.0/0 believes X-Forwarded-For from everybody; name your proxies only"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(t, tt.text+minimal)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, c.Warnings()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckReadsTheNamedFiles(t *testing.T) {
	dir := folder(t, "a.key", "one secret\n")
	for name, text := range map[string]string{
		"b.key": "one secret", "c.key": "another",
		"c.yaml": `services:
  - {name: a, dialect: sesar, path: /a, access_key_file: a.key}
  - {name: b, dialect: edi, path: /b, token_key_file: b.key, edi_key_file: none.key, legacy_key_file: .}
  - {name: c, dialect: edi, path: /c, token_key_file: c.key}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Load(Sources{File: "c.yaml", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	problems(t, c.Check(), strings.ReplaceAll(`DIR/c.yaml:3: edi_key_file: stat DIR/none.key: no such file or directory; make the file, or mend the path
DIR/c.yaml:3: legacy_key_file: DIR is not a regular file; make the file, or mend the path
DIR/c.yaml:3: services[1].token_key_file holds the same secret as services[0].access_key_file; whoever knows one would have both, so make a new one
`, "DIR", dir))
}

func TestCheckOfAConfigurationMadeByCode(t *testing.T) {
	c := Dev(t.TempDir(), "10.0.0.1:80")
	c.Services[0].AccessLifetime = Duration(-time.Second)
	c.Services[1].EDI = nil
	x := NewService("x", "sesar", "/x")
	x.Issuer, x.Sesar, x.VerifiedBy = "i", nil, "here"
	c.Services = append(c.Services, x)
	problems(t, c.Check(), `listen: listen "10.0.0.1:80" can be reached from outside, which dev: true does not allow; use 127.0.0.1:8080, or remove dev
services[0].access_lifetime: access_lifetime -1s is out of range; set more than 0 and at most 3650d, such as 1d
services[1]: service "ecology" has no settings of its dialect; make it with NewService
services[4]: service "x" has no settings of its dialect; make it with NewService
`)
}
