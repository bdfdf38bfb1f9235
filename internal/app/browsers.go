package app

import (
	"context"
	"errors"
	"strings"

	"symbolon/internal/account"
	"symbolon/internal/dialect/edi"
	"symbolon/internal/httpio"
	"symbolon/internal/signin/flow"
	"symbolon/internal/signin/oidc"
	"symbolon/internal/token"
)

// browsers leads people through the providers for the old pages of EDI.
type browsers struct{ app *App }

var _ edi.Browser = browsers{}

// toEDI marks the trips that begin there, so that none ends elsewhere.
const toEDI = "edi:"

func (b browsers) Begin(ctx context.Context, provider, callback, keep string) (location, cookie string, err error) {
	location, cookie, err = b.app.flow.Begin(ctx, provider, b.app.Config.BaseURL+callback, toEDI+keep, false)
	if errors.Is(err, flow.ErrNoProvider) {
		err = token.Refuse(token.NotFound, "no provider is called %q", provider)
	}
	return location, cookie, err
}

func (b browsers) Finish(ctx context.Context, by token.Caller, r *httpio.Request, provider, callback string) (edi.Arrived, error) {
	who, cookie, err := b.app.flow.Finish(ctx, r, provider, b.app.Config.BaseURL+callback)
	keep, mine := strings.CutPrefix(who.Purpose, toEDI)
	a := edi.Arrived{Keep: keep, Cookie: cookie}
	switch {
	case err == nil && !mine:
		return a, flow.ErrForeign
	case errors.Is(err, oidc.ErrDenied):
		return a, edi.ErrCancelled
	case err != nil:
		return a, err
	case provider == googleProvider && who.Person.Email == "":
		return a, edi.ErrUnverified
	}
	a.Account, err = b.app.Accounts.SignInVouched(ctx, asBy(by), provider, vouched(who.Person))
	return a, asRefusal(err)
}

// googleProvider asks for a verified address (edi.md §5.3).
const googleProvider = "google"

func vouched(p oidc.Person) account.Outside {
	return account.Outside{Subject: p.Subject, Login: p.Login, Display: p.Display, Email: p.Email}
}
