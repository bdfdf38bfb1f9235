package token

import (
	"context"
	"crypto/subtle"
	"sync"
	"time"
)

// ApplicationRequest asks for an access token without an end.
type ApplicationRequest struct {
	Service string
	Token   string // a refresh token of the account, as permission; or
	Account int64  // the account itself, or for an operator any
	Label   string
}

// IssueApplication makes an application token; only accounts of type
// application get one. It has no exp: it is good while its grant is on the
// allow list, until policy, idleness or revocation ends that (itempath.md §10).
func (e *Engine) IssueApplication(ctx context.Context, by Caller, req ApplicationRequest) (t Tokens, err error) {
	defer e.done("issue_application", e.now(), &err)
	svc, err := e.service(req.Service)
	if err != nil {
		return Tokens{}, err
	}
	defer func() { e.tally.add(e.now(), svc.Name, "", err) }()
	account, with := req.Account, int64(0)
	if req.Token != "" {
		if account, with, err = e.holder(ctx, svc, req.Token); err != nil {
			return Tokens{}, err
		}
		by = Caller{Actor: "token", Account: account, Addr: by.Addr, Agent: by.Agent}
	}
	if err := checkLabel(req.Label); err != nil {
		return Tokens{}, err
	}
	if !by.Operator && by.Account != account {
		return Tokens{}, Refuse(Forbidden, "an application token is issued to the account itself")
	}
	now, err := e.onTime()
	if err != nil {
		return Tokens{}, err
	}
	g := newApplication(svc, account, req.Label, now)
	issued, err := e.store.Issue(ctx, IssueVerb{By: by, Now: now, Grant: g, With: with})
	if err != nil {
		return Tokens{}, err
	}
	e.apply(Ended{Grants: issued.Ended})
	return e.mintApplication(svc, issued, now)
}

// newApplication is an application token's grant that is about to be made.
func newApplication(svc *Service, account int64, label string, now time.Time) Grant {
	g := Grant{Account: account, Service: svc.Name, Kind: Application, Label: label, Nonce: newNonce(), IssuedAt: now}
	if svc.ApplicationLife > 0 {
		g.ExpiresAt = now.Add(svc.ApplicationLife)
	}
	return g
}

// holder returns the account of a refresh token, and its grant.
func (e *Engine) holder(ctx context.Context, svc *Service, text string) (account, grant int64, err error) {
	c, err := e.verify(ctx, svc, text, []Kind{Refresh})
	if err != nil {
		return 0, 0, err
	}
	sub, err := e.subjectOf(ctx, svc, c)
	return sub.Account, c.Grant, err
}

func (e *Engine) mintApplication(svc *Service, issued Issued, now time.Time) (Tokens, error) {
	at := now.Truncate(time.Second)
	m := Mint{Kind: Access, Grant: issued.Grant, Subject: issued.Subject, IssuedAt: at}
	text, err := e.mint(svc, m)
	if err != nil {
		return Tokens{}, err
	}
	e.allowed.put(issued.Grant, e.applicationID(issued.Grant))
	return Tokens{Access: text, Grant: issued.Grant, Subject: issued.Subject, Issued: at, Ended: issued.Ended}, nil
}

// applicationID is the identifier that the one token of the grant carries.
func (e *Engine) applicationID(g Grant) [16]byte {
	return e.tokenID(Mint{Kind: Access, Grant: g, IssuedAt: g.IssuedAt.Truncate(time.Second)})
}

// onAllowList refuses a token without an end unless its grant is a live one of
// the service and the token the very one that was made. A grant not met before
// is read from the store once; without the store nobody vouches for it.
func (e *Engine) onAllowList(ctx context.Context, svc *Service, c Claims) error {
	a, known := e.allowed.get(c.Grant)
	if !known {
		g, err := e.store.Grant(ctx, c.Grant)
		if CodeOf(err) == NotFound || err == nil && g.Kind != Application {
			return Refuse(Revoked, "grant %d is no application token's", c.Grant)
		}
		if err != nil {
			return err
		}
		a = e.allowed.put(g, e.applicationID(g))
	}
	switch now := e.now(); {
	case a.service != svc.Name || subtle.ConstantTimeCompare(a.id[:], c.ID[:]) != 1:
		return Refuse(Revoked, "the token is not the one of grant %d", c.Grant)
	case !a.ends.IsZero() && !now.Before(a.ends):
		return Refuse(Revoked, "application token %d reached its end", c.Grant)
	case svc.ApplicationIdle > 0 && now.Sub(a.lastUsed()) >= svc.ApplicationIdle:
		return Refuse(Revoked, "application token %d was not used for %v", c.Grant, svc.ApplicationIdle)
	}
	if err := e.stillAdmitted(ctx, svc, c, a); err != nil {
		return err
	}
	a.use(e.now())
	return nil
}

// stillAdmitted asks the service about the present account when that has changed
// since it was last asked: an application token is never refreshed.
func (e *Engine) stillAdmitted(ctx context.Context, svc *Service, c Claims, a *application) error {
	if !e.ended.stale(svc.Name, c.Grant, a.lastAsked(), e.margin()) {
		return nil
	}
	asked := e.now()
	sub, err := e.subjectOf(ctx, svc, c)
	if err == nil {
		err = svc.Admit(sub)
	}
	if err == nil {
		a.ask(asked)
	}
	return err
}

// allowed is the application tokens this process has met: made by a person each,
// so never many.
type allowed struct {
	mu sync.RWMutex
	m  map[int64]*application // :: grant → its token
}

type application struct {
	service string
	id      [16]byte
	ends    time.Time
	mu      sync.Mutex
	used    time.Time
	asked   time.Time // when the service last admitted its account
}

func newAllowed() *allowed { return &allowed{m: map[int64]*application{}} }

func (l *allowed) get(grant int64) (*application, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	a, ok := l.m[grant]
	return a, ok
}

func (l *allowed) put(g Grant, id [16]byte) *application {
	a := &application{service: g.Service, id: id, ends: g.ExpiresAt, used: g.IssuedAt, asked: g.IssuedAt}
	if g.LastUsedAt.After(a.used) {
		a.used = g.LastUsedAt
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.m[g.ID] = a
	return a
}

// drop forgets the tokens of grants that have ended.
func (l *allowed) drop(grants []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range grants {
		delete(l.m, id)
	}
}

func (a *application) use(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used = at
}

func (a *application) ask(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = at
}

func (a *application) lastAsked() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

func (a *application) lastUsed() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used
}
