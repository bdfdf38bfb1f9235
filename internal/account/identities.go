package account

import (
	"context"
	"fmt"
)

// Link gives an active account one more identity, which who has been proved to have. One
// it has already stays, one that was removed from it comes back. ErrConflict for an
// identity that is or was another account's (see Join), for a disabled account and past
// 20 identities; ErrInvalid for a provider or subject that cannot be.
func (d *Directory) Link(ctx context.Context, by By, account int64, provider string, who Outside) error {
	i := who.identity(provider)
	if err := checkIdentity(i); err != nil {
		return fmt.Errorf("linking identity: %w", err)
	}
	return d.store.Link(ctx, LinkVerb{By: by, Now: d.now(), Account: account, Identity: i})
}

// Unlink takes an identity from an account; it signs nobody in from then on, and stays
// reserved to the account. ErrNotFound for one the account does not have, ErrConflict for
// the last way to sign in, ErrInvalid for the account's own name and password.
func (d *Directory) Unlink(ctx context.Context, by By, account int64, provider, subject string) error {
	if err := checkIdentity(Identity{Provider: provider, Subject: subject}); err != nil {
		return fmt.Errorf("removing identity: %w", err)
	}
	return d.store.Unlink(ctx, UnlinkVerb{By: by, Now: d.now(), Account: account, Provider: provider, Subject: subject})
}

// Join makes one account of two: all that from has becomes into's, in one transaction, and
// from is deleted. Tokens and keys of both stay good; the name, service ids and sign-ins of
// from lead to into. The caller has made sure, by a sign-in to each, that both are one
// person's: nothing of that is checked here. ErrNotFound for an account that is not there,
// ErrConflict for a disabled one and for an application's.
func (d *Directory) Join(ctx context.Context, by By, into, from int64) error {
	if into == from {
		return &Error{Kind: Invalid, Text: "an account is not joined with itself; choose two"}
	}
	return d.store.Join(ctx, JoinVerb{By: by, Now: d.now(), Into: into, From: from})
}
