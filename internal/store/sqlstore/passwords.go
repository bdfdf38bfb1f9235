package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
)

// SetPassword gives an account a new password; see account.Passwords.
func (s *Store) SetPassword(ctx context.Context, pv account.PasswordVerb) error {
	return s.write(ctx, "setting password", caller(pv.By), pv.Now, func(v *verb) error {
		if err := v.lockActive(pv.Account); err != nil {
			return err
		}
		return v.setPassword(pv)
	})
}

const setPassword = `UPDATE accounts SET password_hash = $2, updated_at = $3 WHERE id = $1`

// setPassword is for an account whose row is held.
func (v *verb) setPassword(pv account.PasswordVerb) error {
	statement := setPassword
	if pv.First {
		statement += ` AND password_hash = ''`
	}
	set, err := v.changes(statement, pv.Account, pv.Hash, millis(v.now))
	if err != nil {
		return fmt.Errorf("changing password: %w", err)
	}
	if !set {
		return refuse(account.Conflict, "the account has a password; change that one")
	}
	if err := v.dropSignIns(pv.Account, pv.Keep); err != nil {
		return err
	}
	return v.note(audit.PasswordChanged, audit.Event{Account: pv.Account})
}

const selectBrowsers = `SELECT id FROM grants WHERE account_id = $1 AND kind = 'browser' AND revoked_at IS NULL AND id <> $2`

// dropSignIns ends what an earlier password may have opened: browsers, but for one that stays, and the reset link.
func (v *verb) dropSignIns(id, keep int64) error {
	if _, err := v.Exec(`DELETE FROM resets WHERE account_id = $1`, id); err != nil {
		return fmt.Errorf("removing reset link: %w", err)
	}
	browsers, err := collect(v, value[int64], selectBrowsers, id, keep)
	if err != nil {
		return fmt.Errorf("reading browsers: %w", err)
	}
	_, err = v.end(browsers, "new password", audit.Revoked)
	return err
}

const upsertReset = `INSERT INTO resets (account_id, secret_hash, made_at, expires_at) VALUES ($1, $2, $3, $4)
	ON CONFLICT (account_id) DO UPDATE SET secret_hash = excluded.secret_hash, made_at = excluded.made_at, expires_at = excluded.expires_at`

// AddReset makes the one reset link of an account; see account.Passwords.
func (s *Store) AddReset(ctx context.Context, rv account.ResetVerb) error {
	return s.write(ctx, "making reset link", caller(rv.By), rv.Now, func(v *verb) error {
		id, _, err := v.lockName(rv.Name)
		if err != nil {
			return err
		}
		if err := v.lockActive(id); err != nil {
			return err
		}
		if _, err := v.Exec(upsertReset, id, rv.Hash[:], millis(v.now), millis(rv.Expires)); err != nil {
			return err
		}
		return v.note(audit.ResetLinkMade, audit.Event{Account: id})
	})
}

const selectReset = `SELECT account_id FROM resets WHERE secret_hash = $1 AND expires_at > $2`

// Reset returns the account of a reset link that is good at now; see account.Passwords.
func (s *Store) Reset(ctx context.Context, hash [32]byte, now time.Time) (a account.Account, err error) {
	err = s.read(ctx, "reading reset link", func(tx Tx) error {
		id, err := resetOf(tx, hash, now)
		if err == nil {
			a, err = readAccount(tx, id)
		}
		return err
	})
	return a, err
}

func resetOf(tx Tx, hash [32]byte, now time.Time) (int64, error) {
	id, err := value[int64](tx.QueryRow(selectReset, hash[:], millis(now)))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, refuse(account.NotFound, "the link was used, is too old or was replaced by a newer one; ask for another")
	}
	return id, err
}

// UseReset sets a password by a reset link, once; see account.Passwords.
func (s *Store) UseReset(ctx context.Context, uv account.UseResetVerb) (id int64, err error) {
	err = s.write(ctx, "using reset link", caller(uv.By), uv.Now, func(v *verb) error {
		at, err := v.turn()
		if err != nil {
			return err
		}
		if id, err = resetOf(v, uv.Hash, at); err != nil {
			return err
		}
		if err := v.lockActive(id); err != nil {
			return err
		}
		if _, err := resetOf(v, uv.Hash, at); err != nil { // somebody else may have used it since
			return err
		}
		return v.setPassword(account.PasswordVerb{Account: id, Hash: uv.PasswordHash})
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}
