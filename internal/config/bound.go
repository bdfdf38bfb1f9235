package config

import "time"

// The ways in which the servers behind a service check tokens.
const (
	VerifiedHere     = "here"
	VerifiedByList   = "list"
	VerifiedBySecret = "secret"
)

// verification is the way where none is given: whoever has the key as a file checks by it.
func (s *Service) verification() string {
	shared := s.Sesar != nil && s.Sesar.AccessKeyFile != "" || s.EDI != nil && s.EDI.KeyFile != "" ||
		s.CollectiveAccess != nil && s.CollectiveAccess.KeyFile != "" || s.ItemPath != nil && s.ItemPath.KeyFile != ""
	if shared {
		return VerifiedBySecret
	}
	return VerifiedHere
}

// RevocationBound returns the longest time after which a revoked token is refused by the servers behind the service.
// never says that some of its tokens cannot be ended there: application tokens, which have no end of their own, where
// only the signature is checked. It is exact where these servers do as verified_by says.
func (s Service) RevocationBound(c *Config) (bound time.Duration, never bool) {
	switch s.VerifiedBy {
	case VerifiedByList:
		return time.Duration(c.StatusTTL), false
	case VerifiedBySecret:
		return time.Duration(s.AccessLifetime), s.ItemPath != nil
	}
	return time.Duration(c.RevocationBound), false
}

// BoundText is RevocationBound in words that go on after "is refused there".
func (s Service) BoundText(c *Config) string {
	bound, never := s.RevocationBound(c)
	within := "within " + Duration(bound).String()
	switch {
	case never:
		return within + ", when it expires; an application token cannot be ended there"
	case s.VerifiedBy == VerifiedBySecret:
		return within + ", when it expires"
	}
	return within
}
