package token

import (
	"context"
	"encoding/base64"
	"time"

	"symbolon/internal/secret"
)

// MaxBrowsers is how many browsers an account may be signed in with at once; one more
// ends the one that was idle for longest.
const MaxBrowsers = 100

const (
	browserBytes = 32          // of a browser's secret: 43 characters of base64url
	prolongEvery = time.Minute // so that a page with many parts writes once
)

// OpenBrowser signs an account in to our own pages and returns the secret for the
// browser's cookie, which is kept as a hash. how names the door that proved who it is, such
// as "orcid" or "password", and becomes the label: nothing is proved here. NotFound for a
// deleted account, Forbidden for a disabled one.
func (e *Engine) OpenBrowser(ctx context.Context, by Caller, account int64, how string) (Grant, secret.Text, error) {
	if err := checkLabel(how); err != nil {
		return Grant{}, secret.Text{}, err
	}
	now, err := e.onTime()
	if err != nil {
		return Grant{}, secret.Text{}, err
	}
	text := base64.RawURLEncoding.EncodeToString(secret.Random(browserBytes))
	hash := hashSecret(text)
	end := now.Add(e.browserCap)
	issued, err := e.store.Issue(ctx, IssueVerb{By: by, Now: now, SecretHash: hash[:], Grant: Grant{
		Account: account, Kind: Browser, Label: how, Nonce: newNonce(), IssuedAt: now,
		ExpiresAt: earliest(now.Add(e.browserIdle), end), Cap: end, Addr: by.Addr, Agent: by.Agent,
	}})
	if err != nil {
		return Grant{}, secret.Text{}, err
	}
	e.apply(Ended{Grants: issued.Ended})
	return issued.Grant, secret.New(text), nil
}

// Browser returns the live grant of a browser's secret and moves its end to one idle time
// from now, to the minute. NotFound for a secret that is none or was purged, Revoked after
// sign-out, Expired past the idle or absolute end; Unavailable where the store cannot be
// read or the news of revocations is older than the bound.
func (e *Engine) Browser(ctx context.Context, by Caller, s secret.Text) (Grant, error) {
	if err := e.vouching(); err != nil {
		return Grant{}, err
	}
	g, err := e.browserBySecret(ctx, s)
	if err != nil {
		return Grant{}, err
	}
	now := e.now()
	switch {
	case !g.RevokedAt.IsZero() || e.ended.has(g.ID) || e.ended.beforeEpoch("", g.IssuedAt):
		return Grant{}, Refuse(Revoked, "browser %d is signed out", g.ID)
	case !g.Live(now):
		return Grant{}, Refuse(Expired, "browser %d was not used for too long, or reached its end", g.ID)
	}
	until := earliest(now.Add(e.browserIdle), g.Cap)
	if until.Sub(g.ExpiresAt) >= prolongEvery {
		if g, err = e.store.Prolong(ctx, ProlongVerb{Now: now, Grant: g.ID, Until: until}); err != nil {
			return Grant{}, err
		}
	}
	e.uses.add(g.ID, now, by.Addr)
	return g, nil
}

func (e *Engine) browserBySecret(ctx context.Context, s secret.Text) (Grant, error) {
	if len(s.Reveal()) != base64.RawURLEncoding.EncodedLen(browserBytes) {
		return Grant{}, Refuse(NotFound, "not the secret of a browser")
	}
	return e.store.BrowserBySecret(ctx, hashSecret(s.Reveal()))
}

// CloseBrowser signs out the browser of the secret, for good. One that has ended, or never
// was, is no error: signing out twice is harmless.
func (e *Engine) CloseBrowser(ctx context.Context, by Caller, s secret.Text) error {
	g, err := e.browserBySecret(ctx, s)
	if err == nil {
		_, err = e.revoke(ctx, RevokeVerb{By: by, Now: e.now(), Grant: g.ID, Owner: g.Account, Reason: "signed out"})
	}
	if CodeOf(err) == NotFound {
		return nil
	}
	return err
}
