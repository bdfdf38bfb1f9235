package token

import (
	"context"
	"time"

	"symbolon/internal/secret"
)

// Exchange turns an API key into tokens of one service. It makes no row: the
// tokens carry the key's own grant and end with it.
func (e *Engine) Exchange(ctx context.Context, service string, key secret.Text) (Tokens, error) {
	svc, err := e.service(service)
	if err != nil {
		return Tokens{}, err
	}
	g, err := e.usableKey(ctx, svc, key)
	if err != nil {
		return Tokens{}, err
	}
	sub, err := e.store.Subject(ctx, svc.Name, g.Account, g.Group)
	if err != nil {
		return Tokens{}, err
	}
	if err := svc.Admit(sub); err != nil {
		return Tokens{}, err
	}
	return e.mintPair(svc, Mint{Grant: g, Subject: sub, Cap: g.ExpiresAt}, e.now())
}

// ExchangeFor mints for any subject of a service, given the secret that the
// operator configured for it (edi.md §1.4). The tokens cannot be refreshed past
// one lifetime. Forbidden means a wrong secret or none configured.
func (e *Engine) ExchangeFor(ctx context.Context, service string, key secret.Text, subject string) (Tokens, error) {
	svc, err := e.service(service)
	if err != nil {
		return Tokens{}, err
	}
	id, on := (*e.serviceKeys.Load())[service]
	if !sameHash(hashSecret(key.Reveal()), svc.ServiceKey) || !on || e.ended.has(id) {
		return Tokens{}, Refuse(Forbidden, "wrong service key")
	}
	sub, err := e.subjectByID(ctx, svc, subject)
	if err != nil {
		return Tokens{}, err
	}
	if err := svc.Admit(sub); err != nil && sub.Account != 0 {
		return Tokens{}, Refuse(NotFound, "subject %s may not use the service: %w", subject, err)
	}
	e.uses.add(id, e.now())
	end := e.now().Truncate(time.Second).Add(svc.AccessLifetime)
	return e.mintPair(svc, Mint{Grant: Grant{ID: id, Kind: ServiceKey}, Subject: sub, Cap: end}, e.now())
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
