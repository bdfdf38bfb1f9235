package web

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/signin/flow"
	"symbolon/internal/signin/oidc"
)

// doors is what the sign-in page offers.
type doors struct {
	Next      string
	Password  bool
	Directory bool
	Providers []flow.Provider
	Name      string // as it was typed, when it did not work
	Where     string // "directory" or "here", as it was chosen
}

func (s *Site) doors(next string) doors {
	return doors{Next: local(next), Password: s.Config.SignIn.Password, Directory: s.Directory != nil, Providers: s.Flow.Providers}
}

// notices are what a step before may have come to, by the name in the address.
var notices = map[string]string{
	"signed-out":       "You are signed out, here and on the server.",
	"password-changed": "The new password is in place. Your other browsers were signed out.",
	"password-set":     "The new password is in place. Sign in with it.",
	"linked":           "You can now sign in that way too.",
	"unlinked":         "That way to sign in is gone.",
	"joined":           "The two accounts are one now. Everything of both is here.",
	"browser-ended":    "That browser is signed out.",
	"browsers-ended":   "Your other browsers are signed out.",
	"saved":            "Saved.",
	"revoked":          "Ended. It stops working everywhere within the time stated for its service.",
	"deleted":          "Your account is deleted and everything of it has ended.",
}

func notice(r *httpio.Request) string { return notices[r.Query.Get("done")] }

// signInPage shows the doors.
func (s *Site) signInPage(ctx context.Context, r *httpio.Request) httpio.Response {
	v, err := s.visitor(ctx, r)
	if err != nil {
		return s.unavailable(ctx, r, err)
	}
	next := r.Query.Get("next")
	if v != nil {
		return see(local(next))
	}
	return s.page(http.StatusOK, "sign-in", view{Title: "Sign in", Notice: notice(r), Data: s.doors(next)})
}

// signIn is the form with a name and a password.
func (s *Site) signIn(ctx context.Context, r *httpio.Request) httpio.Response {
	form, err := httpio.Form(r, "name", "password", "next", "where")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	d := s.doors(form.Get("next"))
	d.Name, d.Where = form.Get("name"), form.Get("where")
	how, ask := s.asked(d)
	if ask == nil {
		return s.NotFound(r)
	}
	id, err := ask(ctx, by(r, "account"), d.Name, form.Get("password"))
	if err == nil {
		return s.welcome(ctx, r, id, how, d.Next)
	}
	return s.notSignedIn(ctx, r, d, err)
}

// asked chooses who says whether the password is right. Both are never asked in turn: that
// would show the one the passwords meant for the other.
func (s *Site) asked(d doors) (how string, ask func(context.Context, account.By, string, string) (int64, error)) {
	switch {
	case d.Directory && (d.Where == "directory" || !d.Password):
		return "ldap", s.Directory
	case d.Password:
		return "password", s.Accounts.SignIn
	}
	return "", nil
}

// notSignedIn shows the form again, saying the same for every name and every reason.
func (s *Site) notSignedIn(ctx context.Context, r *httpio.Request, d doors, err error) httpio.Response {
	var refused *account.Error
	switch {
	case !errors.As(err, &refused):
		s.Log.ErrorContext(ctx, "signing in failed", "err", err, "request_id", r.ID)
		return s.again(http.StatusServiceUnavailable, d, "Signing in this way is not possible just now. Try again in a minute, or sign in another way.", err)
	case refused.Kind == account.TooMany:
		return s.again(http.StatusTooManyRequests, d, sentence(refused.Text), err)
	case refused.Kind == account.Busy:
		return s.again(http.StatusServiceUnavailable, d, "Too many people are signing in at this moment. Try again.", err)
	}
	return s.again(http.StatusUnauthorized, d, "Name and password do not belong together. Check both; capital letters count in the password.", nil)
}

func (s *Site) again(status int, d doors, problem string, err error) httpio.Response {
	resp := s.page(status, "sign-in", view{Title: "Sign in", Problem: problem, Data: d})
	if err != nil {
		resp.Header.Set("Retry-After", retryAfter(err))
	}
	return resp
}

// Purposes of a trip to a provider.
const (
	toSignIn = "in:"   // then where to go
	toLink   = "link:" // then the number of the browser's grant
)

func callbackPath(provider string) string { return root + "/callback/" + provider }

// depart sends the browser to a provider to sign in.
func (s *Site) depart(ctx context.Context, r *httpio.Request) httpio.Response {
	return s.travel(ctx, r, toSignIn+local(r.Query.Get("next")), false)
}

func (s *Site) travel(ctx context.Context, r *httpio.Request, purpose string, again bool) httpio.Response {
	name := r.PathValue("provider")
	location, cookie, err := s.Flow.Begin(ctx, name, s.address(callbackPath(name)), purpose, again)
	if err != nil {
		return s.lost(ctx, r, name, err)
	}
	resp := see(location)
	resp.Header.Add("Set-Cookie", cookie)
	return resp
}

// arrive is where providers send browsers back to.
func (s *Site) arrive(ctx context.Context, r *httpio.Request) httpio.Response {
	name := r.PathValue("provider")
	a, cookie, err := s.Flow.Finish(ctx, r, name, s.address(callbackPath(name)))
	var resp httpio.Response
	if err != nil {
		resp = s.lost(ctx, r, name, err)
	} else if next, ok := strings.CutPrefix(a.Purpose, toSignIn); ok {
		resp = s.arrived(ctx, r, a, next)
	} else {
		resp = s.offerLink(ctx, r, a)
	}
	if cookie != "" {
		resp.Header.Add("Set-Cookie", cookie)
	}
	return resp
}

func (s *Site) arrived(ctx context.Context, r *httpio.Request, a flow.Arrived, next string) httpio.Response {
	id, err := s.Accounts.SignInVouched(ctx, by(r, "account"), a.Provider, outside(a.Person))
	var refused *account.Error
	if errors.As(err, &refused) && refused.Kind == account.BadCredentials {
		s.Log.InfoContext(ctx, "sign-in refused", "provider", a.Provider, "reason", err.Error(), "request_id", r.ID)
		return s.problem(http.StatusForbidden, "You cannot sign in this way",
			"Your identity is known, but its account here is not active, or no longer has this way to sign in. Ask the people who run this service.")
	}
	if err != nil {
		return s.failed(ctx, r, nil, err)
	}
	return s.welcome(ctx, r, id, a.Provider, next)
}

func outside(p oidc.Person) account.Outside {
	return account.Outside{Subject: p.Subject, Login: p.Login, Display: p.Display, Email: p.Email}
}

// lost is the page for a trip that came to nothing. Nobody is signed in by it.
func (s *Site) lost(ctx context.Context, r *httpio.Request, provider string, err error) httpio.Response {
	if errors.Is(err, flow.ErrNoProvider) {
		return s.NotFound(r)
	}
	s.Log.WarnContext(ctx, "sign-in by a provider failed", "provider", provider, "err", err, "request_id", r.ID)
	switch {
	case errors.Is(err, flow.ErrForeign):
		return s.problem(http.StatusBadRequest, "This sign-in is over",
			"It was begun in another browser or at another address, more than 15 minutes ago, or is done already. Begin again from the sign-in page.")
	case errors.Is(err, oidc.ErrDenied):
		return s.problem(http.StatusForbidden, "You were not signed in",
			"You, or the provider, said no. If you did not mean to, begin again from the sign-in page.")
	case errors.Is(err, oidc.ErrUnavailable):
		resp := s.problem(http.StatusServiceUnavailable, "The provider does not answer",
			"The service you wanted to sign in with cannot be reached at the moment. Try again in a few minutes, or sign in another way.")
		resp.Header.Set("Retry-After", "60")
		return resp
	}
	return s.problem(http.StatusBadGateway, "The provider's answer was not right",
		"Its answer did not pass our checks, so nobody was signed in. Begin again; if it happens twice, tell the people who run this service.")
}
