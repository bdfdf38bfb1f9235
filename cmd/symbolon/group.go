package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"symbolon/internal/account"
	"symbolon/internal/app"
)

type groupCommands struct {
	Add    groupAdd    `cmd:"" help:"Add a group."`
	List   groupList   `cmd:"" help:"List groups and their members."`
	Delete groupDelete `cmd:"" help:"Delete a group and the API keys that act for it."`
	Member groupMember `cmd:"" help:"Add members to a group, or remove them."`
}

type groupAdd struct {
	Group string `arg:"" name:"name" help:"Name of the group."`
	Owner string `help:"Account that owns it and may make API keys for it." placeholder:"NAME"`
}

// groupRow is a group as commands print it.
type groupRow struct {
	ID      int64    `json:"id"`
	Name    string   `json:"name"`
	Owner   string   `json:"owner"`
	Members []string `json:"members"`
	Created string   `json:"created"`
}

func newGroupRow(g account.Group) groupRow {
	return groupRow{g.ID, g.Name, g.Owner, append([]string{}, g.Members...), stamp(g.CreatedAt)}
}

func (r groupRow) cells() []string {
	return []string{r.Name, fmt.Sprint(r.ID), dash(r.Owner), dash(strings.Join(r.Members, ","))}
}

const groupHeading = "NAME ID OWNER MEMBERS"

func (c *groupAdd) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		g, err := a.Accounts.AddGroup(ctx, operator, c.Group, c.Owner)
		if err != nil {
			return err
		}
		return printGroup(t, all.JSON, g)
	})
}

func printGroup(t *terminal, asJSON bool, g account.Group) error {
	if asJSON {
		return t.printJSON(newGroupRow(g))
	}
	return t.printTable(groupHeading, [][]string{newGroupRow(g).cells()})
}

// findGroup finds a group as accounts are found, in any letter case.
func findGroup(ctx context.Context, a *app.App, name string) (account.Group, error) {
	groups, err := a.Accounts.ListGroups(ctx)
	if err != nil {
		return account.Group{}, err
	}
	for _, g := range groups {
		if account.Key(g.Name) == account.Key(name) {
			return g, nil
		}
	}
	return account.Group{}, nothing{fmt.Sprintf("there is no group %q: see symbolon group list", name)}
}

type groupList struct{}

func (c *groupList) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		groups, err := a.Accounts.ListGroups(ctx)
		if err != nil {
			return err
		}
		var rows []groupRow
		for _, g := range groups {
			rows = append(rows, newGroupRow(g))
		}
		return printList(t, all.JSON, "groups", groupHeading, rows, groupRow.cells)
	})
}

type groupDelete struct {
	Group string `arg:"" name:"name" help:"Name of the group."`
}

func (c *groupDelete) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		g, err := findGroup(ctx, a, c.Group)
		if err != nil {
			return err
		}
		if err := a.Accounts.DeleteGroup(ctx, operator, c.Group); err != nil {
			return err
		}
		fmt.Fprintln(t.err, "Deleted, as it was:")
		return printGroup(t, all.JSON, g)
	})
}

type groupMember struct {
	Group  string   `arg:"" name:"group" help:"Name of the group."`
	Add    []string `help:"Account to add; may be repeated." placeholder:"NAME"`
	Remove []string `help:"Account to remove; may be repeated." placeholder:"NAME"`
}

func (c *groupMember) Run(ctx context.Context, t *terminal, all *commands) error {
	if len(c.Add)+len(c.Remove) == 0 {
		return usage("say whom: --add NAME or --remove NAME")
	}
	return all.withApp(ctx, t, false, func(a *app.App) error {
		for _, name := range c.Add {
			if err := a.Accounts.AddMember(ctx, operator, c.Group, name); err != nil {
				return err
			}
		}
		for _, name := range c.Remove {
			if err := a.Accounts.RemoveMember(ctx, operator, c.Group, name); err != nil {
				return err
			}
		}
		g, err := findGroup(ctx, a, c.Group)
		if err != nil {
			return err
		}
		return printGroup(t, all.JSON, g)
	})
}

// pairs are the entries of a map in order, as rows.
func pairs(prefix string, m map[string]string) [][]string {
	var rows [][]string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		rows = append(rows, []string{prefix + k, m[k]})
	}
	return rows
}
