//go:build e2e

package postgres_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"testing/fstest"

	_ "github.com/jackc/pgx/v5/stdlib"

	"symbolon/internal/store/postgres"
	"symbolon/internal/store/postgres/pgtest"
)

var one = fstest.MapFS{"00001_first.sql": {Data: []byte("-- +goose Up\nCREATE TABLE first (id BIGINT PRIMARY KEY);\n")}}

var two = fstest.MapFS{"00001_first.sql": one["00001_first.sql"],
	"00002_second.sql": {Data: []byte("-- +goose Up\nCREATE TABLE second (id BIGINT PRIMARY KEY);\n")}}

func open(t *testing.T, address string, migrations fstest.MapFS) error {
	t.Helper()
	db, err := postgres.Open(context.Background(), postgres.Options{Address: address, Migrations: migrations})
	if err != nil {
		return err
	}
	return db.Close()
}

// tables are those of the database, in order.
func tables(t *testing.T, address string) (all string) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const names = `SELECT COALESCE(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables WHERE schemaname = 'public'`
	if err := db.QueryRow(names).Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestPending: what would be run is told and not run; a schema that is newer than the program is refused, also by the question.
func TestPending(t *testing.T) {
	server, err := pgtest.Start("fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := server.Create("symbolon"); err != nil {
		t.Fatal(err)
	}
	address := server.URL("symbolon")
	pending := func(migrations fstest.MapFS, want string) {
		t.Helper()
		before := tables(t, address)
		got, err := postgres.Pending(t.Context(), address, migrations)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("pending are %v, %v, want %q", got, err, want)
		}
		if after := tables(t, address); after != before {
			t.Errorf("asking changed the tables from %q to %q", before, after)
		}
	}
	newer := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "the database has schema 2 and this program knows only 1: install the newer release") {
			t.Errorf("a newer schema: %v", err)
		}
	}
	pending(two, "00001_first.sql 00002_second.sql")
	if err := open(t, address, one); err != nil {
		t.Fatal(err)
	}
	pending(two, "00002_second.sql")
	pending(one, "")
	if err := open(t, address, two); err != nil {
		t.Fatal(err)
	}
	pending(two, "")
	if got := tables(t, address); got != "first goose_db_version second" {
		t.Errorf("tables are %q", got)
	}
	newer(open(t, address, one))
	_, err = postgres.Pending(t.Context(), address, one)
	newer(err)
}
