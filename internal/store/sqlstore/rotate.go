package sqlstore

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"symbolon/internal/audit"
	"symbolon/internal/token"
)

const (
	lostKept   = 24 * time.Hour // how long a lost answer is given again
	quietAudit = time.Minute    // between two lines of one kind on one grant
)

// One statement decides and moves, and counts the use, which would be another write of the row otherwise. The end is never
// past the cap; dead_at never moves back, since tokens of an earlier rotation may have been given longer lives.
const move = `UPDATE grants SET generation = generation + 1, rotated_at = @now, rotated_by = @run, answer_lost = 0, retry_key = @retry, last_addr = @addr,
		use_count = use_count + 1, last_used_at = CASE WHEN last_used_at > @now THEN last_used_at ELSE @now END,
		expires_at = CASE WHEN cap IS NOT NULL AND cap < @end THEN cap ELSE @end END,
		dead_at = CASE WHEN dead_at IS NULL OR dead_at > @end THEN dead_at WHEN cap IS NOT NULL AND cap < @end THEN cap ELSE @end END
	@from WHERE id = @id AND nonce = @nonce AND generation = @generation AND service = @service AND kind IN ('pair', 'session')
		AND revoked_at IS NULL AND expires_at > @now
	RETURNING ` + grantColumns

// moving is that statement with where it finds what was presented.
func moving(from, id, nonce, generation, service, now, end, retry, addr, run string) string {
	return strings.NewReplacer("@from", from, "@id", id, "@nonce", nonce, "@generation", generation, "@service", service,
		"@now", now, "@end", end, "@retry", retry, "@addr", addr, "@run", run).Replace(move)
}

var rotateGrant = moving("", "$1", "$2", "$3", "$4", "$5", "$6", "$7", "$8", "$9")

// Rotate moves a grant to its next generation, or decides what the presented token means; see token.Grants. Where the
// engine gains by it and no service asks about the account, one statement, shared with others, is the whole of a success;
// whatever else it is, is decided by a verb that begins with that statement again.
func (s *Store) Rotate(ctx context.Context, rv token.RotateVerb) (token.Rotated, error) {
	if _, ok := s.db.(remote); ok && !s.restricted(rv.Service) {
		g, err := s.together.rotate(ctx, rv)
		if !IsRefusal(err) {
			return rotated(token.Rotated{Outcome: token.RotatedNow, Grant: g}, wrap("rotating grant", err))
		}
	}
	var out token.Rotated
	err := s.write(ctx, "rotating grant", rv.By, rv.Now, func(v *verb) error {
		if err := v.admitCurrent(rv); err != nil {
			return err
		}
		g, err := s.moveOn(v, rv)
		switch {
		case errors.Is(err, errNotMoved):
			return v.explain(rv, &out)
		case err != nil:
			return err
		}
		out = token.Rotated{Outcome: token.RotatedNow, Grant: g}
		return nil
	})
	return rotated(out, err)
}

// rotated lets no answer out beside an error.
func rotated(out token.Rotated, err error) (token.Rotated, error) {
	if err != nil {
		return token.Rotated{}, err
	}
	return out, nil
}

// errNotMoved says that the presented token is not the present one of a live grant.
var errNotMoved error = notMoved{}

type notMoved struct{}

func (notMoved) Error() string { return "the grant did not move" }
func (notMoved) Refusal() bool { return true }

// moveOn runs the statement; errNotMoved where it matched no row.
func (s *Store) moveOn(tx Tx, rv token.RotateVerb) (token.Grant, error) {
	now, end := moveTimes(rv)
	g, err := scanGrant(tx.QueryRow(rotateGrant, rv.Grant, rv.Nonce, rv.Generation, rv.Service, now, end, rv.RetryKey,
		rv.By.Addr, idOrNull(s.run.Load())))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return token.Grant{}, errNotMoved
	case err != nil:
		return token.Grant{}, fmt.Errorf("moving to next generation: %w", err)
	}
	return g, nil
}

// moveTimes are when a rotation is, and when the grant then ends unless its cap comes first, as they are stored.
func moveTimes(rv token.RotateVerb) (now, end int64) {
	now = millis(rv.Now)
	return now, millis(time.UnixMilli(now).Truncate(time.Second).Add(rv.Lifetime))
}

const selectCurrent = `SELECT account_id FROM grants WHERE id = $1 AND nonce = $2 AND generation = $3 AND service = $4 AND revoked_at IS NULL`

// admitCurrent asks a restricted service about the account when the presented token is the present one.
func (v *verb) admitCurrent(rv token.RotateVerb) error {
	if !v.store.restricted(rv.Service) {
		return nil
	}
	id, err := value[int64](v.QueryRow(selectCurrent, rv.Grant, rv.Nonce, rv.Generation, rv.Service))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading account of grant: %w", err)
	}
	return v.admit(v.store.service(rv.Service), id)
}

func (s *Store) restricted(service string) bool {
	svc := s.service(service)
	return svc != nil && svc.Restricted()
}

func (v *verb) admit(svc *token.Service, account int64) error {
	sub, err := readSubject(v, svc.Name, account)
	if err != nil {
		return err
	}
	return svc.Admit(sub)
}

// explain says why the presented token moved nothing, and ends the grant of one that was used up before.
func (v *verb) explain(rv token.RotateVerb, out *token.Rotated) error {
	r, err := v.lockGrant(rv.Grant)
	if token.CodeOf(err) == token.NotFound {
		out.Outcome = token.RotateNotFound
		return nil
	}
	if err != nil {
		return err
	}
	if out.Outcome, err = v.decide(r, rv); err != nil || out.Outcome == token.RotateNotFound {
		return err
	}
	out.Grant = r.Grant
	switch out.Outcome {
	case token.RotatedNow:
		return fmt.Errorf("grant %d is current and did not move", rv.Grant)
	case token.RotatedSame:
		if svc := v.store.service(rv.Service); svc != nil {
			if err := v.admit(svc, r.Account); err != nil {
				return err
			}
		}
	case token.RotateReused:
		if out.Ended, err = v.endOne(r.Grant, "reused", audit.RefreshReused); err != nil {
			return err
		}
		out.Grant, err = v.grant(r.ID)
		return err
	}
	return v.noteQuietly(out.Outcome, r.Grant, rv)
}

// decide compares a presented refresh token with the row. RotatedNow means that it is the present one; nothing is changed.
func (v *verb) decide(r row, rv token.RotateVerb) (token.Outcome, error) {
	switch {
	case r.Nonce != rv.Nonce || r.Service != rv.Service || r.Kind != token.Pair && r.Kind != token.Session:
		return token.RotateNotFound, nil
	case !r.RevokedAt.IsZero():
		return token.RotateRevoked, nil
	case rv.Generation > r.Generation:
		return token.RotateAhead, nil
	case !r.Live(v.now):
		return token.RotateExpired, nil
	case rv.Generation == r.Generation:
		return token.RotatedNow, nil
	case rv.Generation < r.Generation-1:
		return token.RotateReused, nil
	}
	return v.decidePredecessor(r, rv)
}

// decidePredecessor judges the token before the present one. Its age counts from the rotation and not from the last
// replay, so the window never slides; a clock that went back leaves it inside.
func (v *verb) decidePredecessor(r row, rv token.RotateVerb) (token.Outcome, error) {
	age := v.now.Sub(r.RotatedAt)
	lost, err := v.answerLost(r, rv.Window)
	switch {
	case err != nil:
		return "", err
	case lost && age <= lostKept:
		return token.RotatedSame, nil
	case age > rv.Window:
		return token.RotateReused, nil
	case rv.Replay == token.SameReplay:
		return token.RotatedSame, nil
	case len(rv.RetryKey) > 0 && subtle.ConstantTimeCompare(rv.RetryKey, r.retry) == 1:
		return token.RotatedSame, nil
	}
	return token.RotateRaced, nil
}

// A run's last sign of life is a little older than its crash: what it rotated since, and just before, was perhaps not answered.
const selectCrash = `SELECT EXISTS (SELECT 1 FROM runs WHERE id = (SELECT rotated_by FROM grants WHERE id = $3)
	AND crashed_at IS NOT NULL AND alive_at - $2 <= $1 AND crashed_at >= $1)`

// answerLost reports whether the answer with the grant's present generation is known to have been lost.
func (v *verb) answerLost(r row, window time.Duration) (bool, error) {
	if r.lost {
		return true, nil
	}
	lost, err := value[bool](v.QueryRow(selectCrash, millis(r.RotatedAt), window.Milliseconds(), r.ID))
	if err != nil {
		return false, fmt.Errorf("looking for a crash: %w", err)
	}
	return lost, nil
}

// :: outcome → the audit line of a rotation that changed nothing
var quietKinds = map[token.Outcome]audit.Kind{
	token.RotatedSame:   audit.RefreshReplayed,
	token.RotateRaced:   audit.RefreshRaced,
	token.RotateAhead:   audit.StoreWentBack,
	token.RotateRevoked: audit.RefreshRefused,
	token.RotateExpired: audit.RefreshRefused,
}

const selectRecent = `SELECT EXISTS (SELECT 1 FROM audit WHERE grant_id = $1 AND at > $2 AND at <= $3 AND kind = $4)`

// noteQuietly writes at most one line a minute of one kind on one grant, so that a client in a loop fills no table.
func (v *verb) noteQuietly(outcome token.Outcome, g token.Grant, rv token.RotateVerb) error {
	kind := quietKinds[outcome]
	recent, err := value[bool](v.QueryRow(selectRecent, g.ID, millis(v.now.Add(-quietAudit)), millis(v.now), string(kind)))
	if err != nil {
		return fmt.Errorf("reading audit: %w", err)
	}
	if recent {
		return nil
	}
	return v.note(kind, audit.Event{Account: g.Account, Grant: g.ID, Service: g.Service,
		Detail: fmt.Sprintf("%s: generation %d presented, %d is the present one", outcome, rv.Generation, g.Generation)})
}

// AnswerLost notes that the answer with this generation, made at this time, did not arrive; see token.Grants.
func (s *Store) AnswerLost(ctx context.Context, grant, generation int64, rotated time.Time) error {
	return s.write(ctx, "noting lost answer", token.Caller{}, s.now(), func(v *verb) error {
		_, err := v.Exec(`UPDATE grants SET answer_lost = 1 WHERE id = $1 AND generation = $2 AND rotated_at = $3`,
			grant, generation, millis(rotated))
		return err
	})
}
