package app

import (
	"context"
	"errors"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var errUsePgDump = errors.New("the store is a PostgreSQL database: back it up with pg_dump, restore it with pg_restore, and then run `symbolon restored`")

// Backup writes a copy of the database into a new file, beside a running server.
func (a *App) Backup(ctx context.Context, file string) error {
	db, ok := a.db.(*sqlite.DB)
	if !ok {
		return errUsePgDump
	}
	return db.Backup(ctx, file)
}

// Restore puts a backup in the place of the database while no server runs, and begins a new epoch in it, in which API keys
// and signing keys stay if that is asked for. It returns where the old database is kept, "" if there was none. Tokens made
// before the next full second are refused.
func Restore(ctx context.Context, c *config.Config, file string, now time.Time, keepKeys bool) (kept string, at token.Position, err error) {
	if c.OnPostgres() {
		return "", at, errUsePgDump
	}
	kept, err = sqlite.Restore(ctx, file, sqlitePath(c), now, func(db *sqlite.DB) (err error) {
		store := sqlstore.New(db, nil, func() time.Time { return now })
		at, err = store.NewEpoch(ctx, sqlstore.EpochVerb{By: token.Operator(), Now: now, KeepKeys: keepKeys})
		return err
	})
	return kept, at, err
}
