package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"symbolon/internal/config"
	"symbolon/internal/store/postgres"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
)

// database is an open engine.
type database interface {
	sqlstore.DB
	Close() error
}

func (a *App) openStore(ctx context.Context, o Options) (err error) {
	if a.Config.OnPostgres() {
		a.db, err = a.openPostgres(ctx, o)
	} else {
		a.db, err = a.openSQLite(ctx, o)
	}
	if err != nil {
		return err
	}
	a.Store = sqlstore.New(a.db, a.services(), a.now)
	if a.Store.Shared() && o.Alone {
		if err := a.nobodyServes(ctx); err != nil {
			return errors.Join(err, a.db.Close())
		}
	}
	return nil
}

func (a *App) openPostgres(ctx context.Context, o Options) (database, error) {
	if o.Serve { // for the master key
		if err := makeFolders(a.Config.Data); err != nil {
			return nil, err
		}
	}
	return postgres.Open(ctx, postgres.Options{Address: a.Config.Store, Listen: o.Serve, Migrations: sqlstore.Postgres(), Log: a.log})
}

func (a *App) openSQLite(ctx context.Context, o Options) (database, error) {
	path := sqlitePath(a.Config)
	if o.Serve {
		if err := makeFolders(a.Config.Data, filepath.Dir(path)); err != nil {
			return nil, err
		}
	} else if err := mustExist(path); err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, sqlite.Options{Path: path, Serve: o.Serve || o.Alone, Migrations: sqlstore.SQLite(), Log: a.log})
}

func sqlitePath(c *config.Config) string { return strings.TrimPrefix(c.Store, "sqlite:") }

func makeFolders(folders ...string) error {
	for _, dir := range folders {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the data folder: %w", err)
		}
	}
	return nil
}

// mustExist refuses for a command to make a database: one that finds none has
// been pointed at the wrong place.
func mustExist(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database at %s: start `symbolon serve` once, or point at its folder with --data or --config", path)
	}
	return nil
}

// nobodyServes refuses while a server is on the store, which no lock file could tell.
func (a *App) nobodyServes(ctx context.Context) error {
	all, err := a.Store.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.Live() {
			return fmt.Errorf("the server %s is on this database: stop it, or wait %s after it was killed", n.Name, sqlstore.NodeSilent)
		}
	}
	return nil
}

// Pending lists the migrations that opening the store will run, by file name.
func Pending(ctx context.Context, c *config.Config) ([]string, error) {
	if c.OnPostgres() {
		return postgres.Pending(ctx, c.Store, sqlstore.Postgres())
	}
	path := sqlitePath(c)
	if err := mustExist(path); err != nil {
		return nil, err
	}
	return sqlite.Pending(ctx, path, sqlstore.SQLite())
}
