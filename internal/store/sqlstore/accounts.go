package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

// caller is who the audit lines of an account verb name.
func caller(by account.By) token.Caller {
	return token.Caller{Actor: by.Actor, Addr: by.Addr, Agent: by.Agent}
}

func refuse(kind account.Kind, format string, args ...any) error {
	return &account.Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// AddAccount makes an active account; see account.Accounts.
func (s *Store) AddAccount(ctx context.Context, av account.AddVerb) (a account.Account, err error) {
	err = s.write(ctx, "adding account", caller(av.By), av.Now, func(v *verb) error {
		id, err := v.insertAccount(av)
		if err != nil {
			return err
		}
		own := account.Identity{Provider: account.PasswordProvider, Subject: account.Key(av.Name)}
		for _, i := range append([]account.Identity{own}, av.Identities...) {
			if err := v.insertIdentity(id, i); err != nil {
				return err
			}
		}
		for _, name := range av.Groups {
			if _, err := v.join(name, id, av.Name); err != nil {
				return err
			}
		}
		if err := v.giveSubjects(id); err != nil {
			return err
		}
		if err := v.note(audit.AccountAdded, audit.Event{Account: id, Detail: av.Type + " " + av.Name}); err != nil {
			return err
		}
		a, err = readAccount(v, id)
		return err
	})
	return a, err
}

func (v *verb) insertAccount(av account.AddVerb) (int64, error) {
	id, err := value[int64](v.QueryRow(`INSERT INTO accounts
		(name, name_key, type, status, display, email, password_hash, created_at, updated_at)
		VALUES ($1, $2, $3, 'active', $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING RETURNING id`,
		av.Name, account.Key(av.Name), av.Type, av.Display, av.Email, av.PasswordHash, millis(v.now)))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, refuse(account.Conflict, "the account name %q is or was in use; choose another", av.Name)
	}
	if err != nil {
		return 0, fmt.Errorf("inserting account: %w", err)
	}
	return id, nil
}

func (v *verb) insertIdentity(id int64, i account.Identity) error {
	res, err := v.Exec(`INSERT INTO identities (provider, subject, account_id, name, email, linked_at)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		i.Provider, i.Subject, id, i.Name, i.Email, millis(v.now))
	if err != nil {
		return fmt.Errorf("inserting identity: %w", err)
	}
	if added, err := res.RowsAffected(); err != nil || added == 1 {
		return err
	}
	return identityTaken(i)
}

// giveSubjects gives a new account its id in every service.
func (v *verb) giveSubjects(id int64) error {
	for _, svc := range v.store.services {
		sub, err := readSubject(v, svc.Name, id)
		if err != nil {
			return err
		}
		err = v.giveSubject(svc, &sub)
		if token.CodeOf(err) == token.Conflict {
			return refuse(account.Conflict, "%s", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// SetAccount changes what the verb names; see account.Accounts. Whatever tokens say of the account makes its grants
// stale; a group or type that it loses also cuts off its names; a new password signs out its browsers.
func (s *Store) SetAccount(ctx context.Context, sv account.SetVerb) (a account.Account, err error) {
	err = s.write(ctx, "changing account", caller(sv.By), sv.Now, func(v *verb) error {
		id, _, err := v.lockName(sv.Name)
		if err != nil {
			return err
		}
		names, err := v.names(id)
		if err != nil {
			return err
		}
		c, err := v.apply(id, sv)
		if err != nil {
			return err
		}
		if c.worse {
			err = v.cut(names)
		}
		if err == nil && sv.Type != nil && *sv.Type != account.Application {
			err = v.endApplications(id)
		}
		if err == nil && (c.worse || c.told) {
			err = v.stale(id)
		}
		if err == nil && slices.Contains(c.what, "password") {
			err = v.dropSignIns(id, 0)
		}
		if err == nil && len(c.what) > 0 {
			err = v.noteChange(id, c.what)
		}
		if err != nil {
			return err
		}
		a, err = readAccount(v, id)
		return err
	})
	return a, err
}

// endApplications ends the application tokens of an account that is no application any more.
func (v *verb) endApplications(id int64) error {
	ids, err := collect(v, value[int64], `SELECT id FROM grants WHERE account_id = $1 AND kind = 'application' AND revoked_at IS NULL`, id)
	if err != nil {
		return fmt.Errorf("reading application tokens: %w", err)
	}
	_, err = v.end(ids, "the account is no application any more", audit.Revoked)
	return err
}

func (v *verb) noteChange(id int64, what []string) error {
	if _, err := v.Exec(`UPDATE accounts SET updated_at = $2 WHERE id = $1`, id, millis(v.now)); err != nil {
		return fmt.Errorf("changing account: %w", err)
	}
	return v.note(audit.AccountChanged, audit.Event{Account: id, Detail: strings.Join(what, ", ")})
}

// change is what a SetVerb came to.
type change struct {
	what  []string // names of what changed, for the audit
	told  bool     // tokens say something of it
	worse bool     // the account may less than before
}

func (c *change) add(what string, told, worse bool) {
	c.what = append(c.what, what)
	c.told, c.worse = c.told || told, c.worse || worse
}

// apply writes what differs and returns it.
func (v *verb) apply(id int64, sv account.SetVerb) (c change, err error) {
	for _, f := range []struct {
		what, statement string
		to              *string
		told, worse     bool
	}{
		{"display", `UPDATE accounts SET display = $2 WHERE id = $1 AND display <> $2`, sv.Display, true, false},
		{"email", `UPDATE accounts SET email = $2 WHERE id = $1 AND email <> $2`, sv.Email, true, false},
		{"type", `UPDATE accounts SET type = $2 WHERE id = $1 AND type <> $2`, sv.Type, true, true},
		{"password", `UPDATE accounts SET password_hash = $2 WHERE id = $1 AND password_hash <> $2`, sv.PasswordHash, false, false},
	} {
		if f.to == nil {
			continue
		}
		changed, err := v.changes(f.statement, id, *f.to)
		if err != nil {
			return c, fmt.Errorf("changing %s: %w", f.what, err)
		}
		if changed {
			c.add(f.what, f.told, f.worse)
		}
	}
	if err := v.applyGroups(id, sv, &c); err != nil {
		return c, err
	}
	return c, v.applyAttrs(id, sv, &c)
}

func (v *verb) applyGroups(id int64, sv account.SetVerb, c *change) error {
	for _, name := range sv.AddGroups {
		joined, err := v.join(name, id, sv.Name)
		if err != nil {
			return err
		}
		if joined {
			c.add("group "+name, true, false)
		}
	}
	for _, name := range sv.RemoveGroups {
		left, err := v.leave(name, id, sv.Name)
		if err != nil {
			return err
		}
		if left {
			c.add("no group "+name, true, true)
		}
	}
	return nil
}

func (v *verb) applyAttrs(id int64, sv account.SetVerb, c *change) error {
	const set = `INSERT INTO attrs (account_id, key, value) VALUES ($1, $2, $3)
		ON CONFLICT (account_id, key) DO UPDATE SET value = excluded.value WHERE attrs.value <> excluded.value`
	keys := make([]string, 0, len(sv.Attrs))
	for key := range sv.Attrs {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		statement, args := set, []any{id, key, sv.Attrs[key]}
		if sv.Attrs[key] == "" {
			statement, args = `DELETE FROM attrs WHERE account_id = $1 AND key = $2`, args[:2]
		}
		changed, err := v.changes(statement, args...)
		if err != nil {
			return fmt.Errorf("changing attribute: %w", err)
		}
		if changed {
			c.add("attribute "+key, true, false)
		}
	}
	return nil
}

// changes runs a statement and reports whether it changed a row.
func (v *verb) changes(statement string, args ...any) (bool, error) {
	res, err := v.Exec(statement, args...)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// lockName holds the row of an active or disabled account; NotFound for others.
func (v *verb) lockName(name string) (id int64, status string, err error) {
	err = v.QueryRow(`SELECT id, status FROM accounts WHERE name_key = $1 AND status <> 'deleted'`+v.store.db.Lock(),
		account.Key(name)).Scan(&id, &status)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, "", noAccount(name)
	}
	if err != nil {
		return 0, "", fmt.Errorf("locking account: %w", err)
	}
	return id, status, nil
}

func noAccount(name string) error {
	return refuse(account.NotFound, "there is no account %q", name)
}

func noAccountID(id int64) error {
	return refuse(account.NotFound, "there is no account %d", id)
}

// lockActive holds the row of an account that must be active; NotFound for one that is not there, Conflict for a
// disabled one.
func (v *verb) lockActive(id int64) error {
	status, err := v.lockAccount(id)
	switch {
	case token.CodeOf(err) == token.NotFound:
		return noAccountID(id)
	case err == nil && status != account.Active:
		return refuse(account.Conflict, "account %d is %s; have it enabled first", id, status)
	}
	return err
}

// EnableAccount makes a disabled account active. What was ended when it was disabled stays ended.
func (s *Store) EnableAccount(ctx context.Context, by account.By, now time.Time, name string) (a account.Account, err error) {
	err = s.write(ctx, "enabling account", caller(by), now, func(v *verb) error {
		id, status, err := v.lockName(name)
		if err != nil {
			return err
		}
		if status == account.Disabled {
			if _, err := v.Exec(`UPDATE accounts SET status = 'active', updated_at = $2 WHERE id = $1`, id, millis(v.now)); err != nil {
				return err
			}
			if err := v.note(audit.AccountEnabled, audit.Event{Account: id}); err != nil {
				return err
			}
		}
		a, err = readAccount(v, id)
		return err
	})
	return a, err
}
