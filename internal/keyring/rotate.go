package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Failures of commands, to be asked for with errors.Is.
var (
	ErrNoRotation = errors.New("no rotation") // the key is not one that changes so
	ErrStillUsed  = errors.New("still used")  // retiring the key would end tokens
	ErrUnknownKID = errors.New("no such signing key")
)

// Busy reports whether tokens without an end live that a service's key signed between two moments.
type Busy func(ctx context.Context, service string, from, to time.Time) (bool, error)

// Tend does what is due at now: it publishes successors, lets them sign, and ends keys of which no token can be good
// any more. Several servers may do so at once; a key that another has tended is left as it is. It must not be called
// while the clock is not believed.
func (k *Keys) Tend(ctx context.Context, now time.Time, busy Busy) error {
	var problems []error
	for at, w := range k.wants {
		if err := k.tend(ctx, at, w, now); err != nil {
			problems = append(problems, fmt.Errorf("rotating the %s key of service %q: %w", at.purpose, at.service, err))
		}
	}
	return errors.Join(append(problems, k.sweep(ctx, now, busy))...)
}

// tend brings one place a step further.
func (k *Keys) tend(ctx context.Context, at place, w Want, now time.Time) error {
	signs, next := k.set.Load().signing(at.service, at.purpose), k.set.Load().published(at.service, at.purpose)
	switch {
	case signs == nil:
		return nil
	case next != nil && (w.Pinned != nil || signs.Pinned || next.Alg != w.Alg): // the configuration changed since
		return k.done(ctx, k.store.RemoveKey(ctx, Act{"server", now}, next.ID, nil))
	case next != nil && !now.Before(next.CreatedAt.Add(w.Lead)):
		return k.done(ctx, k.store.PromoteKey(ctx, Act{"server", now}, next.ID, signs.ID, w.until(now)))
	case next == nil && w.rotates(signs) && !now.Before(signs.SignFrom.Add(w.Rotate-w.Lead)):
		return k.publish(ctx, Act{"server", now}, w)
	}
	return nil
}

// rotates reports whether the key is changed by time: not one that others hold.
func (w *Want) rotates(signs *entry) bool {
	return w.Rotate > 0 && w.Pinned == nil && !signs.Pinned && w.Purpose != Legacy
}

func (k *Keys) publish(ctx context.Context, a Act, w Want) error {
	key, err := k.make(w, StatePublished, a.At)
	if err != nil {
		return err
	}
	return k.done(ctx, k.store.PublishKey(ctx, a, key))
}

// done takes in what a verb changed.
func (k *Keys) done(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	return k.Reload(ctx)
}

// published returns the key that will sign next, nil when there is none.
func (s *set) published(service string, purpose Purpose) *entry {
	for _, e := range s.rings[service] {
		if e.Purpose == purpose && e.State == StatePublished {
			return e
		}
	}
	return nil
}

// sweep ends the keys whose last token has ended.
func (k *Keys) sweep(ctx context.Context, now time.Time, busy Busy) error {
	for _, key := range k.set.Load().keys {
		over, err := k.over(ctx, key, now, busy)
		if err != nil {
			return fmt.Errorf("looking whether a key of service %q is used: %w", key.Service, err)
		}
		if !over {
			continue
		}
		if err := k.done(ctx, k.store.RemoveKey(ctx, Act{"server", now}, key.ID, nil)); err != nil {
			return fmt.Errorf("ending a key of service %q: %w", key.Service, err)
		}
	}
	return nil
}

// over reports whether no token of a key can be good. One without a last token is asked about.
func (k *Keys) over(ctx context.Context, key Key, now time.Time, busy Busy) (bool, error) {
	switch {
	case key.State != StateVerifying:
		return false, nil
	case !key.VerifyUntil.IsZero():
		return !now.Before(key.VerifyUntil), nil
	}
	w, known := k.wants[place{key.Service, key.Purpose}]
	if !known || now.Before(key.SignUntil.Add(w.Lifetime)) {
		return false, nil
	}
	used, err := busy(ctx, key.Service, key.SignFrom, key.SignUntil.Add(Settled))
	return !used && err == nil, err
}

// Settled is longer than servers take to agree on a key: so long after its time a key may still have signed.
const Settled = time.Minute

// Rotate publishes a successor for a key of our own making, which will sign once everybody has had time to see it;
// where one is published already it changes nothing. It returns the successor. ErrNoRotation is for keys that come
// from files, or are held by readers elsewhere.
func (k *Keys) Rotate(ctx context.Context, a Act, service string, purpose Purpose) (next Info, signs time.Time, err error) {
	w, known := k.wants[place{service, purpose}]
	present := k.set.Load().signing(service, purpose)
	switch {
	case !known || present == nil:
		return Info{}, time.Time{}, noKey(service, purpose)
	case purpose == Legacy || present.Pinned || w.Pinned != nil:
		return Info{}, time.Time{}, fmt.Errorf("%w: others hold the %s key of service %q too", ErrNoRotation, purpose, service)
	}
	if k.set.Load().published(service, purpose) == nil {
		if err := k.publish(ctx, a, w); err != nil {
			return Info{}, time.Time{}, fmt.Errorf("publishing the next %s key of service %q: %w", purpose, service, err)
		}
	}
	e := k.set.Load().published(service, purpose)
	if e == nil {
		return Info{}, time.Time{}, fmt.Errorf("the %s key of service %q keeps changing: look again", purpose, service)
	}
	return info(e.Key), e.CreatedAt.Add(w.Lead), nil
}

// Find returns the newest key of a kid that is not gone.
func (k *Keys) Find(kid string) (Info, error) {
	for _, key := range slices.Backward(k.set.Load().keys) {
		if key.KID == kid && key.State != StateGone {
			return info(key), nil
		}
	}
	return Info{}, fmt.Errorf("%w: %s", ErrUnknownKID, kid)
}

// Remove ends a key at once: every token it signed is refused from then on, here and, once they have followed the
// feed, by all other servers. Where it was signing a fresh one signs instead; a pinned key cannot be replaced so,
// since its file would bring it back.
func (k *Keys) Remove(ctx context.Context, a Act, id int64) error {
	i := slices.IndexFunc(k.set.Load().keys, func(key Key) bool { return key.ID == id })
	if i < 0 {
		return fmt.Errorf("%w: number %d", ErrUnknownKID, id)
	}
	key := k.set.Load().keys[i]
	var instead *Key
	if key.State == StateSigning {
		w, known := k.wants[place{key.Service, key.Purpose}]
		if !known || w.Pinned != nil {
			return fmt.Errorf("%w: the %s key of service %q comes from a file: put another key there", ErrNoRotation, key.Purpose, key.Service)
		}
		fresh, err := k.make(w, StateSigning, a.At)
		if err != nil {
			return err
		}
		instead = &fresh
	}
	return k.done(ctx, k.store.RemoveKey(ctx, a, id, instead))
}

// Rewrap seals every key anew under another master key, all in one step, and returns how many there are. Servers
// that run go on; they need the new master key for making keys and for their next start. Keys that are under it
// already are left as they are.
func (k *Keys) Rewrap(ctx context.Context, a Act, to Master) (int, error) {
	s, err := newSealer(to, k.installation)
	if err != nil {
		return 0, err
	}
	for range 3 {
		if err := k.Reload(ctx); err != nil {
			return 0, err
		}
		seals, changed, err := k.reseal(s)
		if err != nil || !changed {
			return len(seals), err
		}
		if done, err := k.store.Reseal(ctx, a, seals); err != nil || done {
			return len(seals), errors.Join(err, k.Reload(ctx))
		}
	}
	return 0, errors.New("the keys keep changing: try again")
}

func (k *Keys) reseal(s sealer) (seals []Seal, changed bool, err error) {
	for _, key := range k.set.Load().keys {
		if key.State == StateGone {
			continue
		}
		plain, err := k.unseal(&key)
		if err != nil {
			return nil, false, fmt.Errorf("opening the %s key of service %q (kid %s): %w", key.Purpose, key.Service, key.KID, err)
		}
		now := key.Sealed
		if key.Master != s.master {
			now, changed = s.seal(&key, plain), true
		}
		seals = append(seals, Seal{ID: key.ID, Was: key.Sealed, Now: now, Master: s.master})
	}
	return seals, changed, nil
}
