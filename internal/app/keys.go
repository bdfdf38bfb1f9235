package app

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/jws"
	"symbolon/internal/keyring"
	"symbolon/internal/token"
)

// engineKeys shows the key rings to the engine in the engine's words.
type engineKeys struct{ *keyring.Keys }

var _ token.Keys = engineKeys{}

func (k engineKeys) Signer(service string, kind token.Kind) (jws.Signer, string, error) {
	return k.Keys.Signer(service, keyring.Purpose(kind))
}

func (k engineKeys) Verify(service string, t jws.Token, iat func() (time.Time, bool)) (token.Kind, error) {
	purpose, err := k.Keys.Verify(service, t, iat)
	return token.Kind(purpose), err
}

// legacyKey waits for a service's RSA key, which is made outside the start path.
func (a *App) legacyKey(service string) func(context.Context) (*rsa.PrivateKey, error) {
	return func(ctx context.Context) (*rsa.PrivateKey, error) { return a.Keys.Legacy(ctx, service) }
}

func (a *App) openKeys(ctx context.Context) (*keyring.Keys, error) {
	master, err := a.masterKey(ctx)
	if err != nil {
		return nil, err
	}
	wants, err := wanted(a.mounts)
	if err != nil {
		return nil, err
	}
	wants = append(wants, keyring.Want{Purpose: keyring.Status, Alg: keyring.ES256, Lifetime: time.Duration(a.Config.StatusTTL)})
	return keyring.Open(ctx, a.Store, master, wants, a.now)
}

// wanted lists the keys that all services need.
func wanted(mounts []mount) ([]keyring.Want, error) {
	var wants []keyring.Want
	for _, m := range mounts {
		own, err := m.wants()
		if err != nil {
			return nil, err
		}
		wants = append(wants, own...)
	}
	return wants, nil
}

// CheckKeys reports what is wrong with the key files that a configuration
// names: unreadable, weak or published keys, one key in two places, and a
// master key that is none. It opens no store, so it cannot see that a master
// key is another than the store's.
func CheckKeys(c *config.Config) error {
	mounts, err := (&App{Config: c, log: slog.New(slog.DiscardHandler)}).mountAll()
	if err != nil {
		return err
	}
	wants, err := wanted(mounts)
	if err != nil {
		return err
	}
	_, err = loadMaster(c)
	if errors.Is(err, keyring.ErrNoMaster) {
		err = nil // the first start makes one
	}
	return errors.Join(err, keyring.CheckPinned(wants))
}

func loadMaster(c *config.Config) (keyring.Master, error) {
	if file := c.MasterKeyPath(); file != "" {
		return keyring.LoadMaster("", file)
	}
	return keyring.LoadMaster(c.MasterKey.Reveal(), "")
}

// masterKey reads the master key. It makes one only for a store that has no
// keys yet: with another, the store's keys would be lost.
func (a *App) masterKey(ctx context.Context) (keyring.Master, error) {
	master, err := loadMaster(a.Config)
	if !errors.Is(err, keyring.ErrNoMaster) {
		return master, err
	}
	path := a.Config.MasterKeyPath()
	stored, err := a.Store.Keys(ctx)
	if err != nil {
		return keyring.Master{}, fmt.Errorf("looking for signing keys: %w", err)
	}
	if len(stored) > 0 {
		return keyring.Master{}, fmt.Errorf("the master key file %s is missing, and the %d keys in the store are sealed under it: "+
			"put it back from your backup, or name it with master_key_file", path, len(stored))
	}
	a.log.Info("making the master key: keep a copy of this file apart from the backups of the database", "file", path)
	return keyring.NewMasterFile(path)
}
