package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"symbolon/internal/account"
	"symbolon/internal/app"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

type accountCommands struct {
	Add     accountAdd     `cmd:"" help:"Add an account."`
	List    accountList    `cmd:"" help:"List accounts."`
	Show    accountShow    `cmd:"" help:"Show one account."`
	Set     accountSet     `cmd:"" help:"Change an account."`
	Reset   accountReset   `cmd:"" name:"reset-link" help:"Print a link by which a person sets a new password, once, within 24 hours."`
	Enable  accountEnable  `cmd:"" help:"Enable a disabled account. Its old tokens stay dead."`
	Disable accountDisable `cmd:"" help:"Disable an account and end all its tokens."`
	Delete  accountDelete  `cmd:"" help:"Delete an account for good; its name and numbers are never used again."`
}

// operator is the caller of every command, for the audit log.
var operator = account.By{Actor: "operator"}

type accountAdd struct {
	Account       string   `arg:"" name:"name" help:"Sign-in name."`
	Type          string   `help:"person or application." enum:"person,application" default:"person"`
	PasswordStdin bool     `help:"Read the password as one line from standard input; without it the account has none."`
	Name          string   `help:"Name as people write it." placeholder:"\"First Last\""`
	Email         string   `help:"E-mail address." placeholder:"ADDRESS"`
	Group         []string `help:"Group to join; may be repeated." placeholder:"NAME"`
	Identity      []string `help:"Way to sign in, as PROVIDER:SUBJECT, such as orcid:0000-0002-1825-0097; may be repeated." placeholder:"PROVIDER:SUBJECT" sep:"none"`
}

func (c *accountAdd) Run(ctx context.Context, t *terminal, all *commands) error {
	n := account.New{Name: c.Account, Type: c.Type, Display: c.Name, Email: c.Email, Groups: c.Group}
	if c.PasswordStdin {
		password, err := readPassword(t.in)
		if err != nil {
			return err
		}
		n.Password = password
	}
	return all.withApp(ctx, t, false, func(a *app.App) error {
		var err error
		if n.Identities, err = identities(a.Config, c.Identity); err != nil {
			return err
		}
		acc, err := a.Accounts.Add(ctx, operator, n)
		if err != nil {
			return err
		}
		return printAccount(t, all.JSON, acc)
	})
}

// accountRow is an account as commands print it.
type accountRow struct {
	ID         int64             `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Status     string            `json:"status"`
	Display    string            `json:"display_name"`
	Email      string            `json:"email"`
	Password   bool              `json:"has_password"`
	Groups     []string          `json:"groups"`
	Identities []string          `json:"identities"`
	Subjects   map[string]string `json:"subjects"`
	Attrs      map[string]string `json:"attributes"`
	Created    string            `json:"created"`
}

func newAccountRow(a account.Account) accountRow {
	r := accountRow{ID: a.ID, Name: a.Name, Type: a.Type, Status: a.Status, Display: a.Display, Email: a.Email,
		Password: a.HasPassword, Groups: append([]string{}, a.Groups...), Identities: []string{},
		Subjects: a.Subjects, Attrs: a.Attrs, Created: stamp(a.CreatedAt)}
	for _, i := range a.Identities {
		r.Identities = append(r.Identities, i.Provider+":"+i.Subject)
	}
	return r
}

func printAccount(t *terminal, asJSON bool, a account.Account) error {
	r := newAccountRow(a)
	if asJSON {
		return t.printJSON(r)
	}
	rows := [][]string{{"name", r.Name}, {"id", fmt.Sprint(r.ID)}, {"type", r.Type}, {"status", r.Status}, {"display", dash(r.Display)},
		{"email", dash(r.Email)}, {"password", yes(r.Password)}, {"groups", dash(strings.Join(r.Groups, ", "))},
		{"identities", dash(strings.Join(r.Identities, ", "))}, {"created", r.Created}}
	rows = append(rows, pairs("subject in ", r.Subjects)...)
	rows = append(rows, pairs("", r.Attrs)...)
	return t.printTable("FIELD VALUE", rows)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

type accountList struct {
	Group  string `help:"Members of this group only." placeholder:"NAME"`
	Type   string `help:"person or application only." enum:",person,application" default:""`
	Status string `help:"active or disabled only." enum:",active,disabled" default:""`
	Prefix string `help:"Sign-in names that begin with this only." placeholder:"TEXT"`
}

func (c *accountList) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		found, err := a.Accounts.List(ctx, account.Filter{Group: c.Group, Type: c.Type, Status: c.Status, Prefix: c.Prefix, Limit: listLimit})
		if err != nil {
			return err
		}
		if len(found) == listLimit {
			fmt.Fprintf(t.err, "Only the first %d are shown: narrow the list with --prefix, --group or --type.\n", listLimit)
		}
		var rows []accountRow
		for _, f := range found {
			rows = append(rows, newAccountRow(f))
		}
		return printList(t, all.JSON, "such accounts", "NAME ID TYPE STATUS GROUPS", rows, func(r accountRow) []string {
			return []string{r.Name, fmt.Sprint(r.ID), r.Type, r.Status, dash(strings.Join(r.Groups, ","))}
		})
	})
}

type accountShow struct {
	Account string `arg:"" name:"name" help:"Sign-in name."`
}

func (c *accountShow) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		acc, err := a.Accounts.Get(ctx, c.Account)
		if err != nil {
			return err
		}
		return printAccount(t, all.JSON, acc)
	})
}

type accountSet struct {
	Account       string   `arg:"" name:"name" help:"Sign-in name."`
	PasswordStdin bool     `help:"Read a new password as one line from standard input."`
	Name          *string  `help:"Name as people write it." placeholder:"\"First Last\""`
	Email         *string  `help:"E-mail address." placeholder:"ADDRESS"`
	Type          *string  `help:"person or application." enum:"person,application"`
	AddGroup      []string `help:"Join this group; may be repeated." placeholder:"NAME"`
	RemoveGroup   []string `help:"Leave this group; may be repeated." placeholder:"NAME"`
	Identity      []string `help:"Further way to sign in, as PROVIDER:SUBJECT, such as orcid:0000-0002-1825-0097; may be repeated." placeholder:"PROVIDER:SUBJECT" sep:"none"`
	Attr          []string `help:"What a dialect must answer, as SERVICE.KEY=VALUE (an empty value removes it); may be repeated." placeholder:"SERVICE.KEY=VALUE" sep:"none"`
}

func (c *accountSet) Run(ctx context.Context, t *terminal, all *commands) error {
	if c.Name == nil && c.Email == nil && c.Type == nil && !c.PasswordStdin && len(c.AddGroup)+len(c.RemoveGroup)+len(c.Attr)+len(c.Identity) == 0 {
		return usage("say what to change: see symbolon account set --help")
	}
	change := account.Change{Display: c.Name, Email: c.Email, Type: c.Type, AddGroups: c.AddGroup, RemoveGroups: c.RemoveGroup}
	for _, a := range c.Attr {
		key, value, ok := strings.Cut(a, "=")
		if !ok {
			return usage("--attr is SERVICE.KEY=VALUE, not %q", a)
		}
		if change.Attrs == nil {
			change.Attrs = map[string]string{}
		}
		change.Attrs[key] = value
	}
	if c.PasswordStdin {
		password, err := readPassword(t.in)
		if err != nil {
			return err
		}
		change.Password = &password
	}
	return all.withApp(ctx, t, false, func(a *app.App) error {
		if err := knownServices(a, change.Attrs); err != nil {
			return err
		}
		linked, err := identities(a.Config, c.Identity)
		if err != nil {
			return err
		}
		acc, err := a.Accounts.Set(ctx, operator, c.Account, change)
		if err != nil {
			return err
		}
		for _, i := range linked {
			if err := a.Accounts.Link(ctx, operator, acc.ID, i.Provider, account.Outside{Subject: i.Subject}); err != nil {
				return err
			}
		}
		if len(linked) > 0 {
			acc, err = a.Accounts.Get(ctx, c.Account)
		}
		if err != nil {
			return err
		}
		return printAccount(t, all.JSON, acc)
	})
}

// knownServices refuses an attribute of a service that is not configured: nobody
// would ever read it.
func knownServices(a *app.App, attrs map[string]string) error {
	for key := range attrs {
		of, _, dotted := strings.Cut(key, ".")
		if dotted && !slices.ContainsFunc(a.Config.Services, func(s config.Service) bool { return s.Name == of }) {
			return nothing{fmt.Sprintf("there is no service %q: an attribute is SERVICE.KEY=VALUE", of)}
		}
	}
	return nil
}

type accountReset struct {
	Account string `arg:"" name:"name" help:"Sign-in name."`
}

// resetPath is where the page of reset links is. The secret is a part of the path, so
// that the page works without JavaScript; the request log names the route alone, and the
// page sends no Referer.
const resetPath = "/symbolon/reset/"

func (c *accountReset) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		if a.Config.BaseURL == "" {
			return usage("base_url is not set: the link needs it")
		}
		text, end, err := a.Accounts.ResetLink(ctx, operator, c.Account)
		if err != nil {
			return err
		}
		link := a.Config.BaseURL + resetPath + text.Reveal()
		if all.JSON {
			return t.printJSON(map[string]string{"link": link, "expires": stamp(end)})
		}
		fmt.Fprintf(t.err, "Shown once, good once until %s; whoever has it sets the password of %s. An earlier link is good no more.\n", stamp(end), c.Account)
		_, err = fmt.Fprintln(t.out, link)
		return err
	})
}

type accountEnable struct {
	Account string `arg:"" name:"name" help:"Sign-in name."`
}

func (c *accountEnable) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		acc, err := a.Accounts.Enable(ctx, operator, c.Account)
		if err != nil {
			return err
		}
		return printAccount(t, all.JSON, acc)
	})
}

type accountDisable struct {
	Account string `arg:"" name:"name" help:"Sign-in name."`
}

func (c *accountDisable) Run(ctx context.Context, t *terminal, all *commands) error {
	return endAccount(ctx, t, all, c.Account, "disabled")
}

type accountDelete struct {
	Account string `arg:"" name:"name" help:"Sign-in name."`
}

func (c *accountDelete) Run(ctx context.Context, t *terminal, all *commands) error {
	return endAccount(ctx, t, all, c.Account, "deleted")
}

func endAccount(ctx context.Context, t *terminal, all *commands, name, status string) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		acc, err := a.Accounts.Get(ctx, name)
		if err != nil {
			return err
		}
		ended, err := a.Engine.EndAccount(ctx, token.Operator(), acc.ID, status, "account "+status)
		if err != nil {
			return err
		}
		return printRevoked(t, a, all.JSON, ended)
	})
}
