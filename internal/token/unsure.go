package token

import (
	"context"
	"sync"
	"time"
)

// maxUnsure bounds the rotations whose outcome is asked for later; beyond it the replay window alone helps their clients.
const maxUnsure = 1 << 14

// unsure remembers rotations that failed with the store: some may have been committed, and their answers are lost. They
// are noted as lost as soon as the store answers again, so that who asks once more gets the pair that was made.
type unsure struct {
	mu  sync.Mutex
	all []unsureRotation
}

// unsureRotation is what the row says if it was committed after all: no other rotation is of that instant.
type unsureRotation struct {
	grant, generation int64
	at                time.Time
}

func (u *unsure) add(v RotateVerb) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.all) < maxUnsure {
		u.all = append(u.all, unsureRotation{v.Grant, v.Generation + 1, v.Now})
	}
}

// take returns those of a grant, or all for grant 0, and forgets them.
func (u *unsure) take(grant int64) (taken []unsureRotation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	kept := u.all[:0]
	for _, r := range u.all {
		if grant == 0 || r.grant == grant {
			taken = append(taken, r)
		} else {
			kept = append(kept, r)
		}
	}
	u.all = kept
	return taken
}

func (u *unsure) putBack(all []unsureRotation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, all...)
}

// resolve notes the unsure rotations of a grant, or all for grant 0, as lost.
func (e *Engine) resolve(ctx context.Context, grant int64) error {
	all := e.unsure.take(grant)
	for i, r := range all {
		if err := e.store.AnswerLost(ctx, r.grant, r.generation, r.at); err != nil {
			e.unsure.putBack(all[i:])
			return wrap("noting lost answers", err)
		}
	}
	return nil
}
