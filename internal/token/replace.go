package token

import (
	"context"
	"time"

	"symbolon/internal/secret"
)

// maxOverlap is the longest time for which what was replaced may go on beside what replaced it.
const maxOverlap = 30 * 24 * time.Hour

// RotateKey makes an API key in place of another, with its name, account, group and length
// of validity, counted from now; one that is not valid yet keeps its beginning and end. The
// old key works for the overlap, at most 30 days and never past its own end, and is then
// revoked with all that was minted from it, within a minute; an overlap of 0 revokes it at
// once. NotFound for a key that is not the caller's, Conflict for one that was replaced before.
func (e *Engine) RotateKey(ctx context.Context, by Caller, grant int64, overlap time.Duration) (secret.Text, Grant, error) {
	old, err := e.replaceable(ctx, by, grant, APIKey, overlap)
	if err != nil {
		return secret.Text{}, Grant{}, err
	}
	now := e.now()
	g := Grant{Account: old.Account, Group: old.Group, Label: old.Label, NotBefore: old.NotBefore, ExpiresAt: old.ExpiresAt}
	if !g.NotBefore.After(now) {
		begun := old.IssuedAt
		if old.NotBefore.After(begun) {
			begun = old.NotBefore
		}
		g.NotBefore, g.ExpiresAt = time.Time{}, now.Add(old.ExpiresAt.Sub(begun))
	}
	text, v := newKey(by, now, g)
	issued, err := e.replace(ctx, v, old, overlap)
	if err != nil {
		return secret.Text{}, Grant{}, err
	}
	return text, issued.Grant, nil
}

// RotateApplication is RotateKey for an application token: the new one has the old one's
// name, and the end that the service gives now. Other servers may take the old token for
// up to a minute past the overlap.
func (e *Engine) RotateApplication(ctx context.Context, by Caller, grant int64, overlap time.Duration) (Tokens, error) {
	old, err := e.replaceable(ctx, by, grant, Application, overlap)
	if err != nil {
		return Tokens{}, err
	}
	svc, err := e.service(old.Service)
	if err != nil {
		return Tokens{}, err
	}
	now := e.now()
	g := newApplication(svc, old.Account, old.Label, now)
	issued, err := e.replace(ctx, IssueVerb{By: by, Now: now, Grant: g}, old, overlap)
	if err != nil {
		return Tokens{}, err
	}
	e.allowed.drop([]int64{old.ID}) // its end has moved
	return e.mintApplication(svc, issued, now)
}

// replaceable returns the grant where the caller may replace it. The store looks again at
// what can change.
func (e *Engine) replaceable(ctx context.Context, by Caller, grant int64, kind GrantKind, overlap time.Duration) (Grant, error) {
	if overlap < 0 || overlap > maxOverlap {
		return Grant{}, Refuse(Malformed, "an overlap is at least 0 and at most %d days", maxOverlap/(24*time.Hour))
	}
	if _, err := e.onTime(); err != nil {
		return Grant{}, err
	}
	g, err := e.store.Grant(ctx, grant)
	if err != nil {
		return Grant{}, err
	}
	if !by.Operator && (by.Account == 0 || by.Account != g.Account) || g.Kind != kind {
		return Grant{}, Refuse(NotFound, "there is no such grant of the caller's")
	}
	return g, nil
}

func (e *Engine) replace(ctx context.Context, v IssueVerb, old Grant, overlap time.Duration) (Issued, error) {
	issued, err := e.store.Replace(ctx, ReplaceVerb{IssueVerb: v, Old: old.ID, Until: v.Now.Add(overlap)})
	if err != nil {
		return Issued{}, err
	}
	e.apply(Ended{Grants: issued.Ended})
	return issued, nil
}

// endReplaced revokes what was replaced and has come to its end. A clock that stepped once
// does not stop it: by that clock they are refused already, and there are others in their place.
// One that is not believed now does.
func (e *Engine) endReplaced(ctx context.Context) error {
	now, err := e.onTime()
	if err != nil {
		return nil
	}
	for {
		ended, err := e.store.EndReplaced(ctx, Caller{Actor: "server", Operator: true}, now)
		if err != nil || len(ended.Grants) == 0 {
			return err
		}
		e.apply(ended)
	}
}
