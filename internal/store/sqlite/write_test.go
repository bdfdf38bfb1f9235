package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/store/sqlstore"
)

var errFault = errors.New("injected failure")

// hold keeps the writer busy with a verb of its own until the returned function is called.
func hold(t *testing.T, d *DB) func() {
	t.Helper()
	begun, free, done := make(chan bool), make(chan bool), make(chan error, 1)
	go func() {
		done <- d.Write(context.Background(), func(sqlstore.Tx) error { close(begun); <-free; return nil })
	}()
	<-begun
	return func() {
		close(free)
		if err := <-done; err != nil {
			t.Errorf("the holding verb failed: %v", err)
		}
	}
}

// queued sends the verbs while the writer is busy, so that they make one batch, and returns their errors in order.
func queued(t *testing.T, d *DB, verbs ...func(sqlstore.Tx) error) []error {
	t.Helper()
	release := hold(t, d)
	errs := make([]error, len(verbs))
	done := make(chan bool)
	for i, fn := range verbs {
		go func() { errs[i] = d.Write(context.Background(), fn); done <- true }()
		synctest.Wait()
	}
	release()
	for range verbs {
		<-done
	}
	return errs
}

// bubble runs f in a synctest bubble with a store whose faults are asked of *fault, when that is not nil.
func bubble(t *testing.T, f func(t *testing.T, d *DB, fault *func(string) error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var fault func(string) error
		d := openTest(t, Options{Serve: true, Fault: func(op string) error {
			if fault == nil {
				return nil
			}
			return fault(op)
		}})
		f(t, d, &fault)
	})
}

func eight(change int, fn func(string) func(sqlstore.Tx) error) []func(sqlstore.Tx) error {
	var verbs []func(sqlstore.Tx) error
	for i := range 8 {
		verb := add
		if i == change {
			verb = fn
		}
		verbs = append(verbs, verb(string(rune('a'+i))))
	}
	return verbs
}

func TestBatchOneRefused(t *testing.T) {
	for at := range 8 {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			bubble(t, func(t *testing.T, d *DB, fault *func(string) error) {
				var ops []string
				*fault = func(op string) error { ops = append(ops, op); return nil }
				errs := queued(t, d, eight(at, addRefused)...)
				for i, err := range errs {
					if i == at {
						var r refused
						if !errors.As(err, &r) || errors.Is(err, sqlstore.ErrUnavailable) {
							t.Errorf("verb %d: error is %v, want its refusal", i, err)
						}
					} else if err != nil {
						t.Errorf("verb %d: %v", i, err)
					}
				}
				if got := count(ops, "COMMIT"); got != 2 { // the holding verb's, and one for all eight
					t.Errorf("%d commits, want 2: %q", got, ops)
				}
				*fault = nil
				want := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
				checkNotes(t, d, slices.Delete(want, at, at+1)...)
			})
		})
	}
}

func count(ops []string, op string) int {
	n := 0
	for _, o := range ops {
		if o == op {
			n++
		}
	}
	return n
}

func TestBatchFails(t *testing.T) {
	rude := func(string) func(sqlstore.Tx) error {
		return func(sqlstore.Tx) error { return errFault }
	}
	swallows := func(note string) func(sqlstore.Tx) error {
		return func(tx sqlstore.Tx) error {
			if err := add("a")(tx); err != nil { // twice the same note: a constraint, and no end of the transaction
				_, _ = tx.Exec("INSERT INTO nowhere VALUES (1)")
			}
			return refused(note)
		}
	}
	panics := func(string) func(sqlstore.Tx) error {
		return func(sqlstore.Tx) error { panic("out of range") }
	}
	ended := func(string) func(sqlstore.Tx) error { // as the engine does by itself after some failures
		return func(tx sqlstore.Tx) error { _, err := tx.Exec("ROLLBACK"); return err }
	}
	tests := []struct {
		name string
		verb func(string) func(sqlstore.Tx) error
		op   string // fails
		want string
	}{
		{"a verb's other error", rude, "", "the store is unavailable: injected failure"},
		{"a swallowed statement error", swallows, "", "the store is unavailable: SQL logic error: no such table: nowhere (1)"},
		{"a panic", panics, "", "the store is unavailable: running verb: panic: out of range"},
		{"a transaction that is gone", ended, "",
			"the store is unavailable: releasing savepoint: SQL logic error: no such savepoint: verb (1)"},
		{"beginning", add, "BEGIN", "the store is unavailable: beginning: injected failure"},
		{"a statement", add, "exec INSERT", "the store is unavailable: injected failure"},
		{"the commit", add, "COMMIT", "the store is unavailable: committing (whether it was done is unknown): injected failure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, d *DB, fault *func(string) error) {
				batches := 0
				*fault = func(op string) error {
					if op == "BEGIN" {
						batches++
					}
					if batches == 2 && tt.op != "" && strings.HasPrefix(op, tt.op) {
						return errFault
					}
					return nil
				}
				for i, err := range queued(t, d, eight(5, tt.verb)...) {
					if err == nil || err.Error() != tt.want || !errors.Is(err, sqlstore.ErrUnavailable) {
						t.Errorf("verb %d: error is %v, want %q", i, err, tt.want)
					}
				}
				checkNotes(t, d)
				mustWrite(t, d, add("after"))
				checkNotes(t, d, "after")
			})
		})
	}
}

// Every point at which the engine can fail: nothing is done, and the next verb succeeds.
func TestEveryStatementFails(t *testing.T) {
	verb := func(tx sqlstore.Tx) error {
		if err := add("one")(tx); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow("SELECT count(*) FROM grants WHERE note = $1", "one").Scan(&n); err != nil {
			return err
		}
		if _, err := readNotes(tx); err != nil {
			return err
		}
		return add("two")(tx)
	}
	var asked []string
	failAt := 0
	d := openTest(t, Options{Fault: func(op string) error {
		asked = append(asked, op)
		if len(asked) == failAt {
			return errFault
		}
		return nil
	}})
	want := []string{
		"BEGIN", "exec INSERT INTO grants (note) VALUES ($1)", "query SELECT count(*) FROM grants WHERE note = $1",
		"query SELECT note FROM grants ORDER BY note", "exec INSERT INTO grants (note) VALUES ($1)", "COMMIT",
	}
	for failAt = 1; failAt <= len(want); failAt++ {
		asked = nil
		checkUnavailable(t, d.Write(context.Background(), verb), errFault)
		if diff := cmp.Diff(want[:failAt], asked); diff != "" {
			t.Errorf("operations until failure %d (-want +got):\n%s", failAt, diff)
		}
		asked = make([]string, len(want)) // out of the way of failAt
		checkNotes(t, d)
	}
	failAt, asked = 0, nil
	mustWrite(t, d, verb)
	checkNotes(t, d, "one", "two")
}

func TestHangUp(t *testing.T) {
	tests := []struct {
		name   string
		during bool // the client hangs up while its batch runs, not before
	}{
		{"while queued", false},
		{"in mid-batch", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, d *DB, _ *func(string) error) {
				ctx, hangUp := context.WithCancel(context.Background())
				defer hangUp()
				release := hold(t, d)
				errs := make(chan error, 8)
				for i := range 7 {
					go func() {
						errs <- d.Write(context.Background(), func(tx sqlstore.Tx) error {
							if tt.during && i == 0 {
								hangUp()
							}
							return add(string(rune('a' + i)))(tx)
						})
					}()
					synctest.Wait()
				}
				quitter := make(chan error, 1)
				go func() { quitter <- d.Write(ctx, add("quitter")) }()
				synctest.Wait()
				if !tt.during {
					hangUp()
					if err := <-quitter; !errors.Is(err, context.Canceled) || errors.Is(err, sqlstore.ErrUnavailable) {
						t.Errorf("error is %v, want a withdrawal", err)
					}
				}
				release()
				for range 7 {
					if err := <-errs; err != nil {
						t.Error(err)
					}
				}
				want := []string{"a", "b", "c", "d", "e", "f", "g"}
				if tt.during {
					if err := <-quitter; err != nil {
						t.Errorf("the verb whose batch had begun: %v, want its outcome", err)
					}
					want = append(want, "quitter")
				}
				checkNotes(t, d, want...)
			})
		})
	}
}

func TestWriteGivenUp(t *testing.T) {
	d := openTest(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 50 {
		if err := d.Write(ctx, add("no")); !errors.Is(err, context.Canceled) {
			t.Fatalf("error is %v, want context.Canceled", err)
		}
		if err := d.Read(ctx, func(sqlstore.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Fatalf("error is %v, want context.Canceled", err)
		}
	}
	checkNotes(t, d)
}

func TestCloseWhileQueued(t *testing.T) {
	bubble(t, func(t *testing.T, d *DB, _ *func(string) error) {
		release := hold(t, d)
		errs := make(chan error, maxQueue+8)
		for range maxQueue + 8 { // the last eight do not even get into the queue
			go func() { errs <- d.Write(context.Background(), add("late")) }()
		}
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- d.Close() }()
		synctest.Wait()
		release()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		for range maxQueue + 8 {
			checkUnavailable(t, <-errs, errClosed)
		}
		checkUnavailable(t, d.Write(context.Background(), add("later")), errClosed)
		checkUnavailable(t, d.Read(context.Background(), add("later")), errClosed)
		_, err := d.Changed(context.Background(), 0, nil)
		checkUnavailable(t, err, errClosed)
		if err := d.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
		checkNotes(t, openTest(t, Options{Path: d.path}))
	})
}

// More verbs than a batch holds are all done, in more than one transaction.
func TestBatchLimit(t *testing.T) {
	bubble(t, func(t *testing.T, d *DB, fault *func(string) error) {
		var ops []string
		*fault = func(op string) error { ops = append(ops, op); return nil }
		var verbs []func(sqlstore.Tx) error
		for i := range maxBatch + 1 {
			verbs = append(verbs, add(fmt.Sprint(i)))
		}
		for i, err := range queued(t, d, verbs...) {
			if err != nil {
				t.Errorf("verb %d: %v", i, err)
			}
		}
		if got := count(ops, "COMMIT"); got != 3 {
			t.Errorf("%d commits, want 3", got)
		}
	})
}

func TestClaim(t *testing.T) {
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	wanted, late, withdrawn := &job{ctx: context.Background()}, &job{ctx: gone}, &job{ctx: context.Background()}
	withdrawn.claimed.Store(true)
	if got := claim([]*job{late, wanted, withdrawn}); len(got) != 1 || got[0] != wanted {
		t.Errorf("%d jobs are claimed, want the one whose caller waits", len(got))
	}
	if late.claimed.Load() {
		t.Error("the job of a client that is gone is claimed")
	}
}
