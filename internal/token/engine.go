package token

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"log/slog"
	"sync/atomic"
	"time"

	"symbolon/internal/jws"
	"symbolon/internal/secret"
)

// Keys signs and checks a service's tokens. Every method but Reload answers
// from memory and may be called from many goroutines.
type Keys interface {
	// Signer returns the service's key for tokens of the kind that are born at a moment: the same for the same
	// moment, as long as that key verifies.
	Signer(service string, kind Kind, born time.Time) (s jws.Signer, kid string, err error)
	// Verify checks a token with the service's own keys and returns the kind
	// of token the matching key is for. iat is what the token claims of its
	// birth, to choose among keys when it names none.
	Verify(service string, t jws.Token, iat func() (time.Time, bool)) (Kind, error)
	// MAC is an HMAC-SHA-256 under a key that never leaves the installation.
	MAC(parts ...[]byte) [32]byte
	// Version changes whenever the set of keys does.
	Version() uint64
	// Reload reads the keys anew: the feed says that they changed.
	Reload(context.Context) error
}

// Options configures an Engine; Store, Keys, Services, Now and Log are required.
type Options struct {
	Store    Store
	Keys     Keys
	Services []*Service
	Now      func() time.Time
	Bound    time.Duration // longest time without news of revocations before verifying stops; 0 means 30 s
	Log      *slog.Logger
	// BrowserIdle ends a browser's sign-in so long after its last use, 0 means
	// 12 h; BrowserCap so long after the sign-in, 0 means 7 days.
	BrowserIdle, BrowserCap time.Duration
	// StatusBase is the address under which the status lists are published, with a slash at its end; "" keeps
	// the claim status out of tokens.
	StatusBase string
	Observer   Observer // nil means nobody
}

// Engine runs the verbs. It is safe for concurrent use.
type Engine struct {
	store    Store
	keys     Keys
	now      func() time.Time
	bound    time.Duration
	log      *slog.Logger
	services map[string]*Service // :: name → service

	browserIdle, browserCap time.Duration
	statusBase              string
	places                  *places
	head                    head
	history                 *history

	ended       *ended
	allowed     *allowed
	cache       *cache
	holders     *holders
	uses        *uses
	unsure      unsure
	tally       *tally
	observer    Observer
	news        news
	notes       notes
	serviceKeys atomic.Pointer[map[string]int64] // :: service → grant of its ServiceKey
}

// New returns an engine that can issue, refresh, exchange and revoke at once;
// it verifies only after Start.
func New(o Options) *Engine {
	e := &Engine{
		store: o.Store, keys: o.Keys, now: o.Now, bound: o.Bound, log: o.Log,
		statusBase: o.StatusBase, places: newPlaces(), history: newHistory(),
		services: map[string]*Service{}, ended: newEnded(), allowed: newAllowed(), cache: newCache(), holders: newHolders(), uses: newUses(), tally: newTally(),
	}
	e.bound = cmp.Or(e.bound, 30*time.Second)
	e.browserIdle = cmp.Or(o.BrowserIdle, 12*time.Hour)
	e.browserCap = cmp.Or(o.BrowserCap, 7*24*time.Hour)
	if e.observer = o.Observer; e.observer == nil {
		e.observer = nobody{}
	}
	for _, s := range o.Services {
		e.services[s.Name] = s
	}
	e.serviceKeys.Store(&map[string]int64{})
	return e
}

// Tokens is what a caller gets for a grant.
type Tokens struct {
	Access  secret.Text
	Refresh secret.Text // zero where the dialect has one token for both
	Grant   Grant
	Subject Subject   // only ID is set where the store was not read
	Asked   time.Time // when the verb began, before anything was read
	Issued  time.Time
	Expires time.Time // the access token's end
	Cap     time.Time
	Ended   []int64 // grants that ended to make room
	Claims  *Claims // the token that was refreshed without a store, else nil
	// Lost, where it is not nil, must be called when the answer is known not
	// to have arrived: the presented token then gets the same answer again.
	Lost func(context.Context)
}

func (e *Engine) service(name string) (*Service, error) {
	if s := e.services[name]; s != nil {
		return s, nil
	}
	return nil, Refuse(NotFound, "no service is called %q", name)
}

// mintPair mints the tokens of a grant's present generation, born at at.
func (e *Engine) mintPair(svc *Service, m Mint, at time.Time) (Tokens, error) {
	t, err := e.mintAccess(svc, m, at)
	if err != nil || svc.RefreshLifetime == 0 {
		return t, err
	}
	m.Kind, m.IssuedAt, m.Expires = Refresh, t.Issued, earliest(m.Grant.ExpiresAt, m.Cap)
	t.Refresh, err = e.mint(svc, m)
	return t, err
}

// mintAccess mints an access token alone.
func (e *Engine) mintAccess(svc *Service, m Mint, at time.Time) (Tokens, error) {
	at = at.Truncate(time.Second)
	t := Tokens{Grant: m.Grant, Subject: m.Subject, Issued: at, Cap: m.Cap, Claims: m.Prior}
	t.Expires = earliest(at.Add(svc.AccessLifetime), m.Grant.ExpiresAt, m.Cap)
	m.Kind, m.IssuedAt, m.Expires = Access, at, t.Expires
	access, err := e.mint(svc, m)
	t.Access = access
	return t, err
}

func (e *Engine) mint(svc *Service, m Mint) (secret.Text, error) {
	signer, kid, err := e.keys.Signer(svc.Name, m.Kind, m.IssuedAt)
	if err != nil {
		return secret.Text{}, unavailable("finding the signing key", err)
	}
	m.Alg, m.KID, m.Status = signer.Alg(), kid, e.statusOf(m.Kind, m.Grant.ID)
	if !svc.NoTokenID {
		m.ID = e.tokenID(m)
	}
	e.head.raise(m.Grant.ID)
	header, payload, err := svc.Format.Mint(m)
	if err != nil {
		return secret.Text{}, unavailable("laying out a token", err)
	}
	text, err := jws.Sign(header, payload, signer)
	if err != nil {
		return secret.Text{}, unavailable("signing a token", err)
	}
	return secret.New(text), nil
}

// tokenID is the token's identifier: a MAC over what makes the token one of
// its grant, so that nothing is stored per token and the same token can be
// minted twice. It has the form of a random UUID (RFC 9562 §5.4).
func (e *Engine) tokenID(m Mint) [16]byte {
	var n [32]byte
	binary.BigEndian.PutUint64(n[0:], uint64(m.Grant.ID))
	binary.BigEndian.PutUint64(n[8:], uint64(m.Grant.Nonce))
	binary.BigEndian.PutUint64(n[16:], uint64(m.Grant.Generation))
	binary.BigEndian.PutUint64(n[24:], uint64(m.IssuedAt.Unix()))
	mac := e.keys.MAC([]byte("jti"), []byte(m.Kind), n[:])
	mac[6] = mac[6]&0x0f | 0x40
	mac[8] = mac[8]&0x3f | 0x80
	return [16]byte(mac[:16])
}

func unavailable(doing string, err error) error {
	return &Error{Code: Unavailable, Err: wrap(doing, err)}
}

// earliest returns the earliest of the times that are set, zero if none is.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// newNonce returns 64 random bits.
func newNonce() int64 {
	var b [8]byte
	rand.Read(b[:])
	return int64(binary.BigEndian.Uint64(b[:]))
}

// hashSecret is how machine secrets, 128 random bits or more, are kept.
func hashSecret(s string) [32]byte { return sha256.Sum256([]byte(s)) }

func sameHash(a, b [32]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }
