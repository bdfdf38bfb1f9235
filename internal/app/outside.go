package app

import (
	"context"
	"errors"
	"fmt"

	"symbolon/internal/account"
	"symbolon/internal/signin/ldap"
	"symbolon/internal/token"
)

// ldapProvider is the provider of the identities of a directory's people.
const ldapProvider = "ldap"

// SignInDN returns the number of the account of a directory's person, who must spell the
// DN as the directory does.
func (d door) SignInDN(ctx context.Context, by token.Caller, dn, password string) (int64, error) {
	name, ok := ldap.NameOf(dn)
	id, err := d.app.Accounts.SignInOutside(ctx, asBy(by), ldapProvider, name, func(ctx context.Context) (account.Outside, error) {
		if !ok {
			return account.Outside{}, refused("the name is no DN that begins with uid=")
		}
		who, err := d.vouch(ctx, name, password)
		if err == nil && who.Subject != dn {
			return account.Outside{}, refused("the directory spells the DN otherwise")
		}
		return who, err
	})
	return id, asRefusal(err)
}

// refused gives the log a reason that nobody is told.
func refused(why string) error { return &account.Error{Kind: account.BadCredentials, Text: why} }

// vouch asks the directory who the person is.
func (d door) vouch(ctx context.Context, name, password string) (account.Outside, error) {
	p, err := d.app.ldap.SignIn(ctx, name, password)
	switch {
	case errors.Is(err, ldap.ErrBadCredentials):
		return account.Outside{}, refused(err.Error())
	case err != nil:
		return account.Outside{}, fmt.Errorf("signing in by LDAP: %w", err)
	}
	return account.Outside{Subject: p.DN, Login: p.Name, Display: p.CommonName, Email: p.Email,
		Groups: p.Groups, Decides: d.app.ldap.Groups()}, nil
}
