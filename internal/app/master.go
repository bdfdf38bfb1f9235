package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"symbolon/internal/keyring"
)

// Rewrapped says what changing the master key did.
type Rewrapped struct {
	Keys int
	File string // where the new master key is now; empty when it came in a variable
	Old  string // where the old one is
}

// RewrapMaster seals all keys under the next master key and puts it in the place of the present one. It may be stopped
// anywhere and done again: until the last step both master keys are there, and servers take either.
func (a *App) RewrapMaster(ctx context.Context, by keyring.Act) (Rewrapped, error) {
	file := a.Config.MasterKeyPath()
	if file == "" {
		return a.rewrapVariable(ctx, by)
	}
	done := Rewrapped{File: file, Old: file + ".old"}
	if err := mayKeep(file, done.Old); err != nil {
		return done, err
	}
	next, err := nextMaster(file)
	if err != nil {
		return done, err
	}
	if done.Keys, err = a.Keys.Rewrap(ctx, by, next); err != nil {
		return done, err
	}
	return done, swap(file, done.Old)
}

func (a *App) rewrapVariable(ctx context.Context, by keyring.Act) (Rewrapped, error) {
	text := a.Config.NextMasterKey.Reveal()
	if text == "" {
		return Rewrapped{}, errors.New("the master key is in SYMBOLON_MASTER_KEY: set SYMBOLON_MASTER_KEY_NEXT to the new one, " +
			"for the servers too (restart them), and run this again")
	}
	next, err := keyring.LoadMaster(text, "")
	if err != nil {
		return Rewrapped{}, fmt.Errorf("SYMBOLON_MASTER_KEY_NEXT: %w", err)
	}
	n, err := a.Keys.Rewrap(ctx, by, next)
	return Rewrapped{Keys: n}, err
}

// nextMaster is the one in the file beside the present one, made if there is none.
func nextMaster(file string) (keyring.Master, error) {
	next, err := keyring.LoadMaster("", NextMaster(file))
	if errors.Is(err, keyring.ErrNoMaster) {
		return keyring.NewMasterFile(NextMaster(file))
	}
	return next, err
}

// mayKeep refuses to overwrite an older master key, which an older backup may need.
func mayKeep(file, old string) error {
	kept, err := os.ReadFile(old)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	present, err := os.ReadFile(file)
	if err == nil && !bytes.Equal(kept, present) {
		return fmt.Errorf("%s holds an older master key: move it to where you keep such, and run this again", old)
	}
	return err
}

// swap keeps the present file under its old name and puts the next one in its place, in one step.
func swap(file, old string) error {
	if err := os.Link(file, old); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keeping the old master key: %w", err)
	}
	if err := os.Rename(NextMaster(file), file); err != nil {
		return fmt.Errorf("putting the new master key into place: %w", err)
	}
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
