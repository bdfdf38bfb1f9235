package token

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"
)

// RefreshRequest presents a token for a newer one.
type RefreshRequest struct {
	Service  string
	Token    string
	RetryKey string // the request's Idempotency-Key; "" if it has none
	Accept   []Kind // kinds that refresh in this dialect; nil means Refresh only
}

// Refresh gives new tokens for a good one. In a rotating service the presented
// token is dead from then on, and a replay of it is judged by its generation;
// elsewhere no store is touched and the new end never passes the token's cap.
func (e *Engine) Refresh(ctx context.Context, by Caller, req RefreshRequest) (t Tokens, err error) {
	defer e.done("refresh", e.now(), &err)
	svc, err := e.service(req.Service)
	if err != nil {
		return Tokens{}, err
	}
	defer func() { e.tally.add(e.now(), svc.Name, DeedRefreshed, err) }()
	if req.Accept == nil {
		req.Accept = []Kind{Refresh}
	}
	if svc.Rotates {
		return e.rotate(ctx, svc, by, req)
	}
	c, err := e.verify(ctx, svc, req.Token, req.Accept)
	if err != nil {
		return Tokens{}, err
	}
	t, err = e.extend(ctx, svc, c)
	if err == nil {
		e.uses.add(c.Grant, e.now(), by.Addr)
	}
	return t, err
}

// extend mints from the token itself, or from the present account when that
// has changed since the token was made.
func (e *Engine) extend(ctx context.Context, svc *Service, c Claims) (Tokens, error) {
	if c.Cap.IsZero() {
		return Tokens{}, Refuse(WrongKind, "the token has no cap and cannot be refreshed")
	}
	asked := e.now()
	m := Mint{Grant: Grant{ID: c.Grant, Service: svc.Name, Subject: c.Subject, Nonce: c.Nonce}, Cap: c.Cap,
		Subject: Subject{ID: c.Subject}, Prior: &c}
	if e.ended.stale(svc.Name, c.Grant, c.IssuedAt, e.margin()) {
		sub, err := e.subjectOf(ctx, svc, c)
		if err != nil {
			return Tokens{}, err
		}
		if err := svc.Admit(sub); err != nil {
			return Tokens{}, err
		}
		m.Subject, m.Prior = sub, nil
	}
	t, err := e.mintAccess(svc, m, asked)
	t.Asked = asked
	return t, err
}

// margin is how long after a change a server that vouches may not know of it.
func (e *Engine) margin() time.Duration { return e.bound + time.Second }

// rotate asks the store to move the grant on, and mints what it answers.
func (e *Engine) rotate(ctx context.Context, svc *Service, by Caller, req RefreshRequest) (Tokens, error) {
	now, err := e.onTime()
	if err != nil {
		return Tokens{}, err
	}
	c, err := e.open(svc, req.Token)
	if err != nil {
		return Tokens{}, err
	}
	if err := e.inTime(now, svc, c, req.Accept); err != nil {
		return Tokens{}, err
	}
	if e.ended.has(c.Grant) {
		return Tokens{}, Refuse(Revoked, "grant %d", c.Grant)
	}
	v := RotateVerb{By: by, Now: now, Service: svc.Name, Grant: c.Grant, Nonce: c.Nonce, Generation: c.Generation,
		Lifetime: svc.RefreshLifetime, Window: svc.ReplayWindow, Replay: svc.Replay}
	if req.RetryKey != "" {
		sum := sha256.Sum256([]byte(req.RetryKey))
		v.RetryKey = sum[:]
	}
	if err := e.resolve(ctx, c.Grant); err != nil {
		return Tokens{}, err
	}
	r, err := e.store.Rotate(ctx, v)
	if CodeOf(err) == Unavailable {
		e.unsure.add(v)
	}
	if err != nil {
		return Tokens{}, err
	}
	return e.rotated(ctx, svc, by, r, c)
}

// rotated turns the store's outcome into tokens or a refusal.
func (e *Engine) rotated(ctx context.Context, svc *Service, by Caller, r Rotated, c Claims) (Tokens, error) {
	e.apply(r.Ended)
	if r.Outcome != RotatedNow {
		e.observer.Replay(r.Outcome)
	}
	if r.Outcome != RotatedNow && r.Outcome != RotatedSame {
		return Tokens{}, outcomeError(r.Outcome, c)
	}
	m := Mint{Grant: r.Grant, Subject: Subject{ID: r.Grant.Subject, Account: r.Grant.Account}, Cap: r.Grant.Cap}
	id, generation := r.Grant.ID, r.Grant.Generation
	lost := func(ctx context.Context) {
		if err := e.store.AnswerLost(ctx, id, generation, r.Grant.RotatedAt); err != nil {
			e.log.WarnContext(ctx, "noting a lost answer failed", "grant", id, "err", err)
		}
	}
	t, err := e.mintPair(svc, m, r.Grant.RotatedAt)
	if err != nil {
		lost(context.WithoutCancel(ctx))
		return Tokens{}, err
	}
	t.Lost = lost
	if r.Outcome == RotatedSame { // a rotation counts itself
		e.uses.add(id, e.now(), by.Addr)
	}
	return t, nil
}

// outcomeError is the refusal for a presented refresh token that was not the
// present one.
func outcomeError(o Outcome, c Claims) error {
	switch o {
	case RotateRaced:
		return Refuse(Reused, "grant %d generation %d was rotated a moment ago", c.Grant, c.Generation)
	case RotateReused:
		return Refuse(Reused, "grant %d generation %d is an old one; the grant has been revoked", c.Grant, c.Generation)
	case RotateAhead:
		return Refuse(Reused, "grant %d generation %d is ahead of the store: it went back in time", c.Grant, c.Generation)
	case RotateRevoked:
		return Refuse(Revoked, "grant %d", c.Grant)
	case RotateExpired:
		return Refuse(Expired, "grant %d", c.Grant)
	}
	return Refuse(Revoked, "grant %d is not there", c.Grant)
}

// subjectOf reads the present account behind a token.
func (e *Engine) subjectOf(ctx context.Context, svc *Service, c Claims) (Subject, error) {
	sub, _, err := e.behind(ctx, svc, c)
	return sub, err
}

// behind reads the present account and the grant behind a token; a token of the service key has
// an account alone.
func (e *Engine) behind(ctx context.Context, svc *Service, c Claims) (Subject, Grant, error) {
	if slices.Contains(e.serviceKeyGrants(), c.Grant) {
		sub, err := e.subjectByID(ctx, svc, c.Subject)
		return sub, Grant{}, err
	}
	g, err := e.store.Grant(ctx, c.Grant)
	if CodeOf(err) == NotFound {
		return Subject{}, Grant{}, Refuse(Revoked, "grant %d is not there", c.Grant)
	}
	if err != nil {
		return Subject{}, Grant{}, err
	}
	if !g.RevokedAt.IsZero() {
		return Subject{}, Grant{}, Refuse(Revoked, "grant %d", c.Grant)
	}
	sub, err := e.store.Subject(ctx, svc.Name, g.Account, g.Group)
	if err == nil && sub.Acting == nil && !c.names(sub) {
		return Subject{}, Grant{}, Refuse(Malformed, "the token of grant %d names another subject than %q", c.Grant, sub.ID)
	}
	return sub, g, err
}

func (e *Engine) serviceKeyGrants() []int64 {
	var ids []int64
	for _, id := range *e.serviceKeys.Load() {
		ids = append(ids, id)
	}
	return ids
}
