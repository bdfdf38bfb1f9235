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

func (k engineKeys) Signer(service string, kind token.Kind, born time.Time) (jws.Signer, string, error) {
	return k.Keys.Signer(service, keyring.Purpose(kind), born)
}

// Reload does nothing in a command that opened no keys.
func (k engineKeys) Reload(ctx context.Context) error {
	if k.Keys == nil {
		return nil
	}
	return k.Keys.Reload(ctx)
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
	if err := a.makeMasterKey(ctx); err != nil {
		return nil, err
	}
	wants, err := wanted(a.Config, a.mounts)
	if err != nil {
		return nil, err
	}
	return keyring.Open(ctx, a.Store, func() ([]keyring.Master, error) { return loadMasters(a.Config) }, wants, a.now)
}

// wanted lists the keys that the installation and its services need, and how they rotate.
func wanted(c *config.Config, mounts []mount) ([]keyring.Want, error) {
	wants := []keyring.Want{{Purpose: keyring.Status, Alg: keyring.ES256, Lifetime: time.Duration(c.StatusTTL)}}
	for _, m := range mounts {
		own, err := m.wants()
		if err != nil {
			return nil, err
		}
		wants = append(wants, own...)
	}
	for i := range wants {
		w := &wants[i]
		w.Rotate, w.Lead = time.Duration(c.KeyRotation), keyLead(c)
		w.Lifetime += time.Duration(c.RevocationBound) + keyring.Settled // a server that hears of a change late
	}
	return wants, nil
}

// keyLead is how long a key is published before it signs: a day, since some verifiers keep keys for that long.
func keyLead(c *config.Config) time.Duration {
	if c.KeyRotation == 0 {
		return 24 * time.Hour
	}
	return min(24*time.Hour, time.Duration(c.KeyRotation)/2)
}

// keysKept is how long others may keep our public keys: a new one is published at least four times as long before
// it signs.
func keysKept(c *config.Config) time.Duration { return min(5*time.Minute, keyLead(c)/4) }

// tendKeys lets the keys rotate. The keeper calls it while the clock is believed.
func (a *App) tendKeys(ctx context.Context, now time.Time) error {
	return a.Keys.Tend(ctx, now, a.busy)
}

// busy reports whether a service has live application tokens made between two moments.
func (a *App) busy(ctx context.Context, service string, from, to time.Time) (bool, error) {
	live, err := a.Store.Applications(ctx, service, from, to)
	return len(live) > 0, err
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
	wants, err := wanted(c, mounts)
	if err != nil {
		return err
	}
	_, err = loadMasters(c)
	if errors.Is(err, keyring.ErrNoMaster) {
		err = nil // the first start makes one
	}
	return errors.Join(err, keyring.CheckPinned(wants))
}

// loadMasters returns the master key and, while it is being changed, the next one.
func loadMasters(c *config.Config) ([]keyring.Master, error) {
	file := c.MasterKeyPath()
	if file == "" {
		return masters(c.MasterKey.Reveal(), c.NextMasterKey.Reveal())
	}
	present, err := keyring.LoadMaster("", file)
	next, nextErr := keyring.LoadMaster("", NextMaster(file))
	switch {
	case errors.Is(nextErr, keyring.ErrNoMaster):
		return []keyring.Master{present}, err
	case nextErr != nil:
		return nil, nextErr
	case errors.Is(err, keyring.ErrNoMaster):
		return []keyring.Master{next}, nil
	}
	return []keyring.Master{present, next}, err
}

// NextMaster is the file of the next master key, beside the file of the present one.
func NextMaster(file string) string { return file + ".next" }

// masters decodes the values of the variables, of which the second may be empty.
func masters(env ...string) (all []keyring.Master, err error) {
	for i, text := range env {
		if i > 0 && text == "" {
			continue
		}
		m, err := keyring.LoadMaster(text, "")
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// missingKeys opens the stored keys and changes nothing; it names those that a start would make. In a store without any it
// names all.
func (a *App) missingKeys(ctx context.Context) ([]string, error) {
	stored, err := a.Store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking for signing keys: %w", err)
	}
	if len(stored) == 0 {
		return []string{"all services: there is none yet"}, nil
	}
	masters, err := loadMasters(a.Config)
	if errors.Is(err, keyring.ErrNoMaster) {
		return nil, a.lostMaster(len(stored))
	}
	if err != nil {
		return nil, err
	}
	wants, err := wanted(a.Config, a.mounts)
	if err != nil {
		return nil, err
	}
	return keyring.Missing(ctx, a.Store, func() ([]keyring.Master, error) { return masters, nil }, wants, a.now)
}

func (a *App) lostMaster(keys int) error {
	return fmt.Errorf("the master key file %s is missing, and the %d keys in the store are sealed under it: "+
		"put it back from your backup, or name it with master_key_file", a.Config.MasterKeyPath(), keys)
}

// makeMasterKey makes one for a store that has no keys yet, if there is none:
// with another, the store's keys would be lost.
func (a *App) makeMasterKey(ctx context.Context) error {
	_, err := loadMasters(a.Config)
	if !errors.Is(err, keyring.ErrNoMaster) {
		return err
	}
	path := a.Config.MasterKeyPath()
	stored, err := a.Store.Keys(ctx)
	if err != nil {
		return fmt.Errorf("looking for signing keys: %w", err)
	}
	if len(stored) > 0 {
		return a.lostMaster(len(stored))
	}
	a.log.Info("making the master key: keep a copy of this file apart from the backups of the database", "file", path)
	_, err = keyring.NewMasterFile(path)
	return err
}
