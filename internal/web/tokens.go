package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// row is one token, key or application token as a page shows it.
type row struct {
	ID         int64
	Name, Kind string
	Preview    string // of an API key
	State      string
	Reason     string // why it ended
	Live       bool
	Created    *stamp
	From       *stamp // not valid before
	Used       *stamp
	UsedAddr   string
	Uses       int64
	Expires    *stamp
	Left       string // until the end
	Addr       string
	ForGroup   int64
	Rotates    bool
	ReplacedBy int64
}

// section is one service's part of the page.
type section struct {
	Name, Dialect string
	Where         string // its address
	Bound         string
	WhyNot        string // why no pair can be made
	Rows          []row
	Live          int
}

// kindWords are what people call the kinds of grant.
var kindWords = map[token.GrantKind]string{
	token.Session: "sign-in", token.Pair: "token pair", token.APIKey: "API key", token.Application: "application token",
	token.Browser: "browser", token.ServiceKey: "service key",
}

func (s *Site) row(g token.Grant) row {
	now := s.Now()
	r := row{ID: g.ID, Name: g.Label, Kind: kindWords[g.Kind], Preview: g.Preview, State: g.State(now), Reason: g.RevokedReason,
		Created: when(g.IssuedAt), Used: when(g.LastUsedAt), UsedAddr: g.LastAddr, Uses: g.UseCount, Expires: when(g.ExpiresAt), Addr: g.Addr,
		Live: g.RevokedAt.IsZero() && (g.ExpiresAt.IsZero() || now.Before(g.ExpiresAt)), ForGroup: g.Group}
	if g.NotBefore.After(now) {
		r.From = when(g.NotBefore)
	}
	if r.Live && !g.ExpiresAt.IsZero() {
		r.Left = ago(now, g.ExpiresAt)
	}
	r.ReplacedBy, r.Rotates = g.ReplacedBy, r.Live && g.ReplacedBy == 0 && rotates(g)
	if r.Name == "" {
		r.Name = r.Kind
	}
	return r
}

// shownEnded is how long what has ended stays on the page.
const shownEnded = 30 * 24 * time.Hour

// grants returns the person's that the page shows: the live ones and those that ended lately.
func (s *Site) grants(ctx context.Context, r *httpio.Request, v *visitor, kinds ...token.GrantKind) ([]token.Grant, error) {
	all, err := s.Engine.List(ctx, caller(r, v.Account.ID), token.Filter{Account: v.Account.ID, Kinds: kinds, Limit: maxExport})
	since := s.Now().Add(-shownEnded)
	return slices.DeleteFunc(all, func(g token.Grant) bool {
		return !g.RevokedAt.IsZero() && g.RevokedAt.Before(since) || !g.ExpiresAt.IsZero() && g.ExpiresAt.Before(since)
	}), err
}

// tokensPage is Developer Settings: every token of the person, by service.
func (s *Site) tokensPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	grants, err := s.grants(ctx, r, v, token.Session, token.Pair, token.Application)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	var all []section
	for _, c := range s.Config.Services {
		sec := s.section(c)
		if sec.WhyNot, err = s.whyNot(ctx, c.Name, v); err != nil {
			return s.failed(ctx, r, v, err)
		}
		for _, g := range grants {
			if g.Service != c.Name {
				continue
			}
			sec.Rows = append(sec.Rows, s.row(g))
			if g.Live(s.Now()) {
				sec.Live++
			}
		}
		all = append(all, sec)
	}
	return s.page(http.StatusOK, "tokens", view{Title: "Developer Settings", Section: "tokens", Visitor: v, Notice: notice(r), Data: all})
}

func (s *Site) section(c config.Service) section {
	return section{Name: c.Name, Dialect: c.Dialect, Where: s.address(c.Path), Bound: s.bound(c)}
}

// whyNot says why the service is not for the person, "" if it is.
func (s *Site) whyNot(ctx context.Context, service string, v *visitor) (string, error) {
	err := s.Engine.Admits(ctx, service, v.Account.ID)
	if err != nil && !down(err) {
		return words(err), nil
	}
	return "", err
}

// making is the form for a new pair.
type making struct {
	Service     section
	Application bool   // an application token is made, and no pair
	Form        string // good for one token
	Oldest      *row   // what ends to make room
	Limit       int
	Ends        string // an application token's longest life, "" for none
	Idle        string // after which one that is not used ends, "" for never
}

// newTokenPage asks for a name, and says what it will end.
func (s *Site) newTokenPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	c := s.service(r.PathValue("service"))
	if c == nil {
		return s.NotFound(r)
	}
	why, err := s.whyNot(ctx, c.Name, v)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	m := making{Service: s.section(*c), Application: s.takesApplications(*c, v), Form: rand.Text()}
	m.Service.WhyNot = why
	kind := token.Pair
	if m.Application {
		kind = token.Application
		if life := time.Duration(c.ItemPath.ApplicationLife); life > 0 {
			m.Ends = span(life)
		}
		if idle := time.Duration(c.ItemPath.ApplicationIdle); idle > 0 {
			m.Idle = span(idle)
		}
	}
	if m.Oldest, m.Limit, err = s.makesRoom(ctx, r, v, c.Name, kind); err != nil {
		return s.failed(ctx, r, v, err)
	}
	return s.page(http.StatusOK, "new-token", view{Title: "Generate a New Token", Section: "tokens", Visitor: v, Data: m})
}

// takesApplications reports whether the service has application tokens and the account is of
// the type that gets them.
func (s *Site) takesApplications(c config.Service, v *visitor) bool {
	return c.ItemPath != nil && v.Account.Type == account.Application
}

// makesRoom returns what ends when one more of the kind is made.
func (s *Site) makesRoom(ctx context.Context, r *httpio.Request, v *visitor, service string, kind token.GrantKind) (*row, int, error) {
	limit := s.Engine.Limit(service, kind)
	f := token.Filter{Account: v.Account.ID, Service: service, Kinds: []token.GrantKind{kind}, Live: true}
	live, err := s.Engine.List(ctx, caller(r, v.Account.ID), f)
	if err != nil || limit == 0 || len(live) < limit {
		return nil, limit, err
	}
	first := s.row(slices.MinFunc(live, token.Grant.EndsBefore))
	return &first, limit, nil
}

func (s *Site) service(name string) *config.Service {
	for i := range s.Config.Services {
		if s.Config.Services[i].Name == name {
			return &s.Config.Services[i]
		}
	}
	return nil
}

// shown is a secret on the one page that ever shows it.
type shown struct {
	Title string
	Row   row
	Ended []int64 // to make room
	Texts []secretText
	Calls []curl
	Back  string
}

// secretText is a token or key with its name.
type secretText struct{ Name, Text, Ends string }

// curl is a request to try it with.
type curl struct{ Title, Line string }

// newToken makes the pair and shows it, this once.
func (s *Site) newToken(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	c, form, refusal := s.makes(r, v)
	if refusal != nil {
		return *refusal
	}
	req := token.IssueRequest{Service: c.Name, Kind: token.Pair, Account: v.Account.ID, Label: form.Get("name")}
	t, err := s.Engine.Issue(ctx, caller(r, v.Account.ID), req)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	return s.showTokens(ctx, r, v, t, "Save these tokens now")
}

// newApplication makes an application token and shows it, this once.
func (s *Site) newApplication(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	c, form, refusal := s.makes(r, v)
	if refusal != nil {
		return *refusal
	}
	req := token.ApplicationRequest{Service: c.Name, Account: v.Account.ID, Label: form.Get("name")}
	t, err := s.Engine.IssueApplication(ctx, caller(r, v.Account.ID), req)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	return s.showTokens(ctx, r, v, t, "Save this application token now")
}

// makes reads a form that makes something, and lets it do so once.
func (s *Site) makes(r *httpio.Request, v *visitor) (*config.Service, url.Values, *httpio.Response) {
	c := s.service(r.PathValue("service"))
	form, err := httpio.Form(r, "name", "form")
	var refusal httpio.Response
	switch {
	case c == nil:
		refusal = s.NotFound(r)
	case err != nil:
		refusal = s.Failed(http.StatusBadRequest)
	case !s.forms.Spend(form.Get("form"), s.Now(), formLife):
		refusal = s.page(http.StatusConflict, "problem", view{Title: "That was sent before", Visitor: v,
			Data: "This form has made its token already, and a token is shown only once. If you did not save it, generate another and revoke the first."})
	default:
		return c, form, nil
	}
	return nil, nil, &refusal
}

// showTokens is the one page that ever shows them.
func (s *Site) showTokens(ctx context.Context, r *httpio.Request, v *visitor, t token.Tokens, title string) httpio.Response {
	handed, err := s.Handed(ctx, t)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	page := shown{Title: title, Row: s.row(t.Grant), Ended: t.Ended, Back: root + "/tokens"}
	for _, h := range handed.Tokens {
		page.Texts = append(page.Texts, secretText{h.Name, h.Text.Reveal(), until(h.Ends)})
	}
	for _, c := range handed.Calls {
		page.Calls = append(page.Calls, curl(c))
	}
	return s.page(http.StatusCreated, "shown", view{Title: title, Section: "tokens", Visitor: v, Data: page})
}

// formLife is how long a form that makes something is remembered as used.
const formLife = time.Hour

func until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return when(t).Human
}

// endTokenPage asks before one token ends.
func (s *Site) endTokenPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	g, ok, err := s.own(ctx, r, v)
	switch {
	case err != nil:
		return s.failed(ctx, r, v, err)
	case !ok:
		return s.NotFound(r)
	}
	return s.confirm(v, "tokens", confirmation{Title: "Revoke " + s.row(g).Name + "?", Danger: true,
		Text: []string{"Whatever uses it stops working. This cannot be undone."}, Stops: []stop{s.stop(g)},
		Action: pathOf(g, "end"), Button: "Revoke it", Back: s.listOf(g)})
}

// listOf is the page that lists the grant.
func (s *Site) listOf(g token.Grant) string {
	if g.Kind == token.APIKey {
		return root + "/api-keys"
	}
	return root + "/tokens"
}

// own returns the person's grant that the path names.
func (s *Site) own(ctx context.Context, r *httpio.Request, v *visitor) (token.Grant, bool, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return token.Grant{}, false, nil
	}
	all, err := s.Engine.List(ctx, caller(r, v.Account.ID), token.Filter{Account: v.Account.ID, Limit: maxExport})
	if err != nil {
		return token.Grant{}, false, err
	}
	i := slices.IndexFunc(all, func(g token.Grant) bool { return g.ID == id })
	if i < 0 {
		return token.Grant{}, false, nil
	}
	return all[i], true, nil
}

func (s *Site) stop(g token.Grant) stop {
	where := g.Service
	switch g.Kind {
	case token.APIKey:
		where = "every service that takes keys"
	case token.Browser:
		where = "these pages"
	}
	return stop{What: kindWords[g.Kind] + " “" + s.row(g).Name + "”", Where: where, Used: when(g.LastUsedAt), Bound: s.boundOf(g)}
}

func (s *Site) endToken(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	g, ok, err := s.own(ctx, r, v)
	switch {
	case err != nil:
		return s.failed(ctx, r, v, err)
	case !ok:
		return s.NotFound(r)
	}
	_, err = s.Engine.Revoke(ctx, caller(r, v.Account.ID), token.RevokeRequest{Grant: g.ID, Reason: "revoked by the person"})
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	return see(s.listOf(g) + "?done=revoked")
}

// all are the kinds that "Revoke All JWTs" ends; API keys where they are not left out.
var jwtKinds = []token.GrantKind{token.Session, token.Pair, token.Application, token.Browser}

// endAllPage names everything that stops, with its last use and how soon.
func (s *Site) endAllPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	c := s.service(r.Query.Get("service"))
	if c == nil && r.Query.Get("service") != "" {
		return s.NotFound(r)
	}
	f := token.Filter{Account: v.Account.ID, Live: true, Limit: maxExport}
	page := confirmation{Title: "Revoke All JWTs?", Danger: true, Action: root + "/revoke-all", Button: "Revoke them all", Back: root + "/tokens",
		Text: []string{"Everything listed here stops working and cannot be brought back. You stay signed in with this browser."}}
	if c != nil {
		f.Service = c.Name
		page.Title = "Revoke all JWTs of " + c.Name + "?"
		page.Fields = []field{{"service", c.Name}}
	} else {
		page.Ticks = []tick{{"keys", "API keys too"}}
	}
	grants, err := s.Engine.List(ctx, caller(r, v.Account.ID), f)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	for _, g := range grants {
		if g.ID != v.Browser.ID {
			page.Stops = append(page.Stops, s.stop(g))
		}
	}
	return s.confirm(v, "tokens", page)
}

func (s *Site) endAll(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	form, err := httpio.Form(r, "service", "keys")
	if err != nil || form.Get("service") != "" && s.service(form.Get("service")) == nil {
		return s.Failed(http.StatusBadRequest)
	}
	kinds := slices.Clone(jwtKinds)
	if form.Get("keys") != "" {
		kinds = append(kinds, token.APIKey)
	}
	_, err = s.Engine.Revoke(ctx, caller(r, v.Account.ID), token.RevokeRequest{Account: v.Account.ID, Service: form.Get("service"),
		Kinds: kinds, Except: v.Browser.ID, Reason: "all revoked by the person"})
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	return see(root + "/tokens?done=revoked")
}

// ownedGroups are those the person may act for.
func (s *Site) ownedGroups(ctx context.Context, v *visitor) (own []account.Group, err error) {
	all, err := s.Accounts.ListGroups(ctx)
	for _, g := range all {
		if account.Key(g.Owner) == account.Key(v.Account.Name) {
			own = append(own, g)
		}
	}
	return own, err
}
