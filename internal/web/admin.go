package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// overview is the first page of admins.
type overview struct {
	Services []serviceView
	Activity chart
}

// serviceView is a service with its settings.
type serviceView struct {
	section
	Access, Refresh, Cap string
	OneToken             bool // an access token refreshes itself
	Replay               string
	Allow                string
	Keys                 []KeyView
}

// KeyView is a signing key as admins see it; its secret half is nowhere.
type KeyView struct {
	ID, Purpose, Alg, State string
	Since                   time.Time // signs since, or was made
	Pinned                  bool      // held elsewhere too
}

// operator is an admin to the engine: whoever may do what commands on the server may.
func operator(r *httpio.Request, v *visitor) token.Caller {
	c := caller(r, 0)
	c.Actor, c.Operator = actor(v), true
	return c
}

func (s *Site) adminPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	var o overview
	var err error
	for _, c := range s.Config.Services {
		o.Services = append(o.Services, s.serviceView(c))
	}
	if o.Activity, err = s.activity(ctx, r, v); err != nil {
		return s.unavailable(ctx, r, err)
	}
	return s.page(http.StatusOK, "admin", view{Title: "Admin", Section: "admin", Visitor: v, Notice: notice(r), Data: o})
}

func (s *Site) serviceView(c config.Service) serviceView {
	view := serviceView{section: s.section(c), Access: lasting(c.AccessLifetime), Refresh: lasting(c.RefreshLifetime), Cap: lasting(c.Cap),
		OneToken: c.EDI != nil, Replay: c.Replay, Allow: "everybody", Keys: s.Keys(c.Name)}
	var who []string
	if len(c.Allow.Types) > 0 {
		who = append(who, "accounts of type "+strings.Join(c.Allow.Types, ", "))
	}
	if len(c.Allow.Groups) > 0 {
		who = append(who, "members of "+strings.Join(c.Allow.Groups, ", "))
	}
	if c.RequireIdentity != "" {
		who = append(who, "people with a linked "+c.RequireIdentity+" identity")
	}
	if who != nil {
		view.Allow = strings.Join(who, "; ")
	}
	return view
}

func lasting(d config.Duration) string {
	if d == 0 {
		return "no end"
	}
	return span(time.Duration(d))
}

// search is a question for accounts and what was found.
type search struct {
	Text  string
	Found []account.Account
	Asked bool
}

const maxFound = 100

func (s *Site) accountsPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	q := search{Text: strings.TrimSpace(r.Query.Get("q"))}
	var err error
	if q.Text != "" {
		q.Asked = true
		q.Found, err = s.Accounts.Find(ctx, q.Text, maxFound)
	}
	if err != nil && down(err) {
		return s.unavailable(ctx, r, err)
	}
	page := view{Title: "Accounts", Section: "admin", Visitor: v, Data: q}
	if err != nil {
		page.Problem = words(err)
	}
	return s.page(http.StatusOK, "accounts", page)
}

// accountView is one account to an admin.
type accountView struct {
	Account account.Account
	Rows    []adminRow
	Lines   []line
	Self    bool
}

// adminRow is a token with the service it is for.
type adminRow struct {
	row
	Service string
}

func (s *Site) accountPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	a, refusal := s.named(ctx, r, v)
	if refusal != nil {
		return *refusal
	}
	return s.showAccount(ctx, r, v, a, http.StatusOK, "")
}

// named is the account whose number the path holds.
func (s *Site) named(ctx context.Context, r *httpio.Request, v *visitor) (account.Account, *httpio.Response) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		refusal := s.NotFound(r)
		return account.Account{}, &refusal
	}
	a, err := s.Accounts.ByID(ctx, id)
	if err != nil {
		refusal := s.failed(ctx, r, v, err)
		return account.Account{}, &refusal
	}
	return a, nil
}

func (s *Site) showAccount(ctx context.Context, r *httpio.Request, v *visitor, a account.Account, status int, problem string) httpio.Response {
	page := accountView{Account: a, Self: a.ID == v.Account.ID}
	grants, err := s.Engine.List(ctx, operator(r, v), token.Filter{Account: a.ID, Limit: maxHistory})
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	for _, g := range grants {
		page.Rows = append(page.Rows, adminRow{s.row(g), g.Service})
	}
	events, err := s.Records.Audit(ctx, audit.Filter{Account: a.ID, Limit: 100})
	if err != nil {
		return s.unavailable(ctx, r, err)
	}
	page.Lines = lines(events)
	return s.page(status, "account", view{Title: a.Name, Section: "admin", Visitor: v, Notice: notice(r), Problem: problem, Data: page})
}

func accountPath(id int64) string { return root + "/admin/accounts/" + strconv.FormatInt(id, 10) }

// changeAccount changes what the form names, as the field "what" says.
func (s *Site) changeAccount(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	a, refusal := s.named(ctx, r, v)
	if refusal != nil {
		return *refusal
	}
	form, err := httpio.Form(r, "what", "value", "key")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	if form.Get("what") == "reset" {
		return s.resetLink(ctx, r, v, a)
	}
	if err := s.change(ctx, r, v, a, form); err != nil {
		if down(err) {
			return s.unavailable(ctx, r, err)
		}
		return s.showAccount(ctx, r, v, a, http.StatusConflict, words(err))
	}
	return see(accountPath(a.ID) + "?done=saved")
}

func (s *Site) change(ctx context.Context, r *httpio.Request, v *visitor, a account.Account, form url.Values) error {
	who, value := by(r, actor(v)), form.Get("value")
	var c account.Change
	switch form.Get("what") {
	case "disable":
		if a.ID == v.Account.ID {
			return token.Refuse(token.Conflict, "you cannot disable your own account; ask another admin")
		}
		_, err := s.Engine.EndAccount(ctx, operator(r, v), a.ID, account.Disabled, "disabled by an admin")
		return err
	case "enable":
		_, err := s.Accounts.Enable(ctx, who, a.Name)
		return err
	case "type":
		c.Type = &value
	case "attribute":
		c.Attrs = map[string]string{form.Get("key"): value}
	case "join":
		c.AddGroups = []string{value}
	case "leave":
		if a.ID == v.Account.ID && value == s.Config.SignIn.AdminGroup {
			return token.Refuse(token.Conflict, "you cannot take yourself out of the admins; ask another admin")
		}
		c.RemoveGroups = []string{value}
	default:
		return token.Refuse(token.Malformed, "there is no such change")
	}
	_, err := s.Accounts.Set(ctx, who, a.Name, c)
	return err
}

// resetLink makes a link with which the account's owner sets a new password.
func (s *Site) resetLink(ctx context.Context, r *httpio.Request, v *visitor, a account.Account) httpio.Response {
	text, ends, err := s.Accounts.ResetLink(ctx, by(r, actor(v)), a.Name)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	page := shown{Title: "Give this link to " + a.Name, Back: accountPath(a.ID),
		Texts: []secretText{{"Link to set a new password", s.address(root + "/reset/" + text.Reveal()), until(ends)}}}
	return s.page(http.StatusCreated, "shown", view{Title: page.Title, Section: "admin", Visitor: v, Data: page})
}

// endOfAccount ends one of the account's tokens, or all of them.
func (s *Site) endOfAccount(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	a, refusal := s.named(ctx, r, v)
	if refusal != nil {
		return *refusal
	}
	form, err := httpio.Form(r, "grant")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	req := token.RevokeRequest{Reason: "revoked by an admin"}
	if form.Get("grant") == "all" {
		req.Account = a.ID
		if a.ID == v.Account.ID {
			req.Except = v.Browser.ID
		}
	} else if req.Grant, err = s.grantOf(ctx, r, v, a, form.Get("grant")); err != nil {
		return s.failed(ctx, r, v, err)
	}
	if _, err := s.Engine.Revoke(ctx, operator(r, v), req); err != nil {
		return s.failed(ctx, r, v, err)
	}
	return see(accountPath(a.ID) + "?done=revoked")
}

func (s *Site) grantOf(ctx context.Context, r *httpio.Request, v *visitor, a account.Account, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, token.Refuse(token.NotFound, "%q is no number of a token", text)
	}
	grants, err := s.Engine.List(ctx, operator(r, v), token.Filter{Account: a.ID, Limit: maxExport})
	if err == nil && !slices.ContainsFunc(grants, func(g token.Grant) bool { return g.ID == id }) {
		err = token.Refuse(token.NotFound, "account %s has no token %d", a.Name, id)
	}
	return id, err
}

// whoDidWhat is a page of the audit log.
type whoDidWhat struct {
	Lines  []line
	Kinds  []kindOption
	Older  string // where the older lines are
	Filter audit.Filter
}

type kindOption struct {
	Kind   audit.Kind
	Words  string
	Chosen bool
}

const perPage = 100

func (s *Site) auditPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	f := audit.Filter{Limit: perPage}
	f.Account, _ = strconv.ParseInt(r.Query.Get("account"), 10, 64)
	f.Before, _ = strconv.ParseInt(r.Query.Get("before"), 10, 64)
	if kind := r.Query.Get("kind"); kind != "" {
		f.Kinds = []audit.Kind{audit.Kind(kind)}
	}
	events, err := s.Records.Audit(ctx, f)
	if err != nil {
		return s.unavailable(ctx, r, err)
	}
	page := whoDidWhat{Lines: lines(events), Filter: f}
	for kind, words := range deeds {
		page.Kinds = append(page.Kinds, kindOption{kind, words, slices.Contains(f.Kinds, kind)})
	}
	slices.SortFunc(page.Kinds, func(a, b kindOption) int { return strings.Compare(a.Words, b.Words) })
	if len(events) == perPage {
		q := url.Values{"before": {strconv.FormatInt(events[perPage-1].ID, 10)}}
		for _, name := range []string{"account", "kind"} {
			if value := r.Query.Get(name); value != "" {
				q.Set(name, value)
			}
		}
		page.Older = root + "/admin/history?" + q.Encode()
	}
	return s.page(http.StatusOK, "audit", view{Title: "Who did what", Section: "admin", Visitor: v, Data: page})
}
