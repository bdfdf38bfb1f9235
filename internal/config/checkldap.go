package config

import (
	"net/url"
	"strings"
	"time"
)

const (
	ldapAdvice     = "write it like ldaps://ldap.example.org"
	maxLDAPTimeout = Duration(time.Minute)
)

// checkLDAP reports what can be seen without a library: a DN or filter that cannot be
// read is found when the directory is set up.
func (c *Config) checkLDAP(r *report) {
	l := &c.LDAP
	if len(l.Servers) == 0 {
		if l.UserDN != "" || l.Base != "" || l.BindDN != "" || len(l.Groups.Map) > 0 {
			r.add("ldap.servers", "ldap has no servers; name one, such as ldaps://ldap.example.org, or remove the section")
		}
		return
	}
	for i, s := range l.Servers {
		l.checkServer(r, element("ldap.servers", i), s)
	}
	if l.Timeout <= 0 || l.Timeout > maxLDAPTimeout {
		r.add("ldap.timeout", "timeout %v is out of range; set more than 0s and at most 1m, such as 5s", l.Timeout)
	}
	if !strings.Contains(l.Filter, "NAME") {
		// Without it one password would do for whoever is found first.
		r.add("ldap.filter", "filter %q has no NAME to replace by the person's name; write it like (uid=NAME)", l.Filter)
	}
	if len(l.Groups.Map) > 0 && l.Groups.Attribute == "" {
		r.add("ldap.groups.attribute", "attribute is empty, and map needs it; set it, such as memberOf")
	}
	l.checkPlace(r)
}

func (l *LDAP) checkServer(r *report, at, server string) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "ldaps" && u.Scheme != "ldap" || u.Hostname() == "" || server != u.Scheme+"://"+u.Host {
		// Not the value: it may have a password in it.
		r.add(at, "servers must be ldaps:// or ldap://, a host and perhaps a port, with nothing after them; %s", ldapAdvice)
		return
	}
	if l.Plain && (u.Scheme != "ldap" || !loopback(u.Hostname())) {
		r.add(at, "server %s is not ldap:// on a loopback address, which plain needs: passwords would travel unencrypted; remove plain", server)
	}
}

// checkPlace reports what does not say, or says twice, how a person's entry is found.
func (l *LDAP) checkPlace(r *report) {
	switch {
	case l.UserDN == "" && l.Base == "":
		r.add("ldap.user_dn", "ldap has neither user_dn nor base, so nobody can be found; set one of them")
	case l.UserDN != "" && (l.Base != "" || l.BindDN != ""):
		r.add("ldap.user_dn", "user_dn leaves nothing to search for; remove it, or remove base and bind_dn")
	case l.UserDN != "" && strings.Count(l.UserDN, "NAME") != 1:
		r.add("ldap.user_dn", "user_dn %q needs NAME once; write it like uid=NAME,o=EDI,dc=edirepository,dc=org", l.UserDN)
	}
	if (l.BindDN == "") != (l.BindPasswordFile == "") {
		r.add("ldap.bind_dn", "bind_dn and bind_password_file belong together; set both or none")
	}
}
