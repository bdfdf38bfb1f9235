package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Statements runs statements in one open transaction of an engine.
type Statements interface {
	Exec(ctx context.Context, query string, args []any) (sql.Result, error)
	Query(ctx context.Context, query string, args []any) (*sql.Rows, error)
	QueryRow(ctx context.Context, query string, args []any) *sql.Row
}

// Runner gives verbs their Tx. Statements and Log are required.
type Runner struct {
	Statements Statements
	Fault      func(op string) error // tests only: asked before "exec SQL" and "query SQL"; its error counts as the engine's
	Passes     func(error) bool      // an error after which the transaction goes on; nil means none is
	Log        *slog.Logger
}

// Run calls fn with a Tx that ends with it: a failed statement decides over what fn returns, rows fn left open are
// closed, and a panic is an error. ctx is that of every statement.
func (r Runner) Run(ctx context.Context, fn func(Tx) error) (err error) {
	t := &running{ctx: ctx, runner: r}
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("verb panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("running verb: panic: %v", p)
		}
		err = t.end(err)
	}()
	return fn(t)
}

// running is the Tx of one verb.
type running struct {
	ctx    context.Context
	runner Runner
	rows   []*sql.Rows
	failed error // the first statement failure: the engine may have rolled back, so nothing more is tried
}

func (t *running) Exec(query string, args ...any) (sql.Result, error) {
	if err := t.ready("exec ", query); err != nil {
		return nil, err
	}
	res, err := t.runner.Statements.Exec(t.ctx, query, args)
	return res, t.note(err)
}

func (t *running) Query(query string, args ...any) (*sql.Rows, error) {
	if err := t.ready("query ", query); err != nil {
		return nil, err
	}
	rows, err := t.runner.Statements.Query(t.ctx, query, args)
	if err != nil {
		return nil, t.note(err)
	}
	t.rows = append(t.rows, rows)
	return rows, nil
}

func (t *running) QueryRow(query string, args ...any) *sql.Row {
	if err := t.ready("query ", query); err != nil {
		return t.runner.Statements.QueryRow(Failed(t.ctx, err), query, nil)
	}
	row := t.runner.Statements.QueryRow(t.ctx, query, args)
	_ = t.note(row.Err()) // the caller gets it from Scan
	return row
}

func (t *running) ready(op, query string) error {
	if t.failed != nil || t.runner.Fault == nil {
		return t.failed
	}
	return t.note(t.runner.Fault(op + query))
}

// note remembers the first failure.
func (t *running) note(err error) error {
	if t.failed == nil && err != nil && (t.runner.Passes == nil || !t.runner.Passes(err)) {
		t.failed = err
	}
	return err
}

// end makes t unusable and returns the verb's outcome.
func (t *running) end(err error) error {
	for _, r := range t.rows {
		t.note(errors.Join(r.Err(), r.Close()))
	}
	if t.failed != nil {
		err = t.failed
	}
	t.failed = sql.ErrTxDone
	return err
}

// Failed is a context that has ended with err: the way to a *sql.Row that holds err.
func Failed(ctx context.Context, err error) context.Context { return spent{ctx, err} }

type spent struct {
	context.Context
	err error
}

var ended = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (s spent) Done() <-chan struct{} { return ended }
func (s spent) Err() error            { return s.err }
