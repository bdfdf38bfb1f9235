package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/store/storetest"
	"symbolon/internal/token"
)

type sqliteStore struct {
	*sqlstore.Store
	db *sqlite.DB
}

func (s sqliteStore) Close() error { return s.db.Close() }

func TestSQLite(t *testing.T) {
	storetest.Run(t, storetest.Engine{Copy: copyFiles, Raw: readSQLite, Explain: "EXPLAIN QUERY PLAN ", Tables: `SELECT name FROM sqlite_schema WHERE type = 'table'`, Open: func(t *testing.T, o storetest.Options) storetest.Store {
		t.Helper()
		db, err := sqlite.Open(context.Background(), sqlite.Options{
			Path: filepath.Join(o.Dir, "symbolon.db"), Migrations: sqlstore.SQLite(), Fault: o.Fault,
		})
		if err != nil {
			t.Fatal(err)
		}
		return sqliteStore{sqlstore.New(db, o.Services, o.Now), db}
	}})
}

func readSQLite(s storetest.Store, fn func(sqlstore.Tx) error) error {
	return s.(sqliteStore).db.Read(context.Background(), fn)
}

func copyFiles(from, to string) error {
	names, err := filepath.Glob(filepath.Join(from, "*"))
	for _, name := range names {
		data, e := os.ReadFile(name)
		if e == nil {
			e = os.WriteFile(filepath.Join(to, filepath.Base(name)), data, 0o600)
		}
		err = errors.Join(err, e)
	}
	return err
}

// What every start reads must not grow with the grants: no statement looks through their whole table.
func TestStartScansNoGrants(t *testing.T) {
	ctx := context.Background()
	var queries []string
	db, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(t.TempDir(), "symbolon.db"), Migrations: sqlstore.SQLite(),
		Fault: func(op string) error {
			if query, ok := strings.CutPrefix(op, "query "); ok {
				queries = append(queries, query)
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := sqlstore.New(db, nil, time.Now)
	_, errList := s.List(ctx, token.Filter{Service: "samples", Kinds: []token.GrantKind{token.ServiceKey}, Live: true, Now: time.Now()})
	_, errLoad := s.Load(ctx, func(token.Entry) {})
	_, _, errStart := s.Start(ctx, time.Now(), map[string]string{"samples": "none"})
	_, _, errSince := s.Since(ctx, 0, 1)
	if err := errors.Join(errList, errLoad, errStart, errSince); err != nil {
		t.Fatal(err)
	}
	for _, query := range queries {
		err := db.Read(ctx, func(tx sqlstore.Tx) error {
			rows, err := tx.Query("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "$"))...)
			if err != nil {
				return err
			}
			for rows.Next() {
				var id, parent, unused int
				var step string
				if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
					return err
				}
				if strings.HasPrefix(step, "SCAN grants") && !strings.HasSuffix(step, " COVERING INDEX grants_revoked") && !strings.HasSuffix(step, " INDEX grants_stale") {
					t.Errorf("%s: %s", step, query)
				}
			}
			return rows.Err()
		})
		if err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
}
