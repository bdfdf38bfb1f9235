package web

import (
	"time"

	"symbolon/internal/config"
)

// bound says how soon what is revoked is refused by the service's verifiers.
func (s *Site) bound(config.Service) string {
	return "within " + span(time.Duration(s.Config.RevocationBound))
}
