package sqlstore

import (
	"context"
	"fmt"
	"time"

	"symbolon/internal/token"
)

const addActivity = `INSERT INTO activity (hour, service, what, count) VALUES ($1, $2, $3, $4)
	ON CONFLICT (hour, service, what) DO UPDATE SET count = activity.count + excluded.count`

// AddActivity adds to what was counted; see token.Upkeep.
func (s *Store) AddActivity(ctx context.Context, all []token.Activity) error {
	return s.write(ctx, "counting activity", token.Caller{}, s.now(), func(v *verb) error {
		for _, a := range all {
			if _, err := v.Exec(addActivity, millis(a.Hour), a.Service, string(a.Deed), a.Count); err != nil {
				return fmt.Errorf("adding to hour: %w", err)
			}
		}
		return nil
	})
}

const selectActivity = `SELECT hour, service, what, CAST(SUM(count) AS BIGINT) FROM (
		SELECT hour, service, what, count FROM activity WHERE hour >= $1 AND hour < $2
		UNION ALL SELECT at / 3600000 * 3600000, service, CASE kind WHEN 'grant_issued' THEN 'issued' WHEN 'signed_in' THEN 'issued'
			WHEN 'sign_in_failed' THEN 'refused' ELSE 'revoked' END, 1 FROM audit WHERE at >= $1 AND at < $2 AND kind IN
			('grant_issued', 'signed_in', 'sign_in_failed', 'grant_revoked', 'grant_ended_by_limit', 'refresh_reused', 'signed_out')
	) AS deeds GROUP BY hour, service, what ORDER BY hour, service, what`

// Activity returns what was counted, and what audit lines tell; see token.Reader.
func (s *Store) Activity(ctx context.Context, since, until time.Time) (all []token.Activity, err error) {
	err = s.read(ctx, "reading activity", func(tx Tx) (err error) {
		all, err = collect(tx, func(row scanner) (a token.Activity, err error) {
			err = row.Scan(instant(&a.Hour), &a.Service, &a.Deed, &a.Count)
			return a, err
		}, selectActivity, millis(since.UTC().Truncate(time.Hour)), millis(until))
		return err
	})
	return all, err
}
