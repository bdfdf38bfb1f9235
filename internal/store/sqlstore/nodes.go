package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"symbolon/internal/token"
)

// NodeSilent is after how long without a sign of life a server counts as gone.
const NodeSilent = 20 * time.Second

const (
	purgeLease = time.Minute            // that one server purges alone after each batch
	beatEvery  = 200 * time.Millisecond // how old a sign of life may be that a look at the feed goes by
	maxSkew    = time.Minute            // of a clock against the database's; beyond it nothing is purged
)

// sharedDB is an engine whose database several servers use at once. Clock is an SQL expression for the database's own time
// in milliseconds, by which servers whose clocks differ know of one another. Unflushed is a statement after which the
// transaction's COMMIT does not wait for the disk, for what may be lost.
type sharedDB interface {
	Clock() string
	Unflushed() string
}

// clock is the database's own time as an SQL expression; where there is one server its clock is as good.
func (s *Store) clock() string {
	if db, ok := s.db.(sharedDB); ok {
		return db.Clock()
	}
	return strconv.FormatInt(millis(s.now()), 10)
}

// Shared reports whether several servers may use the store at once.
func (s *Store) Shared() bool {
	_, ok := s.db.(sharedDB)
	return ok
}

// Node is one server on the store.
type Node struct {
	Run         int64
	Name        string // host and address it listens on: one server at a time has it
	Version     string
	Fingerprint string        // of the configuration that all servers must share
	ClockOffset time.Duration // its clock less the database's
	Seq         int64         // last feed entry it knows
	Silent      time.Duration // since its last sign of life, by the database's clock
}

// Live reports whether the server has given a sign of life lately.
func (n Node) Live() bool { return n.Silent < NodeSilent }

// ServeAs says who this process is, before Start; of n only name, version and fingerprint are taken.
func (s *Store) ServeAs(n Node) { s.node = n }

// Run is the number of this process's run, 0 before Start.
func (s *Store) Run() int64 { return s.run.Load() }

// Nodes returns the servers that are or lately were on the store, by name.
func (s *Store) Nodes(ctx context.Context) (all []Node, err error) {
	query := `SELECT run, name, version, fingerprint, clock_offset, feed_seq, ` + s.clock() + ` - seen_at FROM nodes ORDER BY name, run`
	err = s.read(ctx, "reading nodes", func(tx Tx) (err error) {
		all, err = collect(tx, scanNode, query)
		return err
	})
	return all, err
}

func scanNode(r scanner) (n Node, err error) {
	var offset, silent int64
	err = r.Scan(&n.Run, &n.Name, &n.Version, &n.Fingerprint, &offset, &n.Seq, &silent)
	n.ClockOffset, n.Silent = time.Duration(offset)*time.Millisecond, time.Duration(silent)*time.Millisecond
	return n, err
}

const upsertNode = `INSERT INTO nodes (run, name, version, fingerprint, clock_offset, feed_seq, seen_at)
	VALUES ($1, $2, $3, $4, $5 - CLOCK, $6, CLOCK) ON CONFLICT (run) DO UPDATE SET
		clock_offset = excluded.clock_offset, feed_seq = excluded.feed_seq, seen_at = excluded.seen_at
	RETURNING clock_offset`

// beat writes this server's row: its sign of life, and that the database can be written. It returns by how much the clock
// is ahead of the database's.
func (v *verb) beat(seq int64) (time.Duration, error) {
	s := v.store
	offset, err := value[int64](v.QueryRow(strings.ReplaceAll(upsertNode, "CLOCK", s.clock()), s.run.Load(), s.node.Name, s.node.Version,
		s.node.Fingerprint, millis(s.now()), seq))
	if err != nil {
		return 0, fmt.Errorf("writing node: %w", err)
	}
	return time.Duration(offset) * time.Millisecond, nil
}

// signOfLife writes this server's row, if it is due: a database that can only be read may be an old copy of the one that
// everybody else writes, and must confirm nothing. Nor may it to a server whose clock is far from the database's: token.ErrClock.
func (s *Store) signOfLife(ctx context.Context, seq int64) error {
	now := s.now()
	db, shared := s.db.(sharedDB)
	if last := s.beaten.Load(); !shared || s.run.Load() == 0 || last != nil && now.Sub(*last) < beatEvery && now.Round(0).Sub(last.Round(0)).Abs() < beatEvery {
		return nil
	}
	var offset time.Duration
	err := s.write(ctx, "giving sign of life", token.Caller{}, now, func(v *verb) (err error) {
		if _, err := v.Exec(db.Unflushed()); err != nil {
			return err
		}
		offset, err = v.beat(seq)
		return err
	})
	switch {
	case err != nil:
		return err
	case offset.Abs() > maxSkew:
		return fmt.Errorf("%w: it differs from the database's by %s; set the clocks", token.ErrClock, offset.Round(time.Second))
	}
	s.beaten.Store(&now)
	return nil
}

// noteNode gives a sign of life, notes the ends of others that give none, and leaves no row of a server that ended.
func (v *verb) noteNode(av token.AliveVerb) error {
	if av.Final {
		if _, err := v.Exec(`DELETE FROM nodes WHERE run = $1`, av.Run); err != nil {
			return fmt.Errorf("leaving: %w", err)
		}
		return nil
	}
	if v.store.Shared() { // every look at the feed is a sign already
		return v.markCrashed(av.Run)
	}
	_, err := v.beat(0)
	return err
}

// A run has crashed when it did not end in good order and its server is silent, or another has its name now. On a store
// that is not shared the server of every other run is gone.
const (
	selectOpen  = `SELECT id FROM runs WHERE ended_at IS NULL AND crashed_at IS NULL AND id <> $1 ORDER BY id`
	selectAlive = `SELECT run FROM nodes WHERE name <> $1 AND seen_at > CLOCK - $2`
)

// markCrashed notes the ends of runs whose servers are gone: a minute after their last sign of life or, if that is
// earlier, now, so that what a new run rotates was not lost by the old one. A clock that was set back, or is another's,
// says nothing of when, so then it is the minute.
func (v *verb) markCrashed(own int64) error {
	open, err := collect(v, value[int64], selectOpen, own)
	if err != nil {
		return fmt.Errorf("looking for crashed runs: %w", err)
	}
	var alive []int64
	if v.store.Shared() {
		query := strings.ReplaceAll(selectAlive, "CLOCK", v.store.clock())
		if alive, err = collect(v, value[int64], query, v.store.node.Name, NodeSilent.Milliseconds()); err != nil {
			return fmt.Errorf("looking for servers that live: %w", err)
		}
	}
	const markCrashed = `UPDATE runs SET crashed_at = CASE WHEN alive_at <= $2 AND $2 < alive_at + $3 THEN $2 ELSE alive_at + $3 END WHERE id = $1`
	for _, id := range open {
		if slices.Contains(alive, id) {
			continue
		}
		if _, err := v.Exec(markCrashed, id, millis(v.now), crashSlack.Milliseconds()); err != nil {
			return fmt.Errorf("marking crashed run: %w", err)
		}
	}
	return nil
}

// Skewed reports whether the server's clock is too far from the database's for anything that time decides.
func (n Node) Skewed() bool { return n.ClockOffset.Abs() > maxSkew }

// mayPurge takes or renews the lease by which one server at a time purges, and looks whether its clock can be believed.
func (v *verb) mayPurge(now time.Time) (bool, error) {
	if !v.store.Shared() {
		return true, nil
	}
	const take = `INSERT INTO meta (key, value) VALUES ('purger', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value
		WHERE CAST(split_part(meta.value, ' ', 1) AS BIGINT) = $2 OR CAST(split_part(meta.value, ' ', 2) AS BIGINT) <= $3`
	theirs, err := value[int64](v.QueryRow(`SELECT ` + v.store.clock()))
	if err != nil {
		return false, fmt.Errorf("reading the database's clock: %w", err)
	}
	if skew := now.Sub(time.UnixMilli(theirs)); skew.Abs() > maxSkew {
		return false, token.Refuse(token.Conflict, "this server's clock differs from the database's by %s; nothing is purged: set the clocks", skew.Round(time.Second))
	}
	run := v.store.run.Load()
	return v.changes(take, fmt.Sprintf("%d %d", run, theirs+purgeLease.Milliseconds()), run, theirs)
}

// ClockState is what the store knows of clocks.
type ClockState struct {
	token.ClockState
	Offset time.Duration // this process's clock less the database's; 0 on a store that is not shared
}

// Clock reads what is stored of the clock, and compares this process's with the database's. It fails where the database
// cannot be written.
func (s *Store) Clock(ctx context.Context) (c ClockState, err error) {
	err = s.write(ctx, "reading clock", token.Caller{}, s.now(), func(v *verb) error {
		theirs, err := value[int64](v.QueryRow(`SELECT ` + s.clock()))
		if err != nil {
			return err
		}
		c.Offset = s.now().Sub(time.UnixMilli(theirs))
		c.ClockState, err = v.clockState()
		return err
	})
	if !s.Shared() {
		c.Offset = 0
	}
	return c, err
}
