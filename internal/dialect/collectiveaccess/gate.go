package collectiveaccess

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"symbolon/internal/graphql"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Places returns the query parameter jwt.
func (d *Dialect) Places() httpio.Places { return httpio.Places{Params: []string{"jwt"}} }

// Credential returns the token of a request to what stands behind the service: the bearer token, else ?jwt=.
func (d *Dialect) Credential(_ context.Context, r *httpio.Request) (httpio.Credential, error) {
	text, err := httpio.Bearer(r.Header)
	if errors.Is(err, httpio.ErrNoHeader) {
		text, err = r.Query.Get("jwt"), nil
	}
	switch {
	case err != nil:
		return httpio.Credential{}, token.Refuse(token.BadCredentials, "%w", err)
	case text == "":
		return httpio.Credential{}, token.Refuse(token.BadCredentials, "no token")
	}
	return httpio.Credential{Text: text}, nil
}

const accessDenied = "Access denied"

// Refusal answers a request that may not pass, in the envelope of the wire. What the old service answers with 500 is
// 401 here, and 403 for who is known.
func (d *Dialect) Refusal(_ *httpio.Request, err error, _ string) httpio.Response {
	e := &graphql.Error{Message: graphql.Internal, Cause: err}
	if token.CodeOf(err) == token.Forbidden {
		e = &graphql.Error{Message: accessDenied}
	}
	status, retry := statusOf([]*graphql.Error{e})
	switch {
	case e.Cause == nil:
		status = http.StatusForbidden
	case status == masked.status:
		status = http.StatusUnauthorized
	}
	return d.send(&httpio.Request{}, status, retry, encode(object("ok", false, "errors", []any{errorObject(d.style, e)})))
}

// Lend puts a minted token where the site's PHP looks for one.
func (d *Dialect) Lend(_ context.Context, t token.Tokens, h http.Header) error {
	h.Set("Authorization", "Bearer "+t.Access.Reveal())
	return nil
}

// Owns reports whether a path below the mount is the Auth endpoint's, whatever is wrong with the rest of it. All
// others below service/ belong to what stands behind.
func (d *Dialect) Owns(path string) bool {
	return d.fault(path) != noController || d.dev && strings.TrimSuffix(path, "/") == d.prefix+rewritten+"/whoami"
}
