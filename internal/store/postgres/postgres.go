// Package postgres is the PostgreSQL engine under the store's verbs: a small pool of connections, one transaction for each
// verb at READ COMMITTED, deadlines on both sides, and a connection of its own that hears of news in the feed.
//
// Verbs take their locks in one order (account, grants, feed head); where two still cross, the server breaks the deadlock
// and the verb runs again. Any number of servers and commands may use one database.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"symbolon/internal/store/sqlstore"
)

const (
	perCore      = 4               // connections; more only wait for one another in the server
	patience     = 5 * time.Second // for one verb, connecting included
	longPatience = 5 * time.Minute // for reading a whole table
	maxTries     = 5               // of a verb that a deadlock undid
)

// settings bound what a client that was cut off leaves behind in the server: nothing may hold the feed's head for longer.
const settings = `SET statement_timeout = '5s'; SET idle_in_transaction_session_timeout = '5s'; SET lock_timeout = '4s'`

// Options says what to open. Address and Migrations are required; the zero value of the rest is a command's quiet store.
type Options struct {
	Address    string                // postgres:// with the parameters of libpq; what it leaves out comes from PGPASSFILE and its like
	Listen     bool                  // keep a connection that hears of news in the feed
	Conns      int                   // most connections for verbs; 0 means four per core
	Migrations fs.FS                 // goose SQL files, in the root of the file system
	Now        func() time.Time      // tests only: what the database's clock shows; nil means what it does
	Fault      func(op string) error // tests only: asked before "BEGIN", "COMMIT", "exec SQL" and "query SQL"; its error counts as the engine's
	Log        *slog.Logger          // nil logs nothing
}

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	config *pgx.ConnConfig
	pool   *sql.DB
	conns  int // most of them, used and idle
	now    func() time.Time
	fault  func(op string) error
	log    *slog.Logger
	ear    *ear // nil unless Options.Listen
}

var _ sqlstore.DB = (*DB)(nil)

// Open connects and brings the schema up to Migrations, one process at a time. Its errors never hold a password.
func Open(ctx context.Context, o Options) (*DB, error) {
	config, err := parse(o.Address)
	if err != nil {
		return nil, err
	}
	d := &DB{config: config, now: o.Now, fault: o.Fault, log: o.Log}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if err := migrate(ctx, config, o.Migrations, d.log); err != nil {
		return nil, fmt.Errorf("opening store: %w", explain(err))
	}
	d.pool = openPool(config, settings)
	conns := o.Conns
	if conns == 0 {
		conns = perCore * runtime.GOMAXPROCS(0)
	}
	d.conns = conns
	d.pool.SetMaxOpenConns(conns)
	d.pool.SetMaxIdleConns(conns)
	d.pool.SetConnMaxIdleTime(5 * time.Minute)
	if o.Listen {
		d.ear = listen(config, d.log)
	}
	return d, nil
}

// parse reads the address. A server that only stands by is passed over, unless the address says otherwise.
func parse(address string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// Not the error: it repeats the address, and how well that hides a password is not ours to know.
		return nil, errors.New("the address of the PostgreSQL database cannot be read; write it like postgres://symbolon@db.example.org/symbolon?sslmode=verify-full")
	}
	if config.ValidateConnect == nil {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = patience
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "symbolon"
	}
	return config, nil
}

// openPool makes connections that begin with a few settings, if any.
func openPool(config *pgx.ConnConfig, first string) *sql.DB {
	return stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, c *pgx.Conn) error {
		if first == "" {
			return nil
		}
		return c.PgConn().Exec(ctx, first).Close()
	}))
}

// Close ends the store: running verbs fail, the connections are closed. Closing again does nothing.
func (d *DB) Close() error {
	d.ear.close()
	return d.pool.Close()
}

// Lock implements sqlstore.DB.
func (d *DB) Lock() string { return " FOR UPDATE" }

// Share implements sqlstore.DB.
func (d *DB) Share() string { return " FOR SHARE" }

// Clock is the database's own time in milliseconds, as an SQL expression.
func (d *DB) Clock() string {
	if d.now != nil {
		return fmt.Sprintf("CAST(%d AS BIGINT)", d.now().UnixMilli())
	}
	return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
}

// Unflushed is a statement after which the transaction's COMMIT does not wait for the disk.
func (d *DB) Unflushed() string { return "SET LOCAL synchronous_commit = off" }

// JumpGrants implements sqlstore.DB by the sequence of grants. What a sequence has moved stays moved when the verb is undone.
func (d *DB) JumpGrants(tx sqlstore.Tx, by int64) error {
	if by <= 0 {
		return fmt.Errorf("moving the grant counter: %d is not a step forward", by)
	}
	const jump = `SELECT setval(pg_get_serial_sequence('grants', 'id'), nextval(pg_get_serial_sequence('grants', 'id')) + $1)`
	if _, err := tx.Exec(jump, by); err != nil {
		return fmt.Errorf("moving the grant counter: %w", err)
	}
	return nil
}

// Write implements sqlstore.DB. Once the transaction has begun only its own deadline ends it.
func (d *DB) Write(ctx context.Context, fn func(sqlstore.Tx) error) error {
	return d.again(ctx, "waiting to write", func(ctx context.Context, conn *sql.Conn) error {
		return d.transact(context.WithoutCancel(ctx), conn, patience, nil, fn)
	})
}

// WriteOne is Write for an fn of one statement. That is its own transaction: the server has committed it
// when its answer has been read to the end. The end of ctx interrupts it, and then its outcome is unknown.
func (d *DB) WriteOne(ctx context.Context, fn func(sqlstore.Tx) error) error {
	return d.again(ctx, "writing", func(ctx context.Context, conn *sql.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := d.runner(alone{conn}).Run(ctx, fn); err != nil {
			return err
		}
		return d.ask("COMMIT")
	})
}

// ReadOne is Read for an fn of one statement, which sees one moment by itself.
func (d *DB) ReadOne(ctx context.Context, fn func(sqlstore.Tx) error) error {
	return d.again(ctx, "reading", func(ctx context.Context, conn *sql.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return d.runner(alone{conn}).Run(ctx, fn)
	})
}

// Read implements sqlstore.DB. It is interrupted with ctx, whose error is then wrapped instead of ErrUnavailable.
func (d *DB) Read(ctx context.Context, fn func(sqlstore.Tx) error) error {
	return d.read(ctx, patience, fn)
}

// ReadLong is Read for what reads a whole table; its deadline is of minutes.
func (d *DB) ReadLong(ctx context.Context, fn func(sqlstore.Tx) error) error {
	return d.read(ctx, longPatience, func(tx sqlstore.Tx) error {
		if _, err := tx.Exec("SET LOCAL statement_timeout = 0"); err != nil {
			return err
		}
		return fn(tx)
	})
}

func (d *DB) read(ctx context.Context, most time.Duration, fn func(sqlstore.Tx) error) error {
	return d.again(ctx, "reading", func(ctx context.Context, conn *sql.Conn) error {
		err := d.transact(ctx, conn, most, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, fn)
		if err != nil && ctx.Err() != nil && !sqlstore.IsRefusal(err) {
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return err
	})
}

// again runs do on a connection, and once more where the server undid it for another's sake or the connection turned out
// to be dead before anything was asked of it.
func (d *DB) again(ctx context.Context, doing string, do func(context.Context, *sql.Conn) error) error {
	var err error
	for range maxTries {
		err = d.borrow(ctx, do)
		if errors.Is(err, context.DeadlineExceeded) {
			d.dropIdle()
		}
		if err == nil || sqlstore.IsRefusal(err) {
			return err
		}
		if gone := ctx.Err(); gone != nil && errors.Is(err, gone) {
			return fmt.Errorf("%s: %w", doing, gone)
		}
		if !repeats(err) {
			break
		}
	}
	return fmt.Errorf("%w: %w", sqlstore.ErrUnavailable, explain(err))
}

// dropIdle closes the connections that nobody uses: where one gave no answer in time, a network that was cut may have left
// them all half open, and each would cost its next user as long.
func (d *DB) dropIdle() {
	d.pool.SetMaxIdleConns(-1)
	d.pool.SetMaxIdleConns(d.conns)
}

func (d *DB) borrow(ctx context.Context, do func(context.Context, *sql.Conn) error) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := d.pool.Conn(waiting)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	err = do(ctx, conn)
	// One that was taken from under us gives back nothing that matters.
	_ = conn.Close()
	return err
}

// transact runs fn in a transaction. A refusal rolls it back, as does every other error.
func (d *DB) transact(ctx context.Context, conn *sql.Conn, most time.Duration, o *sql.TxOptions, fn func(sqlstore.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := d.ask("BEGIN"); err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	tx, err := conn.BeginTx(ctx, o)
	if err != nil {
		return notBegun{err}
	}
	err = d.runner(inTx{tx}).Run(ctx, fn)
	if err == nil {
		err = d.ask("COMMIT")
	}
	if err != nil {
		_ = tx.Rollback() // a connection that cannot is closed, which is the same
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing (whether it was done is unknown): %w", err)
	}
	return nil
}

func (d *DB) ask(op string) error {
	if d.fault == nil {
		return nil
	}
	return d.fault(op)
}

func (d *DB) runner(s sqlstore.Statements) sqlstore.Runner {
	return sqlstore.Runner{Statements: s, Fault: d.fault, Log: d.log}
}
