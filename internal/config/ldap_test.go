package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const oneService = "services: [{name: a, dialect: edi, path: /auth}]\n"

func TestLDAPIsRead(t *testing.T) {
	c, err := load(t, `
ldap:
  servers: [ldaps://one.example.org, "ldap://two.example.org:1389"]
  ca_file: ca.pem
  timeout: 2s
  base: o=EDI,dc=edirepository,dc=org
  bind_dn: cn=search,o=EDI
  bind_password_file: /etc/search
  filter: (uid=NAME)
  groups:
    attribute: isMemberOf
    map: {"cn=Vetted, o=EDI.org": vetted, cn=staff: staff}
`+oneService)
	if err != nil {
		t.Fatal(err)
	}
	want := LDAP{Servers: []string{"ldaps://one.example.org", "ldap://two.example.org:1389"}, Timeout: 2_000_000_000,
		Base: "o=EDI,dc=edirepository,dc=org", BindDN: "cn=search,o=EDI", BindPasswordFile: "/etc/search", Filter: "(uid=NAME)",
		Groups: LDAPGroups{Attribute: "isMemberOf", Map: map[string]string{"cn=Vetted, o=EDI.org": "vetted", "cn=staff": "staff"}}}
	got := c.LDAP
	if filepath.Base(got.CAFile) != "ca.pem" || !filepath.IsAbs(got.CAFile) {
		t.Errorf("ca_file %s", got.CAFile)
	}
	want.CAFile = got.CAFile
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := load(t, string(c.Marshal()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.LDAP, again.LDAP); diff != "" {
		t.Errorf("written and read again (-want +got):\n%s", diff)
	}
}

func TestLDAPRefused(t *testing.T) {
	for section, want := range map[string]string{
		"{user_dn: uid=NAME}": "ldap has no servers; name one, such as ldaps://ldap.example.org, or remove the section",
		"{server: [x]}":       `unknown key "server"; did you mean servers?`,
		"{groups: {map: []}}": "map must be pairs, such as {first: second}",
		"{servers: [ldaps://h], base: o=x, groups: {map: {a: b, a: c}}}":          `map has "a" twice; remove one of the two`,
		"{servers: [ldaps://u:p@h], user_dn: uid=NAME}":                           "servers must be ldaps:// or ldap://, a host and perhaps a port, with nothing after them; write it like ldaps://ldap.example.org",
		"{servers: [ldaps://h/o=x], user_dn: uid=NAME}":                           "servers must be ldaps:// or ldap://, a host and perhaps a port, with nothing after them; write it like ldaps://ldap.example.org",
		"{servers: [ldapi://h], user_dn: uid=NAME}":                               "servers must be ldaps:// or ldap://, a host and perhaps a port, with nothing after them; write it like ldaps://ldap.example.org",
		"{servers: [ldap://h.example], plain: true, user_dn: uid=NAME}":           "server ldap://h.example is not ldap:// on a loopback address, which plain needs: passwords would travel unencrypted; remove plain",
		"{servers: [ldaps://127.0.0.1], plain: true, user_dn: uid=NAME}":          "server ldaps://127.0.0.1 is not ldap:// on a loopback address, which plain needs: passwords would travel unencrypted; remove plain",
		"{servers: [ldaps://h]}":                                                  "ldap has neither user_dn nor base, so nobody can be found; set one of them",
		"{servers: [ldaps://h], user_dn: uid=NAME, base: o=x}":                    "user_dn leaves nothing to search for; remove it, or remove base and bind_dn",
		"{servers: [ldaps://h], user_dn: uid=x}":                                  `user_dn "uid=x" needs NAME once; write it like uid=NAME,o=EDI,dc=edirepository,dc=org`,
		"{servers: [ldaps://h], base: o=x, bind_dn: cn=x}":                        "bind_dn and bind_password_file belong together; set both or none",
		"{servers: [ldaps://h], base: o=x, filter: (uid=x)}":                      `filter "(uid=x)" has no NAME to replace by the person's name; write it like (uid=NAME)`,
		"{servers: [ldaps://h], base: o=x, timeout: 2m}":                          "timeout 2m is out of range; set more than 0s and at most 1m, such as 5s",
		"{servers: [ldaps://h], base: o=x, groups: {attribute: '', map: {a: b}}}": "attribute is empty, and map needs it; set it, such as memberOf",
	} {
		if got := refusals(t, "ldap: "+section+"\n"+oneService); got != "c.yaml:1: "+want {
			t.Errorf("%s:\ngot  %s\nwant c.yaml:1: %s", section, got, want)
		}
	}
}

func TestLDAPWarning(t *testing.T) {
	const section = "ldap: {servers: [ldaps://h], user_dn: 'uid=NAME,o=EDI,dc=edirepository,dc=org'}\n"
	for services, warned := range map[string]bool{oneService: true, "services: [{name: a, dialect: edi, path: /auth, idp_uid: 'uid=NAME,o=HERE'}]\n": false} {
		c, err := load(t, section+services)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(c.Warnings(), "\n")
		if strings.HasPrefix(got, "idp_uid of service a is ldap's user_dn: an account made here would pass there") != warned {
			t.Errorf("warnings: %s", got)
		}
	}
}
