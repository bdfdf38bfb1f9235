// Package keyring owns the signing keys of all services over time: it makes them or takes pinned ones in, seals them
// under the master key into a store, chooses the key that signs and the keys that may verify, and publishes the
// public halves.
//
// A key moves through the states published, signing, verifying and gone. Every node of one installation works from
// the same store, so two that start at once end up with the same keys. A key that cannot be opened stops the start:
// going on with a fresh one would make every living token worthless in silence.
package keyring

import (
	"context"
	"time"
)

// Purpose says what a key is for; a key serves one purpose of one service only.
type Purpose string

// The purposes. Access and Refresh keys sign tokens; MAC and Status keys belong to the installation, their
// Service is empty.
const (
	Access  Purpose = "access"
	Refresh Purpose = "refresh"
	Legacy  Purpose = "legacy" // RSA, for the EDI legacy token
	MAC     Purpose = "mac"
	Status  Purpose = "status" // signs the status lists
)

// The algorithms. RSAMD5 signs outside package jws, by whoever asks for the Legacy key.
const (
	ES256  = "ES256"
	HS256  = "HS256"
	RSAMD5 = "RSA-MD5"
	HMAC   = "HMAC"
)

// The states of a key, in the order of its life. Only Gone never verifies.
const (
	StatePublished = "published"
	StateSigning   = "signing"
	StateVerifying = "verifying"
	StateGone      = "gone"
)

// Key is one key as the store holds it. Zero times are open ends.
type Key struct {
	ID          int64  // given by the store
	Service     string // empty for a key of the installation
	Purpose     Purpose
	Alg         string
	KID         string // not unique: a key taken back into use has the same one again
	State       string
	Pinned      bool // comes from a file, so that others may hold it too
	CreatedAt   time.Time
	SignFrom    time.Time // first and last instant at which it signed
	SignUntil   time.Time
	VerifyUntil time.Time // from here on it verifies nothing
	Sealed      []byte    // the secret or PKCS #8 key, see Master; erased when it is gone
	Public      []byte    // PKIX DER; nil for secrets
	Master      string    // name of the master key that sealed it; empty where that was not noted
}

// Act is who does something to keys, for the audit line, and when.
type Act struct {
	By string // "server" or "operator"
	At time.Time
}

// Store keeps keys. Each verb is one transaction, durable when it returns, and safe against other processes running
// the same verb at the same time. No verb removes a key.
type Store interface {
	// Keys returns all keys in every state, by ascending ID.
	Keys(ctx context.Context) ([]Key, error)
	// AddKey inserts k, which is in StateSigning, unless its service and purpose already have a key in StateSigning.
	// It returns the one that signs afterwards, so that two starters agree. Every verb that inserts a key fails where
	// the others are sealed under another master key.
	AddKey(ctx context.Context, k Key) (Key, error)
	// ReplaceKey inserts k in place of the key old, if that is still in StateSigning: old goes to StateVerifying with
	// SignUntil = k.CreatedAt and the given VerifyUntil. Otherwise it changes nothing. It returns the key of k's
	// service and purpose that signs afterwards.
	ReplaceKey(ctx context.Context, old int64, verifyUntil time.Time, k Key) (Key, error)
	// PublishKey inserts k, which is in StatePublished, unless its service and purpose have such a key already.
	PublishKey(ctx context.Context, a Act, k Key) error
	// PromoteKey lets the published key next sign in place of old, which goes to StateVerifying until verifyUntil.
	// It changes nothing unless both are still in their states.
	PromoteKey(ctx context.Context, a Act, next, old int64, verifyUntil time.Time) error
	// RemoveKey brings a key to StateGone, whatever its state, and erases its secret. Where it was signing, instead
	// signs from then on, and a published key beside it goes too.
	RemoveKey(ctx context.Context, a Act, id int64, instead *Key) error
	// Reseal changes the seals of keys, all of them or, where one is no longer sealed as it was or a key is missing
	// from the list, none. It reports whether it did.
	Reseal(ctx context.Context, a Act, seals []Seal) (bool, error)
	// Installation returns a random text, made at the first call and never changed.
	Installation(ctx context.Context) (string, error)
}

// Seal is a key's seal under another master key.
type Seal struct {
	ID       int64
	Was, Now []byte
	Master   string
}

// Want is a key that a service needs to have.
type Want struct {
	Service string
	Purpose Purpose
	Alg     string
	// Pinned is the content of a key file, nil for a key of our own making: PEM for ES256 (SEC 1 or PKCS #8, P-256)
	// and RSA-MD5 (PKCS #1 or #8, 2048 bits or more), for HS256 the secret itself, 32 bytes or more. One line break
	// at the end of a secret that is text does not count.
	Pinned []byte
	// WeakKey takes a Pinned HS256 secret that is short or a published default. Whoever guesses it can sign
	// tokens of this purpose.
	WeakKey bool
	// FreeKID says that the service's tokens carry something else than a key's name in kid. Without it a kid that
	// names no key of the service is refused.
	FreeKID bool
	// Lifetime is the longest life of a token of this key, with what servers take to agree on a key. A replaced key
	// verifies that long after it signed last; zero: without end.
	Lifetime time.Duration
	// Endless says that the key also signs tokens without an end: then Tend asks whether any live.
	Endless bool
	// Rotate is how long a key of our own making signs; zero: until a command. Lead is how long before it signs its
	// successor is published: longer than anybody keeps our public keys.
	Rotate, Lead time.Duration
	// Wait makes Open wait for an RSA key, which takes a second; otherwise it is made in the background.
	Wait bool
}
