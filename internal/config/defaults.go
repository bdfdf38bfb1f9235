package config

import (
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

const defaultListen = "127.0.0.1:8080"

func newConfig() *Config {
	return &Config{
		Listen:          defaultListen,
		Data:            "./data",
		KeyRotation:     90 * Day,
		RevocationBound: Duration(30 * time.Second),
		StatusTTL:       Duration(time.Minute),
		LogFormat:       "text",
		LogLevel:        "info",
		AuditKeep:       400 * Day,
		AddressKeep:     90 * Day,
		LDAP: LDAP{Timeout: Duration(5 * time.Second), Filter: "(&(objectClass=person)(uid=NAME))",
			Groups: LDAPGroups{Attribute: "memberOf"}},
		SignIn: SignIn{Password: true, Idle: Duration(12 * time.Hour), Absolute: 7 * Day},
	}
}

// NewService returns a service with its dialect's defaults. An unknown dialect has
// none, and Check refuses it.
func NewService(name, dialect, path string) Service {
	s := Service{Name: name, Dialect: dialect, Path: path, Sessions: 100,
		UpstreamTimeout: Duration(time.Minute), UpstreamToken: "pass", UpstreamTokenLifetime: Duration(5 * time.Minute)}
	if d := findDialect(dialect); d != nil {
		d.defaults(&s)
	}
	return s
}

// Dev returns the configuration of a development server: loopback, one service of
// each dialect, the ORCID stand-in, everything under the folder data. An empty listen means
// 127.0.0.1:8080. It writes nothing and checks nothing.
func Dev(data, listen string) *Config {
	c := newConfig()
	if listen != "" {
		c.Listen = listen
	}
	c.Dev = true
	c.Data = data
	if abs, err := filepath.Abs(data); err == nil {
		c.Data = abs
	}
	c.SignIn.Providers = []Provider{{Kind: kindORCID}}
	c.SignIn.AdminGroup = "operators"
	samples := NewService("samples", "sesar", "/webservices")
	samples.Sesar.JSONPath = "/api"
	c.Services = []Service{samples, NewService("ecology", "edi", "/auth"),
		NewService("collections", "collectiveaccess", "/"), NewService("warehouse", "itempath", "/api")}
	c.Resolve()
	return c
}

// Resolve fills each empty value that follows from others: store, base_url, of each
// provider name, label and issuer, and of each service issuer, audience and legacy_lifetime. With port 0, base_url and what
// follows from it stay empty: set Listen to the real address and resolve again.
func (c *Config) Resolve() {
	c.derive(c, func(field, value any) {
		if f := reflect.ValueOf(field).Elem(); f.IsZero() {
			f.Set(reflect.ValueOf(value))
		}
	})
}

// underived returns a copy without the values that Resolve would fill in again, so
// that a written file still follows a flag that changes what they come from.
func (c *Config) underived() *Config {
	w := *c
	w.SignIn.Providers = slices.Clone(c.SignIn.Providers)
	w.Services = nil
	for _, s := range c.Services {
		if s.EDI != nil {
			own := *s.EDI
			s.EDI = &own
		}
		if s.CollectiveAccess != nil {
			own := *s.CollectiveAccess
			s.CollectiveAccess = &own
		}
		w.Services = append(w.Services, s)
	}
	w.derive(c, func(field, value any) {
		if f := reflect.ValueOf(field).Elem(); f.Interface() == value {
			f.SetZero()
		}
	})
	return &w
}

// derive calls f for each derived field of c with the value it has by the rules
// from the values in from.
func (c *Config) derive(from *Config, f func(field, value any)) {
	f(&c.Store, sqlitePrefix+filepath.Join(from.Data, "symbolon.db"))
	f(&c.BaseURL, originOf(from.Listen))
	for i := range c.SignIn.Providers {
		from.deriveProvider(&c.SignIn.Providers[i], from.SignIn.Providers[i], f)
	}
	for i := range c.Services {
		s, given := &c.Services[i], &from.Services[i]
		if s.CollectiveAccess != nil {
			f(&s.Issuer, hostOf(from.BaseURL))
			f(&s.AccessLifetime, given.CollectiveAccess.AccessLifetime)
			f(&s.RefreshLifetime, given.CollectiveAccess.RefreshLifetime)
		}
		f(&s.Issuer, from.BaseURL)
		f(&s.Audience, given.Name)
		f(&s.VerifiedBy, given.verification())
		if s.EDI != nil {
			f(&s.EDI.LegacyLifetime, given.AccessLifetime)
		}
	}
}

// originOf returns the origin of a listen address, or nothing where the address
// does not say under which name or port it will be reached.
func originOf(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || unspecified(host) || port == "0" {
		return ""
	}
	return "http://" + net.JoinHostPort(host, port)
}

// hostOf returns the host of an origin, with its port if it has one.
func hostOf(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return host
}

// unspecified reports whether host stands for all addresses of the machine.
func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}
