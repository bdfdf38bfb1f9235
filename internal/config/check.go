package config

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	sqlitePrefix = "sqlite:"
	maxLifetime  = 3650 * Day
	maxCount     = 100_000
	minBound     = Duration(2 * time.Second)
	minStatusTTL = Duration(10 * time.Second)
	minRotation  = Duration(time.Hour)
	devRotation  = Duration(2 * time.Second)
)

// Check returns an InvalidError with everything that is wrong with a resolved
// configuration, as Load does, and reads the named files too: each must be there,
// and no two services may share one secret. It does not look at what a key is.
func (c *Config) Check() error {
	r := newReport(c.places)
	c.check(r)
	c.checkFiles(r)
	return r.err()
}

// Warnings returns a sentence for each thing that is allowed but seldom meant.
func (c *Config) Warnings() []string {
	var all []string
	if u, err := url.Parse(c.BaseURL); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		all = append(all, "base_url "+c.BaseURL+" is not encrypted, so every token can be read on its way; use https")
	}
	if u, err := url.Parse(c.Store); err == nil && c.OnPostgres() {
		if _, has := u.User.Password(); has || u.Query().Has("password") {
			all = append(all, "store holds a password, which whoever sees the file or the command line can read; put it into a file that PGPASSFILE names")
		}
	}
	if host, _, err := net.SplitHostPort(c.MetricsListen); err == nil && !loopback(host) {
		all = append(all, "metrics_listen "+c.MetricsListen+" can be reached from outside, and asks nobody who they are; keep it on an inner network")
	}
	if c.MasterKeyFile != "" && !c.MasterKey.IsZero() {
		all = append(all, "SYMBOLON_MASTER_KEY is ignored, because master_key_file is set; remove one of the two")
	}
	for _, p := range c.TrustedProxies {
		if prefix, err := parseProxy(p); err == nil && prefix.Bits() == 0 {
			all = append(all, "trusted_proxies "+p+" believes X-Forwarded-For from everybody; name your proxies only")
		}
	}
	for _, s := range c.Services {
		all = append(all, s.warnings()...)
		if len(c.LDAP.Servers) > 0 && s.EDI != nil && s.EDI.IDPUid == c.LDAP.UserDN {
			all = append(all, "idp_uid of service "+s.Name+" is ldap's user_dn: an account made here would pass there for the person of that name in the directory; set another idp_uid, such as uid=NAME,o=HERE")
		}
	}
	return all
}

func (s *Service) warnings() []string {
	var all []string
	if s.CollectiveAccess != nil && s.CollectiveAccess.LegacyWeakKey {
		all = append(all, "service "+s.Name+" takes a weak key (legacy_weak_key): whoever knows it can make access tokens of anyone; give the site a random key of 32 bytes")
	}
	if _, never := s.RevocationBound(&Config{}); never {
		all = append(all, "service "+s.Name+" is verified_by secret and has application tokens, which never expire: none of them can be ended where only the signature is checked; have that server ask here, or follow status lists")
	}
	if s.ItemPath != nil && s.ItemPath.ApplicationLife == 0 && s.ItemPath.ApplicationIdle == 0 {
		all = append(all, "application tokens of service "+s.Name+" never end by themselves; set application_life or application_idle to end those that nobody uses")
	}
	return all
}

// ProxyPrefixes returns trusted_proxies as networks, a single address as a network
// of one. What Check refuses is left out.
func (c *Config) ProxyPrefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, p := range c.TrustedProxies {
		if prefix, err := parseProxy(p); err == nil {
			all = append(all, prefix)
		}
	}
	return all
}

func parseProxy(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return ip.Prefix(ip.BitLen())
}

// check reports what can be seen without reading a file.
func (c *Config) check(r *report) {
	c.checkListen(r)
	c.checkStore(r)
	c.checkBaseURL(r)
	c.checkRotation(r)
	if c.RevocationBound < minBound || c.RevocationBound > Day {
		r.add("revocation_bound", "revocation_bound %v is out of range; set 2s to 1d, such as 30s", c.RevocationBound)
	}
	if c.StatusTTL < minStatusTTL || c.StatusTTL > Day {
		r.add("status_ttl", "status_ttl %v is out of range; set 10s to 1d, such as 60s", c.StatusTTL)
	}
	if c.AuditKeep < Day {
		r.add("audit_keep", "audit_keep %v is too short; set 1d or more, such as 400d", c.AuditKeep)
	}
	if c.AddressKeep != 0 && c.AddressKeep < Day {
		r.add("address_keep", "address_keep %v is too short; set 1d or more, such as 90d, or 0 to keep addresses with their lines", c.AddressKeep)
	}
	r.oneOf("log_format", c.LogFormat, "text", "json")
	r.oneOf("log_level", c.LogLevel, "debug", "info", "warn", "error")
	for i, p := range c.TrustedProxies {
		if _, err := parseProxy(p); err != nil {
			r.add(element("trusted_proxies", i), "trusted_proxies: %q is neither an address nor a network; write it like 10.0.0.7 or 10.0.0.0/8", p)
		}
	}
	c.checkLDAP(r)
	c.checkSignIn(r)
	c.checkServices(r)
}

func (c *Config) checkRotation(r *report) {
	least := minRotation
	if c.Dev {
		least = devRotation
	}
	if c.KeyRotation != 0 && c.KeyRotation < least || c.KeyRotation > maxLifetime {
		r.add("key_rotation", "key_rotation %v is out of range; set %v to 3650d, such as 90d, or 0s for never", c.KeyRotation, least)
	}
}

func (r *report) oneOf(path, got string, allowed ...string) {
	if !slices.Contains(allowed, got) {
		r.add(path, "%s %q is not known; set %s", nameOf(path), got, strings.Join(allowed, " or "))
	}
}

// OnPostgres reports whether the store is a PostgreSQL database, which several servers may share.
func (c *Config) OnPostgres() bool {
	return strings.HasPrefix(c.Store, "postgres://") || strings.HasPrefix(c.Store, "postgresql://")
}

func (c *Config) checkListen(r *report) {
	if _, ok := hostPort(c.MetricsListen); c.MetricsListen != "" && !ok {
		r.add("metrics_listen", "metrics_listen %q is not an address with a port; write it like 127.0.0.1:9090", c.MetricsListen)
	}
	host, ok := hostPort(c.Listen)
	if !ok {
		r.add("listen", "listen %q is not an address with a port; write it like %s", c.Listen, defaultListen)
		return
	}
	if strings.ContainsAny(host, "/?#@ ") {
		r.add("listen", "listen %q has no good host; write it like %s", c.Listen, defaultListen)
	}
	if c.Dev && !loopback(host) {
		r.add("listen", "listen %q can be reached from outside, which dev: true does not allow; use %s, or remove dev", c.Listen, defaultListen)
	}
}

// hostPort returns the host of an address with a port, and whether it is one.
func hostPort(addr string) (host string, ok bool) {
	host, port, err := net.SplitHostPort(addr)
	n, e := strconv.ParseUint(port, 10, 16)
	return host, err == nil && e == nil && strconv.FormatUint(n, 10) == port
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) checkStore(r *report) {
	if c.Data == "" {
		r.add("data", "data is empty; name a folder, such as ./data")
	}
	path, ok := strings.CutPrefix(c.Store, sqlitePrefix)
	switch {
	case strings.HasPrefix(c.Store, "postgres:"), strings.HasPrefix(c.Store, "postgresql:"):
		// Not the value: such an address often has a password in it.
		if u, err := url.Parse(c.Store); err != nil || !c.OnPostgres() || u.Path == "" || u.Path == "/" {
			r.add("store", "store is no address of a PostgreSQL database; write it like postgres://symbolon@db.example.org/symbolon?sslmode=verify-full")
		}
	case !ok:
		r.add("store", "store does not begin with sqlite: or postgres:// ; write it like sqlite:/var/lib/symbolon/symbolon.db, or remove the line")
	case path == "" || strings.Contains(path, "?"):
		r.add("store", "store %q has no path, or one with a question mark in it; write it like sqlite:/var/lib/symbolon/symbolon.db", c.Store)
	}
}

func (c *Config) checkBaseURL(r *report) {
	if c.BaseURL == "" {
		// Only port 0 may leave it open: it is resolved once the port is known.
		if host, port, _ := net.SplitHostPort(c.Listen); !r.bad["listen"] && (port != "0" || unspecified(host)) {
			r.add("base_url", "base_url is missing, and listen %q does not say by which name others come here; set it, such as https://tokens.example.org", c.Listen)
		}
		return
	}
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		r.add("base_url", "base_url is not a URL; write it like https://tokens.example.org")
		return
	}
	origin := url.URL{Scheme: u.Scheme, Host: u.Host}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") || origin.String() != c.BaseURL {
		r.add("base_url", "base_url must be http:// or https://, a host and perhaps a port, with nothing after them; write it like https://tokens.example.org")
	}
}

// keyFile is a value that names a file.
type keyFile struct {
	path  string // key path
	file  *string
	owner int // index of the service, below 0 for what belongs to none
}

// keyFiles returns every value whose key ends in _file, set or not.
func (c *Config) keyFiles() []keyFile {
	all := []keyFile{{"master_key_file", &c.MasterKeyFile, -1}, {"verifier_key_file", &c.VerifierKeyFile, -1000},
		{"ldap.ca_file", &c.LDAP.CAFile, -2}, {"ldap.bind_password_file", &c.LDAP.BindPasswordFile, -3}}
	for i := range c.SignIn.Providers {
		all = append(all, keyFile{providerPath(i) + ".client_secret_file", &c.SignIn.Providers[i].ClientSecretFile, -4 - i})
	}
	for i := range c.Services {
		s, path := &c.Services[i], element("services", i)
		if s.Sesar != nil {
			all = append(all, keyFile{path + ".access_key_file", &s.Sesar.AccessKeyFile, i})
		}
		if s.CollectiveAccess != nil {
			all = append(all, keyFile{path + ".graphql_services_jwt_token_key_file", &s.CollectiveAccess.KeyFile, i})
		}
		if s.ItemPath != nil {
			all = append(all, keyFile{path + ".jwt_secret_key_file", &s.ItemPath.KeyFile, i})
		}
		if s.EDI != nil {
			all = append(all,
				keyFile{path + ".edi_key_file", &s.EDI.KeyFile, i},
				keyFile{path + ".legacy_key_file", &s.EDI.LegacyKeyFile, i},
				keyFile{path + ".legacy_cert_file", &s.EDI.LegacyCertFile, i},
				keyFile{path + ".token_key_file", &s.EDI.TokenKeyFile, i})
		}
	}
	return all
}

func (c *Config) checkFiles(r *report) {
	seen := map[[sha256.Size]byte]keyFile{} // :: hash of the content → first file with it
	for _, k := range c.keyFiles() {
		if *k.file == "" {
			continue
		}
		sum, err := hashFile(*k.file)
		if err != nil {
			r.add(k.path, "%s: %v; make the file, or mend the path", nameOf(k.path), err)
			continue
		}
		if other, ok := seen[sum]; ok && other.owner != k.owner {
			r.add(k.path, "%s holds the same secret as %s; whoever knows one would have both, so make a new one", k.path, other.path)
		}
		seen[sum] = k
	}
}

// hashFile hashes the first 64 KiB of a regular file without the white space around
// it, so that a newline at the end makes no second secret.
func hashFile(name string) ([sha256.Size]byte, error) {
	var none [sha256.Size]byte
	info, err := os.Stat(name)
	if err != nil {
		return none, err
	}
	if !info.Mode().IsRegular() {
		return none, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return none, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return none, fmt.Errorf("reading %s: %w", name, err)
	}
	return sha256.Sum256([]byte(strings.TrimSpace(string(b)))), nil
}

// anchor makes every relative path in c absolute, from the folder base.
func (c *Config) anchor(base string) {
	absolute := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	absolute(&c.Data)
	for _, k := range c.keyFiles() {
		absolute(k.file)
	}
	if path, ok := strings.CutPrefix(c.Store, sqlitePrefix); ok && path != "" {
		absolute(&path)
		c.Store = sqlitePrefix + path
	}
}
