//go:build e2e

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"symbolon/e2e/load"
	"symbolon/internal/app"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
)

// rawRows is how many grants the floors rotate.
const rawRows = 1000

const insertGrant = `INSERT INTO grants (nonce, account_id, service, kind, label, scope, subject, generation, issued_at, expires_at,
	revoked_reason, answer_lost, preview, use_count, addr, agent)
	VALUES ($1, $1, 'samples', 'pair', 'bench', '', '1', 0, $2, $3, '', 0, '', 0, '127.0.0.1', 'bench')`

// rotation is what a refresh must make durable at the least.
const rotation = `UPDATE grants SET generation = generation + 1, rotated_at = $3, answer_lost = 0, expires_at = $4, dead_at = $4
	WHERE id = $1 AND generation = $2 AND service = 'samples' AND revoked_at IS NULL AND expires_at > $3
	RETURNING id, nonce, account_id, generation, issued_at, rotated_at, expires_at`

// rotate runs one rotation and reads its row.
func rotate(ctx context.Context, s *sql.Stmt, id, generation int64) error {
	var out [7]int64
	now := time.Now().UnixMilli()
	err := s.QueryRowContext(ctx, id, generation, now, now+30*24*3600*1000).Scan(&out[0], &out[1], &out[2], &out[3], &out[4], &out[5], &out[6])
	if err != nil {
		return fmt.Errorf("rotating row %d: %w", id, err)
	}
	return nil
}

// rawSQLite is the driver alone: one connection, one rotation in each transaction, on a table of the server's shape.
func rawSQLite(ctx context.Context, path string) (func() error, func(), error) {
	db, err := sqlite.Open(ctx, sqlite.Options{Path: path, Serve: true, Migrations: sqlstore.SQLite()})
	if err != nil {
		return nil, nil, err
	}
	err = db.Write(ctx, func(tx sqlstore.Tx) error {
		now := time.Now().UnixMilli()
		for i := range rawRows {
			if _, err := tx.Exec(insertGrant, i, now, now+24*3600*1000); err != nil {
				return fmt.Errorf("inserting rows: %w", err)
			}
		}
		return nil
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, nil, err
	}
	pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxOpenConns(1)
	var mode string
	if err := pool.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		return nil, nil, errors.Join(fmt.Errorf("the raw database is in journal mode %q, not wal: %w", mode, err), pool.Close())
	}
	statement, err := pool.PrepareContext(ctx, rotation)
	if err != nil {
		return nil, nil, errors.Join(err, pool.Close())
	}
	total := int64(0)
	once := func() error {
		err := rotate(ctx, statement, 1+total%rawRows, total/rawRows)
		total++
		return err
	}
	return once, func() { statement.Close(); pool.Close() }, nil
}

// rawPostgres is the one statement on n connections, on a table of the server's shape.
func (b *bench) rawPostgres(n int) (*side, error) {
	// What the server makes there is the tables.
	if err := load.Inside(b.ctx, b.dir, "store: "+b.pg.URL("floor")+"\n"+b.settings("warn", ""), func(*app.App) error { return nil }); err != nil {
		return nil, err
	}
	pool, err := sql.Open("pgx", b.pg.URL("floor"))
	if err != nil {
		return nil, err
	}
	b.closers = append(b.closers, func() { pool.Close() })
	pool.SetMaxOpenConns(n)
	pool.SetMaxIdleConns(n)
	if _, err := pool.ExecContext(b.ctx, `INSERT INTO accounts (name, name_key, type, status, display, email, password_hash, created_at, updated_at)
		VALUES ('bench', 'bench', 'person', 'active', '', '', '', 0, 0)`); err != nil {
		return nil, fmt.Errorf("inserting an account: %w", err)
	}
	now := time.Now().UnixMilli()
	var workers []func() error
	for i := range n {
		var id, generation int64
		err := pool.QueryRowContext(b.ctx, `INSERT INTO grants (nonce, account_id, service, kind, label, scope, subject, generation, issued_at, expires_at,
			revoked_reason, answer_lost, preview, use_count, addr, agent)
			VALUES ($1, 1, 'samples', 'pair', 'bench', '', '1', 0, $2, $3, '', 0, '', 0, '127.0.0.1', 'bench') RETURNING id`, i, now, now+24*3600*1000).Scan(&id)
		if err != nil {
			return nil, fmt.Errorf("inserting a grant: %w", err)
		}
		statement, err := pool.PrepareContext(b.ctx, rotation)
		if err != nil {
			return nil, err
		}
		workers = append(workers, func() error {
			err := rotate(b.ctx, statement, id, generation)
			generation++
			return err
		})
	}
	return inProcess(workers), nil
}
