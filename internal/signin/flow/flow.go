// Package flow leads a person's browser to an outside provider and back. What it sends
// out is random, good for one return within 15 minutes, and tied to the browser by a
// cookie, so that nobody can slip another person's sign-in into it. It keeps no rows:
// whoever is not signed in must not be able to fill the store.
package flow

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/signin/oidc"
)

// Provider vouches for people.
type Provider interface {
	// Name is the provider of the identities it gives.
	Name() string
	// Label is what its button says.
	Label() string
	// Begin returns where to send the browser.
	Begin(context.Context, oidc.Ask) (location string, err error)
	// Finish returns the person that the answer is about.
	Finish(context.Context, oidc.Answer) (oidc.Person, error)
}

// life is how long a person may take at the provider.
const life = 15 * time.Minute

// ErrForeign is an answer that this browser did not ask for, asked for too long ago, or
// has brought before. Nobody is signed in by it, and trying again is safe.
var ErrForeign = errors.New("the answer belongs to no sign-in that this browser began")

// ErrNoProvider is a name under which there is no provider.
var ErrNoProvider = errors.New("there is no such provider")

// Flow is the providers with what binds their answers to browsers. It is safe for
// concurrent use.
type Flow struct {
	Providers []Provider // in the order of their buttons
	Seal      Seal
	Cookies   httpio.Cookies

	spent Once
}

// trip is what the browser keeps while its person is at the provider.
type trip struct {
	Provider string `json:"p"`
	Redirect string `json:"r"`
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Purpose  string `json:"w"`
}

// Begin returns where to send the browser, and the Set-Cookie header that must go with it.
// The provider sends the browser back to redirect. Again asks the person to sign in there
// anew. Purpose comes back from Finish; it is readable in the cookie.
func (f *Flow) Begin(ctx context.Context, provider, redirect, purpose string, again bool) (location, cookie string, err error) {
	p, err := f.provider(provider)
	if err != nil {
		return "", "", err
	}
	t := trip{Provider: provider, Redirect: redirect, State: rand.Text(), Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(), Purpose: purpose}
	location, err = p.Begin(ctx, oidc.Ask{Redirect: redirect, State: t.State, Nonce: t.Nonce, Verifier: t.Verifier, Again: again})
	if err != nil {
		return "", "", fmt.Errorf("beginning sign-in at %s: %w", provider, err)
	}
	text, err := f.Seal.Close("trip", t, life)
	if err != nil {
		return "", "", fmt.Errorf("beginning sign-in at %s: %w", provider, err)
	}
	return location, f.Cookies.Set(cookieName(t.State), text, life), nil
}

// Arrived is a person come back from a provider.
type Arrived struct {
	Person   oidc.Person
	Provider string
	Purpose  string // as given to Begin
}

// Finish reads the provider's answer to redirect out of r. The Set-Cookie header is to be
// sent whatever came of it; it is empty when there is nothing to remove. With an error of
// the provider, Arrived has the purpose all the same.
func (f *Flow) Finish(ctx context.Context, r *httpio.Request, provider, redirect string) (a Arrived, cookie string, err error) {
	p, err := f.provider(provider)
	if err != nil {
		return Arrived{}, "", err
	}
	t, cookie, err := f.back(r, provider, redirect)
	if err != nil {
		return Arrived{}, cookie, err
	}
	a = Arrived{Provider: provider, Purpose: t.Purpose}
	if len(r.Query["error"])+len(r.Query["code"]) != 1 {
		return a, cookie, ErrForeign
	}
	a.Person, err = p.Finish(ctx, oidc.Answer{Redirect: redirect, Code: r.Query.Get("code"), Error: r.Query.Get("error"),
		Issuer: r.Query.Get("iss"), Nonce: t.Nonce, Verifier: t.Verifier})
	if err != nil {
		return a, cookie, fmt.Errorf("finishing sign-in at %s: %w", provider, err)
	}
	return a, cookie, nil
}

// back finds the trip that the answer ends, and ends it.
func (f *Flow) back(r *httpio.Request, provider, redirect string) (t trip, cookie string, err error) {
	if !once(r.Query, "state") || len(r.Query["iss"]) > 1 {
		return trip{}, "", ErrForeign
	}
	state := r.Query.Get("state")
	name := cookieName(state)
	text := r.Cookie(f.Cookies.Name(name))
	if text == "" {
		return trip{}, "", ErrForeign
	}
	cookie = f.Cookies.Drop(name)
	switch {
	case f.Seal.Open("trip", text, &t) != nil,
		subtle.ConstantTimeCompare([]byte(t.State), []byte(state)) != 1,
		t.Provider != provider, t.Redirect != redirect,
		!f.spent.Spend(state, f.Seal.Now(), life):
		return trip{}, cookie, ErrForeign
	}
	return t, cookie, nil
}

func once(q url.Values, name string) bool { return len(q[name]) == 1 && q.Get(name) != "" }

func (f *Flow) provider(name string) (Provider, error) {
	for _, p := range f.Providers {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, ErrNoProvider
}

// cookieName is another for each trip, so that two tabs do not disturb one another. It
// tells nothing of the state.
func cookieName(state string) string {
	sum := sha256.Sum256([]byte(state))
	return "symbolon-trip-" + hex.EncodeToString(sum[:4])
}
