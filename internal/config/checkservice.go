package config

import (
	"net/url"
	"path"
	"regexp"
	"strings"
)

const (
	prefixAdvice   = "write it like /webservices, with no slash at the end"
	lifetimeAdvice = "set more than 0 and at most 3650d, such as 1d"
)

var (
	namePattern    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	prefixPattern  = regexp.MustCompile(`^/[A-Za-z0-9/._~-]*$`)
	hostPattern    = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|[0-9a-f:]+)$`)
	ediIDPattern   = regexp.MustCompile(`^EDI-([0-9a-f]{32}|[0-9a-f]{40})$`)
	reservedPrefix = []string{"/symbolon", "/.well-known", "/healthz", "/readyz"}
)

func (c *Config) checkServices(r *report) {
	if len(c.Services) == 0 {
		r.add("services", "services is missing or empty; add at least one (`symbolon config example` shows two)")
	}
	c.claimProtected(r)
	names := map[string]bool{}
	taken := map[string]string{} // :: dialect and prefix → the service that has it
	for i := range c.Services {
		s, at := &c.Services[i], element("services", i)
		if s.Name != "" && names[s.Name] {
			r.add(at+".name", "two services are named %q; give one another name", s.Name)
		}
		names[s.Name] = true
		c.checkService(r, at, s)
		claim(r, taken, at+".path", s, s.Path)
		if s.Sesar != nil && s.Sesar.JSONPath != "" {
			claim(r, taken, at+".json_path", s, s.Sesar.JSONPath)
		}
	}
}

// claim gives a prefix to a service, unless another service of the same dialect has
// it. Two dialects may share one, for their fixed paths below it differ.
func claim(r *report, taken map[string]string, at string, s *Service, prefix string) {
	switch {
	case prefix == "":
		r.add(at, "%s is missing; %s", nameOf(at), prefixAdvice)
	case !prefixPattern.MatchString(prefix) || path.Clean(prefix) != prefix:
		r.add(at, "%s %q is not a plain prefix; %s", nameOf(at), prefix, prefixAdvice)
	case Reserved(prefix):
		r.add(at, "%s %q is reserved for Symbolon's own pages; choose another", nameOf(at), prefix)
	}
	if findDialect(s.Dialect) == nil {
		return
	}
	key := s.Dialect + " " + prefix
	if first, ok := taken[key]; ok && first != s.Name {
		r.add(at, "services %q and %q both claim %s %s; give one another prefix", first, s.Name, nameOf(at), prefix)
		return
	}
	taken[key] = s.Name
}

// Reserved reports whether a path is one of Symbolon's own, or below one.
func Reserved(path string) bool {
	for _, own := range reservedPrefix {
		if Covers(own, path) {
			return true
		}
	}
	return false
}

func (c *Config) checkService(r *report, at string, s *Service) {
	if !namePattern.MatchString(s.Name) {
		r.add(at+".name", "name %q must be a lower-case letter, then up to 31 lower-case letters, digits and hyphens, such as samples", s.Name)
	}
	checkAllow(r, at, s)
	c.checkGateway(r, at, s)
	d := findDialect(s.Dialect)
	if d == nil {
		r.add(at+".dialect", "dialect %q is not known; set one of %s", s.Dialect, strings.Join(dialectNames(), ", "))
		return
	}
	// With port 0 the issuer is still open; checkBaseURL has seen to the rest.
	if s.Issuer == "" && c.BaseURL != "" {
		r.add(at+".issuer", "issuer is empty and was not resolved; call Resolve first")
	}
	r.count(at+".sessions", s.Sessions)
	if s.CollectiveAccess == nil {
		r.lifetime(at+".access_lifetime", s.AccessLifetime)
	}
	checkCap(r, at, s)
	r.oneOf(at+".verified_by", s.VerifiedBy, VerifiedHere, VerifiedByList, VerifiedBySecret)
	if s.VerifiedBy == VerifiedByList && s.EDI != nil && s.EDI.PlainClaims {
		r.add(at+".verified_by", "verified_by list does not go with plain_claims, whose tokens name no status list; set here or secret")
	}
	d.check(r, at, s)
}

// count reports a number that is no sensible limit.
func (r *report) count(at string, n int) {
	if n < 1 || n > maxCount {
		r.add(at, "%s %d is out of range; set 1 to %d", nameOf(at), n, maxCount)
	}
}

func (r *report) lifetime(at string, d Duration) {
	if d <= 0 || d > maxLifetime {
		r.add(at, "%s %v is out of range; %s", nameOf(at), d, lifetimeAdvice)
	}
}

// atLeastAccess reports a lifetime that ends before the access token beside it.
func (r *report) atLeastAccess(at, key string, d Duration, s *Service) {
	if d < s.AccessLifetime && !r.bad[at+".access_lifetime"] {
		r.add(at+"."+key, "%s %v is shorter than access_lifetime %v; make it at least as long", key, d, s.AccessLifetime)
	}
}

func checkCap(r *report, at string, s *Service) {
	if s.Cap == 0 {
		return
	}
	r.lifetime(at+".cap", s.Cap)
	r.atLeastAccess(at, "cap", s.Cap, s)
}

func checkAllow(r *report, at string, s *Service) {
	for i, group := range s.Allow.Groups {
		if group == "" {
			r.add(element(at+".allow.groups", i), "allow.groups has an empty name; remove it")
		}
	}
	for i, kind := range s.Allow.Types {
		r.oneOf(element(at+".allow.types", i), kind, "person", "application")
	}
	if s.RequireIdentity != "" && !namePattern.MatchString(s.RequireIdentity) {
		r.add(at+".require_identity", "require_identity %q is no name of a provider; set one such as orcid, or remove the line", s.RequireIdentity)
	}
}

func checkSesar(r *report, at string, s *Service) {
	own := s.Sesar
	if own == nil {
		r.add(at, "service %q has no settings of its dialect; make it with NewService", s.Name)
		return
	}
	r.lifetime(at+".refresh_lifetime", s.RefreshLifetime)
	r.atLeastAccess(at, "refresh_lifetime", s.RefreshLifetime, s)
	r.oneOf(at+".replay", s.Replay, "refuse", "same")
	if s.ReplayWindow < 0 || s.ReplayWindow > Day {
		r.add(at+".replay_window", "replay_window %v is out of range; set 0s to 1d, such as 60s", s.ReplayWindow)
	}
	r.count(at+".pairs", s.Pairs)
	r.oneOf(at+".access_alg", own.AccessAlg, "ES256", "HS256")
}

func checkEDI(r *report, at string, s *Service) {
	own := s.EDI
	if own == nil {
		r.add(at, "service %q has no settings of its dialect; make it with NewService", s.Name)
		return
	}
	if s.Cap == 0 {
		r.add(at+".cap", "cap must be set for dialect edi, whose tokens would else be refreshed for ever; set it, such as 30d")
	}
	r.lifetime(at+".legacy_lifetime", own.LegacyLifetime)
	if own.LegacyCertFile != "" && own.LegacyKeyFile == "" {
		r.add(at+".legacy_cert_file", "legacy_cert_file is set without legacy_key_file, whose key it is for; set both or none")
	}
	if !strings.Contains(own.IDPUid, "NAME") {
		// Without it every such account would appear as one and the same person.
		r.add(at+".idp_uid", "idp_uid %q has no NAME to replace by the account's name; write it like uid=NAME,o=EDI,dc=edirepository,dc=org", own.IDPUid)
	}
	for _, f := range []struct{ key, value string }{{"hd", own.HD}, {"idp_name", own.IDPName}, {"vetted_group", own.VettedGroup}} {
		if f.value == "" {
			r.add(at+"."+f.key, "%s is empty; give it a value, or remove the line", f.key)
		}
	}
	for i, host := range own.ReturnHosts {
		if !plainHost(host) {
			r.add(element(at+".return_hosts", i), "return_hosts: %q is not a host, with a port or without; write it like portal.edirepository.org", host)
		}
	}
	checkEDIIDs(r, at, own)
}

// plainHost keeps to one spelling of a host, the one that a URL's host is compared with.
func plainHost(host string) bool {
	u, err := url.Parse("https://" + host)
	return err == nil && u.Host == host && hostPattern.MatchString(u.Hostname()) && !strings.HasSuffix(host, ":") && u.Port() != "443"
}

func checkEDIIDs(r *report, at string, own *EDI) {
	seen := map[string]string{} // :: EDI-ID → key
	for _, id := range []struct{ key, value string }{
		{"public_id", own.PublicID}, {"authenticated_id", own.AuthenticatedID}, {"vetted_id", own.VettedID},
	} {
		if !ediIDPattern.MatchString(id.value) {
			r.add(at+"."+id.key, "%s %q is no EDI-ID; write EDI- and 40 (or, for old ones, 32) digits 0-9a-f", id.key, id.value)
		} else if first := seen[id.value]; first != "" {
			r.add(at+"."+id.key, "%s is the same as %s; give each its own", id.key, first)
		}
		seen[id.value] = id.key
	}
}

func checkCollectiveAccess(r *report, at string, s *Service) {
	own := s.CollectiveAccess
	if own == nil {
		r.add(at, "service %q has no settings of its dialect; make it with NewService", s.Name)
		return
	}
	const access, refresh = "graphql_services_jwt_access_token_lifetime", "graphql_services_jwt_refresh_token_lifetime"
	r.lifetime(at+"."+access, own.AccessLifetime)
	r.lifetime(at+"."+refresh, own.RefreshLifetime)
	if own.RefreshLifetime < own.AccessLifetime && !r.bad[at+"."+access] && !r.bad[at+"."+refresh] {
		r.add(at+"."+refresh, "%s %v is shorter than %s %v; make it at least as long", refresh, own.RefreshLifetime, access, own.AccessLifetime)
	}
	r.oneOf(at+".errorStyle", own.ErrorStyle, "v15", "v14")
	if own.KeyShared && own.KeyFile == "" {
		r.add(at+".key_shared", "key_shared is set without graphql_services_jwt_token_key_file, the key that is shared; set both or none")
	}
	if own.LegacyWeakKey && own.KeyFile == "" {
		r.add(at+".legacy_weak_key", "legacy_weak_key is set without graphql_services_jwt_token_key_file; a key made here is never weak: remove the line")
	}
}

func checkItemPath(r *report, at string, s *Service) {
	own := s.ItemPath
	if own == nil {
		r.add(at, "service %q has no settings of its dialect; make it with NewService", s.Name)
		return
	}
	r.lifetime(at+".refresh_lifetime", s.RefreshLifetime)
	r.atLeastAccess(at, "refresh_lifetime", s.RefreshLifetime, s)
	for _, f := range []struct {
		key        string
		value      int
		documented int
	}{{"login_failure_status", own.LoginFailureStatus, 404}, {"invalid_token_status", own.InvalidTokenStatus, 422}} {
		if f.value != f.documented && f.value != 401 {
			r.add(at+"."+f.key, "%s %d is not one that clients know; set %d or 401", f.key, f.value, f.documented)
		}
	}
	for _, f := range []struct {
		key   string
		value Duration
	}{{"application_life", own.ApplicationLife}, {"application_idle", own.ApplicationIdle}} {
		if f.value < 0 || f.value > maxLifetime {
			r.add(at+"."+f.key, "%s %v is out of range; set 0s for never, or at most 3650d", f.key, f.value)
		}
	}
	if own.AdminGroup == "" {
		r.add(at+".admin_group", "admin_group is empty; give it a value, or remove the line")
	}
}
