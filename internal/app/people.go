package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/dialect/itempath"
	"symbolon/internal/token"
)

// door lets a dialect ask whether a password is right, in the engine's words.
type door struct{ app *App }

// SignIn returns the account's number.
func (d door) SignIn(ctx context.Context, by token.Caller, name, password string) (int64, error) {
	id, err := d.app.Accounts.SignIn(ctx, asBy(by), name, password)
	return id, asRefusal(err)
}

// asBy names an account as the one who acts, for the audit log.
func asBy(c token.Caller) account.By {
	by := account.By{Actor: c.Actor, Addr: c.Addr, Agent: c.Agent}
	if c.Account != 0 {
		by.Actor = fmt.Sprintf("account %d", c.Account)
	}
	return by
}

var refusalCodes = map[account.Kind]token.Code{
	account.NotFound:       token.NotFound,
	account.Conflict:       token.Conflict,
	account.Invalid:        token.Malformed,
	account.BadCredentials: token.BadCredentials,
	account.TooMany:        token.TooMany,
	account.Busy:           token.Unavailable,
}

// asRefusal turns a refusal of the accounts into one of the engine's; a failure
// stays what it is.
func asRefusal(err error) error {
	var refused *account.Error
	if !errors.As(err, &refused) {
		return err
	}
	return &token.Error{Code: refusalCodes[refused.Kind], Err: refused, RetryAfter: refused.RetryAfter}
}

// people shows the accounts to a dialect as the users of its service.
type people struct {
	app     *App
	service string
}

var _ itempath.People = people{}

// List returns all who are not deleted, by name. Whoever is disabled since before
// there was this service has no id in it, and is no user of it.
func (p people) List(ctx context.Context) ([]itempath.Person, error) {
	var all []itempath.Person
	for _, status := range []string{account.Active, account.Disabled} {
		found, err := p.app.Accounts.List(ctx, account.Filter{Status: status, Limit: maxPeople})
		if err != nil {
			return nil, asRefusal(err)
		}
		for _, a := range found {
			user, err := p.numbered(ctx, a)
			if err != nil {
				return nil, err
			}
			if user.ID != "" {
				all = append(all, user)
			}
		}
	}
	slices.SortFunc(all, func(a, b itempath.Person) int { return strings.Compare(account.Key(a.Name), account.Key(b.Name)) })
	return all, nil
}

// numbered gives an active account that is older than the service its id there.
func (p people) numbered(ctx context.Context, a account.Account) (itempath.Person, error) {
	user := p.person(a)
	if user.ID != "" {
		return user, nil
	}
	sub, err := p.app.Store.Subject(ctx, p.service, a.ID, 0)
	user.ID = sub.ID
	return user, err
}

// maxPeople bounds one answer.
const maxPeople = 10_000

// Get returns one by the service's own id.
func (p people) Get(ctx context.Context, id string) (itempath.Person, error) {
	a, err := p.account(ctx, id)
	return p.person(a), err
}

func (p people) account(ctx context.Context, id string) (account.Account, error) {
	sub, err := p.app.Store.SubjectByID(ctx, p.service, id)
	if err != nil {
		return account.Account{}, err
	}
	a, err := p.app.Accounts.Get(ctx, sub.Name)
	return a, asRefusal(err)
}

func (p people) person(a account.Account) itempath.Person {
	return itempath.Person{ID: a.Subjects[p.service], Name: a.Name, Email: a.Email,
		Application: a.Type == account.Application, Active: a.Status == account.Active,
		Pending: !a.HasPassword && len(a.Identities) <= 1, Groups: a.Groups}
}

// Add makes an active user.
func (p people) Add(ctx context.Context, by token.Caller, n itempath.NewPerson) (itempath.Person, error) {
	a, err := p.app.Accounts.Add(ctx, asBy(by), account.New{Name: n.Name, Type: accountType(n.Application),
		Email: n.Email, Password: n.Password})
	return p.person(a), asRefusal(err)
}

func accountType(application bool) string {
	if application {
		return account.Application
	}
	return account.Person
}

// Change makes a change and lets this server act on it at once.
func (p people) Change(ctx context.Context, by token.Caller, id string, c itempath.Change) (itempath.Person, error) {
	a, err := p.account(ctx, id)
	if err != nil {
		return itempath.Person{}, err
	}
	if c.Application != nil {
		kind := accountType(*c.Application)
		if _, err := p.app.Accounts.Set(ctx, asBy(by), a.Name, account.Change{Type: &kind}); err != nil {
			return itempath.Person{}, asRefusal(err)
		}
	}
	if err := p.setActive(ctx, by, a, c.Active); err != nil {
		return itempath.Person{}, err
	}
	if err := p.app.Engine.CatchUp(ctx); err != nil {
		return itempath.Person{}, err
	}
	return p.Get(ctx, id)
}

// setActive disables or enables; the dialect has checked that an admin asks.
func (p people) setActive(ctx context.Context, by token.Caller, a account.Account, active *bool) error {
	switch {
	case active == nil || *active == (a.Status == account.Active):
		return nil
	case *active:
		if err := p.mayEnable(ctx, a); err != nil {
			return err
		}
		_, err := p.app.Accounts.Enable(ctx, asBy(by), a.Name)
		return asRefusal(err)
	}
	by.Operator, by.Actor, by.Service = true, asBy(by).Actor, p.service
	_, err := p.app.Engine.EndAccount(ctx, by, a.ID, account.Disabled, "deactivated by an admin")
	return err
}

// mayEnable refuses an account that the operator or an admin of more than this service
// disabled: an admin of one service opens again only what an admin of it closed.
func (p people) mayEnable(ctx context.Context, a account.Account) error {
	lines, err := p.app.Store.Audit(ctx, audit.Filter{Account: a.ID, Kinds: []audit.Kind{audit.AccountDisabled}})
	if err != nil {
		return err
	}
	for _, l := range lines { // newest first
		if l.Account != a.ID { // one that was joined into it
			continue
		}
		if l.Service == p.service {
			return nil
		}
		break
	}
	return token.Refuse(token.Conflict, "the operator deactivated this user: ask the operator")
}
