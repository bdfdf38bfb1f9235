//go:build e2e

package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"symbolon/internal/store/postgres"
	"symbolon/internal/store/postgres/pgtest"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/store/storetest"
)

type postgresStore struct {
	*sqlstore.Store
	db *postgres.DB
}

func (s postgresStore) Close() error { return s.db.Close() }

func TestPostgres(t *testing.T) {
	server, err := pgtest.Start("fsync=off", "max_connections=300")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.Run(t, storetest.Engine{
		Open: func(t *testing.T, o storetest.Options) storetest.Store {
			t.Helper()
			if err := server.Create(database(o.Dir)); err != nil && !exists(err) {
				t.Fatal(err)
			}
			db, err := postgres.Open(context.Background(), postgres.Options{
				Address: server.URL(database(o.Dir)), Conns: 8, Listen: true, Migrations: sqlstore.Postgres(), Fault: o.Fault, Now: databaseClock(o),
			})
			if err != nil {
				t.Fatal(err)
			}
			return postgresStore{sqlstore.New(db, o.Services, o.Now), db}
		},
		Raw: func(s storetest.Store, fn func(sqlstore.Tx) error) error {
			return s.(postgresStore).db.Read(context.Background(), func(tx sqlstore.Tx) error {
				for _, set := range []string{"SET LOCAL enable_seqscan = off", "SET LOCAL jit = off"} {
					if _, err := tx.Exec(set); err != nil {
						return err
					}
				}
				return fn(tx)
			})
		},
		Explain: "EXPLAIN ",
		Tables:  `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`,
		Copy:    func(from, to string) error { return server.Copy(database(from), database(to)) },
	})
}

func databaseClock(o storetest.Options) func() time.Time {
	if o.Clock != nil {
		return o.Clock
	}
	return o.Now
}

// exists reports that the database was made before.
func exists(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "42P04"
}

// database is the name that stands for a folder.
func database(dir string) string {
	h := fnv.New64a()
	h.Write([]byte(dir))
	return fmt.Sprintf("test_%x", h.Sum64())
}
