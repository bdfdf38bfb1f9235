package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"symbolon/internal/token"
)

const (
	purgeMargin  = 24 * time.Hour // kept after nothing can be valid any more
	feedKept     = 7 * 24 * time.Hour
	attemptsKept = 24 * time.Hour
	activityKept = 400 * 24 * time.Hour
	runsKept     = 2 * 24 * time.Hour
	crashSlack   = time.Minute // a run crashes at most this long after its last sign of life
)

// Where an older use is noted late, or nothing is known of where it came from, the address stays; a grant that has ended
// is told none, since its account may have been deleted.
const touchGrant = `UPDATE grants SET use_count = use_count + $3,
	last_addr = CASE WHEN $4 = '' OR revoked_at IS NOT NULL OR last_used_at > $2 THEN last_addr ELSE $4 END,
	last_used_at = CASE WHEN last_used_at > $2 THEN last_used_at ELSE $2 END WHERE id = $1`

// Touch adds uses to grants; those that are gone are passed over.
func (s *Store) Touch(ctx context.Context, uses []token.Use) error {
	if len(uses) == 0 {
		return nil
	}
	return s.write(ctx, "noting uses", token.Caller{}, s.now(), func(v *verb) error {
		for _, u := range uses {
			if _, err := v.Exec(touchGrant, u.Grant, millis(u.At), u.Count, u.Addr); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	selectBatch = `SELECT COUNT(*), COALESCE(MAX(id), 0) FROM (SELECT id FROM grants WHERE id > $1 ORDER BY id LIMIT $2) AS batch`
	purgeGrants = `DELETE FROM grants WHERE id > $1 AND id <= $2 AND dead_at < $3`
)

// Purge removes grants nothing of which can be valid, a batch at a time; see token.Upkeep. removed counts grants alone.
// One server of a shared store does it, with a clock near the database's; to the others nothing is removed.
// A grant whose last instant is not known stays for ever. Each call also trims the other tables by a batch; AuditKeep 0
// keeps audit lines for ever.
func (s *Store) Purge(ctx context.Context, pv token.PurgeVerb) (next int64, removed int, err error) {
	err = s.write(ctx, "purging", token.Caller{}, pv.Now, func(v *verb) error {
		if may, err := v.mayPurge(pv.Now); !may {
			next = pv.Cursor
			return err
		}
		if err := v.trim(pv); err != nil {
			return err
		}
		var count int
		if err := v.QueryRow(selectBatch, pv.Cursor, pv.Batch).Scan(&count, &next); err != nil {
			return fmt.Errorf("reading next batch: %w", err)
		}
		if err := v.forgetAddresses(pv, next); err != nil {
			return err
		}
		res, err := v.Exec(purgeGrants, pv.Cursor, next, millis(pv.Now.Add(-purgeMargin)))
		if err != nil {
			return fmt.Errorf("removing grants: %w", err)
		}
		gone, err := res.RowsAffected()
		removed = int(gone)
		if count < pv.Batch {
			next = 0
		}
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return next, removed, nil
}

// The first is of a batch of lines, the others of the batch of grants that is purged.
var forgetAddresses = []string{
	`UPDATE audit SET addr = '', agent = '' WHERE id IN
		(SELECT id FROM audit WHERE at < $1 AND (addr <> '' OR agent <> '') ORDER BY at LIMIT $2)`,
	`UPDATE grants SET addr = '', agent = '' WHERE id > $2 AND id <= $3 AND issued_at < $1 AND (addr <> '' OR agent <> '')`,
	`UPDATE grants SET last_addr = '' WHERE id > $2 AND id <= $3 AND last_addr <> ''
		AND COALESCE(last_used_at, issued_at) < $1 AND COALESCE(rotated_at, issued_at) < $1`,
}

// forgetAddresses clears where people were, and with what, longer ago than that is kept; the rows stay.
func (v *verb) forgetAddresses(pv token.PurgeVerb, next int64) error {
	if pv.AddressKeep == 0 {
		return nil
	}
	before := millis(pv.Now.Add(-pv.AddressKeep))
	for i, args := range [][]any{{before, pv.Batch}, {before, pv.Cursor, next}, {before, pv.Cursor, next}} {
		if _, err := v.Exec(forgetAddresses[i], args...); err != nil {
			return fmt.Errorf("forgetting addresses: %w", err)
		}
	}
	return nil
}

// No entry goes before those ahead of it, though a clock that was behind made it look older: who follows would pass over
// it unseen. Who is behind what went loads anew.
const trimFeed = `DELETE FROM feed WHERE seq < (SELECT COALESCE(MIN(CASE WHEN at >= $1 THEN seq END), MAX(seq) + 1)
	FROM (SELECT seq, at FROM feed ORDER BY seq LIMIT $2) AS oldest)`

// trim removes a batch of old rows from each of the tables that grow with time.
func (v *verb) trim(pv token.PurgeVerb) error {
	for _, t := range []struct {
		statement string
		keep      time.Duration
	}{
		{trimFeed, feedKept},
		{`DELETE FROM cutoffs WHERE (service, name) IN (SELECT service, name FROM cutoffs WHERE until < $1 LIMIT $2)`, purgeMargin},
		{`DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2)`, pv.AuditKeep},
		{`DELETE FROM resets WHERE account_id IN (SELECT account_id FROM resets WHERE expires_at < $1 LIMIT $2)`, attemptsKept},
		{`DELETE FROM activity WHERE (hour, service, what) IN (SELECT hour, service, what FROM activity WHERE hour < $1 LIMIT $2)`,
			shortest(activityKept, pv.AuditKeep)},
		{`DELETE FROM attempts WHERE key IN (SELECT key FROM attempts WHERE last_at < $1 LIMIT $2)`, attemptsKept},
		{`DELETE FROM nodes WHERE run IN (SELECT id FROM runs WHERE COALESCE(ended_at, crashed_at) < $1 ORDER BY id LIMIT $2)`, runsKept},
		{`DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE COALESCE(ended_at, crashed_at) < $1 ORDER BY id LIMIT $2)`, runsKept},
		{`DELETE FROM signing_keys WHERE id IN (SELECT id FROM signing_keys WHERE state = 'gone' AND verify_until < $1 LIMIT $2)`,
			shortest(activityKept, pv.AuditKeep)},
	} {
		if t.keep == 0 {
			continue
		}
		if _, err := v.Exec(t.statement, millis(pv.Now.Add(-t.keep)), pv.Batch); err != nil {
			return fmt.Errorf("removing old rows: %w", err)
		}
	}
	return nil
}

// shortest returns how long something is kept where 0 is for ever.
func shortest(a, b time.Duration) time.Duration {
	if b == 0 {
		return a
	}
	return min(a, b)
}

// Start marks runs whose servers are gone without an end as crashed, and begins another; see token.Upkeep. It returns the
// number of the new one and the highest time stored before, zero at the very first start.
func (s *Store) Start(ctx context.Context, now time.Time, restrictions map[string]string) (run int64, before token.ClockState, err error) {
	err = s.write(ctx, "starting run", token.Caller{}, now, func(v *verb) (err error) {
		if err := v.markCrashed(0); err != nil {
			return err
		}
		if before, err = v.clockState(); err != nil {
			return err
		}
		if before.High.IsZero() {
			if err := v.setClockState(token.ClockState{High: v.now}); err != nil {
				return err
			}
		}
		if err := v.restrict(restrictions); err != nil {
			return err
		}
		run, err = value[int64](v.QueryRow(`INSERT INTO runs (started_at, alive_at) VALUES ($1, $1) RETURNING id`, millis(v.now)))
		return err
	})
	if err != nil {
		return 0, token.ClockState{}, err
	}
	s.run.Store(run)
	return run, before, nil
}

// restrict makes the grants of services stale whose restrictions changed since the last start. A service met for the
// first time has no tokens made under others.
func (v *verb) restrict(restrictions map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(restrictions)) {
		before, err := value[string](v.QueryRow(`SELECT value FROM meta WHERE key = $1`, "restrict:"+name))
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("reading restrictions of %s: %w", name, err)
		}
		if err == nil && before == restrictions[name] {
			continue
		}
		if _, err := v.Exec(upsertMeta, "restrict:"+name, restrictions[name]); err != nil {
			return fmt.Errorf("storing restrictions of %s: %w", name, err)
		}
		if err != nil {
			continue
		}
		at, err := v.turn()
		if err != nil {
			return err
		}
		if _, err := v.Exec(upsertMeta, "stale:"+name, strconv.FormatInt(millis(at), 10)); err != nil {
			return fmt.Errorf("making grants of %s stale: %w", name, err)
		}
		v.feed = append(v.feed, token.Entry{Kind: token.EntryStale, Service: name, At: at})
	}
	return nil
}

// Alive notes that the run lives; see token.Upkeep.
func (s *Store) Alive(ctx context.Context, av token.AliveVerb) error {
	return s.write(ctx, "noting run", token.Caller{}, av.Now, func(v *verb) error {
		var ended any
		if av.Final {
			ended = millis(v.now)
		}
		// Whoever was silent for a while and lives has not crashed, also when its row was purged since.
		const noteRun = `INSERT INTO runs (id, started_at, alive_at, ended_at) VALUES ($1, $2, $2, $3) ON CONFLICT (id) DO UPDATE SET
			alive_at = CASE WHEN runs.alive_at > $2 THEN runs.alive_at ELSE $2 END, ended_at = $3, crashed_at = NULL`
		if _, err := v.Exec(noteRun, av.Run, millis(v.now), ended); err != nil {
			return err
		}
		if err := v.noteNode(av); err != nil {
			return err
		}
		state, err := v.clockState()
		if err != nil {
			return err
		}
		state.Hold = av.Hold
		if av.Hold == 0 && v.now.After(state.High) {
			state.High = v.now
		}
		return v.setClockState(state)
	})
}

const upsertMeta = `INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`

// clockState reads what is stored of the clock, zero where nothing is.
func (v *verb) clockState() (c token.ClockState, err error) {
	high, err := v.metaNumber("high_water")
	if err != nil || high == 0 {
		return c, err
	}
	c.High = time.UnixMilli(high).UTC()
	hold, err := v.metaNumber(v.store.holdKey())
	c.Hold = time.Duration(hold) * time.Millisecond
	return c, err
}

// holdKey is a server's own where several share the store: each has its own clock to doubt.
func (s *Store) holdKey() string {
	if s.Shared() {
		return "clock_hold:" + s.node.Name
	}
	return "clock_hold"
}

// setClockState leaves no row where the clock is believed: servers come and go, each under a name of its own.
func (v *verb) setClockState(c token.ClockState) error {
	if _, err := v.Exec(upsertMeta, "high_water", strconv.FormatInt(millis(c.High), 10)); err != nil {
		return fmt.Errorf("storing high_water: %w", err)
	}
	key, err := v.store.holdKey(), error(nil)
	if c.Hold == 0 {
		_, err = v.Exec(`DELETE FROM meta WHERE key = $1`, key)
	} else {
		_, err = v.Exec(upsertMeta, key, strconv.FormatInt(c.Hold.Milliseconds(), 10))
	}
	if err != nil {
		return fmt.Errorf("storing %s: %w", key, err)
	}
	return nil
}

// metaNumber is 0 where nothing is stored under key.
func (v *verb) metaNumber(key string) (int64, error) {
	text, err := value[string](v.QueryRow(`SELECT value FROM meta WHERE key = $1`+v.store.db.Lock(), key))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", key, err)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", key, err)
	}
	return n, nil
}
