package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	engine "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"symbolon/internal/store/sqlstore"
)

// applicationID marks a file as ours in its SQLite header: "SYMB".
const applicationID = 0x53594d42

// create makes an empty file where there is none. An existing one is never opened here: closing it again would drop the
// locks that SQLite holds on it in this process.
func create(path string) error {
	folder := filepath.Dir(path)
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("the data folder %s does not exist or is no folder: create it, or name another one", folder)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("creating store file: %w", err)
	}
	return f.Close()
}

// identity is what a file's header says.
type identity struct {
	application, schema, tables int64
}

func (i identity) ours() bool  { return i.application == applicationID }
func (i identity) empty() bool { return i.application == 0 && i.tables == 0 }

// prepare refuses files that are not ours to touch and brings the schema up to date. Its connection becomes the writer's.
func (d *DB) prepare(ctx context.Context, migrations fs.FS) error {
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", d.path, err)
	}
	if err := d.update(ctx, conn, migrations); err != nil {
		return errors.Join(err, conn.Close())
	}
	d.writer.session.use(conn)
	return nil
}

// update brings the schema up to date. A file that is so is not written to, and goose is not asked, since user_version
// already tells.
func (d *DB) update(ctx context.Context, conn *sql.Conn, migrations fs.FS) error {
	latest, err := sqlstore.Latest(migrations)
	if err != nil {
		return err
	}
	have, err := d.identify(ctx, conn, latest)
	if err != nil || have.ours() && have.schema == latest {
		return err
	}
	if err := d.turn.take(); err != nil {
		return err
	}
	defer d.turn.give()
	// Another process may have done it in the meantime.
	have, err = d.identify(ctx, conn, latest)
	if err != nil || have.ours() && have.schema == latest {
		return err
	}
	if err := d.claimFile(ctx, conn); err != nil {
		return err
	}
	if err := d.migrate(ctx, migrations); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", latest)); err != nil {
		return fmt.Errorf("recording schema version: %w", err)
	}
	d.log.Info("schema migrated", "path", d.path, "from", have.schema, "to", latest)
	return nil
}

func (d *DB) identify(ctx context.Context, conn *sql.Conn, latest int64) (identity, error) {
	var have identity
	row := conn.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`)
	if err := row.Scan(&have.application, &have.schema, &have.tables); err != nil {
		return have, fmt.Errorf("reading %s: %w", d.path, err)
	}
	if !have.ours() && !have.empty() {
		return have, fmt.Errorf("%s is another program's database (application id %#x): name another file", d.path, have.application)
	}
	if have.schema > latest {
		return have, fmt.Errorf("%s has schema %d and this program knows only %d: install the newer release, or restore the copy made before the upgrade",
			d.path, have.schema, latest)
	}
	return have, nil
}

// Pending names the migrations that Open would run, and runs none.
func Pending(ctx context.Context, path string, migrations fs.FS) ([]string, error) {
	pool, err := openPool(path, "FULL")
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	d := &DB{path: path}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, d.explain(fmt.Errorf("connecting to %s: %w", path, err))
	}
	defer conn.Close()
	latest, err := sqlstore.Latest(migrations)
	if err != nil {
		return nil, err
	}
	have, err := d.identify(ctx, conn, latest)
	if err != nil {
		return nil, d.explain(err)
	}
	return sqlstore.Pending(migrations, have.schema)
}

// claimFile marks an empty file as ours and switches it to the write-ahead log; both stay in the file.
func (d *DB) claimFile(ctx context.Context, conn *sql.Conn) error {
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return fmt.Errorf("switching %s to a write-ahead log: %w", d.path, err)
	}
	if mode != "wal" {
		return fmt.Errorf("the file system of %s cannot hold a write-ahead log (journal mode stays %q): use a local disk", d.path, mode)
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return fmt.Errorf("marking %s: %w", d.path, err)
	}
	return nil
}

// migrate runs what is missing on one connection and waits for no disk: the COMMIT that records the schema's version does,
// for all of it.
func (d *DB) migrate(ctx context.Context, migrations fs.FS) error {
	pool, err := openPool(d.path, "NORMAL")
	if err != nil {
		return err
	}
	defer pool.Close()
	pool.SetMaxIdleConns(1)
	p, err := goose.NewProvider(goose.DialectSQLite3, pool, migrations,
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler)))
	if errors.Is(err, goose.ErrNoMigrations) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrating %s: %w", d.path, err)
	}
	return nil
}

// hints says what to do about an engine's error. :: primary result code → advice about the file
var hints = map[int]string{
	codes.SQLITE_NOTADB:   "%s is no SQLite file: restore it from a backup, or name another file",
	codes.SQLITE_CORRUPT:  "%s is damaged: stop the server and restore it from a backup",
	codes.SQLITE_FULL:     "no room to write %s: make room on its disk",
	codes.SQLITE_BUSY:     "another process keeps %s locked: end it, then try again",
	codes.SQLITE_CANTOPEN: "%s cannot be opened: look at the rights on it and on its folder",
	codes.SQLITE_READONLY: "%s cannot be written: look at the rights on it and on its folder",
}

func (d *DB) explain(err error) error {
	var e *engine.Error
	if errors.As(err, &e) {
		if hint, ok := hints[e.Code()&0xff]; ok {
			return fmt.Errorf(hint+": %w", d.path, err)
		}
	}
	return err
}

func (d *DB) unavailable(err error) error {
	return fmt.Errorf("%w: %w", sqlstore.ErrUnavailable, d.explain(err))
}
