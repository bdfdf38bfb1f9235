package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/store/sqlstore"
)

var first = fstest.MapFS{"00001_first.sql": {Data: []byte(`-- +goose Up
CREATE TABLE grants (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT NOT NULL UNIQUE);
`)}}

var second = fstest.MapFS{
	"00001_first.sql": first["00001_first.sql"],
	"00002_second.sql": {Data: []byte(`-- +goose Up
CREATE TABLE parts (id INTEGER PRIMARY KEY, whole INTEGER NOT NULL REFERENCES grants (id)) STRICT;
`)},
}

type refused string

func (r refused) Error() string { return string(r) }
func (refused) Refusal() bool   { return true }

func openTest(t testing.TB, o Options) *DB {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "symbolon.db")
	}
	if o.Migrations == nil {
		o.Migrations = first
	}
	d, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return d
}

// add is a verb that inserts one row.
func add(note string) func(sqlstore.Tx) error {
	return func(tx sqlstore.Tx) error {
		_, err := tx.Exec("INSERT INTO grants (note) VALUES ($1)", note)
		return err
	}
}

// addRefused inserts, sees its own row, and refuses.
func addRefused(note string) func(sqlstore.Tx) error {
	return func(tx sqlstore.Tx) error {
		if err := add(note)(tx); err != nil {
			return err
		}
		return fmt.Errorf("adding: %w", refused("not "+note))
	}
}

func mustWrite(t testing.TB, d *DB, fn func(sqlstore.Tx) error) {
	t.Helper()
	if err := d.Write(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func readNotes(tx sqlstore.Tx) ([]string, error) {
	rows, err := tx.Query("SELECT note FROM grants ORDER BY note")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var notes []string
	for rows.Next() {
		var note string
		if err := rows.Scan(&note); err != nil {
			return nil, err
		}
		notes = append(notes, note)
	}
	return notes, rows.Err()
}

func checkNotes(t testing.TB, d *DB, want ...string) {
	t.Helper()
	var got []string
	err := d.Read(context.Background(), func(tx sqlstore.Tx) (err error) {
		got, err = readNotes(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func checkUnavailable(t testing.TB, err, cause error) {
	t.Helper()
	if !errors.Is(err, sqlstore.ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("error is %v, want ErrUnavailable because of %v", err, cause)
	}
}

// TestMain lets the test binary be the other process: it does what SYMBOLON_TEST_CHILD says to SYMBOLON_TEST_PATH.
func TestMain(m *testing.M) {
	switch os.Getenv("SYMBOLON_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "serve":
		child(true, func(*DB) error { _, err := io.Copy(io.Discard, os.Stdin); return err })
	case "command":
		child(false, func(d *DB) error {
			for i := range 20 {
				if err := d.Write(context.Background(), add(fmt.Sprintf("command %02d", i))); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func child(serve bool, do func(*DB) error) {
	d, err := Open(context.Background(), Options{Path: os.Getenv("SYMBOLON_TEST_PATH"), Serve: serve, Migrations: first})
	if err == nil {
		fmt.Println("open")
		err = errors.Join(do(d), d.Close())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// startChild starts the other process and returns once it has opened the store; it ends when its stdin is closed.
func startChild(t *testing.T, what, path string) (*exec.Cmd, io.Closer) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SYMBOLON_TEST_CHILD="+what, "SYMBOLON_TEST_PATH="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process said %q, %v; want that the store is open", line, err)
	}
	return cmd, in
}
