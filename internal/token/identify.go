package token

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"sync"
	"time"

	"symbolon/internal/secret"
)

// Holder is who an access token or API key speaks for.
type Holder struct {
	Claims  Claims  // of the token, or of one that was minted for the key
	Subject Subject // the present account, see Identify
	Scope   string
}

// Identify is Verify for an access token, and the account behind it: from memory, but for a grant that
// this process has not met or whose account has changed since. A change of the account is known here
// when the feed tells of it, as a revocation is.
func (e *Engine) Identify(ctx context.Context, service, text string) (Holder, error) {
	c, err := e.Verify(ctx, service, text, Access)
	if err != nil {
		return Holder{}, err
	}
	svc := e.services[service]
	h, err := e.held(ctx, svc, c)
	switch {
	case err != nil:
		return Holder{}, err
	case !h.subject.Active:
		return Holder{}, Refuse(Revoked, "account %d is not active", h.subject.Account)
	case h.refusal != nil && e.ended.stale(svc.Name, c.Grant, c.IssuedAt, e.margin()):
		return Holder{}, h.refusal
	}
	return Holder{Claims: c, Subject: h.subject, Scope: h.scope}, nil
}

// IdentifyKey is Identify for an API key in a service that takes keys. BadCredentials tells nothing of
// what is wrong with it. Only a key not met before is looked for in the store.
func (e *Engine) IdentifyKey(ctx context.Context, service string, key secret.Text) (Holder, error) {
	svc, err := e.service(service)
	if err != nil {
		return Holder{}, err
	}
	if err := e.vouching(); err != nil {
		return Holder{}, err
	}
	k, err := e.knownKey(ctx, Caller{}, svc, key)
	if err == nil {
		err = e.liveNow(k.grant)
	}
	if err != nil {
		return Holder{}, err
	}
	c, err := e.keyClaims(svc, key, k)
	if err != nil {
		return Holder{}, err
	}
	h, err := e.held(ctx, svc, c)
	if err == nil {
		err = h.refusal
	}
	if err != nil {
		return Holder{}, err
	}
	e.uses.add(k.grant.ID, e.now(), "")
	return Holder{Claims: c, Subject: h.subject, Scope: h.scope}, nil
}

// IdentifyNamed is Identify for a token that names a person rather than a grant, and whose signature the dialect has
// checked: id is the service's own for the account, name what its tokens are cut off by, until when the token is
// good, cutOff whether it may be one that was made before its tokens were ended at an instant, by a server that had heard of it by
// another. The account is read anew after a minute, and the
// service must still admit it.
func (e *Engine) IdentifyNamed(ctx context.Context, service, id, name string, until time.Time, cutOff func(at, heard time.Time) bool) (Holder, error) {
	svc, err := e.service(service)
	if err != nil {
		return Holder{}, err
	}
	at, heard, err := e.CutOff(service, name)
	switch {
	case err != nil:
		return Holder{}, err
	case !e.now().Before(until):
		return Holder{}, Refuse(Expired, "at %s", until.UTC().Format(time.RFC3339))
	case !at.IsZero() && cutOff(at, heard):
		return Holder{}, Refuse(Revoked, "tokens that name the person were ended at %s", at.UTC().Format(time.RFC3339))
	}
	h, err := e.named(ctx, svc, id)
	switch {
	case err != nil:
		return Holder{}, err
	case h.refusal != nil:
		return Holder{}, h.refusal
	case svc.Names == nil || !slices.Contains(svc.Names(h.subject), name):
		return Holder{}, Refuse(Malformed, "the account is not called as the token says")
	}
	return Holder{Claims: Claims{Kind: Access, Subject: id, Expires: until}, Subject: h.subject}, nil
}

// named returns the account with a service's own id.
func (e *Engine) named(ctx context.Context, svc *Service, id string) (*held, error) {
	at := holderPlace{svc.Name, 0, id}
	now := e.now()
	if h, ok := e.holders.get(at); ok && now.Before(h.until) {
		return h, nil
	}
	heard := e.holders.heard()
	sub, err := e.store.SubjectByID(ctx, svc.Name, id)
	if err != nil {
		return nil, err
	}
	h := &held{subject: sub, refusal: svc.Admit(sub), until: now.Add(strangerLife)}
	e.holders.put(at, h, heard)
	return h, nil
}

// Lend mints an access token of the holder's service that lives for life, at most as long as the
// credential that was presented, and cannot be refreshed. It reads nothing from a store.
func (e *Engine) Lend(service string, h Holder, life time.Duration) (Tokens, error) {
	svc, err := e.service(service)
	if err != nil {
		return Tokens{}, err
	}
	now := e.now()
	at := now.Truncate(time.Second)
	t := Tokens{Grant: Grant{ID: h.Claims.Grant, Service: service}, Subject: h.Subject, Asked: now, Issued: at,
		Expires: earliest(at.Add(life), h.Claims.Expires)}
	t.Access, err = e.mint(svc, Mint{Kind: Access, Grant: t.Grant, Subject: h.Subject, IssuedAt: at, Expires: t.Expires})
	return t, err
}

// knownKey returns what is known of an API key, by the hash of the whole secret. Times and bit are for the caller to look at.
func (e *Engine) knownKey(ctx context.Context, by Caller, svc *Service, key secret.Text) (knownKey, error) {
	if !svc.TakesKeys || len(key.Reveal()) != base64.RawURLEncoding.EncodedLen(keyBytes) {
		return knownKey{}, Refuse(BadCredentials, "not an API key")
	}
	at := keyPlace{svc.Name, hashSecret(key.Reveal())}
	if k, ok := e.holders.key(at); ok {
		return k, nil
	}
	heard := e.holders.heard()
	k, err := e.readKey(ctx, by, svc, key)
	if err == nil {
		k.heard = heard
		e.holders.putKey(at, k)
	}
	return k, err
}

// readKey reads an API key that may be used, and whom it acts for, from the store.
func (e *Engine) readKey(ctx context.Context, by Caller, svc *Service, key secret.Text) (knownKey, error) {
	g, err := e.usableKey(ctx, by, svc, key)
	if err != nil {
		return knownKey{}, err
	}
	sub, err := e.store.Subject(ctx, svc.Name, g.Account, g.Group)
	if err != nil {
		return knownKey{}, err
	}
	return knownKey{grant: g, subject: sub, refusal: svc.Admit(sub)}, nil
}

// keyClaims are the claims of a known key, made when they are first asked for.
func (e *Engine) keyClaims(svc *Service, key secret.Text, k knownKey) (Claims, error) {
	if k.claims != nil {
		return *k.claims, nil
	}
	c, err := e.claimsFor(svc, k.grant, k.subject)
	if err != nil {
		return Claims{}, err
	}
	k.claims = &c
	e.holders.putKey(keyPlace{svc.Name, hashSecret(key.Reveal())}, k)
	return c, nil
}

// claimsFor returns what a token made with the key would say, up to the key's own end: whom the wire
// calls by which id is its format's to know.
func (e *Engine) claimsFor(svc *Service, g Grant, sub Subject) (Claims, error) {
	t, err := e.mintAccess(svc, Mint{Grant: g, Subject: sub, Cap: g.ExpiresAt}, e.now())
	if err != nil {
		return Claims{}, err
	}
	c, err := e.open(svc, t.Access.Reveal())
	c.Expires, c.Wire = g.ExpiresAt, nil
	return c, err
}

// strangerLife is how long the account behind a token is remembered whose grant is not the account's.
const strangerLife = time.Minute

// held returns the account behind verified claims.
func (e *Engine) held(ctx context.Context, svc *Service, c Claims) (*held, error) {
	at := holderPlace{svc.Name, c.Grant, c.Subject}
	now := e.now()
	if h, ok := e.holders.get(at); ok && (h.until.IsZero() || now.Before(h.until)) {
		return h, nil
	}
	heard := e.holders.heard()
	sub, g, err := e.behind(ctx, svc, c)
	if err != nil {
		return nil, err
	}
	h := &held{subject: sub, scope: g.Scope, refusal: svc.Admit(sub)}
	if slices.Contains(e.serviceKeyGrants(), c.Grant) {
		h.until = now.Add(strangerLife)
		if sub.Account == 0 {
			h.refusal = nil
		}
	}
	e.holders.put(at, h, heard)
	return h, nil
}

// holderPlace is where the account of a grant is remembered; the subject tells apart the tokens of a service key.
type holderPlace struct {
	service string
	grant   int64
	subject string
}

type keyPlace struct {
	service string
	hash    [32]byte // of the whole secret
}

// held is an account as it was when nothing newer had been heard. It is read-only.
type held struct {
	subject Subject
	scope   string
	refusal error     // what Admit said
	until   time.Time // zero means until the feed tells of a change
}

// knownKey is an API key that was found once. Its times and its bit are looked at on every use.
type knownKey struct {
	grant   Grant
	subject Subject
	refusal error   // what Admit said
	claims  *Claims // nil until somebody asked for them
	heard   uint64  // changes before it was read
}

// holderCache is how many accounts, and how many keys, each of the two generations holds.
const holderCache = 1 << 14

// holders remembers the accounts behind grants, and API keys.
type holders struct {
	mu                 sync.RWMutex
	changes            uint64 // heard of so far
	young, old         map[holderPlace]*held
	youngKeys, oldKeys map[keyPlace]knownKey
}

func newHolders() *holders {
	return &holders{young: map[holderPlace]*held{}, youngKeys: map[keyPlace]knownKey{}}
}

func (l *holders) get(at holderPlace) (*held, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if h, ok := l.young[at]; ok {
		return h, true
	}
	h, ok := l.old[at]
	return h, ok
}

// heard counts the changes that were heard of before a read begins.
func (l *holders) heard() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.changes
}

// put remembers what was read, unless a change was heard of meanwhile: the read may have been before it.
func (l *holders) put(at holderPlace, h *held, heard uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changes != heard {
		return
	}
	if len(l.young) >= holderCache {
		l.old, l.young = l.young, map[holderPlace]*held{}
	}
	l.young[at] = h
}

func (l *holders) key(at keyPlace) (knownKey, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if k, ok := l.youngKeys[at]; ok {
		return k, true
	}
	k, ok := l.oldKeys[at]
	return k, ok
}

// putKey is put for an API key.
func (l *holders) putKey(at keyPlace, k knownKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changes != k.heard {
		return
	}
	if len(l.youngKeys) >= holderCache {
		l.oldKeys, l.youngKeys = l.youngKeys, map[keyPlace]knownKey{}
	}
	l.youngKeys[at] = k
}

// forget drops the accounts and keys that entries of the feed say have changed.
func (l *holders) forget(entries []Entry) {
	grants, services := map[int64]bool{}, map[string]bool{}
	for _, x := range entries {
		switch {
		case x.Kind == EntryGrant || x.Kind == EntryStale && x.Grant != 0:
			grants[x.Grant] = true
		case x.Kind == EntryStale:
			services[x.Service] = true
		}
	}
	if len(grants)+len(services) == 0 {
		return
	}
	changed := func(at holderPlace, _ *held) bool { return grants[at.grant] || services[at.service] }
	ofChanged := func(at keyPlace, k knownKey) bool { return grants[k.grant.ID] || services[at.service] }
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	maps.DeleteFunc(l.young, changed)
	maps.DeleteFunc(l.old, changed)
	maps.DeleteFunc(l.youngKeys, ofChanged)
	maps.DeleteFunc(l.oldKeys, ofChanged)
}

// clear drops everything, for a store with another history.
func (l *holders) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	l.young, l.old = map[holderPlace]*held{}, nil
	l.youngKeys, l.oldKeys = map[keyPlace]knownKey{}, nil
}
