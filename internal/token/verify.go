package token

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"symbolon/internal/jws"
)

// Verify checks a token of one of the kinds for the service and returns its
// claims. It touches no store, but for an application token that this process
// has not met. It checks signature, times, kind, service and
// revocation; not whether the account is still in any group. Unavailable means
// that news of revocations is older than the bound.
func (e *Engine) Verify(ctx context.Context, service, token string, kinds ...Kind) (_ Claims, failed error) {
	defer e.done("verify", e.now(), &failed)
	svc, err := e.service(service)
	if err != nil {
		return Claims{}, err
	}
	c, err := e.verify(ctx, svc, token, kinds)
	if err == nil {
		e.uses.add(c.Grant, e.now(), "")
	}
	return c, err
}

// Introspect is Verify and the present account behind the token, read from the store.
func (e *Engine) Introspect(ctx context.Context, service, token string, kinds ...Kind) (_ Claims, _ Subject, failed error) {
	defer e.done("introspect", e.now(), &failed)
	c, err := e.Verify(ctx, service, token, kinds...)
	if err != nil {
		return Claims{}, Subject{}, err
	}
	sub, err := e.subjectOf(ctx, e.services[service], c)
	if err != nil {
		return Claims{}, Subject{}, err
	}
	if !sub.Active {
		return Claims{}, Subject{}, Refuse(Revoked, "account %d is not active", sub.Account)
	}
	return c, sub, nil
}

func (e *Engine) verify(ctx context.Context, svc *Service, token string, kinds []Kind) (Claims, error) {
	now := e.now()
	if err := notNow(e.freshAt(now)); err != nil {
		return Claims{}, err
	}
	c, err := e.openCached(svc, token)
	if err != nil {
		return Claims{}, err
	}
	if err := e.inTime(now, svc, c, kinds); err != nil {
		return Claims{}, err
	}
	if e.ended.has(c.Grant) || e.cutOff(svc, c) {
		return Claims{}, Refuse(Revoked, "grant %d", c.Grant)
	}
	if c.Expires.IsZero() {
		return c, e.onAllowList(ctx, svc, c)
	}
	return c, nil
}

// cutOff reports whether a token of a service key names a subject whose tokens
// were ended after it was made: such a token's grant is not the subject's.
func (e *Engine) cutOff(svc *Service, c Claims) bool {
	if id, on := (*e.serviceKeys.Load())[svc.Name]; !on || id != c.Grant {
		return false
	}
	at := e.ended.cutoff(svc.Name, c.Subject)
	return !at.IsZero() && !c.IssuedAt.After(at.Add(cutMargin))
}

// openCached is open for tokens seen before: their signature is not checked again.
func (e *Engine) openCached(svc *Service, token string) (Claims, error) {
	if len(token) > jws.MaxToken {
		return e.open(svc, token) // which says so; not worth hashing
	}
	version := e.keys.Version()
	key := e.cache.key(svc.Name, token, version)
	if c, ok := e.cache.get(key); ok {
		return c, nil
	}
	c, err := e.open(svc, token)
	if err == nil {
		e.cache.put(key, c, version)
	}
	return c, err
}

// open checks form and signature, and reads the claims.
func (e *Engine) open(svc *Service, token string) (Claims, error) {
	t, err := jws.Parse(token)
	if err != nil {
		return Claims{}, &Error{Code: Malformed, Err: err}
	}
	key, err := e.keys.Verify(svc.Name, t, func() (time.Time, bool) { return claimedBirth(t.Payload) })
	if err != nil {
		return Claims{}, &Error{Code: Malformed, Err: err}
	}
	c, err := svc.Format.Read(key, t.Header.KID, t.Payload)
	if err != nil {
		if CodeOf(err) != Unavailable {
			return Claims{}, err
		}
		return Claims{}, &Error{Code: Malformed, Err: err}
	}
	return c, nil
}

// claimedBirth is what a token says of its birth before its signature is checked.
func claimedBirth(payload []byte) (time.Time, bool) {
	var p struct {
		IAT *int64 `json:"iat"`
	}
	if json.Unmarshal(payload, &p) != nil || p.IAT == nil {
		return time.Time{}, false
	}
	return time.Unix(*p.IAT, 0), true
}

// apart is how far the clocks of servers on one store may differ without a client noticing.
const apart = 250 * time.Millisecond

// inTime checks times, epoch and kind, in this order; there is no leeway, and
// a token at its exp is expired. One that another server has just made, by a
// clock a little ahead of ours, is waited for.
func (e *Engine) inTime(now time.Time, svc *Service, c Claims, kinds []Kind) error {
	if ahead := c.IssuedAt.Sub(now); ahead > 0 && ahead <= apart {
		time.Sleep(ahead)
		now = now.Add(ahead)
	}
	switch {
	case c.IssuedAt.IsZero() || c.Grant <= 0:
		return Refuse(Malformed, "the token has no iat or no grant")
	case c.IssuedAt.After(now):
		return &Error{Code: Malformed, Err: ErrIssuedAt}
	case c.NotBefore.After(now):
		return &Error{Code: Malformed, Err: ErrNotBefore}
	case !c.Expires.IsZero() && !now.Before(c.Expires):
		return Refuse(Expired, "at %s", c.Expires.UTC().Format(time.RFC3339))
	case c.Expires.IsZero() && c.Kind != Access:
		return Refuse(Malformed, "the token has no exp")
	case e.ended.beforeEpoch(svc.Name, c.IssuedAt):
		return Refuse(Revoked, "issued before tokens of this service were ended")
	case !slices.Contains(kinds, c.Kind):
		return Refuse(WrongKind, "a token of kind %s", c.Kind)
	}
	return nil
}
