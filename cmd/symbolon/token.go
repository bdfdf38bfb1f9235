package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"symbolon/internal/app"
	"symbolon/internal/token"
)

type tokenCommands struct {
	Issue  tokenIssue  `cmd:"" help:"Issue a token pair to an account. The operator is not bound by allow and require_identity."`
	List   tokenList   `cmd:"" help:"List grants: what tokens hang on."`
	Revoke tokenRevoke `cmd:"" help:"Revoke one grant, or all of an account."`
}

type tokenIssue struct {
	Service string `help:"Service the tokens are for." required:"" placeholder:"NAME"`
	Account string `help:"Account they act as." required:"" placeholder:"NAME"`
	Name    string `help:"Name of the pair in lists." default:"command line" placeholder:"LABEL"`
}

// issued is what token issue prints; companions stand beside it under their own names.
func (c *tokenIssue) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, true, func(a *app.App) error {
		acc, err := a.Accounts.Get(ctx, c.Account)
		if err != nil {
			return err
		}
		got, err := a.Engine.Issue(ctx, token.Operator(), token.IssueRequest{
			Service: c.Service, Kind: token.Pair, Account: acc.ID, Label: c.Name})
		if err != nil {
			return fmt.Errorf("issuing tokens: %w", err)
		}
		companions, err := a.Companions(ctx, c.Service, got)
		if err != nil {
			return fmt.Errorf("issuing tokens: %w", err)
		}
		return printIssued(t, all.JSON, got, companions)
	})
}

func printIssued(t *terminal, asJSON bool, got token.Tokens, companions map[string]string) error {
	if len(got.Ended) > 0 {
		fmt.Fprintf(t.err, "The account had as many pairs as it may: grant %d, the oldest, has ended.\n", got.Ended[0])
	}
	out := map[string]any{"access": got.Access.Reveal(), "grant": got.Grant.ID, "service": got.Grant.Service,
		"access_expires": stamp(got.Expires)}
	out["refresh"] = got.Access.Reveal() // where one token is both
	if !got.Refresh.IsZero() {
		out["refresh"] = got.Refresh.Reveal()
	}
	if !got.Grant.ExpiresAt.IsZero() {
		out["refresh_expires"] = stamp(got.Grant.ExpiresAt)
	}
	for name, text := range companions {
		out[name] = text
	}
	if asJSON {
		return t.printJSON(out)
	}
	fmt.Fprintln(t.err, "Shown once; whoever holds these acts as the account.")
	for _, name := range []string{"grant", "access", "refresh", "edi-token", "pasta-token", "access_expires", "refresh_expires"} {
		if v, ok := out[name]; ok {
			fmt.Fprintf(t.out, "%s: %v\n", name, v)
		}
	}
	return nil
}

type tokenList struct {
	Account string `help:"Of this account only." placeholder:"NAME"`
	Service string `help:"Of this service only." placeholder:"NAME"`
	All     bool   `help:"Also those that have ended."`
}

// grantRow is a grant as commands print it.
type grantRow struct {
	Grant   int64  `json:"grant"`
	Account int64  `json:"account"`
	Service string `json:"service"`
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"`
	Created string `json:"created"`
	From    string `json:"from,omitempty"`
	Used    string `json:"last_used,omitempty"`
	Uses    int64  `json:"uses"`
	Expires string `json:"expires,omitempty"`
	Preview string `json:"preview,omitempty"`
	ID      int64  `json:"id,omitempty"` // of an API key: the number that apikey revoke takes
}

func newGrantRow(g token.Grant) grantRow {
	r := grantRow{Grant: g.ID, Account: g.Account, Service: g.Service, Kind: string(g.Kind), Name: g.Label,
		State: g.State(time.Now()), Reason: g.RevokedReason, Created: stamp(g.IssuedAt), From: stamp(g.NotBefore),
		Used: stamp(g.LastUsedAt), Uses: g.UseCount, Expires: stamp(g.ExpiresAt), Preview: g.Preview}
	if g.Kind == token.APIKey {
		r.ID = g.ID
	}
	return r
}

func (r grantRow) cells() []string {
	return []string{strconv.FormatInt(r.Grant, 10), strconv.FormatInt(r.Account, 10), dash(r.Service), r.Kind, dash(r.Name),
		r.State, r.Created, dash(r.Used), dash(r.Expires)}
}

const grantHeading = "GRANT ACCOUNT SERVICE KIND NAME STATE CREATED USED EXPIRES"

func (c *tokenList) Run(ctx context.Context, t *terminal, all *commands) error {
	return all.withApp(ctx, t, false, func(a *app.App) error {
		if err := knownService(a, c.Service); err != nil {
			return err
		}
		f := token.Filter{Service: c.Service, Live: !c.All}
		if c.Account != "" {
			acc, err := a.Accounts.Get(ctx, c.Account)
			if err != nil {
				return err
			}
			f.Account = acc.ID
		}
		return listGrants(ctx, t, a, all.JSON, "tokens", f)
	})
}

// knownService refuses a name that would silently select nothing.
func knownService(a *app.App, name string) error {
	for _, s := range a.Config.Services {
		if name == "" || s.Name == name {
			return nil
		}
	}
	return nothing{fmt.Sprintf("no service is called %q: see symbolon config check", name)}
}

// listLimit is how many rows a list shows at most.
const listLimit = 1000

func listGrants(ctx context.Context, t *terminal, a *app.App, asJSON bool, what string, f token.Filter) error {
	f.Limit = listLimit
	grants, err := a.Engine.List(ctx, token.Operator(), f)
	if err != nil {
		return err
	}
	if len(grants) == listLimit {
		fmt.Fprintf(t.err, "Only the newest %d are shown: ask for one account.\n", listLimit)
	}
	var rows []grantRow
	for _, g := range grants {
		rows = append(rows, newGrantRow(g))
	}
	return printList(t, asJSON, what, grantHeading, rows, grantRow.cells)
}

type tokenRevoke struct {
	Grant   int64  `help:"Number of the grant." xor:"what" required:"" placeholder:"N"`
	Account string `help:"Account whose tokens end." xor:"what" required:"" placeholder:"NAME"`
	All     bool   `help:"With --account: every token and API key it has."`
	Service string `help:"With --account: in this service only." placeholder:"NAME"`
}

// revoked is what revoking prints.
type revoked struct {
	Revoked int     `json:"revoked"`
	Grants  []int64 `json:"grants"`
}

func (c *tokenRevoke) Run(ctx context.Context, t *terminal, all *commands) error {
	if c.Account != "" && !c.All {
		return usage("--account ends all tokens of the account: add --all to say so")
	}
	if c.Account == "" && (c.All || c.Service != "") {
		return usage("--all and --service go with --account")
	}
	return all.withApp(ctx, t, false, func(a *app.App) error {
		if err := knownService(a, c.Service); err != nil {
			return err
		}
		req := token.RevokeRequest{Grant: c.Grant, Service: c.Service, Reason: "revoked by the operator"}
		if c.Account != "" {
			acc, err := a.Accounts.Get(ctx, c.Account)
			if err != nil {
				return err
			}
			req.Account = acc.ID
		}
		return revokeAndPrint(ctx, t, a, all.JSON, req)
	})
}

func revokeAndPrint(ctx context.Context, t *terminal, a *app.App, asJSON bool, req token.RevokeRequest) error {
	ended, err := a.Engine.Revoke(ctx, token.Operator(), req)
	if err != nil {
		return fmt.Errorf("revoking: %w", err)
	}
	return printRevoked(t, a, asJSON, ended)
}

func printRevoked(t *terminal, a *app.App, asJSON bool, ended token.Ended) error {
	fmt.Fprintf(t.err, "A running server refuses their tokens within a second; every other within %s.\n", a.Config.RevocationBound)
	if asJSON {
		if ended.Grants == nil {
			ended.Grants = []int64{}
		}
		return t.printJSON(revoked{len(ended.Grants), ended.Grants})
	}
	_, err := fmt.Fprintf(t.out, "revoked %d\n", len(ended.Grants))
	return err
}

// stamp is a time in UTC, "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
