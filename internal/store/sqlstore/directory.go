package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

const selectAccount = `SELECT id, name, type, status, display, email, password_hash <> '', created_at, updated_at FROM accounts`

func scanAccount(s scanner) (a account.Account, err error) {
	err = s.Scan(&a.ID, &a.Name, &a.Type, &a.Status, &a.Display, &a.Email, &a.HasPassword, instant(&a.CreatedAt), instant(&a.UpdatedAt))
	return a, err
}

// readAccount reads an account that is known to be there.
func readAccount(tx Tx, id int64) (account.Account, error) {
	a, err := scanAccount(tx.QueryRow(selectAccount+` WHERE id = $1`, id))
	if err != nil {
		return account.Account{}, fmt.Errorf("reading account: %w", err)
	}
	if err := fill(tx, &a); err != nil {
		return account.Account{}, err
	}
	return a, nil
}

// fill reads what hangs on an account.
func fill(tx Tx, a *account.Account) (err error) {
	a.Identities, err = collect(tx, func(s scanner) (i account.Identity, err error) {
		err = s.Scan(&i.Provider, &i.Subject, &i.Name, &i.Email, instant(&i.LinkedAt))
		return i, err
	}, `SELECT provider, subject, name, email, linked_at FROM identities WHERE account_id = $1
		AND unlinked_at IS NULL ORDER BY linked_at, provider, subject`, a.ID)
	if err != nil {
		return fmt.Errorf("reading identities: %w", err)
	}
	a.Groups, err = collect(tx, value[string], `SELECT g.name FROM members m JOIN account_groups g ON g.id = m.group_id
		WHERE m.account_id = $1 ORDER BY g.name_key`, a.ID)
	if err != nil {
		return fmt.Errorf("reading groups: %w", err)
	}
	if a.Subjects, err = pairs(tx, `SELECT service, subject FROM subjects WHERE account_id = $1 AND joined = 0`, a.ID); err != nil {
		return fmt.Errorf("reading subjects: %w", err)
	}
	if a.Attrs, err = pairs(tx, `SELECT key, value FROM attrs WHERE account_id = $1`, a.ID); err != nil {
		return fmt.Errorf("reading attributes: %w", err)
	}
	return nil
}

// pairs reads two columns as a map.
func pairs(tx Tx, query string, id int64) (map[string]string, error) {
	m := map[string]string{}
	err := each(tx, func(s scanner) error {
		var key, val string
		err := s.Scan(&key, &val)
		m[key] = val
		return err
	}, query, id)
	return m, err
}

// Account returns an active or disabled account by its sign-in name.
func (s *Store) Account(ctx context.Context, name string) (a account.Account, err error) {
	err = s.read(ctx, "reading account", func(tx Tx) error {
		id, err := value[int64](tx.QueryRow(`SELECT id FROM accounts WHERE name_key = $1 AND status <> 'deleted'`, account.Key(name)))
		if errors.Is(err, sql.ErrNoRows) {
			return noAccount(name)
		}
		if err != nil {
			return err
		}
		a, err = readAccount(tx, id)
		return err
	})
	return a, err
}

// AccountByID returns an active or disabled account by its number.
func (s *Store) AccountByID(ctx context.Context, id int64) (a account.Account, err error) {
	err = s.read(ctx, "reading account", func(tx Tx) error {
		known, err := value[bool](tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM accounts WHERE id = $1 AND status <> 'deleted')`, id))
		if err == nil && !known {
			return refuse(account.NotFound, "there is no account %d", id)
		}
		if err != nil {
			return err
		}
		a, err = readAccount(tx, id)
		return err
	})
	return a, err
}

// Each part has an index of its own. Rank 0 is exact; the beginning of a name is rank 1.
const findAccounts = `SELECT id FROM (
		SELECT id, 0 AS rank FROM accounts WHERE id = $1 OR name_key = $2
		UNION SELECT id, 0 FROM accounts WHERE LOWER(email) = LOWER($4) AND email <> '' AND status <> 'deleted'
		UNION SELECT a.id, 0 FROM identities i JOIN accounts a ON a.id = i.account_id WHERE i.subject = $5 AND a.status <> 'deleted'
		UNION SELECT a.id, 0 FROM subjects s JOIN accounts a ON a.id = s.account_id WHERE s.subject = $5 AND a.status <> 'deleted'
		UNION SELECT id, 1 FROM accounts WHERE name_key >= $2 AND name_key < $3 AND status <> 'deleted'
	) AS found JOIN accounts USING (id) GROUP BY id, name_key ORDER BY MIN(rank), name_key LIMIT $6`

// FindAccounts returns the accounts that somebody may mean.
func (s *Store) FindAccounts(ctx context.Context, fv account.FindVerb) (all []account.Account, err error) {
	from := account.Key(fv.Name)
	err = s.read(ctx, "finding accounts", func(tx Tx) error {
		ids, err := collect(tx, value[int64], findAccounts, fv.Number, from, from+afterNames, fv.Email, fv.Subject, fv.Limit)
		if err != nil {
			return err
		}
		for _, id := range ids {
			a, err := readAccount(tx, id)
			if err != nil {
				return err
			}
			all = append(all, a)
		}
		return nil
	})
	return all, err
}

// afterNames sorts behind all that can follow in a name, which is ASCII.
const afterNames = "\x7f"

// ByIdentity returns the account that has or had an identity.
func (s *Store) ByIdentity(ctx context.Context, provider, subject string) (a account.Account, err error) {
	err = s.read(ctx, "reading account", func(tx Tx) error {
		id, err := value[int64](tx.QueryRow(`SELECT account_id FROM identities WHERE provider = $1 AND subject = $2`, provider, subject))
		if errors.Is(err, sql.ErrNoRows) {
			return refuse(account.NotFound, "no account has the %s identity %q", provider, subject)
		}
		if err != nil {
			return err
		}
		a, err = readAccount(tx, id)
		return err
	})
	return a, err
}

// Accounts returns the accounts a filter matches, by name; deleted ones only where the filter asks for them.
func (s *Store) Accounts(ctx context.Context, f account.Filter) (all []account.Account, err error) {
	var w where
	if f.Group != "" {
		w.and(`id IN (SELECT m.account_id FROM members m JOIN account_groups g ON g.id = m.group_id WHERE g.name_key = ?)`,
			account.Key(f.Group))
	}
	if f.Type != "" {
		w.and("type = ?", f.Type)
	}
	if f.Status != "" {
		w.and("status = ?", f.Status)
	} else {
		w.and("status <> 'deleted'")
	}
	if f.Prefix != "" {
		from := account.Key(f.Prefix)
		w.and("name_key >= ? AND name_key < ?", from, from+afterNames)
	}
	query := selectAccount + w.suffix("name_key", f.Limit)
	err = s.read(ctx, "listing accounts", func(tx Tx) (err error) {
		if all, err = collect(tx, scanAccount, query, w.args...); err != nil {
			return err
		}
		for i := range all {
			if err := fill(tx, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// By identity, so that the name of an account that was joined into another is still one to sign in with.
const selectPassword = `SELECT a.id, a.password_hash FROM identities i JOIN accounts a ON a.id = i.account_id
	WHERE i.provider = 'password' AND i.subject = $1 AND a.status = 'active' AND a.password_hash <> ''`

// Password returns the number and password hash of an active account that has one.
func (s *Store) Password(ctx context.Context, name string) (id int64, hash string, err error) {
	err = s.read(ctx, "reading password", func(tx Tx) error {
		err := tx.QueryRow(selectPassword, account.Key(name)).Scan(&id, &hash)
		if errors.Is(err, sql.ErrNoRows) {
			return account.ErrNotFound
		}
		return err
	})
	return id, hash, err
}

// Attempts returns the failures in a row under key.
func (s *Store) Attempts(ctx context.Context, key string, now time.Time, window time.Duration) (failures int, last time.Time, err error) {
	err = s.read(ctx, "reading failed sign-ins", func(tx Tx) error {
		err := tx.QueryRow(`SELECT failures, last_at FROM attempts WHERE key = $1 AND last_at >= $2`,
			key, millis(now.Add(-window))).Scan(&failures, instant(&last))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return failures, last, err
}

// Failed notes one more failure under key.
func (s *Store) Failed(ctx context.Context, by account.By, key string, id int64, now time.Time, window time.Duration) error {
	return s.write(ctx, "noting failed sign-in", caller(by), now, func(v *verb) error {
		const add = `INSERT INTO attempts (key, failures, first_at, last_at) VALUES ($1, 1, $2, $2)
			ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at,
				failures = CASE WHEN attempts.last_at < $3 THEN 1 ELSE attempts.failures + 1 END,
				first_at = CASE WHEN attempts.last_at < $3 THEN excluded.first_at ELSE attempts.first_at END`
		if _, err := v.Exec(add, key, millis(v.now), millis(v.now.Add(-window))); err != nil {
			return err
		}
		return v.note(audit.SignInFailed, audit.Event{Account: id})
	})
}

// Succeeded forgets the failures under key.
func (s *Store) Succeeded(ctx context.Context, key string) error {
	return s.write(ctx, "forgetting failed sign-ins", token.Caller{}, s.now(), func(v *verb) error {
		_, err := v.Exec(`DELETE FROM attempts WHERE key = $1`, key)
		return err
	})
}
