package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSignInIsRead(t *testing.T) {
	c, err := load(t, `
sign_in:
  password: false
  idle: 1h
  absolute: 1d
  providers:
    - {kind: orcid, client_id: APP-1, client_secret_file: /s/1}
    - {kind: orcid-sandbox, client_id: APP-2, client_secret_file: /s/2, label: Try}
    - {kind: google, client_id: g, client_secret_file: /s/3}
    - {kind: microsoft, client_id: m, client_secret_file: /s/4}
    - {kind: microsoft, name: lab, client_id: m, client_secret_file: /s/5, issuer: https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0}
    - {kind: github, client_id: h, client_secret_file: /s/6}
    - {kind: oidc, name: campus, client_id: c, client_secret_file: /s/7, issuer: https://idp.example.org/realms/x/}
`+oneService)
	if err != nil {
		t.Fatal(err)
	}
	want := []Provider{
		{"orcid", "orcid", "ORCID", "APP-1", "/s/1", "https://orcid.org"},
		{"orcid-sandbox", "orcid-sandbox", "Try", "APP-2", "/s/2", "https://sandbox.orcid.org"},
		{"google", "google", "Google", "g", "/s/3", "https://accounts.google.com"},
		{"microsoft", "microsoft", "Microsoft", "m", "/s/4", "https://login.microsoftonline.com/common/v2.0"},
		{"lab", "microsoft", "Microsoft", "m", "/s/5", "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"},
		{"github", "github", "GitHub", "h", "/s/6", "https://github.com"},
		{"campus", "oidc", "campus", "c", "/s/7", "https://idp.example.org/realms/x/"},
	}
	if diff := cmp.Diff(want, c.SignIn.Providers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, err := load(t, string(c.Marshal()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.SignIn, again.SignIn); diff != "" {
		t.Errorf("written and read again (-want +got):\n%s", diff)
	}
}

func TestSignInRefused(t *testing.T) {
	const client = "client_id: x, client_secret_file: /x"
	plain := `is no https:// URL without query and fragment; write it like https://idp.example.org, exactly as its tokens do`
	for section, want := range map[string]string{
		"{passwort: true}":                                     `unknown key "passwort"; did you mean password?`,
		"{idle: 0s}":                                           "idle 0s is out of range; set more than 0 and at most 3650d, such as 1d",
		"{absolute: 4000d}":                                    "absolute 4000d is out of range; set more than 0 and at most 3650d, such as 1d",
		"{idle: 2d, absolute: 1d}":                             "idle 2d is longer than absolute 1d, after which nobody is signed in; make it at most as long",
		"{providers: {kind: orcid}}":                           "providers must be a list, each entry beginning with a hyphen as `- kind: orcid`",
		"{providers: [orcid]}":                                 "providers[0] must be keys with values, each on a line of its own as `key: value`",
		"{providers: [" + manyProviders + "]}":                 "providers has 33 entries, more than the 32 allowed; remove some",
		"{providers: [{" + client + "}]}":                      `kind "" is not known; set one of orcid, orcid-sandbox, google, microsoft, github, oidc`,
		"{providers: [{kind: Orcid, " + client + "}]}":         `kind "Orcid" is not known; set one of orcid, orcid-sandbox, google, microsoft, github, oidc`,
		"{providers: [{kind: orcid, client_secret_file: /x}]}": "client_id is missing; register this server at the provider, which then gives it an id",
		"{providers: [{kind: orcid, client_id: x}]}":           "client_secret_file is missing; name a file with the secret that the provider gave out with client_id",
		"{providers: [{kind: orcid, " + client + "}, {kind: orcid, " + client + "}]}":                                    `two providers are named "orcid"; give one another name`,
		"{providers: [{kind: github, name: Hub, " + client + "}]}":                                                       `name "Hub" must be a lower-case letter, then up to 31 lower-case letters, digits and hyphens, such as orcid`,
		"{providers: [{kind: github, name: password, " + client + "}]}":                                                  `name "password" is taken by sign-in without a provider; choose another`,
		"{providers: [{kind: github, name: ldap, " + client + "}]}":                                                      `name "ldap" is taken by sign-in without a provider; choose another`,
		"{providers: [{kind: orcid-sandbox, name: orcid, " + client + "}]}":                                              `name "orcid" is for a provider of kind orcid; choose another`,
		"{providers: [{kind: github, label: " + strings.Repeat("é", 41) + ", " + client + "}]}":                          "label has 41 characters, more than a button holds; use at most 40",
		"{providers: [{kind: github, client_id: " + strings.Repeat("x", 256) + ", client_secret_file: /x}]}":             "client_id is longer than 255 bytes; copy it from the provider",
		"{providers: [{kind: orcid, issuer: 'https://orcid.org/', " + client + "}]}":                                     "issuer of kind orcid is always https://orcid.org; remove the line",
		"{providers: [{kind: github, issuer: 'https://github.example.org', " + client + "}]}":                            "issuer of kind github is always https://github.com; remove the line",
		"{providers: [{kind: oidc, " + client + "}]}":                                                                    "issuer is missing; write it like https://idp.example.org, exactly as its tokens do",
		"{providers: [{kind: oidc, issuer: 'http://idp.example.org', " + client + "}]}":                                  `issuer "http://idp.example.org" ` + plain,
		"{providers: [{kind: oidc, issuer: 'http://127.0.0.1:1', " + client + "}]}":                                      `issuer "http://127.0.0.1:1" ` + plain,
		"{providers: [{kind: oidc, issuer: 'https://u:p@idp', " + client + "}]}":                                         `issuer "https://u:p@idp" ` + plain,
		"{providers: [{kind: oidc, issuer: 'https://idp?x', " + client + "}]}":                                           `issuer "https://idp?x" ` + plain,
		"{providers: [{kind: oidc, issuer: 'https://', " + client + "}]}":                                                `issuer "https://" ` + plain,
		"{providers: [{kind: microsoft, issuer: 'https://login.microsoftonline.com/contoso.com/v2.0', " + client + "}]}": `issuer "https://login.microsoftonline.com/contoso.com/v2.0" is not like https://login.microsoftonline.com/TENANT/v2.0, TENANT being a tenant's number; mend it, or remove the line to let in people of all tenants`,
	} {
		if got := refusals(t, "sign_in: "+section+"\n"+oneService); got != "c.yaml:1: "+want {
			t.Errorf("%s:\ngot  %s\nwant c.yaml:1: %s", section, got, want)
		}
	}
}

var manyProviders = strings.Repeat("{kind: github}, ", maxProviders+1)

// Only a development server has the stand-in, and it cannot be given for the real one.
func TestStandIn(t *testing.T) {
	const dev = "dev: true\n"
	c, err := load(t, dev+"sign_in: {providers: [{kind: orcid}, {kind: oidc, name: ours, client_id: x, client_secret_file: /x, issuer: 'http://127.0.0.1:1'}]}\n"+oneService)
	if err != nil {
		t.Fatal(err)
	}
	want := Provider{Name: "orcid", Kind: "orcid", Label: "ORCID", ClientID: "APP-STANDIN", Issuer: "http://127.0.0.1:8080/symbolon/dev/orcid"}
	if diff := cmp.Diff(want, c.SignIn.Providers[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !c.StandIn(c.SignIn.Providers[0]) || c.StandIn(c.SignIn.Providers[1]) {
		t.Error("the wrong provider is the stand-in")
	}
	for provider, want := range map[string]string{
		"issuer: 'https://orcid.org'": "c.yaml:2: issuer of kind orcid is always http://127.0.0.1:8080/symbolon/dev/orcid; remove the line",
		"client_secret_file: /x":      "c.yaml:2: client_secret_file is not for the stand-in that dev: true puts in the place of ORCID; remove the line",
	} {
		if got := refusals(t, dev+"sign_in: {providers: [{kind: orcid, "+provider+"}]}\n"+oneService); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	got := refusals(t, "sign_in: {providers: [{kind: orcid, client_id: APP-STANDIN, client_secret_file: /x, issuer: 'http://127.0.0.1:8080/symbolon/dev/orcid'}]}\n"+oneService)
	if want := "c.yaml:1: issuer of kind orcid is always https://orcid.org; remove the line"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReturnHosts(t *testing.T) {
	c, err := load(t, `services: [{name: a, dialect: edi, path: /auth, return_hosts: [portal.edirepository.org, "localhost:8088", "[::1]:8088", 10.0.0.1]}]`)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.Services[0].EDI.ReturnHosts); got != 4 {
		t.Errorf("%d hosts", got)
	}
	for _, host := range []string{"", "https://h", "h/", "h/x", "H.org", "h:", "h:443", "u@h", "*.h", "h?", "h#", "h\\\\", "-h", "h.", "h..x", "h:x", " h", "%68", "é.org"} {
		got := refusals(t, fmt.Sprintf("services: [{name: a, dialect: edi, path: /auth, return_hosts: [%q]}]\n", host))
		want := fmt.Sprintf("c.yaml:1: return_hosts: %q is not a host, with a port or without; write it like portal.edirepository.org", host)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
