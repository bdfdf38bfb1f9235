package main

import (
	"context"
	"fmt"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/app"
	"symbolon/internal/token"
)

type apikeyCommands struct {
	Create apikeyCreate `cmd:"" help:"Create an API key. It is printed once."`
	List   apikeyList   `cmd:"" help:"List API keys."`
	Revoke apikeyRevoke `cmd:"" help:"Revoke an API key and everything made with it."`
}

type apikeyCreate struct {
	Account string `help:"Account that owns the key." required:"" placeholder:"NAME"`
	Name    string `help:"Name of the key in lists." required:"" placeholder:"LABEL"`
	Group   string `help:"Act for this group, which the account owns, instead of the account." placeholder:"NAME"`
	From    string `help:"First day, as 2026-01-31 (UTC); today if not given." placeholder:"DATE"`
	To      string `help:"Last day, included; a year less a day if not given." placeholder:"DATE"`
}

func (c *apikeyCreate) Run(ctx context.Context, t *terminal, all *commands) error {
	from, to, err := days(c.From, c.To, time.Now())
	if err != nil {
		return err
	}
	return all.withApp(ctx, t, false, func(a *app.App) error {
		acc, err := a.Accounts.Get(ctx, c.Account)
		if err != nil {
			return err
		}
		var group account.Group
		if c.Group != "" {
			if group, err = findGroup(ctx, a, c.Group); err != nil {
				return err
			}
		}
		key, g, err := a.Engine.MakeKey(ctx, token.Operator(), token.KeyRequest{Account: acc.ID, Group: group.ID, Label: c.Name, From: from, To: to})
		if err != nil {
			return fmt.Errorf("creating an API key: %w", err)
		}
		if all.JSON {
			return t.printJSON(map[string]any{"key": key.Reveal(), "id": g.ID, "from": stamp(from), "expires": stamp(to), "preview": g.Preview})
		}
		fmt.Fprintln(t.err, "Shown once; whoever holds it acts as the account.")
		_, err = fmt.Fprintf(t.out, "id: %d\nkey: %s\n", g.ID, key.Reveal())
		return err
	})
}

// days turns a first and a last day into the first moment and the first one
// after the end, in UTC.
func days(first, last string, now time.Time) (from, to time.Time, err error) {
	from = now.UTC().Truncate(24 * time.Hour)
	if first != "" {
		if from, err = time.Parse(time.DateOnly, first); err != nil {
			return from, to, usage("--from is a day such as 2026-01-31, not %q", first)
		}
	}
	if last == "" {
		return from, from.AddDate(1, 0, 0), nil
	}
	if to, err = time.Parse(time.DateOnly, last); err != nil {
		return from, to, usage("--to is a day such as 2026-12-31, not %q", last)
	}
	return from, to.AddDate(0, 0, 1), nil
}

type apikeyList struct {
	Account string `help:"Of this account only." placeholder:"NAME"`
	All     bool   `help:"Also those that have ended."`
}

func (c *apikeyList) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		f := token.Filter{Kinds: []token.GrantKind{token.APIKey}, Live: !c.All}
		if c.Account != "" {
			acc, err := a.Accounts.Get(ctx, c.Account)
			if err != nil {
				return err
			}
			f.Account = acc.ID
		}
		return listGrants(ctx, t, a, all.JSON, "API keys", f)
	})
}

type apikeyRevoke struct {
	ID int64 `arg:"" help:"Number of the key, as listed." name:"id"`
}

func (c *apikeyRevoke) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		g, err := a.Store.Grant(ctx, c.ID)
		if err != nil {
			return err
		}
		if g.Kind != token.APIKey {
			return nothing{fmt.Sprintf("grant %d is a %s, not an API key: see symbolon token revoke", c.ID, g.Kind)}
		}
		return revokeAndPrint(ctx, t, a, all.JSON, token.RevokeRequest{Grant: c.ID, Reason: "revoked by the operator"})
	})
}
