package token

import (
	"context"
	"errors"
	"time"

	"symbolon/internal/audit"
	"symbolon/internal/secret"
)

// Exchange turns an API key into tokens of one service. It makes no row: the
// tokens carry the key's own grant and end with it.
func (e *Engine) Exchange(ctx context.Context, by Caller, service string, key secret.Text) (t Tokens, err error) {
	defer e.done("exchange", e.now(), &err)
	svc, err := e.service(service)
	if err != nil {
		return Tokens{}, err
	}
	defer func() { e.tally.add(e.now(), svc.Name, DeedIssued, err) }()
	asked := e.now()
	k, err := e.presentKey(ctx, by, svc, key)
	if err == nil {
		err = k.refusal
	}
	if err != nil {
		return Tokens{}, err
	}
	t, err = e.mintPair(svc, Mint{Grant: k.grant, Subject: k.subject, Cap: k.grant.ExpiresAt}, asked)
	t.Asked = asked
	return t, err
}

// presentKey is readKey from memory, unless this process may know less than it has done itself.
func (e *Engine) presentKey(ctx context.Context, by Caller, svc *Service, key secret.Text) (knownKey, error) {
	if !e.upToDate() {
		return e.readKey(ctx, by, svc, key)
	}
	k, err := e.knownKey(ctx, by, svc, key)
	if err == nil {
		err = e.liveNow(k.grant)
	}
	if err != nil {
		return knownKey{}, err
	}
	e.uses.add(k.grant.ID, e.now(), by.Addr)
	return k, nil
}

// ExchangeFor mints for any subject of a service, given the secret that the
// operator configured for it (edi.md §1.4). The tokens cannot be refreshed past
// one lifetime. Forbidden means a wrong secret or none configured.
func (e *Engine) ExchangeFor(ctx context.Context, by Caller, service string, key secret.Text, subject string) (t Tokens, err error) {
	defer e.done("exchange_for", e.now(), &err)
	svc, err := e.service(service)
	if err != nil {
		return Tokens{}, err
	}
	defer func() { e.tally.add(e.now(), svc.Name, DeedIssued, err) }()
	id, on := (*e.serviceKeys.Load())[service]
	if !sameHash(hashSecret(key.Reveal()), svc.ServiceKey) || !on || e.ended.has(id) {
		e.note(ctx, by, audit.ServiceKeyRefused, id, service, "")
		return Tokens{}, Refuse(Forbidden, "wrong service key")
	}
	if err := e.vouching(); err != nil {
		return Tokens{}, err
	}
	now := e.now()
	sub, err := e.subjectByID(ctx, svc, subject)
	if err != nil {
		return Tokens{}, err
	}
	if err := svc.Admit(sub); err != nil && sub.Account != 0 {
		return Tokens{}, Refuse(NotFound, "subject %s may not use the service: %w", subject, err)
	}
	if cut := e.ended.cutoff(service, subject); !cut.IsZero() && !now.After(cut.Add(cutMargin)) {
		return Tokens{}, &Error{Code: Unavailable, Err: errJustCut, RetryAfter: cutMargin}
	}
	if sub.Account != 0 {
		e.note(ctx, by, audit.ServiceKeyUsed, id, service, subject)
	}
	e.uses.add(id, now, by.Addr)
	end := now.Truncate(time.Second).Add(svc.AccessLifetime)
	return e.mintPair(svc, Mint{Grant: Grant{ID: id, Kind: ServiceKey}, Subject: sub, Cap: end}, now)
}

// cutMargin is how long after a cut-off a token of the service key may stem from
// a look at the account before it: a verb waits no longer for its turn.
const cutMargin = 6 * time.Second

var errJustCut = errors.New("the subject's tokens were ended a moment ago")

// note writes an audit line, at most one a minute of a kind, grant and detail. A
// store that fails is logged: the deed itself goes by.
func (e *Engine) note(ctx context.Context, by Caller, kind audit.Kind, grant int64, service, detail string) {
	if !e.notes.may(string(kind)+" "+service+" "+detail, e.now()) {
		return
	}
	err := e.store.Note(ctx, NoteVerb{By: by, Now: e.now(), Kind: kind, Grant: grant, Service: service, Detail: detail})
	if err != nil {
		e.log.ErrorContext(ctx, "writing an audit line failed", "kind", string(kind), "grant", grant, "err", err)
	}
}

func (e *Engine) subjectByID(ctx context.Context, svc *Service, id string) (Subject, error) {
	if svc.System != nil {
		if sub, ok := svc.System(id); ok {
			return sub, nil
		}
	}
	return e.store.SubjectByID(ctx, svc.Name, id)
}

// openServiceKeys gives each configured service key its grant.
func (e *Engine) openServiceKeys(ctx context.Context) error {
	held := map[string]int64{}
	for _, svc := range e.services {
		if svc.ServiceKey == ([32]byte{}) {
			if err := e.closeServiceKeys(ctx, svc.Name); err != nil {
				return wrap("ending the former service key of "+svc.Name, err)
			}
			continue
		}
		issued, err := e.store.Issue(ctx, IssueVerb{By: Caller{Actor: "server", Operator: true}, Now: e.now(),
			SecretHash: svc.ServiceKey[:], Grant: Grant{Service: svc.Name, Kind: ServiceKey,
				Label: "service key from the configuration", Nonce: newNonce(), IssuedAt: e.now()}})
		if err != nil {
			return wrap("opening the service key of "+svc.Name, err)
		}
		held[svc.Name] = issued.Grant.ID
	}
	e.serviceKeys.Store(&held)
	return nil
}

// closeServiceKeys ends the service key of an earlier configuration.
func (e *Engine) closeServiceKeys(ctx context.Context, service string) error {
	by := Caller{Actor: "server", Operator: true}
	old, err := e.store.List(ctx, Filter{Service: service, Kinds: []GrantKind{ServiceKey}, Live: true, Now: e.now()})
	if err != nil {
		return err
	}
	for _, g := range old {
		if _, err := e.revoke(ctx, RevokeVerb{By: by, Now: e.now(), Grant: g.ID, Reason: "no longer configured"}); err != nil {
			return err
		}
	}
	return nil
}
