// Package itempath speaks ItemPath's token API: sign-in by user name and password,
// refresh, application tokens, the users resource for admins, and the errors of the
// library behind it (Flask-JWT-Extended 4.2) in that library's order of checks.
//
// It only translates. Who may do what, lifetimes, revocation and the allow list of
// application tokens are the engine's. What this package decides itself is who is an
// admin, and that a key held elsewhere opens no users resource.
package itempath

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

// Options are what a Dialect needs beside its configuration and its people.
type Options struct {
	Dev bool // adds GET stations
	Log *slog.Logger
}

// Dialect is one configured mount. It is safe for concurrent use.
type Dialect struct {
	service *token.Service
	door    Door
	people  People
	own     config.ItemPath
	prefix  string
	dev     bool
	log     *slog.Logger
}

// New makes a dialect from its config entry, which must have passed Check. Door and
// people may be nil where no request is ever handled. A service that is not configured
// for this dialect is an error.
func New(c config.Service, door Door, people People, o Options) (*Dialect, error) {
	if c.ItemPath == nil {
		return nil, fmt.Errorf("service %s has no settings of dialect itempath", c.Name)
	}
	return &Dialect{
		service: &token.Service{
			Name:            c.Name,
			Format:          format{},
			AccessLifetime:  time.Duration(c.AccessLifetime),
			RefreshLifetime: time.Duration(c.RefreshLifetime),
			Limits:          map[token.GrantKind]int{token.Session: c.Sessions, token.Application: c.Sessions},
			Types:           c.Allow.Types,
			Groups:          c.Allow.Groups,
			RequireIdentity: c.RequireIdentity,
			ApplicationLife: time.Duration(c.ItemPath.ApplicationLife),
			ApplicationIdle: time.Duration(c.ItemPath.ApplicationIdle),
		},
		door: door, people: people, own: *c.ItemPath,
		prefix: strings.TrimSuffix(c.Path, "/"), dev: o.Dev, log: o.Log,
	}, nil
}

// Service is what the engine and the store are told of this mount. Read-only.
func (d *Dialect) Service() *token.Service { return d.service }

// Companions returns nil: ItemPath's pair is the two tokens alone.
func (d *Dialect) Companions(context.Context, token.Tokens) (map[string]string, error) {
	return nil, nil
}

// keyShared reports whether a backend elsewhere holds the key of access tokens, and
// so could make one of any user.
func (d *Dialect) keyShared() bool { return d.own.KeyFile != "" }
