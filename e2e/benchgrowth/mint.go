//go:build e2e

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/config"
	"symbolon/internal/dialect/sesar"
	"symbolon/internal/jws"
	"symbolon/internal/keyring"
	"symbolon/internal/token"
)

// mint makes the refresh tokens of grants that no server issued, with the service's own key and layout.
type mint struct {
	format token.Format
	signer jws.Signer
	kid    string
}

// newMint opens the keys in a server's folder as a command does, and closes everything again.
func newMint(dir string) (*mint, error) {
	ctx := context.Background()
	conf, err := config.Load(config.Sources{File: filepath.Join(dir, "symbolon.yaml")})
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	a, err := app.Open(ctx, app.Options{Config: conf, Now: time.Now, Log: log, Keys: true})
	if err != nil {
		return nil, err
	}
	defer a.Close()
	d, err := sesar.New(conf.Services[0], sesar.Options{BaseURL: conf.BaseURL, Log: log})
	if err != nil {
		return nil, err
	}
	m := &mint{format: d.Service().Format}
	m.signer, m.kid, err = a.Keys.Signer(conf.Services[0].Name, keyring.Refresh, time.Now())
	return m, err
}

// refresh is the refresh token of a filled grant's generation.
func (m *mint) refresh(grant int, generation int64) (string, error) {
	now := time.Now()
	header, payload, err := m.format.Mint(token.Mint{Kind: token.Refresh, Alg: m.signer.Alg(), KID: m.kid,
		Grant:   token.Grant{ID: int64(grant), Nonce: nonceOf(grant), Generation: generation},
		Subject: token.Subject{ID: strconv.Itoa((grant-1)/5 + 1)}, IssuedAt: now, Expires: now.AddDate(0, 0, 20)})
	if err != nil {
		return "", fmt.Errorf("laying out a token: %w", err)
	}
	return jws.Sign(header, payload, m.signer)
}
