// Package app puts the parts together: it opens the store, the keys, the
// dialects and the engine that a configuration names, and runs the server or
// lends the parts to a command. It is the only package that knows them all.
package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/keyring"
	"symbolon/internal/signin/flow"
	"symbolon/internal/signin/ldap"
	"symbolon/internal/signin/oidc"
	"symbolon/internal/signin/standin"
	"symbolon/internal/statuslist"
	"symbolon/internal/store/sqlite"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// Options says what to open. Config, Now and Log are required.
type Options struct {
	Config *config.Config
	Now    func() time.Time
	Log    *slog.Logger
	// Serve opens for serving: the data folder is locked and made if missing.
	Serve bool
	// Alone locks the data folder without serving: no server may run beside.
	Alone bool
	// Keys opens the signing keys too, which minting needs.
	Keys bool
	// Hasher hashes passwords; nil means the ordinary cost.
	Hasher *account.Hasher
}

// App is everything that one configuration names, open. Its exported fields
// are for commands; Close it.
type App struct {
	Config   *config.Config
	Engine   *token.Engine
	Accounts *account.Directory
	Store    *sqlstore.Store
	Keys     *keyring.Keys // nil unless asked for
	// Providers are the outside ones with which people sign in, in the order of the file.
	Providers []*oidc.Provider

	certificates sync.Map // :: legacy RSA key → its certificate
	lists        *statuslist.Publisher
	verifierKey  [32]byte      // hash of the secret of who follows the event stream; zero for nobody
	stopping     chan struct{} // closed when the server stops

	db      *sqlite.DB
	ldap    *ldap.Directory // nil unless configured
	standIn *standin.ORCID  // nil unless this is a development server
	flow    *flow.Flow      // nil without keys
	mounts  []mount
	now     func() time.Time
	log     *slog.Logger
}

// Open opens what the options ask for. Its errors are for people: they name
// the file or service and what to do.
func Open(ctx context.Context, o Options) (*App, error) {
	a := &App{Config: o.Config, now: o.Now, log: o.Log, stopping: make(chan struct{})}
	if err := a.readVerifierKey(); err != nil {
		return nil, err
	}
	mounts, err := a.mountAll()
	if err != nil {
		return nil, err
	}
	a.mounts = mounts
	if err := a.openStore(ctx, o); err != nil {
		return nil, err
	}
	if err := a.openEngine(ctx, o); err != nil {
		a.db.Close()
		return nil, err
	}
	return a, nil
}

// Close closes the store; the lock on the data folder goes with it.
func (a *App) Close() error {
	if a.ldap != nil {
		a.ldap.Close()
	}
	return a.db.Close()
}

func (a *App) services() []*token.Service {
	var all []*token.Service
	for _, m := range a.mounts {
		all = append(all, m.service)
	}
	return all
}

func (a *App) openStore(ctx context.Context, o Options) error {
	path := strings.TrimPrefix(a.Config.Store, "sqlite:")
	if o.Serve {
		if err := makeFolders(a.Config.Data, filepath.Dir(path)); err != nil {
			return err
		}
	} else if err := mustExist(path); err != nil {
		return err
	}
	db, err := sqlite.Open(ctx, sqlite.Options{Path: path, Serve: o.Serve || o.Alone, Migrations: sqlstore.SQLite(), Log: a.log})
	if err != nil {
		return err
	}
	a.db = db
	a.Store = sqlstore.New(db, a.services(), a.now)
	return nil
}

func makeFolders(folders ...string) error {
	for _, dir := range folders {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making the data folder: %w", err)
		}
	}
	return nil
}

// mustExist refuses for a command to make a database: one that finds none has
// been pointed at the wrong place.
func mustExist(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no database at %s: start `symbolon serve` once, or point at its folder with --data or --config", path)
	}
	return nil
}

func (a *App) openEngine(ctx context.Context, o Options) error {
	if o.Serve || o.Keys {
		keys, err := a.openKeys(ctx)
		if err != nil {
			return err
		}
		a.Keys = keys
		a.flow = a.newFlow()
	}
	hasher := o.Hasher
	if hasher == nil {
		hasher = account.NewHasher(account.DefaultCost)
	}
	a.Accounts = account.NewDirectory(a.Store, hasher, a.now)
	a.Engine = token.New(token.Options{Store: a.Store, Keys: engineKeys{a.Keys}, Services: a.services(),
		Now: a.now, Bound: time.Duration(a.Config.RevocationBound), Log: a.log, StatusBase: statusBase(a.Config),
		BrowserIdle: time.Duration(a.Config.SignIn.Idle), BrowserCap: time.Duration(a.Config.SignIn.Absolute)})
	a.lists = &statuslist.Publisher{Source: a.Engine, Signer: a.statusSigner, TTL: time.Duration(a.Config.StatusTTL),
		Issuer: a.Config.BaseURL}
	return nil
}
