package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

// Issue makes a grant; see token.Grants.
func (s *Store) Issue(ctx context.Context, iv token.IssueVerb) (token.Issued, error) {
	var out token.Issued
	err := s.write(ctx, "issuing grant", iv.By, iv.Now, func(v *verb) error {
		if err := v.issueAny(iv, &out); err != nil {
			return err
		}
		return v.look()
	})
	if err != nil {
		return token.Issued{}, err
	}
	return out, nil
}

func (v *verb) issueAny(iv token.IssueVerb, out *token.Issued) error {
	svc := v.store.service(iv.Grant.Service)
	switch {
	case iv.Grant.Service == "" && (iv.Grant.Kind == token.APIKey || iv.Grant.Kind == token.Browser):
		return v.issue(nil, iv, out)
	case svc == nil:
		return token.Refuse(token.NotFound, "there is no service %q", iv.Grant.Service)
	case iv.Grant.Kind == token.ServiceKey:
		return v.issueServiceKey(svc, iv, out)
	}
	return v.issue(svc, iv, out)
}

// issue makes a grant of an account; svc is nil for an API key and for a browser.
func (v *verb) issue(svc *token.Service, iv token.IssueVerb, out *token.Issued) error {
	if _, err := v.lockAccount(iv.Grant.Account); err != nil {
		return err
	}
	sub, err := readSubject(v, iv.Grant.Service, iv.Grant.Account)
	if err != nil {
		return err
	}
	if err := mayIssue(svc, iv, sub); err != nil {
		return err
	}
	if err := v.parentLives(iv.Grant); err != nil {
		return err
	}
	if err := v.permissionLives(iv); err != nil {
		return err
	}
	if err := actFor(v, iv.Grant.Group, &sub); err != nil {
		return err
	}
	if svc != nil {
		if err := v.giveSubject(svc, &sub); err != nil {
			return err
		}
	}
	if out.Ended, err = v.makeRoom(token.LimitOf(svc, iv.Grant.Kind), iv.Grant); err != nil {
		return err
	}
	iv.Grant.Subject, out.Subject = sub.ID, sub
	return v.insertGrant(svc, iv, &out.Grant)
}

// mayIssue lets an operator past what the service demands, and past nothing else.
func mayIssue(svc *token.Service, iv token.IssueVerb, sub token.Subject) error {
	if !sub.Active {
		return token.Refuse(token.Forbidden, "the account is not %s", account.Active)
	}
	if iv.Grant.Kind == token.Application && sub.Type != account.Application {
		return token.Refuse(token.Forbidden, "application tokens are for accounts of type %s", account.Application)
	}
	if svc == nil || iv.By.Operator {
		return nil
	}
	return svc.Admit(sub)
}

// parentLives holds the parent's row, so that it cannot end before its child is there to end with it.
func (v *verb) parentLives(g token.Grant) error {
	if g.Parent == 0 {
		return nil
	}
	parent, err := v.lockGrant(g.Parent)
	switch {
	case err != nil:
		return err
	case parent.Kind != token.APIKey || parent.Account != g.Account:
		return token.Refuse(token.NotFound, "grant %d is no API key of account %d", g.Parent, g.Account)
	case !parent.RevokedAt.IsZero():
		return token.Refuse(token.Revoked, "API key %d has been revoked", g.Parent)
	case !parent.Live(v.now):
		return token.Refuse(token.Expired, "API key %d is past its end", g.Parent)
	}
	return nil
}

// permissionLives holds the row of the grant by which this one is asked for, so that it cannot end unseen.
func (v *verb) permissionLives(iv token.IssueVerb) error {
	if iv.With == 0 {
		return nil
	}
	with, err := v.lockGrant(iv.With)
	switch {
	case err != nil:
		return err
	case with.Account != iv.Grant.Account:
		return token.Refuse(token.NotFound, "grant %d is not of account %d", iv.With, iv.Grant.Account)
	case !with.RevokedAt.IsZero():
		return token.Refuse(token.Revoked, "grant %d has been revoked", iv.With)
	case !with.Live(v.now):
		return token.Refuse(token.Expired, "grant %d is past its end", iv.With)
	}
	return nil
}

// lockGrant reads a grant and holds its row; NotFound without one.
func (v *verb) lockGrant(id int64) (row, error) {
	r, err := scanRow(v.QueryRow(`SELECT `+grantColumns+` FROM grants WHERE id = $1`+v.store.db.Lock(), id))
	if errors.Is(err, sql.ErrNoRows) {
		return r, token.Refuse(token.NotFound, "there is no grant %d", id)
	}
	if err != nil {
		return r, fmt.Errorf("reading grant: %w", err)
	}
	return r, nil
}

const selectLiveOldest = `SELECT id FROM grants WHERE account_id = $1 AND service = $2 AND kind = $3
	AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4) ORDER BY expires_at IS NULL, expires_at, id`

// makeRoom ends the live grants of the kind, those with the earliest end first, that are too many once one more is there.
func (v *verb) makeRoom(limit int, g token.Grant) ([]int64, error) {
	if limit <= 0 {
		return nil, nil
	}
	live, err := collect(v, value[int64], selectLiveOldest, g.Account, g.Service, string(g.Kind), millis(v.now))
	if err != nil {
		return nil, fmt.Errorf("counting live grants: %w", err)
	}
	if len(live) < limit {
		return nil, nil
	}
	return v.end(live[:len(live)-limit+1], "limit", audit.EndedByLimit)
}

const insertGrant = `INSERT INTO grants (nonce, account_id, service, kind, label, scope, subject, parent_id, group_id,
	generation, issued_at, not_before, expires_at, cap, dead_at, revoked_reason, answer_lost, secret_hash, preview, use_count, addr, agent)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $12, $13, $14, '', 0, $15, $16, 0, $17, $18)
	ON CONFLICT DO NOTHING RETURNING ` + grantColumns

func (v *verb) insertGrant(svc *token.Service, iv token.IssueVerb, made *token.Grant) (err error) {
	g := iv.Grant
	var hash any
	if len(iv.SecretHash) > 0 {
		hash = iv.SecretHash
	}
	*made, err = scanGrant(v.QueryRow(insertGrant, g.Nonce, g.Account, g.Service, string(g.Kind), g.Label, g.Scope, g.Subject,
		idOrNull(g.Parent), idOrNull(g.Group), millis(v.now), orNull(g.NotBefore), orNull(g.ExpiresAt), orNull(g.Cap),
		orNull(deadAt(svc, g)), hash, g.Preview, v.by.Addr, v.by.Agent))
	if errors.Is(err, sql.ErrNoRows) {
		return token.Refuse(token.Conflict, "the secret is in use already")
	}
	if err != nil {
		return fmt.Errorf("inserting grant: %w", err)
	}
	if g.Kind == token.Browser {
		return v.note(audit.SignedIn, audit.Event{Account: g.Account, Grant: made.ID, Detail: g.Label})
	}
	return v.note(audit.Issued, audit.Event{Account: g.Account, Grant: made.ID, Service: g.Service,
		Detail: fmt.Sprintf("%s %s", g.Kind, g.Label)})
}

// deadAt is the last instant at which anything minted from the grant can be valid, zero where no such instant is known:
// a refresh that reads no store moves every end but the cap, and so does the use of a browser.
func deadAt(svc *token.Service, g token.Grant) time.Time {
	if g.Kind != token.Browser && (svc == nil || svc.Rotates) {
		return g.ExpiresAt
	}
	return g.Cap
}

const selectServiceKeys = `SELECT ` + grantColumns + ` FROM grants WHERE account_id = 0 AND service = $1 AND kind = 'servicekey'
	AND secret_hash IS NOT NULL ORDER BY id`

// issueServiceKey keeps the one grant of a configured secret and ends those of secrets configured before.
func (v *verb) issueServiceKey(svc *token.Service, iv token.IssueVerb, out *token.Issued) error {
	kept, err := collect(v, value[int64], `SELECT id FROM grants WHERE secret_hash = $1 AND service = $2 AND kind = 'servicekey'`,
		iv.SecretHash, svc.Name)
	if err != nil {
		return fmt.Errorf("looking for service key: %w", err)
	}
	keys, err := collect(v, scanGrant, selectServiceKeys, svc.Name)
	if err != nil {
		return fmt.Errorf("reading service keys: %w", err)
	}
	*out = token.Issued{}
	for _, g := range keys {
		if slices.Contains(kept, g.ID) {
			out.Grant = g
			continue
		}
		ended, err := v.dropServiceKey(g.ID)
		if err != nil {
			return err
		}
		out.Ended = append(out.Ended, ended...)
	}
	if len(kept) > 0 {
		return nil
	}
	iv.Grant.Account, iv.Grant.Subject = 0, ""
	return v.insertGrant(svc, iv, &out.Grant)
}

// dropServiceKey also forgets the secret, so that going back to it makes a new grant: a revoked one cannot revive.
func (v *verb) dropServiceKey(id int64) ([]int64, error) {
	ended, err := v.end([]int64{id}, "replaced", audit.Revoked)
	if err != nil {
		return nil, err
	}
	_, err = v.Exec(`UPDATE grants SET secret_hash = NULL WHERE id = $1`, id)
	if err != nil {
		return nil, fmt.Errorf("forgetting secret of service key: %w", err)
	}
	return ended, nil
}
