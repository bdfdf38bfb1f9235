package account

import (
	"context"
	"crypto/subtle"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/crypto/argon2"

	"symbolon/internal/secret"
)

const (
	lineLength = 64               // callers that may wait for a slot
	lineWait   = 10 * time.Second // and for how long
)

// Hasher hashes passwords with argon2id, a bounded number at once, so that a
// flood of sign-ins takes neither all memory nor every core. Make it with
// NewHasher; all methods may be called at once.
type Hasher struct {
	cost  Cost
	slots chan struct{} // one place for each hashing that runs
	line  chan struct{} // one for each that waits
	dummy phc           // matched where there is no password; no password matches it

	derive func(password, salt []byte, cost Cost, size int) []byte // argon2id, counted in tests
}

// NewHasher returns a Hasher that hashes new passwords at this cost, at most
// cores - 1 (at least one) at once. Hashes of other costs still verify.
func NewHasher(cost Cost) *Hasher {
	if cost == (Cost{}) {
		cost = DefaultCost
	}
	return &Hasher{
		cost:  cost,
		slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)),
		line:  make(chan struct{}, lineLength),
		// Random bytes in place of a sum: as costly to compare as any other hash,
		// and made without delaying the start.
		dummy:  phc{cost: cost, salt: secret.Random(16), sum: secret.Random(32)},
		derive: derive,
	}
}

// Hash returns a new password's hash as a PHC string. It waits for its turn,
// and is ErrBusy when too many wait. The password is not checked: see CheckPassword.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", fmt.Errorf("hashing password: %w", err)
	}
	defer leave()
	p := phc{cost: h.cost, salt: secret.Random(16)}
	p.sum = h.derive([]byte(password), p.salt, p.cost, 32)
	return p.String(), nil
}

// enter waits for a slot; whoever gets one must call leave.
func (h *Hasher) enter(ctx context.Context) (leave func(), err error) {
	busy := &Error{Kind: Busy, Text: "too many passwords are being checked; try again in a moment", RetryAfter: lineWait}
	select {
	case h.line <- struct{}{}:
	default:
		return nil, busy
	}
	defer func() { <-h.line }()
	ctx, cancel := context.WithTimeoutCause(ctx, lineWait, busy)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// matches compares a password with a hash. The caller holds a slot.
func (h *Hasher) matches(p phc, password string) bool {
	sum := h.derive([]byte(password), p.salt, p.cost, len(p.sum))
	return subtle.ConstantTimeCompare(sum, p.sum) == 1
}

func derive(password, salt []byte, cost Cost, size int) []byte {
	return argon2.IDKey(password, salt, cost.Time, cost.Memory, cost.Threads, uint32(size))
}
