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

// AddGroup makes a group; see account.Groups.
func (s *Store) AddGroup(ctx context.Context, by account.By, now time.Time, name, uid, owner string) (g account.Group, err error) {
	err = s.write(ctx, "adding group", caller(by), now, func(v *verb) error {
		var ownerID int64
		if owner != "" {
			if ownerID, _, err = v.lockName(owner); err != nil {
				return err
			}
		}
		id, err := value[int64](v.QueryRow(`INSERT INTO account_groups (name, name_key, uid, owner_id, created_at)
			VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id`, name, account.Key(name), uid, ownerID, millis(v.now)))
		if errors.Is(err, sql.ErrNoRows) {
			return refuse(account.Conflict, "the group name %q is in use; choose another", name)
		}
		if err != nil {
			return err
		}
		if err := v.note(audit.GroupAdded, audit.Event{Account: ownerID, Detail: "group " + name}); err != nil {
			return err
		}
		g, err = readGroup(v, id)
		return err
	})
	return g, err
}

const selectGroups = `SELECT g.id, g.name, g.uid, COALESCE(a.name, ''), g.created_at
	FROM account_groups g LEFT JOIN accounts a ON a.id = g.owner_id`

func scanAccountGroup(s scanner) (g account.Group, err error) {
	err = s.Scan(&g.ID, &g.Name, &g.UID, &g.Owner, instant(&g.CreatedAt))
	return g, err
}

func readGroup(tx Tx, id int64) (account.Group, error) {
	g, err := scanAccountGroup(tx.QueryRow(selectGroups+` WHERE g.id = $1`, id))
	if err != nil {
		return g, fmt.Errorf("reading group: %w", err)
	}
	return g, readMembers(tx, &g)
}

func readMembers(tx Tx, g *account.Group) (err error) {
	g.Members, err = collect(tx, value[string], `SELECT a.name FROM members m JOIN accounts a ON a.id = m.account_id
		WHERE m.group_id = $1 ORDER BY a.name_key`, g.ID)
	if err != nil {
		return fmt.Errorf("reading members: %w", err)
	}
	return nil
}

// Groups returns every group, by name.
func (s *Store) Groups(ctx context.Context) (all []account.Group, err error) {
	err = s.read(ctx, "listing groups", func(tx Tx) (err error) {
		if all, err = collect(tx, scanAccountGroup, selectGroups+` ORDER BY g.name_key`); err != nil {
			return err
		}
		for i := range all {
			if err := readMembers(tx, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// groupNamed reads a group by name, and holds it against its deletion.
func (v *verb) groupNamed(name string) (token.Group, error) {
	g, err := scanGroup(v.QueryRow(`SELECT id, name, uid, owner_id FROM account_groups WHERE name_key = $1`+
		v.store.db.Share(), account.Key(name)))
	if errors.Is(err, sql.ErrNoRows) {
		return g, refuse(account.NotFound, "there is no group %q", name)
	}
	if err != nil {
		return g, fmt.Errorf("reading group: %w", err)
	}
	return g, nil
}

// join makes the account a member and reports whether it was none.
func (v *verb) join(group string, id int64, name string) (bool, error) {
	g, err := v.groupNamed(group)
	if err != nil {
		return false, err
	}
	added, err := v.changes(`INSERT INTO members (group_id, account_id, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		g.ID, id, millis(v.now))
	if err != nil || !added {
		return false, err
	}
	return true, v.note(audit.MemberAdded, audit.Event{Account: id, Detail: fmt.Sprintf("%s into group %s", name, g.Name)})
}

// leave ends a membership and reports whether there was one.
func (v *verb) leave(group string, id int64, name string) (bool, error) {
	g, err := v.groupNamed(group)
	if err != nil {
		return false, err
	}
	removed, err := v.changes(`DELETE FROM members WHERE group_id = $1 AND account_id = $2`, g.ID, id)
	if err != nil || !removed {
		return false, err
	}
	return true, v.note(audit.MemberRemoved, audit.Event{Account: id, Detail: fmt.Sprintf("%s out of group %s", name, g.Name)})
}

// AddMember puts an account into a group.
func (s *Store) AddMember(ctx context.Context, by account.By, now time.Time, group, name string) error {
	return s.write(ctx, "adding member", caller(by), now, func(v *verb) error {
		id, _, err := v.lockName(name)
		if err != nil {
			return err
		}
		joined, err := v.join(group, id, name)
		if err != nil || !joined {
			return err
		}
		return v.stale(id)
	})
}

// RemoveMember takes an account out of a group and makes what was minted for it stale.
func (s *Store) RemoveMember(ctx context.Context, by account.By, now time.Time, group, name string) error {
	return s.write(ctx, "removing member", caller(by), now, func(v *verb) error {
		id, _, err := v.lockName(name)
		if err != nil {
			return err
		}
		left, err := v.leave(group, id, name)
		if err != nil || !left {
			return err
		}
		return v.lost(id)
	})
}

// lost makes an account's grants stale and cuts off its names after it lost a group.
func (v *verb) lost(id int64) error {
	if _, err := v.lockAccount(id); err != nil {
		return err
	}
	names, err := v.names(id)
	if err != nil {
		return err
	}
	if err := v.cut(names); err != nil {
		return err
	}
	return v.stale(id)
}

// DeleteGroup removes a group; its members lose it and the API keys that act for it end.
func (s *Store) DeleteGroup(ctx context.Context, by account.By, now time.Time, name string) error {
	return s.write(ctx, "deleting group", caller(by), now, func(v *verb) error {
		g, err := v.groupNamed(name)
		if err != nil {
			return err
		}
		keys, err := v.dropGroup(g)
		if err != nil {
			return err
		}
		for _, key := range keys {
			acting, err := v.grant(key)
			if err != nil {
				return err
			}
			if _, err := v.endOne(acting, "group deleted", audit.Revoked); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropGroup removes a group with its memberships and returns the API keys that act for it, which the caller ends.
func (v *verb) dropGroup(g token.Group) (keys []int64, err error) {
	members, err := collect(v, value[int64], `SELECT account_id FROM members WHERE group_id = $1 ORDER BY account_id`, g.ID)
	if err != nil {
		return nil, fmt.Errorf("reading members: %w", err)
	}
	for _, statement := range []string{`DELETE FROM members WHERE group_id = $1`, `DELETE FROM account_groups WHERE id = $1`} {
		if _, err := v.Exec(statement, g.ID); err != nil {
			return nil, fmt.Errorf("deleting group: %w", err)
		}
	}
	for _, id := range members {
		if err := v.lost(id); err != nil {
			return nil, err
		}
	}
	keys, err = collect(v, value[int64], `SELECT id FROM grants WHERE group_id = $1 AND revoked_at IS NULL ORDER BY id`, g.ID)
	if err != nil {
		return nil, fmt.Errorf("reading keys of group: %w", err)
	}
	return keys, v.note(audit.GroupDeleted, audit.Event{Account: g.Owner, Detail: "group " + g.Name})
}
