package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"symbolon/internal/account"
	"symbolon/internal/token"
)

// lockAccount holds the account's row until the verb ends, so that no two verbs that make or end its grants cross.
// It returns the status; NotFound for an account that never was or is deleted.
func (v *verb) lockAccount(id int64) (status string, err error) {
	err = v.QueryRow(`SELECT status FROM accounts WHERE id = $1`+v.store.db.Lock(), id).Scan(&status)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && status == account.Deleted:
		return "", token.Refuse(token.NotFound, "there is no account %d", id)
	case err != nil:
		return "", fmt.Errorf("locking account: %w", err)
	}
	return status, nil
}

const selectSubject = `SELECT a.id, a.name, a.type, a.display, a.email, a.status,
	COALESCE((SELECT s.subject FROM subjects s WHERE s.service = $2 AND s.account_id = a.id AND s.joined = 0), '')
	FROM accounts a WHERE a.id = $1 AND a.status <> 'deleted'`

// readSubject reads an account as the service sees it; NotFound without one.
func readSubject(tx Tx, service string, id int64) (token.Subject, error) {
	var sub token.Subject
	var status string
	err := tx.QueryRow(selectSubject, id, service).
		Scan(&sub.Account, &sub.Name, &sub.Type, &sub.Display, &sub.Email, &status, &sub.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return sub, token.Refuse(token.NotFound, "there is no account %d", id)
	}
	if err != nil {
		return sub, fmt.Errorf("reading account: %w", err)
	}
	sub.Active = status == account.Active
	return sub, errors.Join(readFormer(tx, service, &sub), readIdentities(tx, &sub), readMemberships(tx, &sub),
		readAttrs(tx, service, &sub))
}

// readFormer asks twice only of an account that others were joined into.
func readFormer(tx Tx, service string, sub *token.Subject) (err error) {
	sub.Former.Names, err = collect(tx, value[string], `SELECT name FROM accounts WHERE joined_into = $1 ORDER BY id`, sub.Account)
	if err == nil && len(sub.Former.Names) > 0 {
		sub.Former.IDs, err = collect(tx, value[string], `SELECT subject FROM subjects
			WHERE account_id = $1 AND service = $2 AND joined = 1 ORDER BY subject`, sub.Account, service)
	}
	return err
}

func readIdentities(tx Tx, sub *token.Subject) (err error) {
	sub.Identities, err = collect(tx, func(s scanner) (i token.Identity, err error) {
		err = s.Scan(&i.Provider, &i.Subject, &i.Name, &i.Email, instant(&i.LinkedAt))
		return i, err
	}, `SELECT provider, subject, name, email, linked_at FROM identities WHERE account_id = $1
		AND unlinked_at IS NULL ORDER BY linked_at, provider, subject`, sub.Account)
	return err
}

func readMemberships(tx Tx, sub *token.Subject) (err error) {
	sub.Groups, err = collect(tx, scanGroup, `SELECT g.id, g.name, g.uid, g.owner_id FROM members m
		JOIN account_groups g ON g.id = m.group_id WHERE m.account_id = $1 ORDER BY g.name_key`, sub.Account)
	return err
}

// readAttrs keeps those of the service, without its name.
func readAttrs(tx Tx, service string, sub *token.Subject) error {
	all, err := pairs(tx, `SELECT key, value FROM attrs WHERE account_id = $1`, sub.Account)
	sub.Attrs = map[string]string{}
	for key, val := range all {
		if of, name, _ := strings.Cut(key, "."); of == service {
			sub.Attrs[name] = val
		}
	}
	return err
}

func scanGroup(s scanner) (g token.Group, err error) {
	err = s.Scan(&g.ID, &g.Name, &g.UID, &g.Owner)
	return g, err
}

// actFor sets the group the subject acts for, if any, which its account must own.
func actFor(tx Tx, group int64, sub *token.Subject) error {
	if group == 0 {
		return nil
	}
	g, err := scanGroup(tx.QueryRow(`SELECT id, name, uid, owner_id FROM account_groups WHERE id = $1 AND owner_id = $2`,
		group, sub.Account))
	if errors.Is(err, sql.ErrNoRows) {
		return token.Refuse(token.NotFound, "account %d owns no group %d", sub.Account, group)
	}
	if err != nil {
		return fmt.Errorf("reading group: %w", err)
	}
	sub.Acting = &g
	return nil
}

// Subject returns the account as the service sees it, acting for a group of its own when group is not 0. An active
// account without an id in a configured service, because the service is newer than the account, is given one.
func (s *Store) Subject(ctx context.Context, service string, account, group int64) (token.Subject, error) {
	var sub token.Subject
	read := func(tx Tx) (err error) {
		if sub, err = readSubject(tx, service, account); err == nil {
			err = actFor(tx, group, &sub)
		}
		return err
	}
	err := s.read(ctx, "reading subject", read)
	if svc := s.service(service); err == nil && sub.ID == "" && svc != nil && sub.Active {
		err = s.write(ctx, "giving subject", token.Caller{}, s.now(), func(v *verb) error {
			if _, err := v.lockAccount(account); err != nil {
				return err
			}
			if err := read(v); err != nil {
				return err
			}
			return v.giveSubject(svc, &sub)
		})
	}
	if err != nil {
		return token.Subject{}, err
	}
	return sub, nil
}

// SubjectByID is Subject by the service's own id for an account that is not deleted.
func (s *Store) SubjectByID(ctx context.Context, service, id string) (sub token.Subject, err error) {
	err = s.read(ctx, "reading subject", func(tx Tx) error {
		account, err := value[int64](tx.QueryRow(`SELECT account_id FROM subjects WHERE service = $1 AND subject = $2`, service, id))
		if errors.Is(err, sql.ErrNoRows) {
			return token.Refuse(token.NotFound, "service %s knows no subject %q", service, id)
		}
		if err != nil {
			return err
		}
		sub, err = readSubject(tx, service, account)
		return err
	})
	return sub, err
}

const insertSubject = `INSERT INTO subjects (service, subject, account_id, created_at, joined) VALUES ($1, $2, $3, $4, 0)
	ON CONFLICT DO NOTHING RETURNING subject`

// giveSubject sets sub.ID where the account has none there. Conflict if the id the service asks for was ever another's.
func (v *verb) giveSubject(svc *token.Service, sub *token.Subject) error {
	if sub.ID != "" {
		return nil
	}
	id, err := v.newSubject(svc, *sub)
	if err != nil {
		return fmt.Errorf("choosing subject: %w", err)
	}
	err = v.QueryRow(insertSubject, svc.Name, id, sub.Account, millis(v.now)).Scan(&sub.ID)
	if errors.Is(err, sql.ErrNoRows) {
		return token.Refuse(token.Conflict, "subject %q of service %s is or was another account's", id, svc.Name)
	}
	if err != nil {
		return fmt.Errorf("giving subject: %w", err)
	}
	return nil
}

const (
	nextSubject = `INSERT INTO subject_heads (service, last) VALUES ($1, 1)
		ON CONFLICT (service) DO UPDATE SET last = subject_heads.last + 1 RETURNING last`
	raiseSubject = `INSERT INTO subject_heads (service, last) VALUES ($1, $2)
		ON CONFLICT (service) DO UPDATE SET last = excluded.last WHERE subject_heads.last < excluded.last`
	highestSubject = 1 << 53 // above it a number is not a counter's, and JSON readers would round it
)

// newSubject asks the service, or counts on from the highest number ever used there.
func (v *verb) newSubject(svc *token.Service, sub token.Subject) (string, error) {
	var id string
	if svc.NewSubject != nil {
		id = svc.NewSubject(sub)
	}
	if id == "" {
		next, err := value[int64](v.QueryRow(nextSubject, svc.Name))
		return strconv.FormatInt(next, 10), err
	}
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && n > 0 && n <= highestSubject {
		_, err = v.Exec(raiseSubject, svc.Name, n)
		return id, err
	}
	return id, nil
}
