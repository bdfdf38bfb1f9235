package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// GrantCount is how many grants of a kind are in a state, which is one of token.Grant.State.
type GrantCount struct {
	Kind, State string
	Count       int
	Ending7     int // live ones among them that end within 7 days
	Ending30    int
}

const countBatch = `SELECT kind, state, COUNT(*), SUM(CASE WHEN state = 'live' AND expires_at <= $4 THEN 1 ELSE 0 END),
		SUM(CASE WHEN state = 'live' AND expires_at <= $5 THEN 1 ELSE 0 END) FROM
	(SELECT kind, expires_at, CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= $3 THEN 'expired'
		WHEN not_before > $3 THEN 'waiting' ELSE 'live' END AS state FROM grants WHERE id > $1 AND id <= $2) AS states
	GROUP BY kind, state ORDER BY kind, state`

// CountGrants counts the next batch of grants after a number, and returns the number to go on from, 0 at the end: counting
// all at once would hold a snapshot of millions of rows.
func (s *Store) CountGrants(ctx context.Context, now time.Time, after int64, batch int) (all []GrantCount, next int64, err error) {
	err = s.read(ctx, "counting grants", func(tx Tx) error {
		var count int
		if err := tx.QueryRow(selectBatch, after, batch).Scan(&count, &next); err != nil {
			return fmt.Errorf("reading next batch: %w", err)
		}
		var err error
		all, err = collect(tx, func(r scanner) (c GrantCount, err error) {
			err = r.Scan(&c.Kind, &c.State, &c.Count, &c.Ending7, &c.Ending30)
			return c, err
		}, countBatch, after, next, millis(now), millis(now.AddDate(0, 0, 7)), millis(now.AddDate(0, 0, 30)))
		if count < batch {
			next = 0
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return all, next, nil
}
