//go:build e2e

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"symbolon/internal/store/postgres/pgtest"
)

// engine is one kind of store.
type engine interface {
	name() string
	// folder is where a database's server keeps its files, and address its key `store`.
	folder(database string) string
	address(database string) (string, error)
	// open connects without us, with as many connections as a rotation of the server has to choose from.
	open(database string) (db *sql.DB, conns int, err error)
	// filling makes writes quick and careless until the returned function is called, which leaves the database as
	// it is after months.
	filling(db *sql.DB) (done func() error, err error)
	// size is that of the whole database in bytes, and of three of its tables with their indexes. No server runs.
	size(database string) (whole int64, tables map[string]int64, err error)
	close() error
}

// tables are those that refreshes must not fill.
var tables = []string{"grants", "feed", "audit"}

type onSQLite struct{ dir string }

func newSQLite(dir string) (engine, error) { return onSQLite{dir}, os.MkdirAll(dir, 0o700) }

func (onSQLite) name() string                              { return "SQLite" }
func (e onSQLite) folder(database string) string           { return filepath.Join(e.dir, database) }
func (e onSQLite) address(database string) (string, error) { return "sqlite:" + e.file(database), nil }
func (e onSQLite) file(database string) string {
	return filepath.Join(e.folder(database), "symbolon.db")
}
func (onSQLite) close() error { return nil }

func (e onSQLite) open(database string) (*sql.DB, int, error) {
	db, err := sql.Open("sqlite", "file:"+e.file(database)+"?_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_pragma=cache_size(-8192)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, 1, err
}

func (e onSQLite) filling(db *sql.DB) (func() error, error) {
	_, err := db.Exec("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000")
	return func() error {
		_, err := db.Exec("PRAGMA journal_mode = WAL")
		return err
	}, err
}

func (e onSQLite) size(database string) (int64, map[string]int64, error) {
	db, _, err := e.open(database)
	if err != nil {
		return 0, nil, err
	}
	defer db.Close()
	sizes := map[string]int64{}
	for _, t := range tables {
		const pages = `SELECT COALESCE(SUM(pgsize), 0) FROM dbstat WHERE aggregate = 1 AND name IN (SELECT name FROM sqlite_schema WHERE tbl_name = $1)`
		var n int64
		if err := db.QueryRow(pages, t).Scan(&n); err != nil {
			return 0, nil, fmt.Errorf("measuring %s: %w", t, err)
		}
		sizes[t] = n
	}
	info, err := os.Stat(e.file(database))
	if err != nil {
		return 0, nil, err
	}
	return info.Size(), sizes, nil
}

type onPostgres struct {
	dir    string
	server *pgtest.Server
}

func newPostgres(dir string) (engine, error) {
	server, err := pgtest.Start("shared_buffers=512MB", "max_wal_size=8GB", "maintenance_work_mem=512MB")
	if err != nil {
		return nil, err
	}
	return onPostgres{dir, server}, nil
}

func (onPostgres) name() string                    { return "PostgreSQL" }
func (e onPostgres) folder(database string) string { return filepath.Join(e.dir, database) }
func (e onPostgres) close() error                  { return e.server.Close() }

func (e onPostgres) address(database string) (string, error) {
	return e.server.URL(database), e.server.Create(database)
}

func (e onPostgres) open(database string) (*sql.DB, int, error) {
	db, err := sql.Open("pgx", e.server.URL(database))
	conns := 4 * runtime.GOMAXPROCS(0) // as the server's pool
	if err == nil {
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
	}
	return db, conns, err
}

func (e onPostgres) filling(db *sql.DB) (func() error, error) {
	return func() error {
		_, err := db.Exec("SELECT setval(pg_get_serial_sequence('grants', 'id'), (SELECT MAX(id) FROM grants))")
		return errors.Join(err, e.tidy(db), e.server.Set("", ""))
	}, e.server.Set("fsync", "off")
}

// tidy does what autovacuum does by itself in months.
func (onPostgres) tidy(db *sql.DB) error {
	for _, statement := range []string{"VACUUM ANALYZE", "CHECKPOINT"} {
		if _, err := db.ExecContext(context.Background(), statement); err != nil {
			return err
		}
	}
	return nil
}

func (e onPostgres) size(database string) (whole int64, sizes map[string]int64, err error) {
	db, _, err := e.open(database)
	if err != nil {
		return 0, nil, err
	}
	defer db.Close()
	sizes = map[string]int64{}
	for _, t := range tables {
		var n int64
		if err := db.QueryRow("SELECT pg_total_relation_size($1::regclass)", t).Scan(&n); err != nil {
			return 0, nil, fmt.Errorf("measuring %s: %w", t, err)
		}
		sizes[t] = n
	}
	return whole, sizes, db.QueryRow("SELECT pg_database_size(current_database())").Scan(&whole)
}
