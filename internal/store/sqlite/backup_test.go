package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"symbolon/internal/store/sqlstore"
)

// whole opens a store with the program's own tables.
func whole(t *testing.T, path string, serve bool) *DB {
	t.Helper()
	return openTest(t, Options{Path: path, Serve: serve, Migrations: sqlstore.SQLite()})
}

func note(text string) func(sqlstore.Tx) error {
	return func(tx sqlstore.Tx) error {
		_, err := tx.Exec("INSERT INTO meta (key, value) VALUES ($1, 'x')", text)
		return err
	}
}

func has(t *testing.T, d *DB, text string) bool {
	t.Helper()
	var n int
	err := d.Read(context.Background(), func(tx sqlstore.Tx) error {
		return tx.QueryRow("SELECT COUNT(*) FROM meta WHERE key = $1", text).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n == 1
}

func TestBackupAndRestore(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	path, file := filepath.Join(dir, "symbolon.db"), filepath.Join(dir, "backup.db")
	d := whole(t, path, true)
	if err := d.Write(ctx, note("before")); err != nil {
		t.Fatal(err)
	}
	if err := d.Backup(ctx, file); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup is %v %v, want mode 0600", info.Mode(), err)
	}
	if err := d.Backup(ctx, file); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("backing up over a file: %v", err)
	}
	if err := d.Write(ctx, note("after")); err != nil {
		t.Fatal(err)
	}
	prepared := func(d *DB) error { return d.Write(ctx, note("prepared")) }
	if _, err := Restore(ctx, file, path, time.Now(), prepared); !errors.As(err, new(*LockedError)) {
		t.Errorf("restoring beside a server: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := Restore(ctx, file, path, time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), prepared)
	if err != nil || kept != path+".before-20260301T100000Z" {
		t.Fatalf("kept %q, %v", kept, err)
	}
	restored, old := whole(t, path, true), whole(t, kept, false)
	if !has(t, restored, "before") || has(t, restored, "after") || !has(t, restored, "prepared") {
		t.Error("what was restored is not the backup, prepared")
	}
	if !has(t, old, "after") || has(t, old, "prepared") {
		t.Error("what is kept is not the database as it was")
	}
	var mode string
	if err := restored.Read(ctx, func(tx sqlstore.Tx) error { return tx.QueryRow("PRAGMA journal_mode").Scan(&mode) }); err != nil || mode != "wal" {
		t.Errorf("journal mode is %q, %v", mode, err)
	}
}

// A restore that fails leaves the database as it is, and nothing beside it.
func TestRestoreThatFails(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	path, file := filepath.Join(dir, "symbolon.db"), filepath.Join(dir, "backup.db")
	d := whole(t, path, false)
	if err := errors.Join(d.Write(ctx, note("mine")), d.Backup(ctx, file), d.Close()); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, "damaged.db")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[8192:], strings.Repeat("\xff", 4096))
	if err := os.WriteFile(damaged, data, 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	errStop := errors.New("stop")
	for what, c := range map[string]struct {
		file string
		want string
	}{
		"damaged":     {damaged, "damaged"},
		"no database": {text, "no SQLite file"},
		"missing":     {filepath.Join(dir, "none"), "cannot be opened"},
		"unprepared":  {file, "stop"},
	} {
		_, err := Restore(ctx, c.file, path, time.Now(), func(*DB) error { return errStop })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", what, err, c.want)
		}
	}
	left, err := filepath.Glob(path + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if !has(t, whole(t, path, false), "mine") {
		t.Error("the database has changed")
	}
}
