package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

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
		s.use(conn)
	}
	if len(s.stmts) <= maxStatements {
		return nil
	}
	return s.closeStatements()
}

// use makes a connection the session's own.
func (s *session) use(conn *sql.Conn) { s.conn, s.stmts = conn, map[string]*sql.Stmt{} }

func (s *session) closeStatements() error {
	for text, st := range s.stmts {
		if err := st.Close(); err != nil {
			return fmt.Errorf("closing statement: %w", err)
		}
		delete(s.stmts, text)
	}
	return nil
}

// drop closes the connection, which ends its transaction; the next use makes another. Its statements go first: with one of
// them left SQLite keeps the files open, and database/sql does not close those of a Conn.
func (s *session) drop() error {
	if s.conn == nil {
		return nil
	}
	err := errors.Join(s.closeStatements(), s.conn.Close())
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

// run calls fn with the open transaction. A violated constraint undoes its own statement alone.
func (s *session) run(ctx context.Context, log *slog.Logger, fn func(sqlstore.Tx) error) error {
	return sqlstore.Runner{Statements: s, Fault: s.fault, Passes: violates, Log: log}.Run(ctx, fn)
}

func violates(err error) bool {
	var e *engine.Error
	return errors.As(err, &e) && e.Code()&0xff == codes.SQLITE_CONSTRAINT
}

// Exec implements sqlstore.Statements.
func (s *session) Exec(ctx context.Context, query string, args []any) (sql.Result, error) {
	st, err := s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

// Query implements sqlstore.Statements.
func (s *session) Query(ctx context.Context, query string, args []any) (*sql.Rows, error) {
	st, err := s.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// QueryRow implements sqlstore.Statements.
func (s *session) QueryRow(ctx context.Context, query string, args []any) *sql.Row {
	st, err := s.prepare(ctx, query)
	if err != nil {
		return s.conn.QueryRowContext(sqlstore.Failed(ctx, err), query)
	}
	return st.QueryRowContext(ctx, args...)
}
