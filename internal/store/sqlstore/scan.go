package sqlstore

import (
	"database/sql"
	"time"

	"symbolon/internal/token"
)

// millis is how a time that is always there is stored.
func millis(t time.Time) int64 { return t.UnixMilli() }

// orNull stores the zero time as NULL.
func orNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}

// idOrNull stores 0 as NULL.
func idOrNull(id int64) any {
	if id == 0 {
		return nil
	}
	return id
}

// instant reads a stored time into dst; NULL is the zero time.
func instant(dst *time.Time) sql.Scanner { return (*moment)(dst) }

type moment time.Time

// Scan implements sql.Scanner.
func (m *moment) Scan(src any) error {
	var n sql.NullInt64
	if err := n.Scan(src); err != nil {
		return err
	}
	*m = moment{}
	if n.Valid {
		*m = moment(time.UnixMilli(n.Int64).UTC())
	}
	return nil
}

// scanner is a row, or the present one of several.
type scanner interface{ Scan(dest ...any) error }

// collect runs a query and scans every row with scan.
func collect[T any](tx Tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	var all []T
	err := each(tx, func(row scanner) error {
		one, err := scan(row)
		all = append(all, one)
		return err
	}, query, args...)
	return all, err
}

// each runs a query and gives every row to do, which must not use tx.
func each(tx Tx, do func(scanner) error, query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// value scans a row of one column.
func value[T any](row scanner) (T, error) {
	var x T
	err := row.Scan(&x)
	return x, err
}

const grantColumns = `id, nonce, account_id, service, kind, label, scope, subject, COALESCE(parent_id, 0), COALESCE(group_id, 0),
	COALESCE(replaced_by, 0), generation, issued_at, rotated_at, not_before, expires_at, cap, revoked_at, revoked_reason,
	preview, last_used_at, last_addr, use_count, addr, agent, answer_lost, retry_key`

// row is a grant with what only the store looks at.
type row struct {
	token.Grant
	lost  bool   // the answer with the present generation did not arrive
	retry []byte // hash of the Idempotency-Key of the last rotation
}

func scanRow(s scanner) (row, error) {
	var r row
	g := &r.Grant
	err := s.Scan(&g.ID, &g.Nonce, &g.Account, &g.Service, &g.Kind, &g.Label, &g.Scope, &g.Subject, &g.Parent, &g.Group,
		&g.ReplacedBy, &g.Generation, instant(&g.IssuedAt), instant(&g.RotatedAt), instant(&g.NotBefore), instant(&g.ExpiresAt), instant(&g.Cap),
		instant(&g.RevokedAt), &g.RevokedReason,
		&g.Preview, instant(&g.LastUsedAt), &g.LastAddr, &g.UseCount, &g.Addr, &g.Agent, &r.lost, &r.retry)
	return r, err
}

// beside is a row with more columns at its end.
type beside struct {
	scanner
	more []any
}

func (b beside) Scan(dest ...any) error { return b.scanner.Scan(append(dest, b.more...)...) }

func scanGrant(s scanner) (token.Grant, error) {
	r, err := scanRow(s)
	return r.Grant, err
}
