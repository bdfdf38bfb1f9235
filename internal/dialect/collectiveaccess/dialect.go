// Package collectiveaccess speaks the Auth endpoint of CollectiveAccess (Providence): GraphQL queries login,
// refresh and validate in the envelope of its PHP, and HS256 tokens with its header bytes and claim order.
//
// It owns the wire only: URLs, envelope, statuses, error objects in the shapes of two releases, the layout of the
// tokens. Who may, for how long and what is revoked is the engine's; GraphQL itself is package graphql's. Access
// and refresh tokens look alike, as upstream; here they are under different secrets, so that a refresh token
// never passes as an access token.
package collectiveaccess

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/graphql"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Engine is the verbs that the wire needs. Each is one whole transition: an error means that nothing was done. All
// may be called at once, and their errors are those of package token.
type Engine interface {
	Issue(context.Context, token.Caller, token.IssueRequest) (token.Tokens, error)
	// Refresh must not touch a store unless the token's account has changed.
	Refresh(context.Context, token.Caller, token.RefreshRequest) (token.Tokens, error)
	Introspect(ctx context.Context, service, text string, kinds ...token.Kind) (token.Claims, token.Subject, error)
}

var _ Engine = (*token.Engine)(nil)

// Door proves who someone is by name and password.
type Door interface {
	// SignIn returns the account's number. Refusals are *token.Error with BadCredentials (one answer and time for
	// every cause), TooMany or Unavailable.
	SignIn(ctx context.Context, by token.Caller, name, password string) (int64, error)
}

// Options are what a Dialect needs beside its configuration and its Door. Log is required.
type Options struct {
	Dev bool // adds GET service/whoami
	Log *slog.Logger
}

// Dialect is one configured mount. It is read-only after New.
type Dialect struct {
	service   *token.Service
	door      Door
	prefix    string // without a slash at the end
	style     graphql.Style
	keyShared bool
	dev       bool
	log       *slog.Logger
}

// New returns the dialect of a configured service. It fails only when the entry has no settings of this dialect;
// what config checks is not checked again, and the key file is not read.
func New(c config.Service, door Door, o Options) (*Dialect, error) {
	own := c.CollectiveAccess
	if own == nil {
		return nil, errors.New("service " + c.Name + " has no settings of dialect collectiveaccess")
	}
	return &Dialect{
		service: &token.Service{
			Name:            c.Name,
			Format:          format{issuer: c.Issuer},
			AccessLifetime:  time.Duration(own.AccessLifetime),
			RefreshLifetime: time.Duration(own.RefreshLifetime),
			Cap:             time.Duration(c.Cap),
			Limits:          map[token.GrantKind]int{token.Session: c.Sessions, token.Pair: c.Sessions},
			Types:           c.Allow.Types,
			Groups:          c.Allow.Groups,
			RequireIdentity: c.RequireIdentity,
			RequireAttr:     required(own.RequirePermission),
			NoTokenID:       true,
		},
		door:      door,
		prefix:    strings.TrimSuffix(c.Path, "/"),
		style:     graphql.Style(own.ErrorStyle),
		keyShared: own.KeyShared,
		dev:       o.Dev,
		log:       o.Log,
	}, nil
}

// permission is the attribute that lets an account use the API where the configuration asks for it.
const permission = "can_use_graphql_services"

func required(on bool) string {
	if on {
		return permission
	}
	return ""
}

// Service returns what the engine and the store are told of this mount.
func (d *Dialect) Service() *token.Service { return d.service }

// Companions returns nil: a sign-in gives the two tokens alone.
func (d *Dialect) Companions(context.Context, token.Tokens) (map[string]string, error) {
	return nil, nil
}

// Token returns the token with which a request uses the service: the bearer token, else the query parameter jwt,
// else "". The Auth endpoint itself reads no parameter.
func (d *Dialect) Token(r *httpio.Request) string {
	if text := bearer(r); text != "" {
		return text
	}
	return r.Query.Get("jwt")
}

// bearer returns the token of the Authorization header; a header that is not one Bearer and one token counts as none.
func bearer(r *httpio.Request) string {
	text, err := httpio.Bearer(r.Header)
	if err != nil {
		return ""
	}
	return text
}

// caller is whoever sent the request.
func caller(r *httpio.Request) token.Caller {
	by := token.Caller{Actor: "token", Agent: r.Agent}
	if r.Addr.IsValid() {
		by.Addr = r.Addr.String()
	}
	return by
}
