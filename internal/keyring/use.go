package keyring

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"symbolon/internal/jws"
)

// ErrNoKey means that a service has no key for a purpose.
var ErrNoKey = errors.New("no such key")

func noKey(service string, purpose Purpose) error {
	return fmt.Errorf("%w: service %q has no %s key", ErrNoKey, service, purpose)
}

// Signer returns the service's key for tokens of the purpose that are born at a moment, and its kid: the one that
// signed then, if it still verifies, so that a token is minted again as it was; else the present one. Without any it
// is ErrNoKey.
func (k *Keys) Signer(service string, purpose Purpose, born time.Time) (jws.Signer, string, error) {
	s := k.set.Load()
	e := s.signing(service, purpose)
	if e == nil || e.signer == nil {
		return nil, "", noKey(service, purpose)
	}
	if !e.SignFrom.IsZero() && born.Before(e.SignFrom) {
		for _, before := range s.rings[service] {
			if before.Purpose == purpose && before.Alg == e.Alg && before.State == StateVerifying && before.signer != nil &&
				before.away(born) == 0 && before.verifies(k.now()) {
				e = before
				break
			}
		}
	}
	return e.signer, e.KID, nil
}

// Version grows whenever the set of keys changes. That a key passes its VerifyUntil does not count.
func (k *Keys) Version() uint64 { return k.set.Load().version }

// MAC is HMAC-SHA-256 of the parts under a key that never leaves the installation. Each part counts with its length;
// the first is a label that keeps uses apart.
func (k *Keys) MAC(parts ...[]byte) [sha256.Size]byte {
	sum, _ := k.set.Load().signing("", MAC).mac.Sign(frame(make([]byte, 0, 128), parts...)) // never fails
	return [sha256.Size]byte(sum)
}

// maxTries bounds the keys of one purpose that one token makes us check, besides the present one.
const maxTries = 3

// Verify checks a token with the service's own access and refresh keys and returns the purpose of the key that made
// it. The key is the one the header's kid names; without a kid, or with one where that is free (Want), iat, what the
// token claims of its birth, puts the keys of its algorithm in order. Times and claims are not checked. Failures are
// jws.ErrAlg, when the service has no key of that algorithm, and jws.ErrSignature, also for a kid that is none of ours.
func (k *Keys) Verify(service string, t jws.Token, iat func() (time.Time, bool)) (Purpose, error) {
	usable := k.usable(service)
	named := filter(usable, func(e *entry) bool { return t.Header.KID != "" && e.KID == t.Header.KID })
	candidates := filter(usable, func(e *entry) bool { return e.Alg == t.Header.Alg })
	switch {
	case len(named) > 0:
		candidates = named[:1]
	case t.Header.KID != "" && !k.free[service]:
		return "", jws.ErrSignature
	case len(candidates) == 0:
		return "", jws.ErrAlg
	case len(candidates) > 1:
		candidates = byBirth(candidates, iat)
	}
	err := jws.ErrSignature
	for _, e := range candidates {
		if err = jws.Verify(t, e.check); err == nil {
			return oneSpelling(t, e.Purpose)
		}
	}
	return "", err
}

// oneSpelling refuses the twin of an ES256 signature, which anyone can make of a token without the key: every token
// that verifies here was signed here, with the lower s.
func oneSpelling(t jws.Token, purpose Purpose) (Purpose, error) {
	if !t.LowS() {
		return "", jws.ErrSignature
	}
	return purpose, nil
}

// usable gives the keys that may verify a token now, newest first.
func (k *Keys) usable(service string) []*entry {
	now := k.now()
	return filter(k.set.Load().rings[service], func(e *entry) bool {
		return e.check != nil && (e.Purpose == Access || e.Purpose == Refresh) && e.verifies(now)
	})
}

func (k *Key) verifies(now time.Time) bool {
	return k.State != StateGone && (k.VerifyUntil.IsZero() || now.Before(k.VerifyUntil))
}

func filter(list []*entry, keep func(*entry) bool) []*entry {
	var kept []*entry
	for _, e := range list {
		if keep(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// byBirth gives the keys nearest to a token's birth, the nearest first, and after them those that sign now: servers
// whose clocks differ, or that learn of a change a moment later, sign beside their key's time, and after the clock has
// been set back our own fresh tokens seem older than their key. Of several that did sign, the oldest is the likeliest,
// since the beginning of a pinned key is open.
func byBirth(list []*entry, iat func() (time.Time, bool)) []*entry {
	at, known := iat()
	var kept, present []*entry
	for _, purpose := range []Purpose{Access, Refresh} {
		of := filter(list, func(e *entry) bool { return e.Purpose == purpose })
		if known {
			slices.Reverse(of)
			slices.SortStableFunc(of, func(a, b *entry) int { return cmp.Compare(a.away(at), b.away(at)) })
		}
		near := min(len(of), maxTries)
		kept = append(kept, of[:near]...)
		if known {
			present = append(present, filter(of[near:], func(e *entry) bool { return e.State == StateSigning })...)
		}
	}
	if known {
		slices.SortStableFunc(kept, func(a, b *entry) int { return cmp.Compare(a.away(at), b.away(at)) })
	}
	return append(kept, present...)
}

// away is how far a moment lies outside the time in which the key signed. One that is published may by now sign
// elsewhere, and comes right after the one that signs.
func (k *Key) away(at time.Time) time.Duration {
	switch {
	case k.State == StatePublished:
		return max(k.CreatedAt.Sub(at), 1)
	case !k.SignFrom.IsZero() && at.Before(k.SignFrom):
		return k.SignFrom.Sub(at)
	case !k.SignUntil.IsZero() && !at.Before(k.SignUntil):
		return at.Sub(k.SignUntil) + 1
	}
	return 0
}
