package sqlstore

import (
	"context"
	"fmt"
	"time"

	"symbolon/internal/token"
)

// Load gives every entry still in force, without numbers, and the position at which they stand. Cut-offs that look past
// their need are given too: only the purge decides that.
func (s *Store) Load(ctx context.Context, do func(token.Entry)) (token.Position, error) {
	var p token.Position
	err := s.readLong(ctx, "loading feed", func(tx Tx) (err error) {
		if p, err = readPosition(tx); err != nil {
			return err
		}
		revoked := token.Entry{Kind: token.EntryGrant}
		if err := each(tx, func(row scanner) error {
			if err := row.Scan(&revoked.Grant); err != nil {
				return err
			}
			do(revoked)
			return nil
		}, loadRevoked); err != nil {
			return err
		}
		for _, l := range loads {
			if err := each(tx, func(row scanner) error {
				e, err := scanEntry(row)
				do(e)
				return err
			}, l); err != nil {
				return err
			}
		}
		return nil
	})
	return p, err
}

// There may be millions, so this is one column, and reads an index alone.
const loadRevoked = `SELECT id FROM grants WHERE revoked_at IS NOT NULL ORDER BY id`

// What else is in force, each in the columns of the feed.
var loads = []string{
	`SELECT 0, stale_at, 'stale', id, '', '', NULL FROM grants WHERE stale_at IS NOT NULL ORDER BY id`,
	`SELECT 0, CAST(value AS BIGINT), 'stale', 0, substr(key, 7), '', NULL FROM meta WHERE key LIKE 'stale:%'`,
	`SELECT 0, at, 'cutoff', 0, service, name, until FROM cutoffs`,
	`SELECT 0, at, 'not_before', 0, service, '', NULL FROM not_before`,
}

func scanEntry(s scanner) (e token.Entry, err error) {
	err = s.Scan(&e.Seq, instant(&e.At), &e.Kind, &e.Grant, &e.Service, &e.Name, instant(&e.Until))
	return e, err
}

func readPosition(tx Tx) (p token.Position, err error) {
	err = tx.QueryRow(`SELECT seq, (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'epoch') FROM feed_head`).Scan(&p.Seq, &p.Epoch)
	return p, err
}

// One statement, so that position and entries are of one moment. Where there is no entry, the row has the position alone.
const selectSince = `SELECT h.seq, (SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'epoch'),
		COALESCE(f.seq, 0), f.at, COALESCE(f.kind, ''), COALESCE(f.grant_id, 0), COALESCE(f.service, ''), COALESCE(f.name, ''), f.until
	FROM feed_head h LEFT JOIN (SELECT * FROM feed WHERE seq > $1 ORDER BY seq LIMIT $2) f ON 1 = 1 ORDER BY f.seq`

func scanNext(s scanner, p *token.Position) (e token.Entry, err error) {
	err = s.Scan(&p.Seq, &p.Epoch, &e.Seq, instant(&e.At), &e.Kind, &e.Grant, &e.Service, &e.Name, instant(&e.Until))
	return e, err
}

// Since gives the entries after seq in order; see token.Feed. Where one of them has been purged already it gives none
// and the zero Position, whose epoch no store has: what follows must load again. Limit 0 means 1000. A server of a shared
// store gives signs of life with it, so that only a database that can be written confirms.
func (s *Store) Since(ctx context.Context, seq int64, limit int) (entries []token.Entry, p token.Position, err error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	if err := s.signOfLife(ctx, seq); err != nil {
		return nil, token.Position{}, err
	}
	err = s.readOne(ctx, "following feed", func(tx Tx) error {
		return each(tx, func(row scanner) error {
			e, err := scanNext(row, &p)
			if e.Seq != 0 {
				entries = append(entries, e)
			}
			return err
		}, selectSince, seq, limit)
	})
	switch {
	case err != nil:
		return nil, token.Position{}, err
	case len(entries) == 0 && p.Seq <= seq:
		return nil, p, nil
	case len(entries) == 0 || entries[len(entries)-1].Seq != seq+int64(len(entries)):
		return nil, token.Position{}, nil
	}
	p.Seq = entries[len(entries)-1].Seq
	return entries, p, nil
}

// Lost gives the grants that restores may have lost; see token.Feed.
func (s *Store) Lost(ctx context.Context) (all []token.Range, err error) {
	err = s.read(ctx, "reading lost grants", func(tx Tx) (err error) {
		all, err = collect(tx, func(row scanner) (r token.Range, err error) {
			err = row.Scan(&r.First, &r.Last)
			return r, err
		}, `SELECT first_id, last_id FROM lost_grants ORDER BY epoch`)
		return err
	})
	return all, err
}

// Seen is the number of the last entry that a verb of this process has appended, or found there; see token.Feed.
func (s *Store) Seen() int64 { return s.seen.Load() }

// Changed waits at most the time given until somebody may have appended to the feed, and reports whether one may have.
func (s *Store) Changed(ctx context.Context, most time.Duration) (bool, error) {
	changed, err := s.db.Changed(ctx, most, s.hint)
	if err != nil {
		return true, fmt.Errorf("watching for changes: %w", err)
	}
	return changed, nil
}
