package sesar

import (
	"context"
	"errors"
	"net/http"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Places returns none: SESAR's users put tokens into the Authorization header alone.
func (d *Dialect) Places() httpio.Places { return httpio.Places{} }

// Credential returns the bearer token of a request to what stands behind the service.
func (d *Dialect) Credential(_ context.Context, r *httpio.Request) (httpio.Credential, error) {
	text, err := httpio.Bearer(r.Header)
	if err != nil {
		return httpio.Credential{}, token.Refuse(token.BadCredentials, "%w", err)
	}
	return httpio.Credential{Text: text}, nil
}

// Refusal answers a request that may not pass, as SESAR's JSON API does.
func (d *Dialect) Refusal(_ *httpio.Request, err error, _ string) httpio.Response {
	for _, bad := range []error{httpio.ErrNoHeader, httpio.ErrManyHeaders, httpio.ErrBearerForm, httpio.ErrBearerLong} {
		if errors.Is(err, bad) {
			return headerError(bad)
		}
	}
	return bearerErrors.answer(err)
}

var errNoLoan = errors.New("sesar has no token for a server behind it")

// Lend is not for SESAR: what verifies its tokens elsewhere verifies those of the users.
func (d *Dialect) Lend(context.Context, token.Tokens, http.Header) error { return errNoLoan }
