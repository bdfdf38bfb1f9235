package app

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"symbolon/internal/account"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// The demo accounts of a development server.
const (
	DemoPerson      = "demo"
	DemoApplication = "demo-app"
)

// demoLabel marks what a development server makes for its printed lines.
const demoLabel = "printed at start"

// Password is a demo account's, known only to the server that made it.
type Password struct {
	Account string
	Text    secret.Text
}

// Demo is what the printed lines need.
type Demo struct {
	Passwords   []Password   // of accounts made just now
	Samples     token.Tokens // the person's, of each dialect
	Ecology     token.Tokens
	Collections token.Tokens
	Warehouse   token.Tokens
	Machine     token.Tokens // the application's, at the warehouse
	Pasta       string
	Key         secret.Text
}

// Password is that of an account made just now, or empty.
func (d Demo) Password(account string) string {
	for _, p := range d.Passwords {
		if p.Account == account {
			return p.Text.Reveal()
		}
	}
	return ""
}

// PrepareDemo makes the demo accounts where they are missing, and fresh
// credentials for the person among them.
func (a *App) PrepareDemo(ctx context.Context) (Demo, error) {
	var d Demo
	for _, n := range []account.New{
		{Name: DemoPerson, Type: account.Person, Display: "Demo Person", Email: "demo@example.org"},
		{Name: DemoApplication, Type: account.Application, Display: "Demo Application"},
	} {
		made, err := a.demoAccount(ctx, n)
		if err != nil {
			return Demo{}, fmt.Errorf("making the demo accounts: %w", err)
		}
		d.Passwords = append(d.Passwords, made...)
	}
	err := a.demoTokens(ctx, &d)
	return d, err
}

// demoAccount returns the password of an account it had to make.
func (a *App) demoAccount(ctx context.Context, n account.New) ([]Password, error) {
	_, err := a.Accounts.Get(ctx, n.Name)
	if err == nil || !errors.Is(err, account.ErrNotFound) {
		return nil, err
	}
	n.Password = base64.RawURLEncoding.EncodeToString(secret.Random(12))
	by := account.By{Actor: "server"}
	if _, err := a.Accounts.Add(ctx, by, n); err != nil {
		return nil, err
	}
	codes := map[string]string{}
	for _, m := range a.mounts {
		if m.config.Sesar != nil && n.Type == account.Person {
			codes[m.config.Name+".user_codes"] = "MOB,ABC"
		}
	}
	change := account.Change{Attrs: codes}
	if admins := a.Config.SignIn.AdminGroup; admins != "" && n.Type == account.Person {
		if _, err := a.Accounts.AddGroup(ctx, by, admins, ""); err != nil && !errors.Is(err, account.ErrConflict) {
			return nil, err
		}
		change.AddGroups = []string{admins}
	}
	if _, err := a.Accounts.Set(ctx, by, n.Name, change); err != nil {
		return nil, err
	}
	return []Password{{n.Name, secret.New(n.Password)}}, nil
}

// serverCaller is the server acting for itself.
func serverCaller() token.Caller { return token.Caller{Actor: "server", Operator: true} }

// demoTokens replaces the credentials of an earlier start.
func (a *App) demoTokens(ctx context.Context, d *Demo) error {
	person, err := a.forgetDemo(ctx, DemoPerson)
	if err != nil {
		return err
	}
	machine, err := a.forgetDemo(ctx, DemoApplication)
	if err != nil {
		return err
	}
	for _, m := range a.mounts {
		if err := a.demoService(ctx, m, person, machine, d); err != nil {
			return fmt.Errorf("issuing demo tokens of %s: %w", m.config.Name, err)
		}
	}
	d.Key, _, err = a.Engine.MakeKey(ctx, serverCaller(), token.KeyRequest{Account: person, Label: demoLabel, To: a.now().AddDate(0, 1, 0)})
	return err
}

// forgetDemo ends what an earlier start printed, and returns the account's number.
func (a *App) forgetDemo(ctx context.Context, name string) (int64, error) {
	acc, err := a.Accounts.Get(ctx, name)
	if err != nil {
		return 0, err
	}
	old, err := a.Engine.List(ctx, serverCaller(), token.Filter{Account: acc.ID, Live: true})
	if err != nil {
		return 0, err
	}
	for _, g := range old {
		if g.Label != demoLabel {
			continue
		}
		if _, err := a.Engine.Revoke(ctx, serverCaller(), token.RevokeRequest{Grant: g.ID, Reason: "replaced at the next start"}); err != nil {
			return 0, err
		}
	}
	return acc.ID, nil
}

// demoService issues what the printed lines of one service need.
func (a *App) demoService(ctx context.Context, m mount, person, machine int64, d *Demo) error {
	req := token.IssueRequest{Service: m.config.Name, Kind: token.Pair, Account: person, Label: demoLabel}
	t, err := a.Engine.Issue(ctx, serverCaller(), req)
	if err != nil {
		return err
	}
	switch {
	case m.config.Sesar != nil:
		d.Samples = t
	case m.config.CollectiveAccess != nil:
		d.Collections = t
	case m.config.ItemPath != nil:
		d.Warehouse, req.Account = t, machine
		d.Machine, err = a.Engine.Issue(ctx, serverCaller(), req)
	case m.config.EDI != nil:
		var companions map[string]string
		companions, err = a.Companions(ctx, m.config.Name, t)
		d.Ecology, d.Pasta = t, companions["pasta-token"]
	}
	return err
}
