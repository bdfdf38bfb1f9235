package token

import (
	"context"
	"encoding/base64"
	"time"
	"unicode"
	"unicode/utf8"

	"symbolon/internal/secret"
)

// IssueRequest asks for a sign-in's or a generated pair's tokens.
type IssueRequest struct {
	Service string
	Kind    GrantKind   // Session or Pair
	Account int64       // whose; not used with Key
	Key     secret.Text // an API key of the account, when that is the permission; or
	Browser secret.Text // the secret of a browser that the account is signed in with
	Label   string
}

// Issue makes a grant and mints its tokens. An operator may issue for any
// active account; an account for itself; whoever holds an API key for the key's
// account, and those tokens end with the key; a browser for who is signed in,
// and those tokens outlive the sign-in. Whether that person meant it, and not
// another site, is for the caller to check.
func (e *Engine) Issue(ctx context.Context, by Caller, req IssueRequest) (t Tokens, err error) {
	defer e.done("issue", e.now(), &err)
	svc, err := e.service(req.Service)
	if err != nil {
		return Tokens{}, err
	}
	defer func() { e.tally.add(e.now(), svc.Name, "", err) }() // a grant made is an audit line
	if err := checkLabel(req.Label); err != nil {
		return Tokens{}, err
	}
	now, err := e.onTime()
	if err != nil {
		return Tokens{}, err
	}
	with := int64(0)
	g := Grant{Account: req.Account, Service: svc.Name, Kind: req.Kind, Label: req.Label,
		Nonce: newNonce(), IssuedAt: now, Addr: by.Addr, Agent: by.Agent}
	switch {
	case !req.Key.IsZero():
		key, err := e.usableKey(ctx, by, svc, req.Key)
		if err != nil {
			return Tokens{}, err
		}
		if key.Group != 0 {
			return Tokens{}, Refuse(Forbidden, "an API key that acts for a group makes no token pair")
		}
		g.Account, g.Parent, g.Cap = key.Account, key.ID, key.ExpiresAt
		by = Caller{Actor: "key", Account: key.Account, Addr: by.Addr, Agent: by.Agent}
	case !req.Browser.IsZero():
		b, err := e.Browser(ctx, by, req.Browser)
		if err != nil && CodeOf(err) != Unavailable {
			err = Refuse(BadCredentials, "nobody is signed in: %w", err)
		}
		if err != nil {
			return Tokens{}, err
		}
		g.Account, with = b.Account, b.ID
		by = Caller{Actor: "account", Account: b.Account, Addr: by.Addr, Agent: by.Agent}
	case !by.Operator && by.Account != req.Account:
		return Tokens{}, Refuse(Forbidden, "tokens are issued to the account itself")
	}
	limit(svc, &g, now)
	issued, err := e.store.Issue(ctx, IssueVerb{By: by, Now: now, Grant: g, With: with})
	if err != nil {
		return Tokens{}, err
	}
	e.apply(Ended{Grants: issued.Ended})
	t, err = e.mintPair(svc, Mint{Grant: issued.Grant, Subject: issued.Subject, Cap: issued.Grant.Cap}, now)
	t.Asked, t.Ended = now, issued.Ended
	return t, err
}

// maxLabel is the longest name of a grant, in characters.
const maxLabel = 100

// checkLabel refuses what could not be shown in a list as it is.
func checkLabel(label string) error {
	n := 0
	for _, c := range label {
		n++
		if n > maxLabel || !unicode.IsPrint(c) || c == utf8.RuneError {
			return Refuse(Malformed, "a name is at most %d printable characters", maxLabel)
		}
	}
	return nil
}

// limit sets the ends of a grant that is about to be made. Where nothing
// rotates, the refresh token of the sign-in is the only one there will be, and
// its end is everything's.
func limit(svc *Service, g *Grant, now time.Time) {
	second := now.Truncate(time.Second)
	if svc.Cap > 0 {
		g.Cap = earliest(g.Cap, second.Add(svc.Cap))
	}
	if svc.RefreshLifetime > 0 {
		g.ExpiresAt = earliest(second.Add(svc.RefreshLifetime), g.Cap)
	}
	if !svc.Rotates {
		g.Cap = earliest(g.Cap, g.ExpiresAt)
		g.ExpiresAt = g.Cap
	}
}

// KeyRequest asks for an API key.
type KeyRequest struct {
	Account int64
	Group   int64 // a group the account owns, to act for it; 0 acts for the account
	Label   string
	From    time.Time // zero means now
	To      time.Time // first moment at which it is no longer valid; required
}

// keyBytes is the size of an API key's secret: 27 characters of base64url.
const keyBytes = 20

// MakeKey makes an API key. The secret is returned once and kept as a hash.
func (e *Engine) MakeKey(ctx context.Context, by Caller, req KeyRequest) (secret.Text, Grant, error) {
	now := e.now()
	switch {
	case !by.Operator && by.Account != req.Account:
		return secret.Text{}, Grant{}, Refuse(Forbidden, "an API key is made by its own account")
	case !req.To.After(now) || !req.To.After(req.From):
		return secret.Text{}, Grant{}, Refuse(Malformed, "the key's end must lie after its beginning and after now")
	case req.Label == "":
		return secret.Text{}, Grant{}, Refuse(Malformed, "an API key needs a name")
	}
	if err := checkLabel(req.Label); err != nil {
		return secret.Text{}, Grant{}, err
	}
	if _, err := e.onTime(); err != nil {
		return secret.Text{}, Grant{}, err
	}
	text, v := newKey(by, now, Grant{Account: req.Account, Group: req.Group, Label: req.Label, NotBefore: req.From, ExpiresAt: req.To})
	issued, err := e.store.Issue(ctx, v)
	if err != nil {
		return secret.Text{}, Grant{}, err
	}
	return text, issued.Grant, nil
}

// newKey gives the key that g describes its secret.
func newKey(by Caller, now time.Time, g Grant) (secret.Text, IssueVerb) {
	text := base64.RawURLEncoding.EncodeToString(secret.Random(keyBytes))
	hash := hashSecret(text)
	g.Kind, g.Nonce, g.IssuedAt, g.Cap = APIKey, newNonce(), now, g.ExpiresAt
	g.Preview, g.Addr, g.Agent = text[:5], by.Addr, by.Agent
	return secret.New(text), IssueVerb{By: by, Now: now, SecretHash: hash[:], Grant: g}
}

// usableKey returns the live grant of an API key that is presented to a service.
func (e *Engine) usableKey(ctx context.Context, by Caller, svc *Service, key secret.Text) (Grant, error) {
	if !svc.TakesKeys {
		return Grant{}, Refuse(BadCredentials, "not an API key")
	}
	return e.liveKey(ctx, by, key)
}

// liveKey returns the live grant of an API key; BadCredentials tells nothing of why it is
// not one.
func (e *Engine) liveKey(ctx context.Context, by Caller, key secret.Text) (Grant, error) {
	if len(key.Reveal()) != base64.RawURLEncoding.EncodedLen(keyBytes) {
		return Grant{}, Refuse(BadCredentials, "not an API key")
	}
	g, err := e.store.KeyBySecret(ctx, hashSecret(key.Reveal()))
	switch {
	case CodeOf(err) == NotFound:
		return Grant{}, Refuse(BadCredentials, "no such API key")
	case err != nil:
		return Grant{}, err
	}
	if err := e.liveNow(g); err != nil {
		return Grant{}, err
	}
	e.uses.add(g.ID, e.now(), by.Addr)
	return g, nil
}

// liveNow refuses an API key that has ended or has not begun.
func (e *Engine) liveNow(g Grant) error {
	now, err := e.onTime()
	if err != nil {
		return err
	}
	if state := g.State(now); state != "live" || e.ended.has(g.ID) {
		return Refuse(BadCredentials, "API key %d has ended or is %s", g.ID, state)
	}
	return nil
}

// KeyHolder returns the live grant of an API key, for what is ours rather than a service's.
// BadCredentials for every other text; Unavailable where the store cannot be read or the
// news of revocations is older than the bound. Whether the account is active is not asked:
// disabling it ended the key.
func (e *Engine) KeyHolder(ctx context.Context, by Caller, key secret.Text) (Grant, error) {
	if err := e.vouching(); err != nil {
		return Grant{}, err
	}
	return e.liveKey(ctx, by, key)
}
