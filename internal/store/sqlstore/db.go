package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// ErrUnavailable marks every failure of the store itself, as opposed to a verb's own answer; callers say 503 and try again.
var ErrUnavailable = errors.New("the store is unavailable")

// Tx is what a verb sees: one running transaction. It is valid only until the function it was given to returns,
// is used by one goroutine, and its rows must be closed before the next statement. Placeholders are $1, $2, ….
type Tx interface {
	Exec(query string, args ...any) (sql.Result, error)
	Query(query string, args ...any) (*sql.Rows, error)
	QueryRow(query string, args ...any) *sql.Row
}

// DB is one database engine under the verbs. It guarantees:
//
// Write runs fn inside one transaction, and returns nil only after the COMMIT is durable. Where an engine had to break a
// deadlock it runs fn again from the start, so what fn gives out must be set anew by each run. An error for
// which IsRefusal holds rolled back this verb alone and is returned as fn gave it. ctx withdraws a verb that has not begun
// (its error is wrapped, nothing was done); once fn runs, Write waits for the outcome. Every other error wraps
// ErrUnavailable and nothing of the verb was done, except where the COMMIT itself failed: then the outcome is unknown.
// fn may run on another goroutine and must not call Write.
//
// Read runs fn over one consistent snapshot in which writing fails; its errors follow the same rule.
//
// Lock and Share are the suffixes of a SELECT that lock its rows until the transaction ends (" FOR UPDATE", " FOR SHARE"),
// empty where the engine has one writer at a time.
//
// Changed waits until another process may have appended to the feed, at most the time given, and reports whether one may
// have: true in doubt. One call at a time.
//
// JumpGrants moves the number counter of the table grants forward by `by`, inside tx, so that numbers lost with a backup
// are never given out again; by must be positive.
type DB interface {
	Write(ctx context.Context, fn func(Tx) error) error
	Read(ctx context.Context, fn func(Tx) error) error
	Lock() string
	Share() string
	Changed(ctx context.Context, most time.Duration, hint <-chan struct{}) (bool, error)
	JumpGrants(tx Tx, by int64) error
}

// remote is an engine in another process, with deadlines and round trips to save: WriteOne and ReadOne are Write and Read for
// an fn of a single statement, which is sent without a transaction around it. The end of ctx interrupts both, and leaves open
// what WriteOne has done. ReadLong is Read for what reads a whole table and may take minutes.
type remote interface {
	WriteOne(ctx context.Context, fn func(Tx) error) error
	ReadOne(ctx context.Context, fn func(Tx) error) error
	ReadLong(ctx context.Context, fn func(Tx) error) error
}

// IsRefusal reports whether an error in err's chain is a verb's own answer, by having a method Refusal() bool that
// returns true: its savepoint is rolled back and its batch goes on.
func IsRefusal(err error) bool {
	var r interface{ Refusal() bool }
	return errors.As(err, &r) && r.Refusal()
}
