package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/store/storetest"
)

type sqliteStore struct {
	*sqlstore.Store
	db *sqlite.DB
}

func (s sqliteStore) Close() error { return s.db.Close() }

func TestSQLite(t *testing.T) {
	storetest.Run(t, storetest.Engine{Copy: copyFiles, Raw: readSQLite, Tables: `SELECT name FROM sqlite_schema WHERE type = 'table'`, Open: func(t *testing.T, o storetest.Options) storetest.Store {
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
