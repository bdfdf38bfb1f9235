// Package app puts the parts together: it opens the store, the keys, the
// dialects and the engine that a configuration names, and runs the server or
// lends the parts to a command. It is the only package that knows them all.
package app

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/keyring"
	"symbolon/internal/signin/flow"
	"symbolon/internal/signin/ldap"
	"symbolon/internal/signin/oidc"
	"symbolon/internal/signin/standin"
	"symbolon/internal/statuslist"
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
	// Alone opens without serving: no server may run beside.
	Alone bool
	// Keys opens the signing keys too, which minting needs.
	Keys bool
	// Version is this program's, for who lists the servers of a database.
	Version string
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
	keySets      sync.Map // :: names of services → *keySet
	lists        *statuslist.Publisher[*document]
	verifierKey  [32]byte      // hash of the secret of who follows the event stream; zero for nobody
	stopping     chan struct{} // closed when the server stops

	version string
	metrics *metrics
	nodes   atomic.Pointer[nodeNews]
	db      database
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
	a := &App{Config: o.Config, version: o.Version, now: o.Now, log: o.Log, stopping: make(chan struct{})}
	if err := a.readVerifierKey(); err != nil {
		return nil, err
	}
	a.metrics = newMetrics(a)
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
		BrowserIdle: time.Duration(a.Config.SignIn.Idle), BrowserCap: time.Duration(a.Config.SignIn.Absolute), Observer: a.metrics})
	a.lists = &statuslist.Publisher[*document]{Source: a.Engine, Signer: a.statusSigner, Publish: publishList,
		TTL: time.Duration(a.Config.StatusTTL), Issuer: a.Config.BaseURL}
	return nil
}
