package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

// maxIdentities bounds the identities that an account has at once.
const maxIdentities = 20

// Link gives an account one more identity; see account.Identities.
func (s *Store) Link(ctx context.Context, lv account.LinkVerb) error {
	return s.write(ctx, "linking identity", caller(lv.By), lv.Now, func(v *verb) error {
		if err := v.lockActive(lv.Account); err != nil {
			return err
		}
		return v.changeIdentities(lv.Account, func() (bool, error) { return v.link(lv) })
	})
}

// changeIdentities runs change and, where it changed something, makes the account's grants stale and cuts off the names
// that its tokens are given no more.
func (v *verb) changeIdentities(id int64, change func() (bool, error)) error {
	before, err := v.names(id)
	if err != nil {
		return err
	}
	changed, err := change()
	if err != nil || !changed {
		return err
	}
	return v.becomeOther(id, before)
}

// becomeOther makes an account's grants stale and cuts off those of the names that it is not called any more.
func (v *verb) becomeOther(id int64, before []token.Cutoff) error {
	after, err := v.names(id)
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(before, func(b token.Cutoff) bool {
		return slices.ContainsFunc(after, func(a token.Cutoff) bool { return a.Service == b.Service && a.Name == b.Name })
	})
	if err := v.cut(gone); err != nil {
		return err
	}
	return v.stale(id)
}

const (
	selectIdentity = `SELECT account_id, unlinked_at IS NOT NULL FROM identities WHERE provider = $1 AND subject = $2`
	relinkIdentity = `UPDATE identities SET unlinked_at = NULL, linked_at = $3, name = $4, email = $5 WHERE provider = $1 AND subject = $2`
	countLinked    = `SELECT COUNT(*) FROM identities WHERE account_id = $1 AND unlinked_at IS NULL`
)

// link reports whether the identity was not the account's before.
func (v *verb) link(lv account.LinkVerb) (bool, error) {
	i := lv.Identity
	var owner int64
	var unlinked bool
	err := v.QueryRow(selectIdentity, i.Provider, i.Subject).Scan(&owner, &unlinked)
	known := err == nil
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return false, fmt.Errorf("reading identity: %w", err)
	case known && owner != lv.Account:
		return false, identityTaken(i)
	case known && !unlinked:
		return false, nil
	}
	if n, err := value[int](v.QueryRow(countLinked, lv.Account)); err != nil {
		return false, fmt.Errorf("counting identities: %w", err)
	} else if n >= maxIdentities {
		return false, refuse(account.Conflict, "the account has %d identities already; remove one first", n)
	}
	if known {
		_, err = v.Exec(relinkIdentity, i.Provider, i.Subject, millis(v.now), i.Name, i.Email)
	} else {
		err = v.insertIdentity(lv.Account, i)
	}
	if err != nil {
		return false, err
	}
	return true, v.note(audit.IdentityLinked, audit.Event{Account: lv.Account, Detail: i.Provider + " " + i.Subject})
}

func identityTaken(i account.Identity) error {
	return refuse(account.Conflict, "the %s identity %q is or was another account's; use that account", i.Provider, i.Subject)
}

// Unlink takes an identity from an account; see account.Identities.
func (s *Store) Unlink(ctx context.Context, uv account.UnlinkVerb) error {
	return s.write(ctx, "unlinking identity", caller(uv.By), uv.Now, func(v *verb) error {
		if err := v.lockActive(uv.Account); err != nil {
			return err
		}
		return v.changeIdentities(uv.Account, func() (bool, error) { return true, v.unlink(uv) })
	})
}

const (
	unlinkIdentity = `UPDATE identities SET unlinked_at = $4 WHERE provider = $1 AND subject = $2 AND account_id = $3 AND unlinked_at IS NULL`
	// The password's own identity counts only where there is a password.
	countWays = `SELECT COUNT(*) FROM identities i JOIN accounts a ON a.id = i.account_id
		WHERE i.account_id = $1 AND i.unlinked_at IS NULL AND (i.provider <> 'password' OR a.password_hash <> '')`
)

func (v *verb) unlink(uv account.UnlinkVerb) error {
	was, err := v.changes(unlinkIdentity, uv.Provider, uv.Subject, uv.Account, millis(v.now))
	if err != nil {
		return fmt.Errorf("removing identity: %w", err)
	}
	if !was {
		return refuse(account.NotFound, "the account has no %s identity %q", uv.Provider, uv.Subject)
	}
	ways, err := value[int](v.QueryRow(countWays, uv.Account))
	if err != nil {
		return fmt.Errorf("counting ways to sign in: %w", err)
	}
	if ways == 0 {
		return refuse(account.Conflict, "this is the last way to sign in to the account; add another or a password first")
	}
	return v.note(audit.IdentityUnlinked, audit.Event{Account: uv.Account, Detail: uv.Provider + " " + uv.Subject})
}
