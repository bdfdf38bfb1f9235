package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"symbolon/internal/audit"
	"symbolon/internal/token"
)

const (
	shortenGrant = `UPDATE grants SET expires_at = CASE WHEN expires_at <= $2 THEN expires_at ELSE $2 END WHERE id = $1`
	markReplaced = `UPDATE grants SET replaced_by = $2 WHERE id = $1`
)

// Replace makes a grant in place of another; see token.Grants. The old one gets its end before the new one is made, so
// that under a limit it is the old one that makes room.
func (s *Store) Replace(ctx context.Context, rv token.ReplaceVerb) (token.Issued, error) {
	var out token.Issued
	err := s.write(ctx, "replacing grant", rv.By, rv.Now, func(v *verb) error {
		if err := v.lockOwner(rv.Old); err != nil {
			return err
		}
		old, err := v.lockGrant(rv.Old)
		if err != nil {
			return err
		}
		if err := v.mayReplace(old.Grant, rv.Grant); err != nil {
			return err
		}
		if _, err := v.Exec(shortenGrant, old.ID, millis(rv.Until)); err != nil {
			return fmt.Errorf("shortening old grant: %w", err)
		}
		if err := v.issueAny(rv.IssueVerb, &out); err != nil {
			return err
		}
		if _, err := v.Exec(markReplaced, old.ID, out.Grant.ID); err != nil {
			return fmt.Errorf("marking old grant: %w", err)
		}
		return v.finishReplaced(old.Grant, rv.Until, &out)
	})
	if err != nil {
		return token.Issued{}, err
	}
	return out, nil
}

func (v *verb) mayReplace(old, made token.Grant) error {
	switch {
	case old.Account != made.Account || old.Kind != made.Kind || old.Service != made.Service:
		return token.Refuse(token.NotFound, "grant %d is no %s of account %d", old.ID, made.Kind, made.Account)
	case !old.RevokedAt.IsZero():
		return token.Refuse(token.Revoked, "grant %d has been revoked", old.ID)
	case !old.Live(v.now):
		return token.Refuse(token.Expired, "grant %d is past its end", old.ID)
	case old.ReplacedBy != 0:
		return token.Refuse(token.Conflict, "it was replaced by %d already: replace that one", old.ReplacedBy)
	}
	return nil
}

// finishReplaced revokes the old grant, or says until when it goes on.
func (v *verb) finishReplaced(old token.Grant, until time.Time, out *token.Issued) error {
	if !until.After(v.now) {
		ended, err := v.end([]int64{old.ID}, replacedBy(out.Grant.ID), audit.Revoked)
		out.Ended = append(out.Ended, ended...)
		return err
	}
	at, err := v.turn()
	if err == nil {
		err = v.staleGrant(old.ID, at) // its end is another now
	}
	if err != nil {
		return err
	}
	return v.note(audit.Replaced, audit.Event{Account: old.Account, Grant: old.ID, Service: old.Service,
		Detail: fmt.Sprintf("%s, ends %s", replacedBy(out.Grant.ID), until.UTC().Format(time.RFC3339))})
}

func replacedBy(id int64) string { return fmt.Sprintf("replaced by %d", id) }

const selectReplaced = `SELECT id FROM grants WHERE replaced_by IS NOT NULL AND revoked_at IS NULL AND expires_at <= $1 ORDER BY id LIMIT 1`

// EndReplaced revokes the next replaced grant whose end has come; see token.Upkeep. Where there is none, nothing is written.
func (s *Store) EndReplaced(ctx context.Context, by token.Caller, now time.Time) (out token.Ended, err error) {
	var due int64
	err = s.read(ctx, "looking for replaced grants", func(tx Tx) error {
		due, err = value[int64](tx.QueryRow(selectReplaced, millis(now)))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return token.Ended{}, nil
	}
	if err != nil {
		return token.Ended{}, err
	}
	err = s.write(ctx, "ending replaced grant", by, now, func(v *verb) error {
		if err := v.lockOwner(due); err != nil {
			return err
		}
		old, err := v.lockGrant(due)
		if err != nil {
			return err
		}
		out, err = v.endOne(old.Grant, replacedBy(old.ReplacedBy), audit.Revoked)
		return err
	})
	if err != nil {
		return token.Ended{}, err
	}
	return out, nil
}
