package sqlstore

import (
	"context"
	"time"
)

// Stats are counts over all grants.
type Stats struct {
	Grants   []GrantCount
	Ending7  int // live ones that end within 7 days, keys and refresh tokens alike
	Ending30 int
}

// GrantCount is how many grants of a kind are in a state, which is one of token.Grant.State.
type GrantCount struct {
	Kind, State string
	Count       int
}

const (
	selectStates = `SELECT kind, CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= $1 THEN 'expired'
		WHEN not_before > $1 THEN 'waiting' ELSE 'live' END AS state, COUNT(*) FROM grants GROUP BY kind, state`
	selectEnding = `SELECT COALESCE(SUM(CASE WHEN expires_at <= $2 THEN 1 ELSE 0 END), 0), COUNT(*) FROM grants
		WHERE revoked_at IS NULL AND expires_at > $1 AND expires_at <= $3`
)

// Stats counts, by reading every grant: it is not for often.
func (s *Store) Stats(ctx context.Context, now time.Time) (all Stats, err error) {
	err = s.readLong(ctx, "counting grants", func(tx Tx) (err error) {
		all.Grants, err = collect(tx, func(r scanner) (c GrantCount, err error) {
			err = r.Scan(&c.Kind, &c.State, &c.Count)
			return c, err
		}, selectStates, millis(now))
		if err != nil {
			return err
		}
		return tx.QueryRow(selectEnding, millis(now), millis(now.AddDate(0, 0, 7)), millis(now.AddDate(0, 0, 30))).Scan(&all.Ending7, &all.Ending30)
	})
	return all, err
}
