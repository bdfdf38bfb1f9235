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

// floor is what rotations cost without us.
type floor struct {
	name   string
	rotate func(end time.Time) (int64, error)
	count  int64
	took   time.Duration
}

func (f *floor) rate() float64 { return float64(f.count) / f.took.Seconds() }

func (f *floor) measure(d time.Duration) error {
	begin := time.Now()
	n, err := f.rotate(begin.Add(d))
	f.count += n
	f.took += time.Since(begin)
	return err
}

// openFloors makes both databases; the returned function closes them.
func openFloors(ctx context.Context, dir string) ([]*floor, func(), error) {
	raw, closeRaw, err := rawSQLite(ctx, filepath.Join(dir, "raw.db"))
	if err != nil {
		return nil, nil, err
	}
	db, err := openFloor(ctx, filepath.Join(dir, "grouped.db"))
	if err != nil {
		closeRaw()
		return nil, nil, err
	}
	return []*floor{
		{name: "SQLite alone, one at a time", rotate: raw},
		{name: fmt.Sprintf("our store alone, %d at once", crowd), rotate: groupCommit(ctx, db)},
	}, func() { closeRaw(); db.Close() }, nil
}

// rawSQLite is the driver alone: one connection, one rotation in each transaction.
func rawSQLite(ctx context.Context, path string) (func(time.Time) (int64, error), func(), error) {
	made, err := openFloor(ctx, path)
	if err == nil {
		err = made.Close()
	}
	if err != nil {
		return nil, nil, err
	}
	pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxOpenConns(1)
	var mode string
	err = pool.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	if err != nil || mode != "wal" {
		pool.Close()
		return nil, nil, fmt.Errorf("opening the raw database in journal mode %q, not wal: %w", mode, err)
	}
	statement, err := pool.PrepareContext(ctx, rotation)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	row := func(_ string, args ...any) *sql.Row { return statement.QueryRowContext(ctx, args...) }
	total := int64(0)
	return func(end time.Time) (int64, error) {
		first := total
		for ; time.Now().Before(end); total++ {
			if err := rotated(row, 1+total%rows, total/rows); err != nil {
				return 0, err
			}
		}
		return total - first, nil
	}, func() { statement.Close(); pool.Close() }, nil
}

// groupCommit is the same through our writer, which commits together what waits.
func groupCommit(ctx context.Context, db *sqlite.DB) func(time.Time) (int64, error) {
	var generations [crowd]int64
	return func(end time.Time) (int64, error) {
		var wg sync.WaitGroup
		var count atomic.Int64
		errs := make([]error, crowd)
		for i := range crowd {
			wg.Go(func() {
				for time.Now().Before(end) && errs[i] == nil {
					errs[i] = db.Write(ctx, func(tx sqlstore.Tx) error { return rotated(tx.QueryRow, int64(1+i), generations[i]) })
					generations[i]++
					count.Add(1)
				}
			})
		}
		wg.Wait()
		return count.Load(), errors.Join(errs...)
	}
}
