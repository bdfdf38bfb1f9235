// Package sesar speaks the token API of SESAR: the web services refresh_token.php
// and credentials_service_v2.php, and the JSON API that came after them.
//
// It owns the layout of the tokens, the reading of requests and the wording of
// answers, and decides nothing: who may, for how long and what a replay means is
// the engine's. The older services answer as Django REST framework, SimpleJWT and
// a PHP page with XML do, because that is what the clients parse.
package sesar

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Engine is the verbs that the wire needs. Each is one whole transition: an error
// means that nothing was done. All may be called at once.
type Engine interface {
	Issue(context.Context, token.Caller, token.IssueRequest) (token.Tokens, error)
	Refresh(context.Context, token.Caller, token.RefreshRequest) (token.Tokens, error)
	Introspect(ctx context.Context, service, text string, kinds ...token.Kind) (token.Claims, token.Subject, error)
	Revoke(context.Context, token.Caller, token.RevokeRequest) (token.Ended, error)
}

// Dialect is one mount of the SESAR API. It is read-only after New.
type Dialect struct {
	service   *token.Service
	path      string // prefix of the web services, without a slash at the end
	jsonPath  string // prefix of the JSON API; "" when it is off
	mintByGet bool
	keyShared bool // verifiers elsewhere hold the key of access tokens, and could make one of anybody
	pages     pages
	log       *slog.Logger
}

// Options are what the dialect needs besides its settings. Log is required.
type Options struct {
	BaseURL string // of the server, whose signed-in browsers may mint; "" takes none
	Log     *slog.Logger
}

// New returns the dialect of a configured service. It fails only when the entry
// has no settings of this dialect; what config checks is not checked again.
func New(c config.Service, o Options) (*Dialect, error) {
	if c.Sesar == nil {
		return nil, errors.New("service " + c.Name + " has no settings of dialect sesar")
	}
	return &Dialect{
		service: &token.Service{
			Name:            c.Name,
			Format:          format{issuer: c.Issuer, audience: c.Audience},
			AccessLifetime:  time.Duration(c.AccessLifetime),
			RefreshLifetime: time.Duration(c.RefreshLifetime),
			Cap:             time.Duration(c.Cap),
			Rotates:         true,
			Replay:          token.Replay(c.Replay),
			ReplayWindow:    time.Duration(c.ReplayWindow),
			Limits:          map[token.GrantKind]int{token.Pair: c.Pairs, token.Session: c.Sessions},
			Types:           c.Allow.Types,
			Groups:          c.Allow.Groups,
			RequireIdentity: c.RequireIdentity,
			TakesKeys:       true,
		},
		path:      strings.TrimSuffix(c.Path, "/"),
		jsonPath:  strings.TrimSuffix(c.Sesar.JSONPath, "/"),
		mintByGet: c.Sesar.MintByGet,
		keyShared: c.Sesar.AccessKeyFile != "",
		pages:     pagesAt(o.BaseURL),
		log:       o.Log,
	}, nil
}

// Service returns what the engine and the store are told of this mount.
func (d *Dialect) Service() *token.Service { return d.service }

// Companions returns nil: SESAR's pair is the two tokens alone.
func (d *Dialect) Companions(context.Context, token.Tokens) (map[string]string, error) {
	return nil, nil
}

// Routes returns the paths of the mount. Those of the JSON API end in a slash, and
// come once more without it as a 404, since a redirect would lose a POST's body.
func (d *Dialect) Routes(e Engine) []httpio.Route {
	a := &api{Dialect: d, engine: e}
	routes := []httpio.Route{
		{Pattern: d.path + "/refresh_token.php", Handle: drf("Token Refresh", handlers{"POST": a.refreshPHP})},
		{Pattern: d.path + "/credentials_service_v2.php", Handle: a.credentials},
	}
	if d.jsonPath == "" {
		return routes
	}
	mint := handlers{"POST": a.mint}
	if d.mintByGet {
		mint["GET"] = a.mint
	}
	for _, x := range []struct {
		path   string
		handle httpio.Handler
	}{
		{"/auth/token", drf("Token", mint)},
		{"/auth/token/refresh", drf("Token Refresh", handlers{"POST": a.refreshJSON})},
		{"/auth/token/blacklist", drf("Token Blacklist", handlers{"POST": a.blacklist})},
		{"/auth/token/blacklist-all", drf("Token Blacklist All", handlers{"POST": a.blacklistAll, "DELETE": a.blacklistAll})},
		{"/auth/user", drf("User", handlers{"GET": a.user})},
	} {
		routes = append(routes,
			httpio.Route{Pattern: d.jsonPath + x.path + "/{$}", Handle: x.handle},
			httpio.Route{Pattern: d.jsonPath + x.path, Handle: a.notFound})
	}
	return routes
}

// NotFound answers every other path below the prefixes: what SESAR has there is
// not ours. It is 404 for each method, JSON below the JSON API and XML elsewhere.
func (d *Dialect) NotFound(r *httpio.Request) httpio.Response {
	if d.underJSON(r.Path) {
		return jsonAnswer(404, httpio.Object{{Name: "detail", Value: "Not found."}})
	}
	return xmlAnswer(404, `<results><valid code="NotFound">no</valid><error>There is no such service here</error></results>`)
}

// underJSON reports whether a path belongs to the JSON API: of two prefixes that
// both fit, the longer one counts.
func (d *Dialect) underJSON(path string) bool {
	if d.jsonPath == "" || !strings.HasPrefix(path, d.jsonPath+"/") {
		return false
	}
	return len(d.jsonPath) > len(d.path) || !strings.HasPrefix(path, d.path+"/")
}

// api is the handlers of one mount over one engine.
type api struct {
	*Dialect
	engine Engine
}

func (a *api) notFound(_ context.Context, r *httpio.Request) httpio.Response { return a.NotFound(r) }

// refused logs why, with the grant's number where the engine gave one, and answers
// from the table of the endpoint.
func (a *api) refused(ctx context.Context, r *httpio.Request, t table, err error) httpio.Response {
	level := slog.LevelInfo
	if token.CodeOf(err) == token.Unavailable {
		level = slog.LevelError
	}
	a.log.LogAttrs(ctx, level, "token refused", slog.String("request_id", r.ID),
		slog.String("code", token.CodeOf(err).String()), slog.String("reason", err.Error()))
	return t.answer(err)
}

// caller is whoever holds the token or key in the request.
func caller(r *httpio.Request) token.Caller {
	by := token.Caller{Actor: "token", Agent: r.Agent}
	if r.Addr.IsValid() {
		by.Addr = r.Addr.String()
	}
	return by
}
