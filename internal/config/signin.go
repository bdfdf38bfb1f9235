package config

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// StandInPath is where a development server has its stand-in for ORCID.
const StandInPath = "/symbolon/dev/orcid"

const (
	kindORCID     = "orcid"
	kindMicrosoft = "microsoft"
	kindOIDC      = "oidc"

	maxProviders = 32
	maxLabel     = 40  // characters
	maxClientID  = 255 // bytes
	microsoft    = "https://login.microsoftonline.com/"
	issuerAdvice = "write it like https://idp.example.org, exactly as its tokens do"
)

type providerKind struct{ name, label, issuer string }

// providerKinds are the kinds with what the button says and the issuer. Only oidc has none.
var providerKinds = []providerKind{
	{kindORCID, "ORCID", "https://orcid.org"},
	{"orcid-sandbox", "ORCID Sandbox", "https://sandbox.orcid.org"},
	{"google", "Google", "https://accounts.google.com"},
	{kindMicrosoft, "Microsoft", microsoft + "common/v2.0"},
	{"github", "GitHub", "https://github.com"},
	{kindOIDC, "", ""},
}

// tenantPattern is what a tenant's issuer has after the host: its number, or the words
// that stand for the people of all tenants, of all without personal accounts, and of none.
var tenantPattern = regexp.MustCompile(`^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|common|organizations|consumers)/v2\.0$`)

// StandIn reports whether p is no outside provider but the development server's own.
func (c *Config) StandIn(p Provider) bool { return c.Dev && p.Kind == kindORCID }

// deriveProvider calls f for each derived field of p with the value it has by the rules
// from c and given.
func (c *Config) deriveProvider(p *Provider, given Provider, f func(field, value any)) {
	f(&p.Name, given.Kind)
	f(&p.Label, cmp.Or(kindOf(given).label, given.Name, given.Kind))
	f(&p.Issuer, c.issuerOf(given))
	if c.StandIn(given) {
		f(&p.ClientID, "APP-STANDIN")
	}
}

// kindOf returns the zero kind for an unknown one.
func kindOf(p Provider) providerKind {
	for _, k := range providerKinds {
		if k.name == p.Kind {
			return k
		}
	}
	return providerKind{}
}

// issuerOf returns the issuer that goes with a kind, or nothing: while the stand-in's port
// is open, and where the file must say it.
func (c *Config) issuerOf(p Provider) string {
	switch {
	case !c.StandIn(p):
		return kindOf(p).issuer
	case c.BaseURL == "":
		return ""
	}
	return c.BaseURL + StandInPath
}

func providerPath(i int) string { return element("sign_in.providers", i) }

func (c *Config) checkSignIn(r *report) {
	s := &c.SignIn
	r.lifetime("sign_in.absolute", s.Absolute)
	r.lifetime("sign_in.idle", s.Idle)
	if s.Idle > s.Absolute && !r.bad["sign_in.idle"] && !r.bad["sign_in.absolute"] {
		r.add("sign_in.idle", "idle %v is longer than absolute %v, after which nobody is signed in; make it at most as long", s.Idle, s.Absolute)
	}
	names := map[string]bool{}
	for i, p := range s.Providers {
		at := providerPath(i)
		if p.Name != "" && names[p.Name] {
			r.add(at+".name", "two providers are named %q; give one another name", p.Name)
		}
		names[p.Name] = true
		c.checkProvider(r, at, p)
	}
}

func (c *Config) checkProvider(r *report, at string, p Provider) {
	if kindOf(p).name == "" {
		r.add(at+".kind", "kind %q is not known; set one of %s", p.Kind, strings.Join(kindNames(), ", "))
	}
	switch {
	case !namePattern.MatchString(p.Name) && p.Name != p.Kind:
		r.add(at+".name", "name %q must be a lower-case letter, then up to 31 lower-case letters, digits and hyphens, such as orcid", p.Name)
	case p.Name == "password" || p.Name == "ldap":
		r.add(at+".name", "name %q is taken by sign-in without a provider; choose another", p.Name)
	case kindOf(p).name != "" && p.Name != p.Kind && slices.Contains(kindNames(), p.Name):
		// Identities of this name would pass for those of the other.
		r.add(at+".name", "name %q is for a provider of kind %s; choose another", p.Name, p.Name)
	}
	if n := utf8.RuneCountInString(p.Label); n > maxLabel {
		r.add(at+".label", "label has %d characters, more than a button holds; use at most %d", n, maxLabel)
	}
	c.checkClient(r, at, p)
	c.checkIssuer(r, at, p)
}

func (c *Config) checkClient(r *report, at string, p Provider) {
	switch {
	case p.ClientID == "":
		r.add(at+".client_id", "client_id is missing; register this server at the provider, which then gives it an id")
	case len(p.ClientID) > maxClientID:
		r.add(at+".client_id", "client_id is longer than %d bytes; copy it from the provider", maxClientID)
	}
	switch {
	case c.StandIn(p) && p.ClientSecretFile != "":
		r.add(at+".client_secret_file", "client_secret_file is not for the stand-in that dev: true puts in the place of ORCID; remove the line")
	case !c.StandIn(p) && p.ClientSecretFile == "":
		r.add(at+".client_secret_file", "client_secret_file is missing; name a file with the secret that the provider gave out with client_id")
	}
}

func (c *Config) checkIssuer(r *report, at string, p Provider) {
	at += ".issuer"
	tenant, isTenant := strings.CutPrefix(p.Issuer, microsoft)
	switch {
	case p.Kind == kindOIDC && p.Issuer == "":
		r.add(at, "issuer is missing; %s", issuerAdvice)
	case p.Kind == kindOIDC && !c.plainIssuer(p.Issuer):
		r.add(at, "issuer %q is no https:// URL without query and fragment; %s", p.Issuer, issuerAdvice)
	case p.Kind == kindOIDC:
	case p.Kind == kindMicrosoft && (!isTenant || !tenantPattern.MatchString(tenant)):
		r.add(at, "issuer %q is not like %sTENANT/v2.0, TENANT being a tenant's number; mend it, or remove the line to let in people of all tenants", p.Issuer, microsoft)
	case p.Kind == kindMicrosoft:
	case kindOf(p).name != "" && p.Issuer != c.issuerOf(p):
		r.add(at, "issuer of kind %s is always %s; remove the line", p.Kind, c.issuerOf(p))
	}
}

// plainIssuer allows http only where it stays on this machine, and only for development.
func (c *Config) plainIssuer(issuer string) bool {
	u, err := url.Parse(issuer)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.HasSuffix(u.Host, ":") || strings.ContainsAny(issuer, "?# ") {
		return false
	}
	return u.Scheme == "https" || c.Dev && u.Scheme == "http" && loopback(u.Hostname())
}

func kindNames() []string {
	var names []string
	for _, k := range providerKinds {
		names = append(names, k.name)
	}
	return names
}
