package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"symbolon/internal/token"
)

const prolongGrant = `UPDATE grants SET expires_at = CASE WHEN cap < $3 THEN cap WHEN expires_at > $3 THEN expires_at ELSE $3 END
	WHERE id = $1 AND kind = 'browser' AND revoked_at IS NULL AND expires_at > $2 RETURNING ` + grantColumns

// Prolong moves the end of a live browser; see token.Grants.
func (s *Store) Prolong(ctx context.Context, pv token.ProlongVerb) (g token.Grant, err error) {
	err = s.write(ctx, "prolonging sign-in", token.Caller{}, pv.Now, func(v *verb) error {
		g, err = scanGrant(v.QueryRow(prolongGrant, pv.Grant, millis(v.now), millis(pv.Until)))
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return v.whyNoBrowser(pv.Grant)
		case err != nil:
			return fmt.Errorf("moving end: %w", err)
		}
		return nil
	})
	if err != nil {
		return token.Grant{}, err
	}
	return g, nil
}

func (v *verb) whyNoBrowser(id int64) error {
	r, err := v.lockGrant(id)
	switch {
	case err != nil:
		return err
	case r.Kind != token.Browser:
		return token.Refuse(token.NotFound, "grant %d is no browser", id)
	case !r.RevokedAt.IsZero():
		return token.Refuse(token.Revoked, "browser %d is signed out", id)
	}
	return token.Refuse(token.Expired, "browser %d reached its end", id)
}
