package edi

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// Engine is what the wire needs of package token's. Its methods may be called at once
// from many goroutines, and their errors are those of that package.
type Engine interface {
	Tokens
	// Verify checks a token without a store.
	Verify(ctx context.Context, service, text string, kinds ...token.Kind) (token.Claims, error)
	// CutOff returns when tokens that name a person were ended, and by when every server had heard; zero means never.
	CutOff(service, name string) (at, heard time.Time, err error)
	// Hear makes CutOff know of what came before the tokens that the engine has just given.
	Hear(ctx context.Context) error
}

// Tokens are the verbs that give tokens.
type Tokens interface {
	// Refresh must not touch a store unless the token's account has changed.
	Refresh(ctx context.Context, by token.Caller, req token.RefreshRequest) (token.Tokens, error)
	Exchange(ctx context.Context, by token.Caller, service string, key secret.Text) (token.Tokens, error)
	ExchangeFor(ctx context.Context, by token.Caller, service string, key secret.Text, subject string) (token.Tokens, error)
	Issue(ctx context.Context, by token.Caller, req token.IssueRequest) (token.Tokens, error)
}

var _ Engine = (*token.Engine)(nil)

// Routes returns the paths of this mount over an engine that knows its Service. Each
// takes every method, and answers 405 itself.
func (d *Dialect) Routes(e Engine) []httpio.Route {
	h := &handlers{Dialect: d, engine: e}
	routes := []httpio.Route{
		d.route("v1/token/refresh", http.MethodPost, h.refresh),
		d.route("v1/token/{edi_id}", http.MethodPost, h.mintFor),
		d.route("v1/key", http.MethodPost, h.exchange),
		d.route("v1/ping", http.MethodGet, ping),
	}
	if d.dev {
		routes = append(routes, d.route("v1/"+whoAmI, http.MethodGet, h.whoami))
	}
	if d.signIn != nil {
		routes = append(routes, d.route(loginPath, http.MethodGet, h.login))
	}
	if d.browser != nil {
		routes = append(routes, h.browserRoutes()...)
	}
	return routes
}

const loginPath = "login/pasta"

func (d *Dialect) route(path, method string, h httpio.Handler) httpio.Route {
	return httpio.Route{Pattern: d.prefix + "/" + path, Handle: func(ctx context.Context, r *httpio.Request) httpio.Response {
		if r.Method != method {
			resp := detail(http.StatusMethodNotAllowed)
			resp.Header.Set("Allow", method)
			return resp
		}
		return h(ctx, r)
	}}
}

// NotFound answers every other path under the prefix: 307 to the one without a final
// slash where that is one of ours, else 404.
func (d *Dialect) NotFound(r *httpio.Request) httpio.Response {
	path, slash := strings.CutSuffix(r.Path, "/")
	if !slash || !d.has(path) {
		return detail(http.StatusNotFound)
	}
	to := url.URL{Path: path, RawQuery: r.Query.Encode()}
	return httpio.Response{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {to.String()}}}
}

// has reports whether a path is one of Routes.
func (d *Dialect) has(path string) bool {
	if d.signIn != nil && path == d.prefix+"/"+loginPath {
		return true
	}
	if d.browser != nil && isBrowserPath(strings.TrimPrefix(path, d.prefix+"/")) {
		return true
	}
	rest, ok := strings.CutPrefix(path, d.prefix+"/v1/")
	if !ok {
		return false
	}
	id, isToken := strings.CutPrefix(rest, "token/")
	return rest == "key" || rest == "ping" || d.dev && rest == whoAmI || isToken && id != "" && !strings.Contains(id, "/")
}

func ping(context.Context, *httpio.Request) httpio.Response {
	return httpio.Response{Status: http.StatusOK, Header: header("text/plain; charset=utf-8"), Body: []byte("pong")}
}
