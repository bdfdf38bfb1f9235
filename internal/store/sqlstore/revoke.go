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

// Revoke ends one grant, or those of an account; see token.Grants. By account it goes by state and not by time: grants
// that look past their end are ended too, since the clock may be wrong.
func (s *Store) Revoke(ctx context.Context, rv token.RevokeVerb) (token.Ended, error) {
	var out token.Ended
	err := s.write(ctx, "revoking", rv.By, rv.Now, func(v *verb) (err error) {
		if rv.Account != 0 {
			out, err = v.revokeAccount(rv)
		} else {
			out, err = v.revokeGrant(rv)
		}
		return err
	})
	if err != nil {
		return token.Ended{}, err
	}
	return out, nil
}

func (v *verb) revokeGrant(rv token.RevokeVerb) (token.Ended, error) {
	if err := v.lockOwner(rv.Grant); err != nil {
		return token.Ended{}, err
	}
	r, err := v.lockGrant(rv.Grant)
	if err != nil {
		return token.Ended{}, err
	}
	if rv.Owner != 0 && r.Account != rv.Owner || rv.Service != "" && r.Service != "" && r.Service != rv.Service {
		return token.Ended{}, token.Refuse(token.NotFound, "grant %d is another's", rv.Grant)
	}
	if rv.Possession {
		return v.revokePossessed(r, rv)
	}
	return v.endOne(r.Grant, rv.Reason, audit.Revoked)
}

// lockOwner holds the account before its grant, in the order in which every verb takes them.
func (v *verb) lockOwner(grant int64) error {
	var id int64
	err := v.QueryRow(`SELECT a.id FROM accounts a WHERE a.id = (SELECT account_id FROM grants WHERE id = $1)`+
		v.store.db.Lock(), grant).Scan(&id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("locking account: %w", err)
	}
	return nil
}

// revokePossessed ends the grant of a presented refresh token. One whose successor is known not to have arrived is as
// good as the present one: its holder has no other.
func (v *verb) revokePossessed(r row, rv token.RevokeVerb) (token.Ended, error) {
	presented := token.RotateVerb{Service: r.Service, Grant: rv.Grant, Nonce: rv.Nonce,
		Generation: rv.Generation, Window: rv.Window}
	outcome, err := v.decide(r, presented)
	if err != nil {
		return token.Ended{}, err
	}
	switch outcome {
	case token.RotateNotFound:
		return token.Ended{}, token.Refuse(token.NotFound, "the token is not of grant %d", rv.Grant)
	case token.RotatedNow, token.RotatedSame:
		return v.endOne(r.Grant, rv.Reason, audit.Revoked)
	case token.RotateReused:
		ended, err := v.endOne(r.Grant, "reused", audit.RefreshReused)
		ended.Outcome = outcome
		return ended, err
	}
	return token.Ended{Outcome: outcome}, v.noteQuietly(outcome, r.Grant, presented)
}

// endOne ends a grant with its children and cuts off names in services where nothing of the account is left.
func (v *verb) endOne(g token.Grant, reason string, kind audit.Kind) (token.Ended, error) {
	names, err := v.names(g.Account)
	if err != nil {
		return token.Ended{}, err
	}
	var out token.Ended
	if out.Grants, err = v.end([]int64{g.ID}, reason, kind); err != nil {
		return token.Ended{}, err
	}
	out.Cutoffs, err = v.cutLast(g.Account, names, out.Grants)
	return out, err
}

// revokeAccount ends what the verb selects of an account and cuts off its names in the services the verb covers.
func (v *verb) revokeAccount(rv token.RevokeVerb) (out token.Ended, err error) {
	status, err := v.lockAccount(rv.Account)
	if err != nil {
		return out, err
	}
	names, err := v.names(rv.Account)
	if err != nil {
		return out, err
	}
	if rv.Status != "" {
		rv.Service, rv.Kinds, rv.Except = "", nil, 0
	}
	ids, err := v.selectGrants(rv)
	if err != nil {
		return out, err
	}
	if rv.Status != "" {
		keys, err := v.setStatus(rv, status)
		if err != nil {
			return out, err
		}
		ids = append(ids, keys...)
	}
	if out.Grants, err = v.end(ids, rv.Reason, audit.Revoked); err != nil {
		return out, err
	}
	if slices.Equal(rv.Kinds, []token.GrantKind{token.Browser}) {
		return out, nil
	}
	names = slices.DeleteFunc(names, func(c token.Cutoff) bool { return rv.Service != "" && c.Service != rv.Service })
	if rv.Service == "" || len(rv.Kinds) == 0 {
		out.Cutoffs = names
		return out, v.cut(names)
	}
	out.Cutoffs, err = v.cutLast(rv.Account, names, out.Grants)
	return out, err
}

const selectEndable = `SELECT id, service, kind FROM grants WHERE account_id = $1 AND revoked_at IS NULL ORDER BY id`

// selectGrants returns the account's grants that are not revoked, of the verb's service and kinds, without the spared one.
func (v *verb) selectGrants(rv token.RevokeVerb) (ids []int64, err error) {
	err = each(v, func(s scanner) error {
		var g token.Grant
		err := s.Scan(&g.ID, &g.Service, &g.Kind)
		if g.ID != rv.Except && (rv.Service == "" || g.Service == rv.Service) && (len(rv.Kinds) == 0 || slices.Contains(rv.Kinds, g.Kind)) {
			ids = append(ids, g.ID)
		}
		return err
	}, selectEndable, rv.Account)
	if err != nil {
		return nil, fmt.Errorf("reading grants of account %d: %w", rv.Account, err)
	}
	return ids, nil
}

// setStatus disables or deletes the account, and returns the API keys that act for groups which go with it.
func (v *verb) setStatus(rv token.RevokeVerb, old string) (keys []int64, err error) {
	kind := audit.AccountDisabled
	switch {
	case rv.Status == account.Deleted:
		kind = audit.AccountDeleted
	case rv.Status != account.Disabled:
		return nil, token.Refuse(token.Malformed, "an account can be revoked to %s or %s, not to %q",
			account.Disabled, account.Deleted, rv.Status)
	case old == account.Disabled:
		return nil, nil
	}
	if _, err := v.Exec(`UPDATE accounts SET status = $2, updated_at = $3 WHERE id = $1`, rv.Account, rv.Status, millis(v.now)); err != nil {
		return nil, fmt.Errorf("changing status: %w", err)
	}
	if _, err := v.Exec(`DELETE FROM resets WHERE account_id = $1`, rv.Account); err != nil {
		return nil, fmt.Errorf("removing reset link: %w", err)
	}
	if rv.Status == account.Deleted {
		if keys, err = v.forget(rv.Account); err != nil {
			return nil, err
		}
	}
	return keys, v.note(kind, audit.Event{Account: rv.Account, Service: v.by.Service, Detail: rv.Reason})
}

// What a deleted account leaves: its name, identities and subjects, so that nobody is given them again, and audit lines with
// its number. What those say of an account rather than of a grant may name the person.
var forgetAccount = []string{
	`UPDATE accounts SET display = '', email = '', password_hash = '' WHERE id = $1`,
	`UPDATE identities SET name = '', email = '' WHERE account_id = $1`,
	`UPDATE grants SET addr = '', agent = '', last_addr = '' WHERE account_id = $1`,
	`UPDATE audit SET addr = '', agent = '', detail = CASE WHEN grant_id = 0 THEN '' ELSE detail END
		WHERE account_id = $1 OR account_id IN (SELECT id FROM accounts WHERE joined_into = $1)`,
	`UPDATE audit SET addr = '', agent = '' WHERE actor = 'account ' || CAST($1 AS BIGINT) AND (addr <> '' OR agent <> '')`,
	`DELETE FROM attrs WHERE account_id = $1`,
	`DELETE FROM members WHERE account_id = $1`,
}

// forget clears what is known of a person, and deletes the groups that the account owns.
func (v *verb) forget(id int64) (keys []int64, err error) {
	for _, statement := range forgetAccount {
		if _, err := v.Exec(statement, id); err != nil {
			return nil, fmt.Errorf("clearing account %d: %w", id, err)
		}
	}
	if v.by.Account == id {
		v.by.Addr, v.by.Agent = "", ""
	}
	groups, err := collect(v, scanGroup, `SELECT id, name, uid, owner_id FROM account_groups WHERE owner_id = $1 ORDER BY id`, id)
	if err != nil {
		return nil, fmt.Errorf("reading groups of account %d: %w", id, err)
	}
	for _, g := range groups {
		more, err := v.dropGroup(g)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
	return keys, nil
}
