package itempath

import (
	"context"
	"errors"
	"net/http"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Places returns none: ItemPath's users put tokens into the Authorization header alone.
func (d *Dialect) Places() httpio.Places { return httpio.Places{} }

// unreadable is a refusal on its way through the gateway.
type unreadable struct{ refusal }

// Error returns the words for the client.
func (f unreadable) Error() string { return f.msg }

// Credential returns the bearer token of a request to what stands behind the service.
func (d *Dialect) Credential(_ context.Context, r *httpio.Request) (httpio.Credential, error) {
	text, fault := bearer(r.Header)
	if fault.status != 0 {
		return httpio.Credential{}, &token.Error{Code: token.BadCredentials, Err: unreadable{fault}}
	}
	return httpio.Credential{Text: text}, nil
}

// Refusal answers a request that may not pass, as ItemPath's resources do.
func (d *Dialect) Refusal(_ *httpio.Request, err error, text string) httpio.Response {
	var fault unreadable
	if errors.As(err, &fault) {
		return d.refuse(fault.refusal)
	}
	resp := d.refuse(refusalOf(callGate, err, text))
	if code := token.CodeOf(err); code == token.Unavailable || code == token.TooMany {
		resp.Header.Set("Retry-After", retryAfter(err))
	}
	return resp
}

// Lend puts a minted token where the backend looks for one.
func (d *Dialect) Lend(_ context.Context, t token.Tokens, h http.Header) error {
	h.Set("Authorization", "Bearer "+t.Access.Reveal())
	return nil
}
