package app

import (
	"context"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"os"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/dialect/edi"
	"symbolon/internal/dialect/sesar"
	"symbolon/internal/httpio"
	"symbolon/internal/keyring"
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
	companions func(context.Context, token.Tokens) (map[string]string, error)
}

// legacyKeys gives, for a service, the way to its RSA key.
type legacyKeys func(service string) func(context.Context) (*rsa.PrivateKey, error)

func mountAll(c *config.Config, legacy legacyKeys, log *slog.Logger) ([]mount, error) {
	var all []mount
	for _, s := range c.Services {
		m, err := mountOne(c, s, legacy(s.Name), log.With("service", s.Name))
		if err != nil {
			return nil, fmt.Errorf("setting up service %s: %w", s.Name, err)
		}
		m.config = s
		all = append(all, m)
	}
	return all, nil
}

func mountOne(c *config.Config, s config.Service, legacy func(context.Context) (*rsa.PrivateKey, error), log *slog.Logger) (mount, error) {
	switch s.Dialect {
	case "sesar":
		d, err := sesar.New(s, log)
		if err != nil {
			return mount{}, err
		}
		prefixes := []string{s.Path}
		if s.Sesar.JSONPath != "" {
			prefixes = append(prefixes, s.Sesar.JSONPath)
		}
		return mount{service: d.Service(), prefixes: prefixes, notFound: d.NotFound, failed: d.Failed, companions: d.Companions,
			routes: func(e *token.Engine) []httpio.Route { return d.Routes(e) }}, nil
	case "edi":
		d, err := edi.New(s, edi.Options{Dev: c.Dev, Legacy: legacy, Log: log})
		if err != nil {
			return mount{}, err
		}
		return mount{service: d.Service(), prefixes: []string{s.Path}, notFound: d.NotFound, failed: d.Failed, companions: d.Companions,
			routes: func(e *token.Engine) []httpio.Route { return d.Routes(e) }}, nil
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
		access.Lifetime = time.Duration(m.config.Cap)
		old := keyring.Want{Service: m.config.Name, Purpose: keyring.Legacy, Alg: keyring.RSAMD5, Lifetime: time.Duration(m.config.EDI.LegacyLifetime) + time.Minute}
		return pinned([]keyring.Want{access, old}, m.config.EDI.KeyFile, m.config.EDI.LegacyKeyFile)
	}
	return nil, nil
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
