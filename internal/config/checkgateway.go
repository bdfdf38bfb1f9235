package config

import (
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// IdentityFields are what the server behind is told of who asks, in the order of the manual.
var IdentityFields = []string{"account", "subject", "name", "identities", "groups", "scope", "grant", "expires"}

var (
	headerPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)*$`)
	methodPattern = regexp.MustCompile(`^[A-Z][A-Z-]*$`)
	scopePattern  = regexp.MustCompile(`^[\x21\x23-\x5B\x5D-\x7E]+$`) // RFC 6749 §3.3
)

// usedHeaders have a meaning of their own between client, proxy and server. One that ends in a hyphen stands for all
// that begin so.
var usedHeaders = []string{"accept", "accept-", "authorization", "cache-control", "connection", "content-", "cookie", "date",
	"expect", "forwarded", "from", "host", "if-", "keep-alive", "origin", "proxy-", "range", "referer", "sec-", "set-cookie",
	"te", "trailer", "transfer-encoding", "upgrade", "via", "www-authenticate", "x-forwarded-", "x-original-", "x-real-ip",
	"x-request-id", "x-rewrite-"}

// HeaderNames returns the header of each identity field. :: field → name
func (s *Service) HeaderNames() map[string]string {
	names := map[string]string{}
	for _, field := range IdentityFields {
		names[field] = "X-Auth-" + strings.ToUpper(field[:1]) + field[1:]
	}
	maps.Copy(names, s.IdentityHeaders)
	return names
}

func (c *Config) checkGateway(r *report, at string, s *Service) {
	c.checkUpstream(r, at, s)
	r.lifetime(at+".upstream_timeout", s.UpstreamTimeout)
	r.lifetime(at+".upstream_token_lifetime", s.UpstreamTokenLifetime)
	r.oneOf(at+".upstream_token", s.UpstreamToken, "pass", "mint", "none")
	if s.UpstreamToken == "mint" {
		checkMint(r, at, s)
	}
	checkHeaders(r, at, s)
	for i := range s.Rules {
		checkRule(r, element(at+".rules", i), s.Rules[i])
		checkReached(r, element(at+".rules", i), s.Rules, i)
	}
}

func (c *Config) checkUpstream(r *report, at string, s *Service) {
	if (s.Upstream == "") != (len(s.Protect) == 0) {
		r.add(at+".upstream", "upstream and protect belong together: the server behind, and the paths that lead to it; set both or none")
		return
	}
	if s.Upstream == "" {
		return
	}
	u, err := url.Parse(s.Upstream)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || (&url.URL{Scheme: u.Scheme, Host: u.Host}).String() != s.Upstream:
		r.add(at+".upstream", "upstream must be http:// or https://, a host and perhaps a port, with nothing after them; write it like http://127.0.0.1:9000")
	case u.Host == c.Listen:
		r.add(at+".upstream", "upstream %s is this server itself; name the one behind it", s.Upstream)
	}
}

// checkMint asks for the key that the server behind must have to read what is minted for it.
func checkMint(r *report, at string, s *Service) {
	switch {
	case s.Sesar != nil:
		r.add(at+".upstream_token", "upstream_token mint is not for sesar, whose servers verify the users' own tokens; set pass or none")
	case s.CollectiveAccess != nil && s.CollectiveAccess.KeyFile == "":
		r.add(at+".upstream_token", "upstream_token mint needs graphql_services_jwt_token_key_file, the key that the server behind verifies with; set both")
	case s.ItemPath != nil && s.ItemPath.KeyFile == "":
		r.add(at+".upstream_token", "upstream_token mint needs jwt_secret_key_file, the key that the server behind verifies with; set both")
	}
}

func checkHeaders(r *report, at string, s *Service) {
	at += ".identity_headers"
	for _, field := range slices.Sorted(maps.Keys(s.IdentityHeaders)) {
		switch name := s.IdentityHeaders[field]; {
		case !slices.Contains(IdentityFields, field):
			r.add(at, "identity_headers has no %q; name some of %s", field, strings.Join(IdentityFields, ", "))
		case !headerPattern.MatchString(name) || len(name) > 64:
			r.add(at, "identity_headers: %q is no header for %s; use letters, digits and single hyphens, such as X-Remote-User", name, field)
		case usedHeader(strings.ToLower(name)):
			r.add(at, "identity_headers: %q has another meaning already; give %s a header of its own, such as X-Remote-User", name, field)
		}
	}
	seen := map[string]string{} // :: name in lower case → field
	names := s.HeaderNames()
	for _, field := range IdentityFields {
		name := strings.ToLower(names[field])
		if other, ok := seen[name]; ok {
			r.add(at, "identity_headers gives %s and %s the same name; give each its own", other, field)
		}
		seen[name] = field
	}
}

func usedHeader(name string) bool {
	return slices.ContainsFunc(usedHeaders, func(used string) bool {
		return name == used || strings.HasSuffix(used, "-") && strings.HasPrefix(name, used)
	})
}

func checkRule(r *report, at string, rule Rule) {
	if !plainPrefix(rule.Path) {
		r.add(at+".path", "path %q is not a plain prefix; write it like /data, with no slash at the end, or / for all", rule.Path)
	}
	for _, m := range rule.Methods {
		if !methodPattern.MatchString(m) || len(m) > 32 {
			r.add(at+".methods", "methods: %q is no method; write it in capitals, such as GET", m)
		}
	}
	for _, word := range rule.Scope {
		if !scopePattern.MatchString(word) {
			r.add(at+".scope", "scope: %q is no single word; list the words one by one, such as [read, write]", word)
		}
	}
	if slices.Contains(rule.Groups, "") {
		r.add(at+".groups", "groups has an empty name; remove it")
	}
	r.oneOf(at+".who", rule.Who, "anonymous", "authenticated")
	if rule.Remaining < 0 || rule.Remaining > maxLifetime {
		r.add(at+".remaining", "remaining %v is out of range; set 0s to 3650d, such as 2h", rule.Remaining)
	}
	if rule.Who == "anonymous" && (len(rule.Groups)+len(rule.Scope) > 0 || rule.Remaining > 0) {
		r.add(at+".who", "who is anonymous, so groups, scope and remaining are not looked at; remove them, or set who: authenticated")
	}
}

// checkReached reports a rule all of whose requests an earlier one decides.
func checkReached(r *report, at string, rules []Rule, i int) {
	for _, earlier := range rules[:i] {
		if Covers(earlier.Path, rules[i].Path) && coversMethods(earlier.Methods, rules[i].Methods) {
			r.add(at+".path", "the rule for %s is never reached, because the rule for %s before it decides first; put the narrower one first", rules[i].Path, earlier.Path)
			return
		}
	}
}

func coversMethods(first, second []string) bool {
	if len(first) == 0 {
		return true
	}
	return len(second) > 0 && !slices.ContainsFunc(second, func(m string) bool { return !slices.Contains(first, m) })
}

// Covers reports whether a path is a plain prefix itself or lies below it.
func Covers(prefix, path string) bool {
	return prefix == "/" || path == prefix || strings.HasPrefix(path, prefix) && path[len(prefix)] == '/'
}

func plainPrefix(s string) bool { return prefixPattern.MatchString(s) && path.Clean(s) == s }

// claimProtected gives each protected prefix to one service.
func (c *Config) claimProtected(r *report) {
	taken := map[string]string{} // :: prefix → service
	for i, s := range c.Services {
		for j, prefix := range s.Protect {
			at := element(element("services", i)+".protect", j)
			switch first := taken[prefix]; {
			case !plainPrefix(prefix):
				r.add(at, "protect: %q is not a plain prefix; write it like /data, with no slash at the end, or / for all", prefix)
			case Reserved(prefix):
				r.add(at, "protect: %q is reserved for Symbolon's own pages; choose another", prefix)
			case first != "":
				r.add(at, "services %q and %q both protect %s; give it to one of them", first, s.Name, prefix)
			default:
				taken[prefix] = s.Name
			}
		}
	}
}
