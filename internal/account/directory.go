package account

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"symbolon/internal/secret"
)

// Directory is the verbs on accounts and groups with every field validated and
// passwords hashed, over a Store. Who may call them is the caller's business.
type Directory struct {
	store  Store
	hasher *Hasher
	now    func() time.Time
	turns  turns
}

// NewDirectory returns a Directory; all three arguments are needed.
func NewDirectory(store Store, hasher *Hasher, now func() time.Time) *Directory {
	return &Directory{store: store, hasher: hasher, now: now}
}

// New is an account to be made. Display, Email, Password, Groups and
// Identities may be empty; without a password nobody signs in by one.
type New struct {
	Name, Type, Display, Email, Password string
	Groups                               []string
	Identities                           []Identity
}

// Change is what should become different about an account; nil fields stay.
type Change struct {
	Display, Email, Type, Password *string
	AddGroups, RemoveGroups        []string
	Attrs                          map[string]string // :: "service.key" → new value, "" removes
}

// Add makes an account. ErrInvalid for a bad field, ErrConflict for a name or
// identity that was ever used, ErrNotFound for an unknown group.
func (d *Directory) Add(ctx context.Context, by By, n New) (Account, error) {
	if err := n.check(); err != nil {
		return Account{}, fmt.Errorf("adding account: %w", err)
	}
	hash, err := d.hash(ctx, n.Password)
	if err != nil {
		return Account{}, fmt.Errorf("adding account %s: %w", n.Name, err)
	}
	return d.store.AddAccount(ctx, AddVerb{
		By: by, Now: d.now(), Name: n.Name, Type: n.Type, Display: n.Display, Email: n.Email,
		PasswordHash: hash, Groups: n.Groups, Identities: n.Identities,
	})
}

// Set changes an account. ErrInvalid for a bad field, ErrNotFound for an
// unknown account or group. It ends no tokens; what they lose by the change
// they lose at their next refresh. A new password signs out every browser.
func (d *Directory) Set(ctx context.Context, by By, name string, c Change) (Account, error) {
	if err := c.check(name); err != nil {
		return Account{}, fmt.Errorf("changing account: %w", err)
	}
	v := SetVerb{
		By: by, Name: name, Display: c.Display, Email: c.Email, Type: c.Type,
		AddGroups: c.AddGroups, RemoveGroups: c.RemoveGroups, Attrs: c.Attrs,
	}
	if c.Password != nil {
		if err := d.checkNew(ctx, name, *c.Password); err != nil {
			return Account{}, fmt.Errorf("changing account: %w", err)
		}
		hash, err := d.hash(ctx, *c.Password)
		if err != nil {
			return Account{}, fmt.Errorf("changing account %s: %w", name, err)
		}
		v.PasswordHash = &hash
	}
	v.Now = d.now()
	return d.store.SetAccount(ctx, v)
}

// checkNew judges a new password for an account that is there already.
func (d *Directory) checkNew(ctx context.Context, name, password string) error {
	a, err := d.store.Account(ctx, name)
	if err != nil {
		return err
	}
	return CheckPassword(password, a.words()...)
}

// Enable makes a disabled account active again. Its old tokens stay dead.
func (d *Directory) Enable(ctx context.Context, by By, name string) (Account, error) {
	if err := checkName("account", name); err != nil {
		return Account{}, fmt.Errorf("enabling account: %w", err)
	}
	return d.store.EnableAccount(ctx, by, d.now(), name)
}

// Get returns an account by its sign-in name, in any case; ErrNotFound for an
// unknown or deleted one.
func (d *Directory) Get(ctx context.Context, name string) (Account, error) {
	if err := checkName("account", name); err != nil {
		return Account{}, fmt.Errorf("reading account: %w", err)
	}
	return d.store.Account(ctx, name)
}

// List returns the accounts a filter matches, by name. ErrInvalid for a type,
// status or group that cannot be.
func (d *Directory) List(ctx context.Context, f Filter) ([]Account, error) {
	if err := f.check(); err != nil {
		return nil, fmt.Errorf("listing accounts: %w", err)
	}
	return d.store.Accounts(ctx, f)
}

// AddGroup makes a group and its stable id. Owner is an account's name, or ""
// for nobody.
func (d *Directory) AddGroup(ctx context.Context, by By, name, owner string) (Group, error) {
	err := checkName("group", name)
	if err == nil && owner != "" {
		err = checkName("account", owner)
	}
	if err != nil {
		return Group{}, fmt.Errorf("adding group: %w", err)
	}
	return d.store.AddGroup(ctx, by, d.now(), name, hex.EncodeToString(secret.Random(16)), owner)
}

// DeleteGroup removes a group; ErrNotFound if there is none.
func (d *Directory) DeleteGroup(ctx context.Context, by By, name string) error {
	if err := checkName("group", name); err != nil {
		return fmt.Errorf("deleting group: %w", err)
	}
	return d.store.DeleteGroup(ctx, by, d.now(), name)
}

// ListGroups returns every group, by name.
func (d *Directory) ListGroups(ctx context.Context) ([]Group, error) {
	return d.store.Groups(ctx)
}

// AddMember puts an account into a group; one that is in it already stays.
func (d *Directory) AddMember(ctx context.Context, by By, group, account string) error {
	if err := checkMember(group, account); err != nil {
		return fmt.Errorf("adding member: %w", err)
	}
	return d.store.AddMember(ctx, by, d.now(), group, account)
}

// RemoveMember takes an account out of a group, if it is in it.
func (d *Directory) RemoveMember(ctx context.Context, by By, group, account string) error {
	if err := checkMember(group, account); err != nil {
		return fmt.Errorf("removing member: %w", err)
	}
	return d.store.RemoveMember(ctx, by, d.now(), group, account)
}

// hash returns "" for no password.
func (d *Directory) hash(ctx context.Context, password string) (string, error) {
	if password == "" {
		return "", nil
	}
	return d.hasher.Hash(ctx, password)
}
