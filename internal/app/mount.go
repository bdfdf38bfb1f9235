package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/dialect/collectiveaccess"
	"symbolon/internal/dialect/edi"
	"symbolon/internal/dialect/itempath"
	"symbolon/internal/dialect/sesar"
	"symbolon/internal/gateway"
	"symbolon/internal/httpio"
	"symbolon/internal/keyring"
	"symbolon/internal/signin/ldap"
	"symbolon/internal/token"
)

// mount is one configured service with its dialect.
type mount struct {
	config     config.Service
	service    *token.Service
	prefixes   []string
	routes     func(*token.Engine) []httpio.Route
	notFound   func(*httpio.Request) httpio.Response
	failed     func(status int) httpio.Response
	gate       gateway.Dialect
	owns       func(path string) bool // says more of its patterns' paths than they do; may be nil
	companions func(context.Context, token.Tokens) (map[string]string, error)
}

// dialect is what the four have in common once their engine is left out.
type dialect interface {
	gateway.Dialect
	Service() *token.Service
	NotFound(*httpio.Request) httpio.Response
	Companions(context.Context, token.Tokens) (map[string]string, error)
}

func newMount(c config.Service, d dialect, routes func(*token.Engine) []httpio.Route, prefixes ...string) mount {
	return mount{config: c, service: d.Service(), prefixes: prefixes, routes: routes,
		notFound: d.NotFound, failed: d.Failed, gate: d, companions: d.Companions}
}

// mountAll makes the doors and the dialects. They reach the accounts and keys of a only when
// they answer, so these may be opened later.
func (a *App) mountAll() ([]mount, error) {
	if len(a.Config.LDAP.Servers) > 0 {
		directory, err := ldap.New(a.Config.LDAP)
		if err != nil {
			return nil, fmt.Errorf("setting up sign-in by LDAP: %w", err)
		}
		a.ldap = directory
	}
	if err := a.openProviders(); err != nil {
		return nil, err
	}
	var all []mount
	for _, s := range a.Config.Services {
		m, err := a.mountOne(s, a.log.With("service", s.Name))
		if err != nil {
			return nil, fmt.Errorf("setting up service %s: %w", s.Name, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func (a *App) mountOne(s config.Service, log *slog.Logger) (mount, error) {
	dev := a.Config.Dev
	switch s.Dialect {
	case "sesar":
		d, err := sesar.New(s, sesar.Options{BaseURL: a.Config.BaseURL, Log: log})
		if err != nil {
			return mount{}, err
		}
		return newMount(s, d, func(e *token.Engine) []httpio.Route { return d.Routes(e) }, s.Path, s.Sesar.JSONPath), nil
	case "edi":
		o := edi.Options{Dev: dev, Legacy: a.legacyKey(s.Name), Log: log}
		if a.ldap != nil {
			o.SignIn = door{a}.SignInDN
		}
		if len(a.Providers) > 0 {
			o.Browser = browsers{a}
		}
		d, err := edi.New(s, o)
		if err != nil {
			return mount{}, err
		}
		return newMount(s, d, func(e *token.Engine) []httpio.Route { return d.Routes(e) }, s.Path), nil
	case "collectiveaccess":
		d, err := collectiveaccess.New(s, door{a}, collectiveaccess.Options{Dev: dev, Log: log})
		if err != nil {
			return mount{}, err
		}
		m := newMount(s, d, func(e *token.Engine) []httpio.Route { return d.Routes(e) }, s.Path)
		m.owns = d.Owns
		return m, nil
	case "itempath":
		d, err := itempath.New(s, door{a}, people{a, s.Name}, itempath.Options{Dev: dev, Log: log})
		if err != nil {
			return mount{}, err
		}
		return newMount(s, d, func(e *token.Engine) []httpio.Route { return d.Routes(e) }, s.Path), nil
	}
	return mount{}, fmt.Errorf("there is no dialect %q", s.Dialect)
}

// wants lists the keys that the service needs. A key that verifiers elsewhere
// hold comes from a file and is pinned.
func (m mount) wants() ([]keyring.Want, error) {
	access := keyring.Want{Service: m.config.Name, Purpose: keyring.Access, Alg: keyring.ES256, Lifetime: time.Duration(m.config.AccessLifetime)}
	switch {
	case m.config.Sesar != nil:
		access.Alg = m.config.Sesar.AccessAlg
		refresh := keyring.Want{Service: m.config.Name, Purpose: keyring.Refresh, Alg: keyring.HS256, Lifetime: time.Duration(m.config.RefreshLifetime)}
		return pinned([]keyring.Want{access, refresh}, m.config.Sesar.AccessKeyFile, "")
	case m.config.EDI != nil:
		access.Lifetime, access.FreeKID = time.Duration(m.config.Cap), true // plain_claims puts the grant there
		old := keyring.Want{Service: m.config.Name, Purpose: keyring.Legacy, Alg: keyring.RSAMD5, Lifetime: time.Duration(m.config.EDI.LegacyLifetime) + time.Minute}
		return pinned([]keyring.Want{access, old}, m.config.EDI.KeyFile, m.config.EDI.LegacyKeyFile)
	case m.config.CollectiveAccess != nil:
		access.WeakKey = m.config.CollectiveAccess.LegacyWeakKey
		return m.passwordWants(access, m.config.CollectiveAccess.KeyFile)
	case m.config.ItemPath != nil:
		access.Endless = true
		return m.passwordWants(access, m.config.ItemPath.KeyFile)
	}
	return nil, nil
}

// passwordWants are those of the dialects whose two tokens look alike: both HS256, and
// only the one for access tokens may be held elsewhere. Their clients refresh when they are told that a token has
// expired, and not when it is refused for another reason: so our own key for access tokens stays for as long as there
// may be something to refresh with.
func (m mount) passwordWants(access keyring.Want, file string) ([]keyring.Want, error) {
	access.Alg = keyring.HS256
	refresh := access
	refresh.Purpose, refresh.Endless, refresh.Lifetime = keyring.Refresh, false, time.Duration(m.config.RefreshLifetime)
	if file == "" {
		access.Lifetime = refresh.Lifetime
	}
	return pinned([]keyring.Want{access, refresh}, file)
}

// pinned reads the key files, one for each want, where one is named.
func pinned(wants []keyring.Want, files ...string) ([]keyring.Want, error) {
	for i, file := range files {
		if file == "" {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the key file of service %s: %w", wants[i].Service, err)
		}
		wants[i].Pinned = content
	}
	return wants, nil
}
