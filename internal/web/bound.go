package web

import (
	"time"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

// bound says how soon what is revoked is refused where the service is verified.
func (s *Site) bound(c config.Service) string {
	d, never := c.RevocationBound(s.Config)
	text := "within " + span(d)
	if c.VerifiedBy == config.VerifiedBySecret {
		text += ", when it expires"
	}
	if never {
		text += "; an application token cannot be ended there"
	}
	return text
}

// boundOf is bound for one token, without the service's other kinds.
func (s *Site) boundOf(g token.Grant) string {
	c := s.service(g.Service)
	if c == nil {
		return span(time.Duration(s.Config.RevocationBound))
	}
	d, never := c.RevocationBound(s.Config)
	switch {
	case never && g.Kind == token.Application:
		return "cannot be ended there"
	case c.VerifiedBy == config.VerifiedBySecret:
		return span(d) + ", when it expires"
	}
	return span(d)
}
