package token

import "time"

// CutOff returns the instant up to which tokens that name a person, rather
// than a grant, are refused in the service; zero if there is none. Unavailable
// means that news of revocations is older than the bound.
func (e *Engine) CutOff(service, name string) (time.Time, error) {
	if err := e.vouching(); err != nil {
		return time.Time{}, err
	}
	return e.ended.cutoff(service, name), nil
}
