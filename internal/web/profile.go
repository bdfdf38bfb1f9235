package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/httpio"
	"symbolon/internal/signin/flow"
	"symbolon/internal/token"
)

// Records are the lines of the audit log that the filter matches, newest first.
type Records interface {
	Audit(context.Context, audit.Filter) ([]audit.Event, error)
}

// profile is what the profile page shows.
type profile struct {
	Identities []identity
	Doors      doors
	Addable    []flow.Provider // not linked yet
	Browsers   []browser
	Groups     []account.Group // that the person owns
}

type identity struct {
	account.Identity
	Label     string
	Since     *stamp
	Removable bool
}

type browser struct {
	ID               int64
	This             bool
	How, Addr, Agent string
	Since, Used      *stamp
}

func (s *Site) profilePage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	return s.showProfile(ctx, r, v, http.StatusOK, "")
}

// profileProblem shows the page again with what was wrong; err says how bad it was.
func (s *Site) profileProblem(ctx context.Context, r *httpio.Request, v *visitor, err error, problem string) httpio.Response {
	var refused *account.Error
	if err != nil && (!errors.As(err, &refused) || refused.Kind == account.Busy) {
		return s.unavailable(ctx, r, err)
	}
	status := http.StatusConflict
	if refused != nil && refused.Kind != account.BadCredentials {
		problem = sentence(refused.Text)
	}
	if refused != nil && refused.Kind == account.TooMany {
		status = http.StatusTooManyRequests
	}
	return s.showProfile(ctx, r, v, status, problem)
}

func (s *Site) showProfile(ctx context.Context, r *httpio.Request, v *visitor, status int, problem string) httpio.Response {
	grants, err := s.Engine.List(ctx, caller(r, v.Account.ID), token.Filter{Account: v.Account.ID, Kinds: []token.GrantKind{token.Browser}, Live: true})
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	groups, err := s.ownedGroups(ctx, v)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	p := profile{Doors: s.doors(""), Browsers: s.browsers(grants, v.Browser.ID), Identities: s.identities(v.Account), Groups: groups}
	for _, provider := range s.Flow.Providers {
		if !linked(v.Account, provider.Name()) {
			p.Addable = append(p.Addable, provider)
		}
	}
	return s.page(status, "profile", view{Title: "Profile", Section: "profile", Visitor: v, Notice: notice(r), Problem: problem, Data: p})
}

func linked(a account.Account, provider string) bool {
	for _, i := range a.Identities {
		if i.Provider == provider {
			return true
		}
	}
	return false
}

// identities leaves the name of a person without a password out: nobody signs in by it.
func (s *Site) identities(a account.Account) (all []identity) {
	outside := len(a.Identities) - 1
	for _, i := range a.Identities {
		inside := i.Provider == account.PasswordProvider
		if inside && !a.HasPassword {
			continue
		}
		all = append(all, identity{Identity: i, Label: s.label(i.Provider), Since: when(i.LinkedAt),
			Removable: !inside && (outside > 1 || a.HasPassword)})
	}
	return all
}

func (s *Site) browsers(grants []token.Grant, this int64) (all []browser) {
	for _, g := range grants {
		all = append(all, browser{ID: g.ID, This: g.ID == this, How: s.label(g.Label), Addr: g.Addr, Agent: g.Agent,
			Since: when(g.IssuedAt), Used: when(g.LastUsedAt)})
	}
	return all
}

// saveProfile changes the name and the e-mail address.
func (s *Site) saveProfile(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	form, err := httpio.Form(r, "display", "email")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	display, email := form.Get("display"), form.Get("email")
	_, err = s.Accounts.Set(ctx, by(r, actor(v)), v.Account.Name, account.Change{Display: &display, Email: &email})
	if err != nil {
		return s.profileProblem(ctx, r, v, err, "")
	}
	return see(root + "/profile?done=saved")
}

// actor is a signed-in person in the audit log.
func actor(v *visitor) string { return "account " + strconv.FormatInt(v.Account.ID, 10) }

// lately is how fresh a sign-in must be for what would give somebody at a browser left open
// the account for good.
const lately = 15 * time.Minute

// changePassword asks the old one, where there is one, and a fresh sign-in where not.
func (s *Site) changePassword(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	form, err := httpio.Form(r, "old", "new", "again")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	if form.Get("new") != form.Get("again") {
		return s.profileProblem(ctx, r, v, nil, "The two new passwords are not the same.")
	}
	if v.Account.HasPassword {
		err = s.Accounts.ChangePassword(ctx, by(r, "account"), v.Account.ID, form.Get("old"), form.Get("new"), v.Browser.ID)
	} else if s.Now().Sub(v.Browser.IssuedAt) > lately {
		return s.profileProblem(ctx, r, v, nil, "A first password is set within 15 minutes of signing in: sign out, sign in again, and then set it.")
	} else {
		err = s.Accounts.FirstPassword(ctx, by(r, "account"), v.Account.ID, form.Get("new"), v.Browser.ID)
	}
	if err != nil {
		return s.profileProblem(ctx, r, v, err, "The old password is not right.")
	}
	return see(root + "/profile?done=password-changed")
}

// endBrowser signs one of the person's browsers out.
func (s *Site) endBrowser(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return s.NotFound(r)
	}
	_, err = s.Engine.Revoke(ctx, caller(r, v.Account.ID), token.RevokeRequest{Grant: id, Reason: "signed out from another browser"})
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	return see(root + "/profile?done=browser-ended")
}

// endOtherBrowsers signs all but this one out.
func (s *Site) endOtherBrowsers(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	_, err := s.Engine.Revoke(ctx, caller(r, v.Account.ID), token.RevokeRequest{Account: v.Account.ID,
		Kinds: []token.GrantKind{token.Browser}, Except: v.Browser.ID, Reason: "signed out from another browser"})
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	return see(root + "/profile?done=browsers-ended")
}

// maxHistory is how many lines are shown and handed out.
const maxHistory = 1000

// line is one entry of a person's history.
type line struct {
	At                 *stamp
	What, Detail       string
	Service, Addr, Who string
	Agent              string
}

func (s *Site) historyPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	events, err := s.Records.Audit(ctx, audit.Filter{Account: v.Account.ID, Limit: maxHistory})
	if err != nil {
		return s.unavailable(ctx, r, err)
	}
	return s.page(http.StatusOK, "history", view{Title: "History", Section: "profile", Visitor: v, Data: lines(events)})
}

func lines(events []audit.Event) (all []line) {
	for _, e := range events {
		all = append(all, line{At: when(e.At), What: deed(e.Kind), Detail: e.Detail, Service: e.Service, Addr: e.Addr, Agent: e.Agent, Who: e.Actor})
	}
	return all
}

// deleteAccount ends the account with everything of it, once its name was typed.
func (s *Site) deleteAccount(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	form, err := httpio.Form(r, "name")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	if account.Key(form.Get("name")) != account.Key(v.Account.Name) {
		return s.profileProblem(ctx, r, v, nil, "Nothing was deleted: the name you typed is not the name of your account.")
	}
	by := caller(r, v.Account.ID)
	by.Operator = true // over itself
	if _, err := s.Engine.EndAccount(ctx, by, v.Account.ID, account.Deleted, "deleted by the person"); err != nil {
		return s.failed(ctx, r, v, err)
	}
	resp := see(root + "/sign-in?done=deleted")
	resp.Header.Add("Set-Cookie", s.Flow.Cookies.Drop(browserCookie))
	return resp
}
