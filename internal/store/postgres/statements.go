package postgres

import (
	"context"
	"database/sql"
	"strings"

	"symbolon/internal/store/sqlstore"
)

var (
	_ sqlstore.Statements = inTx{}
	_ sqlstore.Statements = alone{}
)

// inTx runs statements in an open transaction.
type inTx struct{ tx *sql.Tx }

func (t inTx) Exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	return t.tx.ExecContext(ctx, query, storable(args)...)
}

func (t inTx) Query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	return t.tx.QueryContext(ctx, query, storable(args)...)
}

func (t inTx) QueryRow(ctx context.Context, query string, args []any) *sql.Row {
	return t.tx.QueryRowContext(ctx, query, storable(args)...)
}

// alone runs each statement as a transaction of its own.
type alone struct{ conn *sql.Conn }

func (a alone) Exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	return a.conn.ExecContext(ctx, query, storable(args)...)
}

func (a alone) Query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	return a.conn.QueryContext(ctx, query, storable(args)...)
}

func (a alone) QueryRow(ctx context.Context, query string, args []any) *sql.Row {
	return a.conn.QueryRowContext(ctx, query, storable(args)...)
}

// storable replaces what the server cannot hold in a text, NUL and broken UTF-8, by U+FFFD: no client can make a verb fail
// by what it calls itself, and looking for such a text finds none.
func storable(args []any) []any {
	for i, arg := range args {
		switch x := arg.(type) {
		case string:
			args[i] = valid(x)
		case []string:
			for j := range x {
				x[j] = valid(x[j])
			}
		}
	}
	return args
}

func valid(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}
