package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/store/sqlstore"
)

func TestRead(t *testing.T) {
	d := openTest(t, Options{})
	mustWrite(t, d, add("before"))
	err := d.Read(context.Background(), func(tx sqlstore.Tx) error {
		for range 2 { // a commit in between is not seen
			notes, err := readNotes(tx)
			if err != nil {
				return err
			}
			if diff := cmp.Diff([]string{"before"}, notes); diff != "" {
				t.Errorf("snapshot (-want +got):\n%s", diff)
			}
			mustWrite(t, d, add(fmt.Sprint("while ", len(notes), time.Now().UnixNano())))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Read(context.Background(), add("no"))
	if !errors.Is(err, sqlstore.ErrUnavailable) || !strings.Contains(err.Error(), "attempt to write a readonly database") {
		t.Errorf("error is %v, want ErrUnavailable for writing", err)
	}
	if err := d.Read(context.Background(), func(sqlstore.Tx) error { return refused("no such thing") }); err != refused("no such thing") {
		t.Errorf("error is %v, want the refusal itself", err)
	}
	err = d.Read(context.Background(), func(sqlstore.Tx) error { panic("gone") })
	if err == nil || err.Error() != "the store is unavailable: running verb: panic: gone" {
		t.Errorf("error is %v, want the panic", err)
	}
}

// Each reader leaves rows open; the connections stay usable, also more readers than there are connections.
func TestReadManyCareless(t *testing.T) {
	d := openTest(t, Options{})
	mustWrite(t, d, add("a"))
	mustWrite(t, d, add("b"))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := d.Read(context.Background(), func(tx sqlstore.Tx) error {
				rows, err := tx.Query("SELECT note FROM grants")
				if err == nil {
					rows.Next()
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	mustWrite(t, d, add("c"))
	checkNotes(t, d, "a", "b", "c")
}

func TestReadInterrupted(t *testing.T) {
	d := openTest(t, Options{})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err := d.Read(ctx, func(tx sqlstore.Tx) error {
		var n int
		return tx.QueryRow("WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT max(n) FROM c").Scan(&n)
	})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sqlstore.ErrUnavailable) {
		t.Errorf("error is %v, want the context's", err)
	}
	for range 2 * maxReaders {
		checkNotes(t, d)
	}
}

func TestTxAfterwards(t *testing.T) {
	d := openTest(t, Options{})
	var kept sqlstore.Tx
	mustWrite(t, d, func(tx sqlstore.Tx) error { kept = tx; return nil })
	if err := add("late")(kept); !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("error is %v, want ErrTxDone", err)
	}
}

func TestStatementCacheBounded(t *testing.T) {
	d := openTest(t, Options{})
	for round := range 3 {
		mustWrite(t, d, func(tx sqlstore.Tx) error {
			for i := range maxStatements {
				var n int
				if err := tx.QueryRow(fmt.Sprintf("SELECT %d + %d", i, round)).Scan(&n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	mustWrite(t, d, add("a"))
	if n := len(d.writer.session.stmts); n > maxStatements+10 {
		t.Errorf("%d statements are kept, want about %d at most", n, maxStatements)
	}
}

func TestChanged(t *testing.T) {
	var fault error
	d := openTest(t, Options{Fault: func(string) error { return fault }})
	check := func(what string, want bool) {
		t.Helper()
		got, err := d.Changed(context.Background(), 0, nil)
		if err != nil || got != want {
			t.Errorf("%s: changed is %v, %v; want %v", what, got, err, want)
		}
	}
	check("the first call", true)
	check("nothing done", false)
	mustWrite(t, d, add("own"))
	check("own commit", true)
	if err := d.Write(context.Background(), func(sqlstore.Tx) error { return refused("no") }); err == nil {
		t.Error("the refusal is lost")
	}
	check("a refusal", false)
	mustWrite(t, openTest(t, Options{Path: d.path}), add("other"))
	check("another's commit", true)
	check("nothing done since", false)

	fault = errFault
	_, err := d.Changed(context.Background(), 0, nil)
	checkUnavailable(t, err, errFault)
	fault = nil
	check("after a failure", true)
}

func TestJumpGrants(t *testing.T) {
	for _, filled := range []bool{false, true} {
		t.Run(fmt.Sprintf("filled=%v", filled), func(t *testing.T) {
			d := openTest(t, Options{})
			want := int64(1<<32 + 1<<32 + 1)
			if filled {
				mustWrite(t, d, add("before"))
				want++
			}
			for range 2 {
				mustWrite(t, d, func(tx sqlstore.Tx) error { return d.JumpGrants(tx, 1<<32) })
			}
			var got int64
			mustWrite(t, d, func(tx sqlstore.Tx) error {
				return tx.QueryRow("INSERT INTO grants (note) VALUES ('after') RETURNING id").Scan(&got)
			})
			if got != want {
				t.Errorf("next number is %d, want %d", got, want)
			}
			err := d.Write(context.Background(), func(tx sqlstore.Tx) error { return d.JumpGrants(tx, -1) })
			if err == nil || err.Error() != "the store is unavailable: moving the grant counter: -1 is not a step forward" {
				t.Errorf("error is %v, want that it goes back", err)
			}
		})
	}
}

// A violated constraint undoes its statement alone: the verb may answer for it.
func TestConstraint(t *testing.T) {
	d := openTest(t, Options{})
	mustWrite(t, d, func(tx sqlstore.Tx) error {
		if err := add("a")(tx); err != nil {
			return err
		}
		if err := add("a")(tx); err == nil {
			return errors.New("the same note twice")
		}
		return add("b")(tx)
	})
	checkNotes(t, d, "a", "b")
}

// pragma sets one of the writer's own limits.
func pragma(t *testing.T, d *DB, name string, value int) {
	t.Helper()
	mustWrite(t, d, func(tx sqlstore.Tx) error {
		var got int
		return tx.QueryRow(fmt.Sprintf("PRAGMA %s = %d", name, value)).Scan(&got)
	})
}

// Another process that keeps the write lock past the timeout makes verbs fail, and later ones succeed.
func TestBusy(t *testing.T) {
	d := openTest(t, Options{Serve: true})
	pragma(t, d, "busy_timeout", 50)
	other, err := d.pool.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.ExecContext(context.Background(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	err = d.Write(context.Background(), add("a"))
	want := "the store is unavailable: another process keeps " + d.path +
		" locked: end it, then try again: beginning: database is locked (5) (SQLITE_BUSY)"
	if err == nil || err.Error() != want || !errors.Is(err, sqlstore.ErrUnavailable) {
		t.Errorf("error is %v, want %q", err, want)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, add("b"))
	checkNotes(t, d, "b")
}

func TestDiskFull(t *testing.T) {
	d := openTest(t, Options{})
	mustWrite(t, d, add("before"))
	pragma(t, d, "max_page_count", 1) // the engine makes it as many as there are
	big := strings.Repeat("x", 1<<20)
	err := d.Write(context.Background(), add(big))
	want := "the store is unavailable: no room to write " + d.path + ": make room on its disk: database or disk is full (13)"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %q", err, want)
	}
	checkNotes(t, d, "before")
	pragma(t, d, "max_page_count", 1<<30)
	mustWrite(t, d, add(big))
	checkNotes(t, d, "before", big)
}

// A copy of the files taken at any moment, as a crash would leave them, holds every row that was acknowledged before.
// The open snapshot keeps checkpoints away, so that the log only grows and a copy of it is what was there at one moment.
func TestCrash(t *testing.T) {
	d := openTest(t, Options{Serve: true})
	mustWrite(t, d, add("first"))
	err := d.Read(context.Background(), func(tx sqlstore.Tx) error {
		if _, err := readNotes(tx); err != nil {
			return err
		}
		var mu sync.Mutex
		acknowledged := []string{"first"}
		stop := addEndlessly(t, d, func(note string) {
			mu.Lock()
			defer mu.Unlock()
			acknowledged = append(acknowledged, note)
		})
		defer stop()
		for range 5 {
			time.Sleep(20 * time.Millisecond)
			mu.Lock()
			known := slices.Clone(acknowledged)
			mu.Unlock()
			checkCopy(t, d.path, known)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addEndlessly adds rows from four goroutines, tells of each that was acknowledged, and returns what ends them.
func addEndlessly(t *testing.T, d *DB, tell func(string)) func() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				note := fmt.Sprintf("%d-%05d", i, n)
				if err := d.Write(context.Background(), add(note)); err != nil {
					t.Error(err)
					return
				}
				tell(note)
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func checkCopy(t *testing.T, path string, want []string) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "symbolon.db")
	for _, suffix := range []string{"-wal", ""} {
		data, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have := map[string]bool{}
	err := openTest(t, Options{Path: copied}).Read(context.Background(), func(tx sqlstore.Tx) error {
		notes, err := readNotes(tx)
		for _, n := range notes {
			have[n] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range want {
		if !have[n] {
			t.Errorf("acknowledged row %s is lost", n)
		}
	}
}
