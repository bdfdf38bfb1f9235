package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// browserCookie holds the secret of a browser's session.
const browserCookie = "symbolon-browser"

// visitor is a signed-in person with the browser in use.
type visitor struct {
	Account account.Account
	Browser token.Grant
	Admin   bool
}

// handler answers a signed-in person.
type handler func(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response

// visitor returns who is signed in with this browser, nil for nobody. An error means that
// nothing is known.
func (s *Site) visitor(ctx context.Context, r *httpio.Request) (*visitor, error) {
	text := r.Cookie(s.Flow.Cookies.Name(browserCookie))
	if text == "" {
		return nil, nil
	}
	g, err := s.Engine.Browser(ctx, caller(r, 0), secret.New(text))
	if err != nil {
		return nil, unlessRefused(err)
	}
	a, err := s.Accounts.ByID(ctx, g.Account)
	if err != nil {
		return nil, unlessRefused(err)
	}
	return &visitor{Account: a, Browser: g, Admin: s.isAdmin(a)}, nil
}

func (s *Site) isAdmin(a account.Account) bool {
	return s.Config.SignIn.AdminGroup != "" && slices.Contains(a.Groups, s.Config.SignIn.AdminGroup)
}

// unlessRefused keeps failures: a session that has ended is no error but nobody.
func unlessRefused(err error) error {
	if down(err) {
		return err
	}
	return nil
}

// signedIn answers the person, and sends everybody else to sign in first.
func (s *Site) signedIn(h handler) httpio.Handler {
	return s.ours(func(ctx context.Context, r *httpio.Request) httpio.Response {
		v, err := s.visitor(ctx, r)
		switch {
		case err != nil:
			return s.unavailable(ctx, r, err)
		case v == nil:
			return see(signInPath(r))
		}
		return h(ctx, r, v)
	})
}

// admin answers people of the admin group. To others the page does not exist.
func (s *Site) admin(h handler) httpio.Handler {
	return s.signedIn(func(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
		if !v.Admin {
			return s.NotFound(r)
		}
		return h(ctx, r, v)
	})
}

// ours refuses what another site had this browser send.
func (s *Site) ours(h httpio.Handler) httpio.Handler {
	return func(ctx context.Context, r *httpio.Request) httpio.Response {
		if s.crossSite(r) {
			return s.problem(http.StatusForbidden, "Not sent from here",
				"This form was sent by another site. If you meant it, open the page here and do it there.")
		}
		return h(ctx, r)
	}
}

// signInPath comes back to a page that was only looked at; what a form wanted done is not
// done later unseen.
func signInPath(r *httpio.Request) string {
	next := ""
	if r.Method == http.MethodGet {
		next = r.Path
		if q := r.Query.Encode(); q != "" {
			next += "?" + q
		}
	}
	return signInWith(next)
}

func signInWith(next string) string {
	if next == "" {
		return root + "/sign-in"
	}
	return root + "/sign-in?" + url.Values{"next": {next}}.Encode()
}

// welcome opens a session for the account in this browser, under a new secret, ends the one
// it had, and goes on to next.
func (s *Site) welcome(ctx context.Context, r *httpio.Request, id int64, how, next string) httpio.Response {
	g, text, err := s.Engine.OpenBrowser(ctx, caller(r, id), id, how)
	if err != nil {
		return s.failed(ctx, r, nil, err)
	}
	s.leave(ctx, r)
	resp := see(local(next))
	resp.Header.Add("Set-Cookie", s.Flow.Cookies.Set(browserCookie, text.Reveal(), g.Cap.Sub(s.Now()).Round(time.Second)))
	return resp
}

// leave ends the session that the browser came with. One that cannot be ended now ends by
// itself, and its secret is in no browser any more.
func (s *Site) leave(ctx context.Context, r *httpio.Request) {
	text := r.Cookie(s.Flow.Cookies.Name(browserCookie))
	if text == "" {
		return
	}
	if err := s.Engine.CloseBrowser(ctx, caller(r, 0), secret.New(text)); err != nil && down(err) {
		s.Log.WarnContext(ctx, "ending a browser's session failed", "err", err, "request_id", r.ID)
	}
}

// signOut ends the session here and now, not only in the browser.
func (s *Site) signOut(ctx context.Context, r *httpio.Request) httpio.Response {
	text := r.Cookie(s.Flow.Cookies.Name(browserCookie))
	if text != "" {
		if err := s.Engine.CloseBrowser(ctx, caller(r, 0), secret.New(text)); err != nil && down(err) {
			return s.unavailable(ctx, r, err)
		}
	}
	resp := see(root + "/sign-in?done=signed-out")
	resp.Header.Add("Set-Cookie", s.Flow.Cookies.Drop(browserCookie))
	resp.Header.Set("Clear-Site-Data", `"cache"`)
	return resp
}
