package collectiveaccess

import (
	"context"
	"net/http"
	"time"

	"symbolon/internal/graphql"
	"symbolon/internal/httpio"
)

// whoami is service/whoami, ours and for development: what the token says with which the service is used, by
// header or by ?jwt=.
func (a *api) whoami(ctx context.Context, r *httpio.Request) httpio.Response {
	if r.Method == http.MethodOptions {
		return httpio.Response{Status: http.StatusOK, Header: header()}
	}
	c, sub, err := a.user(ctx, a.Token(r))
	if err != nil {
		e := &graphql.Error{Message: graphql.Internal, Cause: err}
		a.refused(ctx, r, err)
		resp := a.respond(r, graphql.Result{Errors: []*graphql.Error{e}})
		if resp.Status == http.StatusInternalServerError {
			resp.Status = http.StatusUnauthorized // nothing here copies the old service
		}
		return resp
	}
	info := userInfo(sub)
	return a.respond(r, graphql.Result{Data: object("id", info["id"], "username", info["username"],
		"issued", c.IssuedAt.UTC().Format(time.RFC3339), "expires", c.Expires.UTC().Format(time.RFC3339))})
}
