package keyring

import (
	"crypto/hmac"
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

// Signer returns the service's present key for tokens of the purpose, and its kid. Without one it is ErrNoKey.
func (k *Keys) Signer(service string, purpose Purpose) (jws.Signer, string, error) {
	e := k.set.Load().signing(service, purpose)
	if e == nil || e.signer == nil {
		return nil, "", noKey(service, purpose)
	}
	return e.signer, e.KID, nil
}

// Version grows whenever the set of keys changes. That a key passes its VerifyUntil does not count.
func (k *Keys) Version() uint64 { return k.set.Load().version }

// MAC is HMAC-SHA-256 of the parts under a key that never leaves the installation. Each part counts with its length;
// the first is a label that keeps uses apart.
func (k *Keys) MAC(parts ...[]byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, k.set.Load().signing("", MAC).plain)
	mac.Write(frame(nil, parts...))
	return [sha256.Size]byte(mac.Sum(nil))
}

const (
	// slack allows for clocks of nodes that differ while a key changes.
	slack = time.Minute
	// maxTries bounds the signatures that one token makes us check.
	maxTries = 3
)

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

// byBirth puts first the keys that signed at iat, then those that may have by another clock. Of several that did, the
// oldest is the likeliest, since the beginning of a pinned key is open. The keys that sign now come last whatever iat
// says: after the clock has been set back our own fresh tokens seem older than their key.
func byBirth(list []*entry, iat func() (time.Time, bool)) []*entry {
	at, known := iat()
	if !known {
		return list[:min(len(list), maxTries)]
	}
	ordered := filter(list, func(e *entry) bool { return e.signedAt(at, 0) })
	slices.Reverse(ordered)
	nearly := func(e *entry) bool { return !e.signedAt(at, 0) && e.signedAt(at, slack) }
	present := func(e *entry) bool { return !e.signedAt(at, slack) && e.State == StateSigning }
	ordered = append(append(ordered, filter(list, nearly)...), filter(list, present)...)
	return ordered[:min(len(ordered), maxTries)]
}

func (k *Key) signedAt(at time.Time, slack time.Duration) bool {
	began := k.SignFrom.IsZero() || !at.Before(k.SignFrom.Add(-slack))
	ended := !k.SignUntil.IsZero() && at.After(k.SignUntil.Add(slack))
	return began && !ended
}
