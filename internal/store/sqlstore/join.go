package sqlstore

import (
	"context"
	"fmt"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

// Join moves all that one account has to another; see account.Identities.
func (s *Store) Join(ctx context.Context, jv account.JoinVerb) error {
	return s.write(ctx, "joining accounts", caller(jv.By), jv.Now, func(v *verb) error {
		var names []token.Cutoff
		for _, id := range []int64{min(jv.Into, jv.From), max(jv.Into, jv.From)} {
			if err := v.lockPerson(id); err != nil {
				return err
			}
			called, err := v.names(id)
			if err != nil {
				return err
			}
			names = append(names, called...)
		}
		if err := v.move(jv.Into, jv.From); err != nil {
			return fmt.Errorf("moving what account %d has: %w", jv.From, err)
		}
		if err := v.becomeOther(jv.Into, names); err != nil {
			return err
		}
		if err := v.note(audit.AccountJoined, audit.Event{Account: jv.Into, Detail: fmt.Sprintf("account %d into this one", jv.From)}); err != nil {
			return err
		}
		return v.note(audit.AccountJoined, audit.Event{Account: jv.From, Detail: fmt.Sprintf("into account %d", jv.Into)})
	})
}

// lockPerson is lockActive for an account of a person.
func (v *verb) lockPerson(id int64) error {
	if err := v.lockActive(id); err != nil {
		return err
	}
	kind, err := value[string](v.QueryRow(`SELECT type FROM accounts WHERE id = $1`, id))
	if err != nil {
		return fmt.Errorf("reading type of account: %w", err)
	}
	if kind != account.Person {
		return refuse(account.Conflict, "account %d is of type %s; only accounts of persons can be joined", id, kind)
	}
	return nil
}

// move gives into what from has. What both have stays as into has it, but for subjects: those of from lead to into from
// then on. An identity counts as linked now, so that the first of into stays the first.
func (v *verb) move(into, from int64) error {
	now := millis(v.now)
	for _, step := range []struct {
		statement string
		args      []any
	}{
		{`UPDATE identities SET account_id = $1, linked_at = $3 WHERE account_id = $2`, []any{into, from, now}},
		{`UPDATE subjects SET joined = 1 WHERE account_id = $2 AND service IN
			(SELECT own.service FROM subjects own WHERE own.account_id = $1 AND own.joined = 0)`, []any{into, from}},
		{`UPDATE subjects SET account_id = $1 WHERE account_id = $2`, []any{into, from}},
		{`DELETE FROM members WHERE account_id = $2 AND group_id IN
			(SELECT own.group_id FROM members own WHERE own.account_id = $1)`, []any{into, from}},
		{`UPDATE members SET account_id = $1 WHERE account_id = $2`, []any{into, from}},
		{`UPDATE account_groups SET owner_id = $1 WHERE owner_id = $2`, []any{into, from}},
		{`DELETE FROM attrs WHERE account_id = $2 AND key IN (SELECT own.key FROM attrs own WHERE own.account_id = $1)`, []any{into, from}},
		{`UPDATE attrs SET account_id = $1 WHERE account_id = $2`, []any{into, from}},
		{`UPDATE grants SET account_id = $1 WHERE account_id = $2`, []any{into, from}},
		{`DELETE FROM resets WHERE account_id = $1`, []any{from}},
		{`UPDATE accounts SET updated_at = $3,
			display = CASE WHEN display = '' THEN (SELECT f.display FROM accounts f WHERE f.id = $2) ELSE display END,
			email = CASE WHEN email = '' THEN (SELECT f.email FROM accounts f WHERE f.id = $2) ELSE email END,
			password_hash = CASE WHEN password_hash = '' THEN (SELECT f.password_hash FROM accounts f WHERE f.id = $2)
				ELSE password_hash END WHERE id = $1`, []any{into, from, now}},
		{`UPDATE accounts SET joined_into = $1 WHERE joined_into = $2`, []any{into, from}},
		{`UPDATE accounts SET status = 'deleted', joined_into = $1, display = '', email = '', password_hash = '',
			updated_at = $3 WHERE id = $2`, []any{into, from, now}},
	} {
		if _, err := v.Exec(step.statement, step.args...); err != nil {
			return err
		}
	}
	return nil
}
