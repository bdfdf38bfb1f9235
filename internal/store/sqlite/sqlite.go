// Package sqlite is the SQLite engine under the store's verbs: it owns the file, its schema version, the lock that keeps
// a second server away, one writer that commits waiting verbs together, and a few readers beside it.
//
// It knows no table but grants, and of that only the number counter. A server and any number of commands may have one
// file open at once; each command's write goes ahead of the server's next batch.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the database/sql driver "sqlite"

	"symbolon/internal/store/sqlstore"
)

var errClosed = errors.New("the store is closed")

// Options says what to open. Path and Migrations are required; the zero value of the rest is a command's quiet store.
type Options struct {
	Path       string                // the database file; its folder must exist, the file is created with mode 0600
	Serve      bool                  // take the lock file symbolon.lock beside Path, as only one server may
	Migrations fs.FS                 // goose SQL files, in the root of the file system
	Fault      func(op string) error // tests only: asked before "BEGIN", "COMMIT", "exec SQL" and "query SQL"; its error counts as the engine's
	Log        *slog.Logger          // nil logs nothing
}

// DB is an open store file. Its methods may be called from any goroutine.
type DB struct {
	path    string
	log     *slog.Logger
	pool    *sql.DB
	lock    *lockFile // nil unless Options.Serve
	turn    *turn
	writer  *writer
	readers *readers

	changes sync.Mutex // guards watch and version
	watch   *session
	version int64 // PRAGMA data_version at the last Changed; 0 before the first

	closing sync.Once
	closed  chan struct{}
}

var _ sqlstore.DB = (*DB)(nil)

// Open opens or creates the file, brings its schema up to Migrations and starts the writer. It does not look through an
// existing file for damage. A second server gets a *LockedError; Close releases everything.
func Open(ctx context.Context, o Options) (*DB, error) {
	d, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("opening store: %w", err)
	}
	if err := d.prepare(ctx, o.Migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("opening store: %w", d.explain(err)), d.Close())
	}
	return d, nil
}

// open takes the locks, makes the file and starts the writer; it reads nothing.
func open(o Options) (*DB, error) {
	path, err := filepath.Abs(o.Path)
	if err != nil {
		return nil, err
	}
	if err := create(path); err != nil {
		return nil, err
	}
	d := &DB{path: path, log: o.Log, closed: make(chan struct{})}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if o.Serve {
		if d.lock, err = takeLockFile(filepath.Join(filepath.Dir(path), "symbolon.lock")); err != nil {
			return nil, err
		}
	}
	if d.turn, err = openTurn(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, d.lock.release())
	}
	if d.pool, err = openPool(path, "FULL"); err != nil {
		return nil, errors.Join(err, d.turn.close(), d.lock.release())
	}
	d.start(o)
	return d, nil
}

func (d *DB) start(o Options) {
	d.watch = &session{connect: d.pool.Conn, fault: o.Fault}
	d.readers = newReaders(func() *session { return &session{connect: d.connectReader, fault: o.Fault} })
	d.writer = newWriter(d, &session{connect: d.pool.Conn, fault: o.Fault}, o.Serve)
	go d.writer.run()
}

// openPool makes connections that never go back to a pool: a closed one is really closed, its settings with it. With
// synchronous FULL a COMMIT waits for the disk, with NORMAL the next one that does so makes it durable too.
func openPool(path, synchronous string) (*sql.DB, error) {
	settings := url.Values{
		"mode": {"rw"},
		"_pragma": {
			"busy_timeout(5000)", "synchronous(" + synchronous + ")", "foreign_keys(1)", "temp_store(MEMORY)",
			"cache_size(-4096)", "journal_size_limit(67108864)",
		},
	}
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path), RawQuery: settings.Encode()}
	pool, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	pool.SetMaxIdleConns(-1)
	return pool, nil
}

func (d *DB) connectReader(ctx context.Context) (*sql.Conn, error) {
	conn, err := d.pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA query_only = 1"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Close ends the store: verbs that still wait get ErrUnavailable, running ones and readers are waited for, the lock file
// is released. Closing again does nothing.
func (d *DB) Close() error {
	var err error
	d.closing.Do(func() {
		close(d.closed)
		<-d.writer.stopped
		for range maxReaders {
			err = errors.Join(err, d.readers.take().drop())
		}
		d.changes.Lock()
		defer d.changes.Unlock()
		err = errors.Join(err, d.watch.drop())
		d.emptyLog()
		err = errors.Join(err, d.writer.session.drop(), d.pool.Close(), d.turn.close(), d.lock.release())
	})
	return err
}

// emptyLog moves the write-ahead log into the file, so that a stopped server's file is whole by itself. A command leaves
// that alone: it would hold up the server beside it. Another process that reads may prevent it, which does no harm.
func (d *DB) emptyLog() {
	if d.lock == nil || d.writer.session.conn == nil {
		return
	}
	_, err := d.writer.session.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
	if err != nil && d.log != nil {
		d.log.Warn("moving the write-ahead log into the database failed; it is kept beside it", "err", err)
	}
}

// Write implements sqlstore.DB: fn runs on the writer's goroutine, in a batch with the verbs that waited beside it.
func (d *DB) Write(ctx context.Context, fn func(sqlstore.Tx) error) error {
	return d.writer.write(ctx, fn)
}

// Read implements sqlstore.DB: fn runs on the caller's goroutine and is interrupted with ctx, whose error is then
// wrapped instead of ErrUnavailable.
func (d *DB) Read(ctx context.Context, fn func(sqlstore.Tx) error) error {
	select {
	case <-d.readers.free:
	case <-d.closed:
		return d.unavailable(errClosed)
	case <-ctx.Done():
		return fmt.Errorf("waiting to read: %w", ctx.Err())
	}
	s := d.readers.pop()
	defer d.readers.giveBack(s)
	if d.isClosed() {
		return d.unavailable(errClosed)
	}
	err := s.begin(ctx, "BEGIN")
	if err == nil {
		err = s.run(ctx, d.log, fn)
	}
	s.rollback()
	switch {
	case err == nil, sqlstore.IsRefusal(err):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("reading: %w", ctx.Err())
	}
	return d.unavailable(err)
}

func (d *DB) isClosed() bool {
	select {
	case <-d.closed:
		return true
	default:
		return false
	}
}

// Lock implements sqlstore.DB: empty, as only one transaction writes at a time and it sees the newest rows.
func (d *DB) Lock() string { return "" }

// Share implements sqlstore.DB: empty, for the reason Lock is.
func (d *DB) Share() string { return "" }

// JumpGrants implements sqlstore.DB by the AUTOINCREMENT counter, which has no row before the first grant.
func (d *DB) JumpGrants(tx sqlstore.Tx, by int64) error {
	if by <= 0 {
		return fmt.Errorf("moving the grant counter: %d is not a step forward", by)
	}
	res, err := tx.Exec("UPDATE sqlite_sequence SET seq = seq + $1 WHERE name = 'grants'", by)
	if err != nil {
		return fmt.Errorf("moving the grant counter: %w", err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		_, err = tx.Exec("INSERT INTO sqlite_sequence (name, seq) VALUES ('grants', $1)", by)
	}
	if err != nil {
		return fmt.Errorf("moving the grant counter: %w", err)
	}
	return nil
}

// Changed waits the time given, or until there is a hint, and reports whether there was one or anything was committed to
// the file, by this process or another, since the last call. The first call, and the first after a failed one, report true;
// an error wraps ErrUnavailable.
func (d *DB) Changed(ctx context.Context, most time.Duration, hint <-chan struct{}) (bool, error) {
	t := time.NewTimer(most)
	defer t.Stop()
	select {
	case <-t.C:
	case <-hint:
		return true, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	d.changes.Lock()
	defer d.changes.Unlock()
	if d.isClosed() {
		return false, d.unavailable(errClosed)
	}
	var version int64
	err := d.watch.ready(ctx)
	if err == nil {
		err = d.watch.run(ctx, d.log, func(tx sqlstore.Tx) error { return tx.QueryRow("PRAGMA data_version").Scan(&version) })
	}
	if err != nil {
		d.version = 0
		return false, d.unavailable(errors.Join(err, d.watch.drop()))
	}
	changed := version != d.version
	d.version = version
	return changed, nil
}
