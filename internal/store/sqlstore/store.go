// Package sqlstore is the store's verbs, in one set of SQL over any engine that
// is a DB. It keeps what token, account and keyring each ask of their Store.
//
// Every verb is one function given to DB.Write: it reads what it decides on,
// changes rows, writes the audit lines and, last, the feed entries. Locks are
// taken in one order: account row, grants by ascending number, feed head.
package sqlstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/keyring"
	"symbolon/internal/token"
)

var (
	_ token.Store   = (*Store)(nil)
	_ account.Store = (*Store)(nil)
	_ keyring.Store = (*Store)(nil)
)

// Store is the verbs over one database. Its methods may be called from any goroutine.
type Store struct {
	db       DB
	services []*token.Service
	now      func() time.Time
	node     Node                      // of a server that joined
	run      atomic.Int64              // of this process, 0 before Start
	beaten   atomic.Pointer[time.Time] // last sign of life
	seen     atomic.Int64              // see Seen
	hint     chan struct{}             // holds one when a verb has appended to the feed
	together together                  // rotations on a remote engine
}

// New returns the verbs over db, for the services given, which it only reads. now serves the few verbs that are not told the time.
func New(db DB, services []*token.Service, now func() time.Time) *Store {
	s := &Store{db: db, services: services, now: now, hint: make(chan struct{}, 1)}
	s.together.send = s.rotateTogether
	return s
}

// service returns nil for a name that is not configured.
func (s *Store) service(name string) *token.Service {
	for _, svc := range s.services {
		if svc.Name == name {
			return svc
		}
	}
	return nil
}

// verb is one running transition: the transaction, who asked, and what goes to the feed at its end.
type verb struct {
	Tx
	store *Store
	by    token.Caller
	now   time.Time
	feed  []token.Entry
	seen  int64 // entry of the feed that was the last when the verb looked; 0 where it did not
}

// write runs fn as one verb; doing says, as a gerund, what failed. The verb's time is rounded to what is stored, so that
// it compares with stored times as it will when it is read again.
func (s *Store) write(ctx context.Context, doing string, by token.Caller, now time.Time, fn func(*verb) error) error {
	now = time.UnixMilli(millis(now)).UTC()
	var last int64
	err := s.db.Write(ctx, func(tx Tx) (err error) {
		v := &verb{Tx: tx, store: s, by: by, now: now}
		if err := fn(v); err != nil {
			return err
		}
		last, err = v.publish()
		last = max(last, v.seen)
		return err
	})
	if err == nil && last > 0 {
		s.tell(last)
	}
	return wrap(doing, err)
}

// tell lets who follows the feed know of an entry that has been committed.
func (s *Store) tell(seq int64) {
	for {
		have := s.seen.Load()
		if seq <= have {
			return
		}
		if s.seen.CompareAndSwap(have, seq) {
			break
		}
	}
	select {
	case s.hint <- struct{}{}:
	default:
	}
}

// turn is the time at which the verb's turn came, no earlier than its own: whoever read before it read the old state. Nor
// is it earlier than a shared database's clock says: whatever the caller's is, other servers' tokens are as young as that.
func (v *verb) turn() (time.Time, error) {
	theirs, err := value[int64](v.QueryRow(`SELECT ` + v.store.clock()))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the clock: %w", err)
	}
	return time.UnixMilli(max(theirs, millis(v.store.now()), millis(v.now))).UTC(), nil
}

// read runs fn over one snapshot.
func (s *Store) read(ctx context.Context, doing string, fn func(Tx) error) error {
	return wrap(doing, s.db.Read(ctx, fn))
}

// readOne is read for an fn of a single statement.
func (s *Store) readOne(ctx context.Context, doing string, fn func(Tx) error) error {
	if db, ok := s.db.(remote); ok {
		return wrap(doing, db.ReadOne(ctx, fn))
	}
	return s.read(ctx, doing, fn)
}

// readLong is read for what reads a whole table.
func (s *Store) readLong(ctx context.Context, doing string, fn func(Tx) error) error {
	if db, ok := s.db.(remote); ok {
		return wrap(doing, db.ReadLong(ctx, fn))
	}
	return s.read(ctx, doing, fn)
}

// wrap leaves a verb's own answer as it is.
func wrap(doing string, err error) error {
	if err == nil || IsRefusal(err) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

const insertAudit = `INSERT INTO audit (at, kind, actor, account_id, grant_id, service, addr, agent, detail)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// note writes one audit line of the verb's caller and time.
func (v *verb) note(kind audit.Kind, e audit.Event) error {
	_, err := v.Exec(insertAudit, millis(v.now), string(kind), v.by.Actor, e.Account, e.Grant, e.Service,
		v.by.Addr, v.by.Agent, e.Detail)
	if err != nil {
		return fmt.Errorf("writing audit line: %w", err)
	}
	return nil
}

// Note writes one audit line; see token.Notes.
func (s *Store) Note(ctx context.Context, nv token.NoteVerb) error {
	return s.write(ctx, "writing audit line", nv.By, nv.Now, func(v *verb) error {
		return v.note(nv.Kind, audit.Event{Grant: nv.Grant, Service: nv.Service, Detail: nv.Detail})
	})
}

const lastSeq = `SELECT seq FROM feed_head`

const (
	nextSeq    = `UPDATE feed_head SET seq = seq + $1 RETURNING seq`
	insertFeed = `INSERT INTO feed (seq, at, kind, grant_id, service, name, until) VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

// look notes how far the feed is: what was given out by then was given out after all of it.
func (v *verb) look() (err error) {
	if v.seen, err = value[int64](v.QueryRow(lastSeq)); err != nil {
		return fmt.Errorf("reading head of feed: %w", err)
	}
	return nil
}

// publish appends the verb's entries and returns the number of the last, 0 without any. The counter is the last lock a verb takes, so entries
// become visible in order and without holes.
func (v *verb) publish() (last int64, err error) {
	if len(v.feed) == 0 {
		return 0, nil
	}
	if last, err = value[int64](v.QueryRow(nextSeq, len(v.feed))); err != nil {
		return 0, fmt.Errorf("counting feed entries: %w", err)
	}
	for i, e := range v.feed {
		seq := last - int64(len(v.feed)-1-i)
		if _, err := v.Exec(insertFeed, seq, millis(e.At), string(e.Kind), e.Grant, e.Service, e.Name, orNull(e.Until)); err != nil {
			return 0, fmt.Errorf("appending feed entry: %w", err)
		}
	}
	v.feed = nil
	return last, nil
}
