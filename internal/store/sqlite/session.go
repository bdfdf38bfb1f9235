package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	engine "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"symbolon/internal/store/sqlstore"
)

// maxStatements is how many prepared statements a connection keeps from one transaction to the next.
const maxStatements = 256

// session is one connection with its prepared statements, used by one goroutine at a time.
type session struct {
	connect func(context.Context) (*sql.Conn, error)
	fault   func(op string) error // may be nil
	conn    *sql.Conn             // nil until used, and after drop
	stmts   map[string]*sql.Stmt  // :: SQL text → statement prepared on conn
}

// ready makes the connection if there is none and empties a statement cache that has grown too large.
func (s *session) ready(ctx context.Context) error {
	if s.conn == nil {
		conn, err := s.connect(ctx)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		s.conn, s.stmts = conn, map[string]*sql.Stmt{}
	}
	if len(s.stmts) <= maxStatements {
		return nil
	}
	for text, st := range s.stmts {
		if err := st.Close(); err != nil {
			return fmt.Errorf("closing statement: %w", err)
		}
		delete(s.stmts, text)
	}
	return nil
}

// drop closes the connection, which ends its transaction; the next use makes another.
func (s *session) drop() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn, s.stmts = nil, nil
	return err
}

func (s *session) ask(op string) error {
	if s.fault == nil {
		return nil
	}
	return s.fault(op)
}

func (s *session) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := s.stmts[query]; st != nil {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, query)
	if err == nil {
		s.stmts[query] = st
	}
	return st, err
}

// exec runs one of our own statements around a verb's.
func (s *session) exec(ctx context.Context, query string) error {
	st, err := s.prepare(ctx, query)
	if err == nil {
		_, err = st.ExecContext(ctx)
	}
	return err
}

func (s *session) begin(ctx context.Context, query string) error {
	err := s.ready(ctx)
	if err == nil {
		err = s.ask("BEGIN")
	}
	if err == nil {
		err = s.exec(ctx, query)
	}
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	return nil
}

func (s *session) commit() error {
	err := s.ask("COMMIT")
	if err == nil {
		err = s.exec(context.Background(), "COMMIT")
	}
	if err != nil {
		return fmt.Errorf("committing (whether it was done is unknown): %w", err)
	}
	return nil
}

// rollback ends the transaction. Where the engine ended it by itself, or cannot, a new connection is the clean state.
func (s *session) rollback() {
	if s.conn != nil && s.exec(context.Background(), "ROLLBACK") != nil {
		_ = s.drop() // the connection is given up; there is nobody to tell
	}
}

// run calls fn with a transaction of its own making: a failed statement decides over what fn returns, rows fn left open
// are closed, and a panic is an error.
func (s *session) run(ctx context.Context, log *slog.Logger, fn func(sqlstore.Tx) error) (err error) {
	t := &tx{ctx: ctx, session: s}
	defer func() {
		if p := recover(); p != nil {
			log.Error("verb panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("running verb: panic: %v", p)
		}
		err = t.end(err)
	}()
	return fn(t)
}

// tx is the sqlstore.Tx of one verb.
type tx struct {
	ctx     context.Context
	session *session
	rows    []*sql.Rows
	failed  error // the first statement failure: the engine may have rolled back, so nothing more is tried
}

func (t *tx) Exec(query string, args ...any) (sql.Result, error) {
	st, err := t.statement("exec ", query)
	if err != nil {
		return nil, err
	}
	res, err := st.ExecContext(t.ctx, args...)
	return res, t.note(err)
}

func (t *tx) Query(query string, args ...any) (*sql.Rows, error) {
	st, err := t.statement("query ", query)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryContext(t.ctx, args...)
	if err != nil {
		return nil, t.note(err)
	}
	t.rows = append(t.rows, rows)
	return rows, nil
}

func (t *tx) QueryRow(query string, args ...any) *sql.Row {
	st, err := t.statement("query ", query)
	if err != nil {
		return t.session.conn.QueryRowContext(spent{t.ctx, err}, "SELECT 1")
	}
	row := st.QueryRowContext(t.ctx, args...)
	_ = t.note(row.Err()) // the caller gets it from Scan
	return row
}

func (t *tx) statement(op, query string) (*sql.Stmt, error) {
	if t.failed != nil {
		return nil, t.failed
	}
	if err := t.session.ask(op + query); err != nil {
		return nil, t.note(err)
	}
	st, err := t.session.prepare(t.ctx, query)
	return st, t.note(err)
}

// note remembers a failure, except a violated constraint, which undoes its own statement alone.
func (t *tx) note(err error) error {
	var e *engine.Error
	if errors.As(err, &e) && e.Code()&0xff == codes.SQLITE_CONSTRAINT {
		return err
	}
	if t.failed == nil {
		t.failed = err
	}
	return err
}

// end makes t unusable and returns the verb's outcome.
func (t *tx) end(err error) error {
	for _, r := range t.rows {
		if e := r.Close(); e != nil && t.failed == nil {
			t.failed = e
		}
	}
	if t.failed != nil {
		err = t.failed
	}
	t.failed = sql.ErrTxDone
	return err
}

// spent is a context that has ended with err: the way to a *sql.Row that holds err.
type spent struct {
	context.Context
	err error
}

var ended = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (s spent) Done() <-chan struct{} { return ended }
func (s spent) Err() error            { return s.err }
