package account

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"symbolon/internal/secret"
)

// Outside is a person whom somebody outside vouches for, such as a directory.
type Outside struct {
	Subject string // the provider's name for the person, never given to another
	Login   string // how the person signs in there; a wish for the name here
	Display string // as people write it; left out where it cannot be one here
	Email   string // the same; never used to find an account
	Groups  []string
	Decides []string // groups here whose members the provider decides
}

// identity leaves out what cannot be a name or an address here.
func (who Outside) identity(provider string) Identity {
	i := Identity{Provider: provider, Subject: who.Subject}
	if checkDisplay(who.Display) == nil {
		i.Name = who.Display
	}
	if checkEmail(who.Email) == nil {
		i.Email = who.Email
	}
	return i
}

// maxNames bounds how many names are tried for a new account.
const maxNames = 20

// SignInOutside returns the number of the active account with the identity (provider,
// Subject) of the person that prove returns, making the account at the first sign-in: a
// new one, never one that has the name or the e-mail already. Groups that the provider
// decides become as it says.
//
// An error of prove that is ErrBadCredentials, and an account that is not active, count
// as failures of login, with the same limit as SignIn has and in a count of their own:
// that of one provider says nothing of another. Other errors are returned as they are.
// Prove runs for one caller at a time and login.
func (d *Directory) SignInOutside(ctx context.Context, by By, provider, login string, prove func(context.Context) (Outside, error)) (int64, error) {
	// A space keeps it apart from the names that passwords have.
	key := attemptKey(provider+" "+strings.Join(strings.Fields(login), " "), by.Addr)
	leave, err := d.turns.enter(ctx, key)
	if err != nil {
		return 0, fmt.Errorf("waiting to ask %s: %w", provider, err)
	}
	defer leave()
	failures, err := d.admit(ctx, key)
	if err != nil {
		return 0, err
	}
	var a Account
	who, err := prove(ctx)
	if err == nil {
		a, err = d.settle(ctx, by, provider, who)
	}
	return d.conclude(ctx, by, key, a, err, failures)
}

// SignInVouched is SignInOutside for a provider at which a person cannot guess here, since
// it has proved itself who signs in, as an OpenID provider has: nothing is limited. The
// caller has checked all that who says. ErrBadCredentials says why in its text.
func (d *Directory) SignInVouched(ctx context.Context, by By, provider string, who Outside) (int64, error) {
	a, err := d.settle(ctx, by, provider, who)
	return d.conclude(ctx, by, attemptKey(provider+" "+who.Subject, by.Addr), a, err, 0)
}

// conclude keeps the outcome of a sign-in; a refusal says why.
func (d *Directory) conclude(ctx context.Context, by By, key string, a Account, err error, failures int) (int64, error) {
	if err != nil && !errors.Is(err, ErrBadCredentials) {
		return 0, err
	}
	id, failed := d.note(ctx, by, key, a.ID, err == nil, failures)
	if failed == error(ErrBadCredentials) {
		return 0, err
	}
	return id, failed
}

// settle finds or makes the account. What stands in the way of that is the operator's
// business, so it is a failure and not a refusal.
func (d *Directory) settle(ctx context.Context, by By, provider string, who Outside) (Account, error) {
	a, err := d.store.ByIdentity(ctx, provider, who.Subject)
	if errors.Is(err, ErrNotFound) {
		a, err = d.welcome(ctx, by, provider, who)
	}
	switch {
	case err == nil && a.Status != Active:
		return Account{ID: a.ID}, refuseSignIn("account %d is %s", a.ID, a.Status)
	case err == nil && !a.has(provider, who.Subject):
		return Account{ID: a.ID}, refuseSignIn("the %s identity was removed from account %d", provider, a.ID)
	}
	if err == nil {
		err = d.regroup(ctx, by, a, who)
	}
	if err != nil {
		return Account{}, fmt.Errorf("finding the account of %s identity %q: %v", provider, who.Subject, err)
	}
	return a, nil
}

func refuseSignIn(format string, args ...any) error {
	return &Error{Kind: BadCredentials, Text: fmt.Sprintf(format, args...)}
}

// welcome makes an account under the first name that is free.
func (d *Directory) welcome(ctx context.Context, by By, provider string, who Outside) (a Account, err error) {
	i := who.identity(provider)
	n := New{Type: Person, Groups: who.Groups, Display: i.Name, Email: i.Email, Identities: []Identity{i}}
	for _, n.Name = range names(who.Login) {
		a, err = d.Add(ctx, by, n)
		if !errors.Is(err, ErrConflict) {
			return a, err
		}
		// Somebody else's name, or the same person signing in twice at once.
		if first, err := d.store.ByIdentity(ctx, provider, who.Subject); !errors.Is(err, ErrNotFound) {
			return first, err
		}
	}
	return a, err
}

// names lists the names to try: the login where it can be one, then with numbers, and at
// last one that nobody has.
func names(login string) []string {
	base := strings.TrimLeft(strings.Map(func(r rune) rune {
		if strings.ContainsRune(letters+"._-@", r) {
			return r
		}
		return -1
	}, login), "._-@")
	base = base[:min(len(base), maxName-len("-20"))]
	if base == "" {
		base = "uid"
	}
	var all []string
	if checkName("account", login) == nil {
		all = append(all, login)
	}
	for i := 2; i <= maxNames; i++ {
		all = append(all, fmt.Sprintf("%s-%d", base, i))
	}
	return append(all, base[:min(len(base), maxName-9)]+"-"+hex.EncodeToString(secret.Random(4)))
}

// regroup writes nothing where nothing has changed.
func (d *Directory) regroup(ctx context.Context, by By, a Account, who Outside) error {
	v := SetVerb{By: by, Now: d.now(), Name: a.Name}
	for _, g := range who.Groups {
		if !named(a.Groups, g) {
			v.AddGroups = append(v.AddGroups, g)
		}
	}
	for _, g := range who.Decides {
		if named(a.Groups, g) && !named(who.Groups, g) {
			v.RemoveGroups = append(v.RemoveGroups, g)
		}
	}
	if v.AddGroups == nil && v.RemoveGroups == nil {
		return nil
	}
	_, err := d.store.SetAccount(ctx, v)
	return err
}

func named(list []string, name string) bool {
	return slices.ContainsFunc(list, func(g string) bool { return Key(g) == Key(name) })
}
