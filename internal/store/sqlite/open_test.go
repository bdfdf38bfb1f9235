package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/store/sqlstore"
)

func TestOpenCreates(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "odd ?#% name")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "symbolon.db")
	d := openTest(t, Options{Path: path, Serve: true})
	mustWrite(t, d, add("a"))
	for _, name := range []string{"symbolon.db", "symbolon.db-wal", "symbolon.db-shm", "symbolon.lock"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("mode of %s is %v, want 0600", name, info.Mode())
		}
	}
	settings := map[string]string{}
	err := d.Read(context.Background(), func(tx sqlstore.Tx) error {
		for _, name := range []string{"journal_mode", "synchronous", "foreign_keys", "busy_timeout", "temp_store", "query_only", "user_version", "application_id"} {
			var value string
			if err := tx.QueryRow("PRAGMA " + name).Scan(&value); err != nil {
				return err
			}
			settings[name] = value
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000",
		"temp_store": "2", "query_only": "1", "user_version": "1", "application_id": "1398361410",
	}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// A stopped server's file can be copied alone.
func TestServerLeavesAWholeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "symbolon.db")
	d := openTest(t, Options{Path: path, Serve: true})
	mustWrite(t, d, add("a"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		t.Errorf("%d bytes are left in the write-ahead log", info.Size())
	}
}

// A connection that is left over would keep the mode of the journal from being changed.
func TestCloseLeavesNothingOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "symbolon.db")
	d := openTest(t, Options{Path: path})
	mustWrite(t, d, add("a"))
	checkNotes(t, d, "a")
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var mode string
	if err := db.QueryRow("PRAGMA journal_mode = DELETE").Scan(&mode); err != nil || mode != "delete" {
		t.Errorf("the journal's mode became %q, %v: somebody has the file open", mode, err)
	}
}

func TestOpenMigrates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "symbolon.db")
	d := openTest(t, Options{Path: path})
	mustWrite(t, d, add("kept"))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d = openTest(t, Options{Path: path, Migrations: second})
		checkNotes(t, d, "kept")
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d = openTest(t, Options{Path: path, Migrations: second})
	err := d.Write(context.Background(), func(tx sqlstore.Tx) error {
		_, err := tx.Exec("INSERT INTO parts (whole) VALUES (77)")
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "FOREIGN KEY constraint failed") {
		t.Errorf("error is %v, want a violated foreign key of the second migration", err)
	}
}

func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "symbolon.db")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			d, err := Open(context.Background(), Options{Path: path, Migrations: second})
			if err != nil {
				t.Errorf("opening: %v", err)
				return
			}
			if err := errors.Join(d.Write(context.Background(), add(string(rune('a'+i)))), d.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	checkNotes(t, openTest(t, Options{Path: path, Migrations: second}), "a", "b", "c", "d", "e", "f", "g", "h")
}

func TestOpenRefuses(t *testing.T) {
	other := func(statements string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(statements); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	text := func(t *testing.T, path string) {
		if err := os.WriteFile(path, []byte(strings.Repeat("these are no tables\n", 99)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damaged := func(t *testing.T, path string) {
		other("PRAGMA application_id = 1398361410; PRAGMA user_version = 1; CREATE TABLE grants (id)")(t, path)
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt(make([]byte, 40), 100)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		path string
		make func(*testing.T, string)
		want string
	}{
		{"no folder", "none/symbolon.db", nil,
			"opening store: the data folder DIR/none does not exist or is no folder: create it, or name another one"},
		{"another program's file", "x.db", other("PRAGMA application_id = 1; CREATE TABLE t (id)"),
			"opening store: DIR/x.db is another program's database (application id 0x1): name another file"},
		{"unmarked file with tables", "x.db", other("CREATE TABLE t (id)"),
			"opening store: DIR/x.db is another program's database (application id 0x0): name another file"},
		{"newer schema", "x.db", other("PRAGMA application_id = 1398361410; PRAGMA user_version = 7; CREATE TABLE t (id)"),
			"opening store: DIR/x.db has schema 7 and this program knows only 1: install the newer release, or restore the copy made before the upgrade"},
		{"no database", "x.db", text,
			"opening store: DIR/x.db is no SQLite file: restore it from a backup, or name another file: connecting to DIR/x.db: file is not a database (26)"},
		{"damaged", "x.db", damaged,
			"opening store: DIR/x.db is damaged: stop the server and restore it from a backup: connecting to DIR/x.db: database disk image is malformed (11)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, tt.path)
			var before []byte
			if tt.make != nil {
				tt.make(t, path)
				before, _ = os.ReadFile(path)
			}
			_, err := Open(context.Background(), Options{Path: path, Migrations: first, Serve: true})
			if err == nil {
				t.Fatal("opened, want an error")
			}
			if diff := cmp.Diff(tt.want, strings.ReplaceAll(err.Error(), dir, "DIR")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Error("the refused file was changed")
			}
		})
	}
}

func TestOpenBrokenMigration(t *testing.T) {
	broken := second["00002_second.sql"].Data
	defer func() { second["00002_second.sql"].Data = broken }()
	path := filepath.Join(t.TempDir(), "symbolon.db")
	mustWrite(t, openTest(t, Options{Path: path}), add("kept"))

	second["00002_second.sql"].Data = []byte("-- +goose Up\nCREATE TABLE parts (id);\nCREATE TABLE grants (id);\n")
	_, err := Open(context.Background(), Options{Path: path, Migrations: second})
	if err == nil || !strings.Contains(err.Error(), "migrating "+path) || !strings.Contains(err.Error(), "table grants already exists") {
		t.Errorf("error is %v, want the migration's", err)
	}
	second["00002_second.sql"].Data = broken
	checkNotes(t, openTest(t, Options{Path: path, Migrations: second}), "kept")
}

func TestMigrationName(t *testing.T) {
	_, err := sqlstore.Latest(fstest.MapFS{"first.sql": {}})
	if err == nil || !strings.HasPrefix(err.Error(), "numbering migration first.sql: ") {
		t.Errorf("error is %v, want one that names first.sql", err)
	}
}
