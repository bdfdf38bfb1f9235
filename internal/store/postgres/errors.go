package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// notBegun says that the transaction did not begin, so that nothing of the verb was done.
type notBegun struct{ error }

func (e notBegun) Unwrap() error { return e.error }
func (e notBegun) Error() string { return "beginning: " + e.error.Error() }

// repeats reports whether a verb that failed with err left nothing behind and may do better at once.
func repeats(err error) bool {
	switch code(err) {
	case "40001", "40P01": // undone for the sake of another
		return true
	}
	var e notBegun
	return errors.As(err, &e) || pgconn.SafeToRetry(err)
}

// code is the SQLSTATE of the server's answer, "" where there is none.
func code(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	return e.Code
}

// hints says what to do about an answer of the server. :: SQLSTATE, or its class → advice
var hints = map[string]string{
	"28P01": "the password was refused: look at PGPASSFILE, or at passfile in the address",
	"28000": "the server does not let this user in from here: look at its pg_hba.conf",
	"3D000": "there is no such database: make it with createdb",
	"42501": "the user may not do this: make it the owner of the database or of the schema",
	"53300": "the server has no connection left: raise its max_connections, or lower the number of servers",
	"53100": "the server's disk is full: make room on it",
	"25006": "the server only reads: it stands by for another, or a disk is full",
	"57P03": "the server is starting or stopping: wait",
	"26000": "a pooler between here and the server gives away prepared statements: add default_query_exec_mode=cache_describe to the address",
	"42P05": "a pooler between here and the server gives away prepared statements: add default_query_exec_mode=cache_describe to the address",
}

func explain(err error) error {
	if hint, ok := hints[code(err)]; ok {
		return fmt.Errorf("%s: %w", hint, err)
	}
	return err
}
