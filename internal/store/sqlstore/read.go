package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"symbolon/internal/audit"
	"symbolon/internal/token"
)

const defaultLimit = 1000 // rows of a list whose caller names no limit

const selectGrant = `SELECT ` + grantColumns + ` FROM grants WHERE id = $1`

// grant reads a grant that is known to be there.
func (v *verb) grant(id int64) (token.Grant, error) {
	g, err := scanGrant(v.QueryRow(selectGrant, id))
	if err != nil {
		return g, fmt.Errorf("reading grant: %w", err)
	}
	return g, nil
}

// Grant returns one grant, live or not; NotFound without one.
func (s *Store) Grant(ctx context.Context, id int64) (token.Grant, error) {
	return s.oneGrant(ctx, "there is no such grant", selectGrant, id)
}

// Head returns the highest number of a grant, 0 where there is none.
func (s *Store) Head(ctx context.Context) (top int64, err error) {
	err = s.read(ctx, "reading highest grant", func(tx Tx) (err error) {
		top, err = value[int64](tx.QueryRow(`SELECT COALESCE(MAX(id), 0) FROM grants`))
		return err
	})
	return top, err
}

// KeyBySecret returns the API key with the SHA-256 of a secret, live or not; NotFound without one. No other kind is found here.
func (s *Store) KeyBySecret(ctx context.Context, hash [32]byte) (token.Grant, error) {
	var head int64
	g, err := s.oneGrant(ctx, "there is no such API key",
		`SELECT `+grantColumns+`, (`+lastSeq+`) FROM grants WHERE secret_hash = $1 AND kind = 'apikey'`, hash[:], &head)
	if err == nil {
		s.tell(head)
	}
	return g, err
}

// BrowserBySecret returns the grant of a browser by the SHA-256 of its secret, live or not; NotFound without one.
func (s *Store) BrowserBySecret(ctx context.Context, hash [32]byte) (token.Grant, error) {
	return s.oneGrant(ctx, "there is no such browser",
		`SELECT `+grantColumns+` FROM grants WHERE secret_hash = $1 AND kind = 'browser'`, hash[:])
}

// oneGrant reads the one row of a query, whose columns after those of a grant go into more.
func (s *Store) oneGrant(ctx context.Context, none, query string, arg any, more ...any) (g token.Grant, err error) {
	err = s.readOne(ctx, "reading grant", func(tx Tx) (err error) {
		g, err = scanGrant(beside{tx.QueryRow(query, arg), more})
		if errors.Is(err, sql.ErrNoRows) {
			return token.Refuse(token.NotFound, "%s", none)
		}
		return err
	})
	return g, err
}

// where collects conditions; only constant text goes into the SQL, values become parameters.
type where struct {
	conditions []string
	args       []any
}

// and adds a condition in which each ? stands for one of the values.
func (w *where) and(condition string, values ...any) {
	for _, x := range values {
		w.args = append(w.args, x)
		condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(w.args)), 1)
	}
	w.conditions = append(w.conditions, condition)
}

// in adds the condition that the column is one of the values; none asks for nothing.
func in[T ~string](w *where, column string, values []T) {
	if len(values) == 0 {
		return
	}
	var args []any
	for _, x := range values {
		args = append(args, string(x))
	}
	w.and(column+" IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
}

// suffix returns the WHERE clause, the order and the limit.
func (w *where) suffix(order string, limit int) string {
	if limit <= 0 {
		limit = defaultLimit
	}
	w.args = append(w.args, limit)
	clause := ""
	if len(w.conditions) > 0 {
		clause = " WHERE " + strings.Join(w.conditions, " AND ")
	}
	return fmt.Sprintf("%s ORDER BY %s LIMIT $%d", clause, order, len(w.args))
}

// List returns the grants a filter matches, newest first.
func (s *Store) List(ctx context.Context, f token.Filter) (all []token.Grant, err error) {
	var w where
	if f.Account != 0 {
		w.and("account_id = ?", f.Account)
	}
	if f.Service != "" {
		w.and("service = ?", f.Service)
	}
	in(&w, "kind", f.Kinds)
	if slices.Equal(f.Kinds, []token.GrantKind{token.ServiceKey}) {
		w.and("account_id = 0") // as all of them have, and an index: every start looks for them
	}
	if f.Live {
		w.and("revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)", millis(f.Now))
	}
	if f.Before != 0 {
		w.and("id < ?", f.Before)
	}
	query := `SELECT ` + grantColumns + ` FROM grants` + w.suffix("id DESC", f.Limit)
	err = s.read(ctx, "listing grants", func(tx Tx) (err error) {
		all, err = collect(tx, scanGrant, query, w.args...)
		return err
	})
	return all, err
}

// Audit returns the lines a filter matches, newest first: in the order of writing, whatever the clock said.
func (s *Store) Audit(ctx context.Context, f audit.Filter) (all []audit.Event, err error) {
	var w where
	if f.Account != 0 {
		w.and("(account_id = ? OR account_id IN (SELECT id FROM accounts WHERE joined_into = ?))", f.Account, f.Account)
	}
	if f.Grant != 0 {
		w.and("grant_id = ?", f.Grant)
	}
	in(&w, "kind", f.Kinds)
	if !f.Since.IsZero() {
		w.and("at >= ?", millis(f.Since))
	}
	if !f.Until.IsZero() {
		w.and("at < ?", millis(f.Until))
	}
	if f.Before != 0 {
		w.and("id < ?", f.Before)
	}
	query := `SELECT id, at, kind, actor, account_id, grant_id, service, addr, agent, detail FROM audit` + w.suffix("id DESC", f.Limit)
	err = s.read(ctx, "reading audit", func(tx Tx) (err error) {
		all, err = collect(tx, scanEvent, query, w.args...)
		return err
	})
	return all, err
}

func scanEvent(s scanner) (e audit.Event, err error) {
	err = s.Scan(&e.ID, instant(&e.At), &e.Kind, &e.Actor, &e.Account, &e.Grant, &e.Service, &e.Addr, &e.Agent, &e.Detail)
	return e, err
}
