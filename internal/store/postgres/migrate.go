package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"symbolon/internal/store/sqlstore"
)

// migrationLock is the key of the advisory lock under which one process at a time changes the schema: "SYMB".
const migrationLock = 0x53594d42

// migrate brings the schema up to date. The lock belongs to a transaction and not to a session, so that it also holds
// behind a pooler; changing large tables may take longer than any verb.
func migrate(ctx context.Context, config *pgx.ConnConfig, migrations fs.FS, log *slog.Logger) error {
	latest, err := sqlstore.Latest(migrations)
	if err != nil {
		return err
	}
	pool := openPool(config, "")
	defer pool.Close()
	have, err := version(ctx, pool)
	if err != nil || have == latest {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // there is nothing in it but the lock
	if _, err := tx.ExecContext(ctx, "SELECT set_config('idle_in_transaction_session_timeout', '0', true), pg_advisory_xact_lock($1)", migrationLock); err != nil {
		return fmt.Errorf("waiting for another process to migrate: %w", err)
	}
	if have, err = version(ctx, pool); err != nil || have == latest { // another process did it in the meantime
		return err
	}
	if err := known(have, latest); err != nil {
		return err
	}
	if err := up(ctx, pool, migrations); err != nil {
		return err
	}
	log.Info("schema migrated", "from", have, "to", latest)
	return nil
}

func up(ctx context.Context, pool *sql.DB, migrations fs.FS) error {
	p, err := goose.NewProvider(goose.DialectPostgres, pool, migrations,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating: %w", err)
	}
	return nil
}

// version is the schema of the database, 0 for an empty one.
func version(ctx context.Context, pool *sql.DB) (have int64, err error) {
	var table sql.NullString
	if err := pool.QueryRowContext(ctx, "SELECT to_regclass('goose_db_version')::text").Scan(&table); err != nil {
		return 0, fmt.Errorf("reading schema version: %w", err)
	}
	if !table.Valid {
		return 0, nil
	}
	if err := pool.QueryRowContext(ctx, "SELECT COALESCE(MAX(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&have); err != nil {
		return 0, fmt.Errorf("reading schema version: %w", err)
	}
	return have, nil
}

func known(have, latest int64) error {
	if have > latest {
		return fmt.Errorf("the database has schema %d and this program knows only %d: install the newer release", have, latest)
	}
	return nil
}

// Pending names the migrations that Open would run, and runs none.
func Pending(ctx context.Context, address string, migrations fs.FS) ([]string, error) {
	config, err := parse(address)
	if err != nil {
		return nil, err
	}
	pool := openPool(config, "")
	defer pool.Close()
	latest, err := sqlstore.Latest(migrations)
	if err != nil {
		return nil, err
	}
	have, err := version(ctx, pool)
	if err != nil {
		return nil, explain(err)
	}
	if err := known(have, latest); err != nil {
		return nil, err
	}
	return sqlstore.Pending(migrations, have)
}
