package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
)

// refusals are the results of a bind that say something of name or password, and not
// of the server (RFC 4511 §4.1.9). 53 is how some servers say that an account is locked.
var refusals = []uint16{
	goldap.LDAPResultInvalidCredentials, goldap.LDAPResultNoSuchObject, goldap.LDAPResultInvalidDNSyntax,
	goldap.LDAPResultInappropriateAuthentication, goldap.LDAPResultConstraintViolation,
	goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultReferral,
}

// prove returns the one entry of the person, once the password has been found right.
func (d *Directory) prove(ctx context.Context, s server, name, password string) (*goldap.Entry, error) {
	if d.conf.UserDN == "" {
		return d.searchThenBind(ctx, s, name, password)
	}
	c, err := dial(ctx, s)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	dn := strings.Replace(d.conf.UserDN, "NAME", goldap.EscapeDN(name), 1)
	if err := bind(c, dn, password); err != nil {
		return nil, err
	}
	return d.find(c, dn, goldap.ScopeBaseObject, name)
}

// searchThenBind has a connection of its own for the person, which is closed: whatever was
// asked on it next would be asked as that person.
func (d *Directory) searchThenBind(ctx context.Context, s server, name, password string) (*goldap.Entry, error) {
	entry, err := d.search(ctx, s, name)
	if err != nil && !errors.Is(err, ErrBadCredentials) {
		return nil, err
	}
	c, dialErr := dial(ctx, s)
	if dialErr != nil {
		return nil, dialErr
	}
	defer c.Close()
	if err != nil {
		// As many questions as for a name that is there.
		_ = c.Bind(strings.TrimSuffix("uid="+goldap.EscapeDN(name)+","+d.conf.Base, ","), password)
		return nil, err
	}
	return entry, bind(c, entry.DN, password)
}

// search finds the person's entry on a connection that was kept, or a new one. One that
// was kept may have died meanwhile: then a new one takes its place, once.
func (d *Directory) search(ctx context.Context, s server, name string) (*goldap.Entry, error) {
	if c := s.searchers.take(); c != nil {
		c.lend(ctx)
		entry, err := d.searchOn(c, s, name)
		if err == nil || !unreachable(err) || ctx.Err() != nil {
			return entry, err
		}
	}
	c, err := dial(ctx, s)
	if err != nil {
		return nil, err
	}
	if d.conf.BindDN != "" {
		if err := c.Bind(d.conf.BindDN, d.password.Reveal()); err != nil {
			c.Close()
			return nil, fmt.Errorf("signing in to the directory as bind_dn: %w", err)
		}
	}
	return d.searchOn(c, s, name)
}

// searchOn keeps the connection afterwards, if it still answers.
func (d *Directory) searchOn(c *conn, s server, name string) (*goldap.Entry, error) {
	entry, err := d.find(c, d.conf.Base, goldap.ScopeWholeSubtree, name)
	if err != nil && unreachable(err) {
		c.Close()
	} else {
		s.searchers.put(c)
	}
	return entry, err
}

// bind signs in as a person. The password is not empty.
func bind(c *conn, dn, password string) error {
	err := c.Bind(dn, password)
	switch {
	case err == nil:
		return nil
	case goldap.IsErrorAnyOf(err, refusals...):
		return refusal(err)
	}
	return fmt.Errorf("signing in to the directory: %w", err)
}

// refusal keeps the name of a result and leaves out what the server says beside it.
func refusal(err error) error {
	var result *goldap.Error
	errors.As(err, &result)
	return fmt.Errorf("%w: %s", ErrBadCredentials, goldap.LDAPResultCodeMap[result.ResultCode])
}

// find returns the one entry that matches. None or several are bad credentials.
// References to other servers are not followed.
func (d *Directory) find(c *conn, base string, scope int, name string) (*goldap.Entry, error) {
	filter := strings.ReplaceAll(d.conf.Filter, "NAME", goldap.EscapeFilter(name))
	seconds := max(1, int(time.Duration(d.conf.Timeout)/time.Second))
	attributes := []string{"uid", "cn", "mail"}
	if len(d.groups) > 0 {
		attributes = append(attributes, d.conf.Groups.Attribute)
	}
	// Two, since the second one tells that the first is not the only one.
	found, err := c.Search(goldap.NewSearchRequest(base, scope, goldap.NeverDerefAliases, 2, seconds, false, filter, attributes, nil))
	switch {
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultReferral, goldap.LDAPResultNoSuchObject):
		return nil, refusal(err)
	case goldap.IsErrorWithCode(err, goldap.LDAPResultSizeLimitExceeded):
		return nil, fmt.Errorf("%w: several entries match", ErrBadCredentials)
	case err != nil:
		return nil, fmt.Errorf("searching the directory: %w", err)
	case len(found.Entries) != 1 || found.Entries[0].DN == "":
		return nil, fmt.Errorf("%w: %d entries match", ErrBadCredentials, len(found.Entries))
	}
	return found.Entries[0], nil
}

func (d *Directory) person(e *goldap.Entry, name string) Person {
	p := Person{DN: e.DN, Name: name, CommonName: e.GetAttributeValue("cn"), Email: e.GetAttributeValue("mail")}
	// The entry's own spelling, which a name typed in capitals is not.
	for _, uid := range e.GetAttributeValues("uid") {
		if strings.EqualFold(uid, name) {
			p.Name = uid
		}
	}
	for _, text := range e.GetAttributeValues(d.conf.Groups.Attribute) {
		dn, err := goldap.ParseDN(text)
		if err != nil {
			continue // not one that the configuration could name
		}
		for _, g := range d.groups {
			if g.dn.EqualFold(dn) && !slices.Contains(p.Groups, g.name) {
				p.Groups = append(p.Groups, g.name)
			}
		}
	}
	slices.Sort(p.Groups)
	return p
}
