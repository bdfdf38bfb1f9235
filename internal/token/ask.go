package token

import (
	"cmp"
	"context"
)

// Admits returns what Issue would refuse the account itself: Forbidden in words for people
// where the service is not for it, NotFound for a deleted account or an unknown service.
// Whether there is room under a limit is not asked: the oldest makes room.
func (e *Engine) Admits(ctx context.Context, service string, account int64) error {
	svc, err := e.service(service)
	if err != nil {
		return err
	}
	sub, err := e.store.Subject(ctx, svc.Name, account, 0)
	if err != nil {
		return err
	}
	return svc.Admit(sub)
}

// Limit is how many live grants of the kind an account may have in the service, 0 for any
// number. One more ends the first of EndsBefore.
func (e *Engine) Limit(service string, kind GrantKind) int {
	return LimitOf(e.services[service], kind)
}

// LimitOf is how many live grants of the kind an account may have in the service, 0 for any
// number; svc is nil for kinds that are of no service.
func LimitOf(svc *Service, kind GrantKind) int {
	switch {
	case kind == Browser:
		return MaxBrowsers
	case svc == nil:
		return 0
	}
	return svc.Limits[kind]
}

// TakesKeys reports whether API keys may be exchanged in the service; false for an unknown one.
func (e *Engine) TakesKeys(service string) bool {
	svc := e.services[service]
	return svc != nil && svc.TakesKeys
}

// EndsBefore orders grants as they make room for one too many, for slices.MinFunc: the
// earliest end first, none last, and of equals the one with the lower number.
func (g Grant) EndsBefore(other Grant) int {
	switch a, b := g.ExpiresAt, other.ExpiresAt; {
	case a.IsZero() != b.IsZero():
		if a.IsZero() {
			return 1
		}
		return -1
	case !a.Equal(b):
		return a.Compare(b)
	}
	return cmp.Compare(g.ID, other.ID)
}
