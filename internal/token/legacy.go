package token

import (
	"context"
	"time"
)

// CutOff returns when tokens that name a person, rather than a grant, were last ended in the service, and the instant by
// which every server that vouches had heard of it: until then one may have been made that does not know. Both are zero if
// they never were. Unavailable means that news of revocations is older than the bound.
func (e *Engine) CutOff(service, name string) (at, heard time.Time, err error) {
	if err := e.vouching(); err != nil {
		return time.Time{}, time.Time{}, err
	}
	if at = e.ended.cutoff(service, name); at.IsZero() {
		return time.Time{}, time.Time{}, nil
	}
	return at, at.Add(e.margin()), nil
}

// Hear returns once this process has heard of all that had happened when its own verbs last looked at the store: who was
// issued a grant, or met with an API key, was issued it after every cut-off that CutOff then knows.
func (e *Engine) Hear(ctx context.Context) error {
	if e.upToDate() {
		return nil
	}
	return e.CatchUp(ctx)
}
