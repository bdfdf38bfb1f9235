package edi

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Browser leads people through identity providers, for the sign-in of the old server's
// pages (edi.md §5.3). Paths are those of this server, without its origin.
type Browser interface {
	// Begin returns where to send the browser, with a Set-Cookie header that must go with
	// it. The provider sends the browser back to the path callback. Keep comes back from
	// Finish. NotFound where there is no such provider.
	Begin(ctx context.Context, provider, callback, keep string) (location, cookie string, err error)
	// Finish returns who came back. It has set what it could of Arrived also when it fails:
	// with ErrCancelled or ErrUnverified, with a *token.Error BadCredentials for an account
	// that may not sign in, or with any other error where nothing is known.
	Finish(ctx context.Context, by token.Caller, r *httpio.Request, provider, callback string) (Arrived, error)
}

// Arrived is a browser come back from a provider.
type Arrived struct {
	Account int64
	Keep    string // "" where the browser did not set out from here
	Cookie  string // a Set-Cookie header to send, or ""
}

// Errors of Finish that the clients know a text for.
var (
	ErrCancelled  = errors.New("the person, or the provider, said no")
	ErrUnverified = errors.New("the provider has not verified the e-mail address")
)

// browserProviders are those that the old server has, by the last part of its paths.
var browserProviders = []string{"github", "google", "microsoft", "orcid"}

const (
	loginFailed       = "Login failed"
	loginCancelled    = "Login cancelled"
	loginUnsuccessful = "Login unsuccessful"
	emailUnverified   = "Login unsuccessful: Email not verified"
	noTarget          = "Bad request: target is not an address on a host to which this server sends people"
	noLogin           = "Bad request: this login was begun in another browser, or is over: begin again"
)

// browserRoutes are the paths of signing in by a browser, where there are providers.
func (h *handlers) browserRoutes() (routes []httpio.Route) {
	for _, p := range browserProviders {
		routes = append(routes,
			h.route("login/"+p, http.MethodGet, func(ctx context.Context, r *httpio.Request) httpio.Response { return h.depart(ctx, r, p) }),
			h.route("callback/"+p, http.MethodGet, func(ctx context.Context, r *httpio.Request) httpio.Response { return h.arrive(ctx, r, p) }))
	}
	return append(routes, h.route("signout", http.MethodGet, h.signOut))
}

// isBrowserPath reports whether a path below the prefix is one of browserRoutes.
func isBrowserPath(rest string) bool {
	kind, provider, _ := strings.Cut(rest, "/")
	return rest == "signout" || (kind == "login" || kind == "callback") && slices.Contains(browserProviders, provider)
}

func (h *handlers) callback(provider string) string { return h.prefix + "/callback/" + provider }

// depart is GET login/PROVIDER. Without a target, or to link a second identity, the person
// is sent to our own pages, which do that.
func (h *handlers) depart(ctx context.Context, r *httpio.Request, provider string) httpio.Response {
	target := r.Query.Get("target")
	switch {
	case r.Query.Get("login_type") == "link":
		return moved("/symbolon/link/" + provider)
	case target == "":
		return moved("/symbolon/sign-in/" + provider)
	case !h.mayReturn(target):
		return plain(http.StatusBadRequest, noTarget)
	}
	location, cookie, err := h.browser.Begin(ctx, provider, h.callback(provider), target)
	switch {
	case token.CodeOf(err) == token.NotFound:
		return detail(http.StatusNotFound)
	case err != nil:
		h.log.WarnContext(ctx, "sign-in by a provider failed", "provider", provider, "err", err, "request_id", r.ID)
		return back(target, field{"error", loginFailed})
	}
	resp := httpio.Response{Status: http.StatusFound, Header: http.Header{"Location": {location}}}
	resp.Header.Add("Set-Cookie", cookie)
	return resp
}

// mayReturn holds the tokens back from every host but the configured ones. http is for
// loopback alone.
func (h *handlers) mayReturn(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.User != nil || u.Opaque != "" || u.Fragment != "" || strings.ContainsFunc(target, unusual) {
		return false
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())) {
		return false
	}
	return slices.Contains(h.format.edi.ReturnHosts, strings.TrimSuffix(u.Host, ":443"))
}

// unusual are the characters that browsers read otherwise than we do.
func unusual(c rune) bool { return c <= ' ' || c == '\\' || c > '~' }

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// arrive is GET callback/PROVIDER: both tokens as parameters of the target, as the clients
// read them, and as cookies.
func (h *handlers) arrive(ctx context.Context, r *httpio.Request, provider string) httpio.Response {
	a, err := h.browser.Finish(ctx, caller(r, "account"), r, provider, h.callback(provider))
	var resp httpio.Response
	switch {
	case a.Keep == "":
		resp = plain(http.StatusBadRequest, noLogin)
	case err == nil:
		resp = h.handOver(ctx, r, a)
	default:
		h.log.WarnContext(ctx, "sign-in by a provider failed", "provider", provider, "err", err, "request_id", r.ID)
		resp = back(a.Keep, field{"error", loginText(err)})
	}
	if a.Cookie != "" {
		resp.Header.Add("Set-Cookie", a.Cookie)
	}
	return resp
}

func loginText(err error) string {
	switch {
	case errors.Is(err, ErrCancelled):
		return loginCancelled
	case errors.Is(err, ErrUnverified):
		return emailUnverified
	}
	switch token.CodeOf(err) {
	case token.BadCredentials, token.Forbidden:
		return loginUnsuccessful
	}
	return loginFailed
}

// handOver makes the session and sends the person to the target with it.
func (h *handlers) handOver(ctx context.Context, r *httpio.Request, a Arrived) httpio.Response {
	by := caller(r, "account")
	by.Account = a.Account
	t, err := h.engine.Issue(ctx, by, token.IssueRequest{Service: h.service.Name, Kind: token.Session, Account: a.Account})
	if err != nil {
		h.judge(ctx, r, loginPasta, err, "")
		return back(a.Keep, field{"error", loginText(err)})
	}
	pasta, err := h.mintLegacy(ctx, h.engine, h.format.legacyOf(t.Subject), t)
	if err != nil {
		h.judge(ctx, r, loginPasta, err, "")
		return back(a.Keep, field{"error", loginFailed})
	}
	p := h.format.primary(t.Subject)
	resp := back(a.Keep, field{"token", pasta.Reveal()}, field{"edi_token", t.Access.Reveal()}, field{"edi_id", t.Subject.ID},
		field{"full_name", t.Subject.Display}, field{"email", t.Subject.Email}, field{"idp_uid", p.idpUID}, field{"idp_name", p.idpName},
		field{"common_name", t.Subject.Display}, field{"sub", t.Subject.ID})
	if !pasta.IsZero() {
		resp.Header.Add("Set-Cookie", cookie("auth-token", pasta.Reveal()))
	}
	resp.Header.Add("Set-Cookie", cookie("edi-token", t.Access.Reveal()))
	return resp
}

// field is a query parameter; their order is the old server's.
type field struct{ name, value string }

// back sends the browser to the target: 307, as the old server does.
func back(target string, fields ...field) httpio.Response {
	u, err := url.Parse(target)
	if err != nil {
		return plain(http.StatusBadRequest, noTarget)
	}
	pairs := []string{}
	if u.RawQuery != "" {
		pairs = append(pairs, u.RawQuery)
	}
	for _, f := range fields {
		pairs = append(pairs, f.name+"="+url.QueryEscape(f.value))
	}
	u.RawQuery = strings.Join(pairs, "&")
	return httpio.Response{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {u.String()}, "Referrer-Policy": {"no-referrer"}}}
}

func moved(path string) httpio.Response {
	return httpio.Response{Status: http.StatusSeeOther, Header: http.Header{"Location": {path}}}
}

// signOut is GET signout: it removes both cookies from the browser. The tokens live on, as
// with the old server; our pages end them.
func (h *handlers) signOut(context.Context, *httpio.Request) httpio.Response {
	resp := moved("/symbolon/sign-in")
	for _, name := range []string{"auth-token", "edi-token"} {
		resp.Header.Add("Set-Cookie", name+"=; Path=/; Max-Age=0; SameSite=lax")
	}
	return resp
}
