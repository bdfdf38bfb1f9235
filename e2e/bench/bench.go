//go:build e2e

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"symbolon/e2e/load"
	"symbolon/internal/account"
	"symbolon/internal/app"
	"symbolon/internal/store/postgres/pgtest"
	"symbolon/internal/token"
)

const (
	crowd    = 16
	people   = 6000 // of ecology, so that no text of the legacy token repeats within a minute
	password = "correct horse battery staple"
)

// settings of the servers that are measured: as they ship, but that nothing limits how many pairs one account has, and that
// the log says what went wrong and not each request; one row shows what that costs.
const settings = `log_level: %s
verifier_key_file: %s
services:
  - {name: samples, dialect: sesar, path: /webservices, json_path: /api, pairs: 100000, sessions: 100000}
  - {name: ecology, dialect: edi, path: /auth, sessions: 100000}
  - {name: warehouse, dialect: itempath, path: /api, sessions: 100000, application_idle: 30d}
%s`

const verifierKey = "the verifiers' secret of this run"

// bench is what runs while it measures.
type bench struct {
	ctx context.Context
	options
	dir             string
	server, logging *load.Server
	remote          *load.Server // on PostgreSQL
	floor           *load.Server
	pg              *pgtest.Server
	started         starts
	apiKey          string
	pairs           []pair      // of ecology
	unseen          chan string // access tokens of samples that no server has checked
	closers         []func()
}

// pair is two tokens of ecology.
type pair struct{ edi, pasta string }

func (b *bench) close() {
	for i := len(b.closers) - 1; i >= 0; i-- {
		b.closers[i]()
	}
}

// start starts a server in a folder of its own.
func (b *bench) start(name, level, more string) (*load.Server, error) {
	s, err := load.Start(b.binary, filepath.Join(b.dir, name), b.settings(level, more))
	if err == nil {
		b.closers = append(b.closers, func() { _ = s.Stop() })
	}
	return s, err
}

func (b *bench) settings(level, more string) string {
	return fmt.Sprintf(settings, level, filepath.Join(b.dir, "verifier.key"), more)
}

// open starts everything, on stores with people in them.
func (b *bench) open() error {
	for _, name := range []string{"main", "logging", "remote"} {
		if err := os.Mkdir(filepath.Join(b.dir, name), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(b.dir, "verifier.key"), []byte(verifierKey+"\n"), 0o600); err != nil {
		return err
	}
	var err error
	if b.floor, err = startFloor(); err != nil {
		return err
	}
	b.closers = append(b.closers, b.floor.Kill)
	if b.pg, err = pgtest.Start(); err != nil { // with every flush
		return err
	}
	b.closers = append(b.closers, func() { b.pg.Close() })
	if err := errors.Join(b.pg.Create("symbolon"), b.pg.Create("floor")); err != nil {
		return err
	}
	if err := b.startCold(); err != nil {
		return err
	}
	if err := load.Inside(b.ctx, filepath.Join(b.dir, "main"), b.settings("warn", ""), b.fill); err != nil {
		return err
	}
	if err := load.Inside(b.ctx, filepath.Join(b.dir, "logging"), b.settings("info", ""), onePerson); err != nil {
		return err
	}
	if b.server, err = b.start("main", "warn", ""); err != nil {
		return err
	}
	if b.logging, err = b.start("logging", "info", ""); err != nil {
		return err
	}
	b.remote, err = b.start("remote", "warn", "store: "+b.pg.URL("symbolon")+"\n")
	return err
}

func onePerson(a *app.App) error {
	_, err := addPerson(a, "demo", "")
	return err
}

func addPerson(a *app.App, name, password string) (account.Account, error) {
	acc, err := a.Accounts.Add(context.Background(), account.By{}, account.New{Name: name, Type: "person", Password: password})
	if err != nil {
		return acc, fmt.Errorf("adding account %s: %w", name, err)
	}
	return acc, nil
}

// fill makes who signs in, an API key, and people with a pair of ecology each.
func (b *bench) fill(a *app.App) error {
	demo, err := addPerson(a, "demo", password)
	if err != nil {
		return err
	}
	day := time.Now().UTC().Truncate(24 * time.Hour)
	key, _, err := a.Engine.MakeKey(b.ctx, token.Operator(), token.KeyRequest{Account: demo.ID, Label: "bench", From: day, To: day.AddDate(1, 0, 0)})
	if err != nil {
		return fmt.Errorf("making an API key: %w", err)
	}
	b.apiKey = key.Reveal()
	b.pairs = make([]pair, people)
	errs := make([]error, people)
	var all sync.WaitGroup
	for w := range crowd { // at once, to share commits
		all.Go(func() {
			for i := w; i < people; i += crowd {
				b.pairs[i], errs[i] = b.person(a, fmt.Sprint("person-", i))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (b *bench) person(a *app.App, name string) (pair, error) {
	acc, err := addPerson(a, name, "")
	if err != nil {
		return pair{}, err
	}
	t, err := a.Engine.Issue(b.ctx, token.Operator(), token.IssueRequest{Service: "ecology", Kind: token.Pair, Account: acc.ID, Label: "bench"})
	if err != nil {
		return pair{}, fmt.Errorf("issuing a pair: %w", err)
	}
	beside, err := a.Companions(b.ctx, "ecology", t)
	return pair{t.Access.Reveal(), beside["pasta-token"]}, err
}
