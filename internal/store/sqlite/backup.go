package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"symbolon/internal/store/sqlstore"
)

// Backup writes a copy of the database at one moment, beside whatever uses it, into a new file of mode 0600, and looks
// through it for damage. It never overwrites.
func (d *DB) Backup(ctx context.Context, to string) error {
	if err := d.backup(ctx, to); err != nil {
		return fmt.Errorf("backing up: %w", d.explain(err))
	}
	return nil
}

func (d *DB) backup(ctx context.Context, to string) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: name a new file", to)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	err = d.copyInto(ctx, to)
	if err == nil {
		err = errors.Join(f.Sync(), examine(ctx, to))
	}
	if err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return syncFolder(filepath.Dir(to))
}

func (d *DB) copyInto(ctx context.Context, to string) error {
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.ExecContext(ctx, "VACUUM INTO $1", to)
	return err
}

// examine refuses a file that is not ours or is damaged.
func examine(ctx context.Context, path string) error {
	pool, err := openPool(path, "FULL")
	if err != nil {
		return err
	}
	defer pool.Close()
	d := &DB{path: path}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return d.explain(err)
	}
	defer conn.Close()
	return d.explain(examineOn(ctx, conn, path))
}

func examineOn(ctx context.Context, conn *sql.Conn, path string) error {
	var application int64
	var verdict string
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil {
		return err
	}
	if application != applicationID {
		return fmt.Errorf("%s is no database of ours (application id %#x): name another file", path, application)
	}
	if err := conn.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%s is damaged (%s): name another backup", path, verdict)
	}
	return nil
}

// Restore puts the backup from in the place of the database at path, while no server runs: it makes a copy beside it, lets
// prepare bring that up to date, keeps the old files under names that end in the time, and only then changes names. It
// returns the old database's new name, "" if there was none. After a crash between the last two names both are there, under
// the names that end in the time and in .restoring.
func Restore(ctx context.Context, from, path string, now time.Time, prepare func(*DB) error) (kept string, err error) {
	lock, err := takeLockFile(filepath.Join(filepath.Dir(path), "symbolon.lock"))
	if err != nil {
		return "", fmt.Errorf("restoring: %w", err)
	}
	defer lock.release()
	if err := examine(ctx, from); err != nil {
		return "", fmt.Errorf("restoring: %w", err)
	}
	staged := path + ".restoring"
	if err := stage(ctx, from, staged, prepare); err != nil {
		return "", fmt.Errorf("restoring: %w", errors.Join(err, removeAll(staged)))
	}
	kept, err = setAside(path, now)
	if err == nil {
		err = errors.Join(os.Rename(staged, path), syncFolder(filepath.Dir(path)))
	}
	if err != nil {
		return kept, fmt.Errorf("restoring: %w", err)
	}
	return kept, nil
}

// stage copies a backup, prepares the copy, and leaves it whole in one file.
func stage(ctx context.Context, from, staged string, prepare func(*DB) error) error {
	if err := removeAll(staged); err != nil { // of a restore that was broken off
		return err
	}
	if err := copyFile(from, staged); err != nil {
		return err
	}
	pool, err := openPool(staged, "FULL")
	if err == nil {
		_, err = pool.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		err = errors.Join(err, pool.Close())
	}
	if err != nil {
		return err
	}
	d, err := Open(ctx, Options{Path: staged, Migrations: sqlstore.SQLite()})
	if err != nil {
		return err
	}
	err = prepare(d)
	if err == nil {
		_, err = d.writer.session.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return errors.Join(err, d.Close())
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// parts are a database's files, the database itself last: without it the others are nothing.
func parts(path string) []string { return []string{path + "-shm", path + "-wal", path} }

func removeAll(path string) error {
	var all error
	for _, name := range parts(path) {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	return all
}

// setAside renames a database's files; its log must not stay beside another's.
func setAside(path string, now time.Time) (kept string, err error) {
	aside := path + ".before-" + now.UTC().Format("20060102T150405Z")
	names := parts(path)
	for i, name := range parts(aside) {
		if err := os.Rename(names[i], name); err == nil {
			kept = aside
		} else if !errors.Is(err, fs.ErrNotExist) {
			return kept, err
		}
	}
	return kept, nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
