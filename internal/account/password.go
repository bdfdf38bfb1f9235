package account

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"symbolon/internal/secret"
)

const (
	resetBytes = 32             // of a reset link's secret: 43 characters of base64url
	resetLife  = 24 * time.Hour // until it is too old
)

// ChangePassword sets a new password for an account whose old one is given, and signs out
// its browsers but for the grant keep. A wrong old one is ErrBadCredentials and counts as a
// failed sign-in, with ErrTooMany and ErrBusy as there; ErrInvalid for a new one that may
// not be used.
func (d *Directory) ChangePassword(ctx context.Context, by By, account int64, old, new string, keep int64) error {
	a, err := d.judge(ctx, account, new)
	if err != nil {
		return err
	}
	if id, err := d.SignIn(ctx, by, a.Name, old); err != nil {
		return err
	} else if id != a.ID {
		return fmt.Errorf("changing password of account %d: its name signs in account %d", a.ID, id)
	}
	return d.setPassword(ctx, PasswordVerb{By: by, Account: a.ID, Keep: keep}, new)
}

// FirstPassword sets the password of an account that has none, and signs out its browsers
// but for the grant keep. ErrConflict for an account that has one, or is disabled. The caller
// has made sure that the person signed in a moment ago.
func (d *Directory) FirstPassword(ctx context.Context, by By, account int64, new string, keep int64) error {
	a, err := d.judge(ctx, account, new)
	if err != nil {
		return err
	}
	if a.HasPassword {
		return &Error{Kind: Conflict, Text: "the account has a password; change that one"}
	}
	return d.setPassword(ctx, PasswordVerb{By: by, Account: a.ID, Keep: keep, First: true}, new)
}

// judge reads an account and checks a new password for it.
func (d *Directory) judge(ctx context.Context, account int64, new string) (Account, error) {
	a, err := d.store.AccountByID(ctx, account)
	if err == nil {
		err = CheckPassword(new, a.words()...)
	}
	if err != nil {
		return Account{}, fmt.Errorf("changing password: %w", err)
	}
	return a, nil
}

func (d *Directory) setPassword(ctx context.Context, v PasswordVerb, new string) (err error) {
	if v.Hash, err = d.hasher.Hash(ctx, new); err != nil {
		return fmt.Errorf("changing password: %w", err)
	}
	v.Now = d.now()
	return d.store.SetPassword(ctx, v)
}

// ResetLink returns the secret of a link by which the account's password can be set once,
// for 24 hours, and when that ends. An earlier link of the account is good no more.
// ErrNotFound for an unknown account, ErrConflict for a disabled one.
func (d *Directory) ResetLink(ctx context.Context, by By, name string) (secret.Text, time.Time, error) {
	if err := checkName("account", name); err != nil {
		return secret.Text{}, time.Time{}, fmt.Errorf("making reset link: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(secret.Random(resetBytes))
	now := d.now()
	end := now.Add(resetLife)
	if err := d.store.AddReset(ctx, ResetVerb{By: by, Now: now, Name: name, Hash: sha256.Sum256([]byte(text)), Expires: end}); err != nil {
		return secret.Text{}, time.Time{}, err
	}
	return secret.New(text), end, nil
}

// ResetAccount returns the account of a reset link's secret, to show whose password it sets;
// the link stays good. ErrNotFound for one that was used, is too old or never was.
func (d *Directory) ResetAccount(ctx context.Context, s secret.Text) (Account, error) {
	return d.store.Reset(ctx, sha256.Sum256([]byte(s.Reveal())), d.now())
}

// ResetPassword uses a reset link up: it sets the password, signs out all browsers and
// returns the account's number. ErrNotFound as for ResetAccount; ErrInvalid for a password
// that may not be used, after which the link is still good.
func (d *Directory) ResetPassword(ctx context.Context, by By, s secret.Text, new string) (int64, error) {
	a, err := d.ResetAccount(ctx, s)
	if err != nil {
		return 0, err
	}
	if err := CheckPassword(new, a.words()...); err != nil {
		return 0, fmt.Errorf("changing password: %w", err)
	}
	hash, err := d.hasher.Hash(ctx, new)
	if err != nil {
		return 0, fmt.Errorf("changing password: %w", err)
	}
	return d.store.UseReset(ctx, UseResetVerb{By: by, Now: d.now(), Hash: sha256.Sum256([]byte(s.Reveal())), PasswordHash: hash})
}
