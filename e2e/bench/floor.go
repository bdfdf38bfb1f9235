//go:build e2e

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
)

// rows is how many grants the floors rotate.
const rows = 1000

const insertGrant = `INSERT INTO grants (nonce, account_id, service, kind, label, scope, subject, generation, issued_at, expires_at,
	revoked_reason, answer_lost, preview, use_count, addr, agent)
	VALUES ($1, $1, 'samples', 'pair', 'bench', '', '1', 0, $2, $3, '', 0, '', 0, '127.0.0.1', 'bench')`

// rotation is what a refresh must make durable at the least.
const rotation = `UPDATE grants SET generation = generation + 1, rotated_at = $3, answer_lost = 0, expires_at = $4, dead_at = $4
	WHERE id = $1 AND generation = $2 AND service = 'samples' AND revoked_at IS NULL AND expires_at > $3
	RETURNING id, nonce, account_id, generation, issued_at, rotated_at, expires_at`

// rotated runs one rotation and reads its row.
func rotated(row func(query string, args ...any) *sql.Row, id, generation int64) error {
	var out [7]int64
	now := time.Now().UnixMilli()
	err := row(rotation, id, generation, now, now+30*24*3600*1000).Scan(&out[0], &out[1], &out[2], &out[3], &out[4], &out[5], &out[6])
	if err != nil {
		return fmt.Errorf("rotating row %d: %w", id, err)
	}
	return nil
}

// openFloor makes a database of the server's own shape with rows in it.
func openFloor(ctx context.Context, path string) (*sqlite.DB, error) {
	db, err := sqlite.Open(ctx, sqlite.Options{Path: path, Serve: true, Migrations: sqlstore.SQLite()})
	if err != nil {
		return nil, err
	}
	err = db.Write(ctx, func(tx sqlstore.Tx) error {
		now := time.Now().UnixMilli()
		for i := range rows {
			if _, err := tx.Exec(insertGrant, i, now, now+24*3600*1000); err != nil {
				return fmt.Errorf("inserting rows: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// rawSQLite is the driver alone: one connection, one rotation in each transaction.
func rawSQLite(ctx context.Context, dir string, each time.Duration) (rate float64, err error) {
	path := filepath.Join(dir, "raw.db")
	made, err := openFloor(ctx, path)
	if err == nil {
		err = made.Close()
	}
	if err != nil {
		return 0, err
	}
	pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return 0, err
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	var mode string
	if err := pool.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil || mode != "wal" {
		return 0, fmt.Errorf("opening the raw database: journal mode %q, not wal: %w", mode, err)
	}
	statement, err := pool.PrepareContext(ctx, rotation)
	if err != nil {
		return 0, err
	}
	defer statement.Close()
	row := func(_ string, args ...any) *sql.Row { return statement.QueryRowContext(ctx, args...) }
	begin, n := time.Now(), int64(0)
	for ; time.Since(begin) < each; n++ {
		if err := rotated(row, 1+n%rows, n/rows); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(begin).Seconds(), nil
}

// groupCommit is the same through our writer, which commits together what waits.
func groupCommit(ctx context.Context, dir string, each time.Duration) (rate float64, err error) {
	db, err := openFloor(ctx, filepath.Join(dir, "grouped.db"))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	var wg sync.WaitGroup
	var count atomic.Int64
	var failed atomic.Pointer[error]
	begin := time.Now()
	for i := range crowd {
		wg.Go(func() {
			for g := int64(0); time.Since(begin) < each && failed.Load() == nil; g++ {
				err := db.Write(ctx, func(tx sqlstore.Tx) error { return rotated(tx.QueryRow, int64(1+i), g) })
				if err != nil {
					failed.Store(&err)
				}
				count.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(count.Load()) / time.Since(begin).Seconds(), nil
}
