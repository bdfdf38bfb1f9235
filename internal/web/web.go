// Package web is the pages: signing in, and one place where a person sees and ends every
// token, or an admin those of everybody. Pages are made on the server, work without
// JavaScript, and reach state only through the engine and the accounts.
package web

import (
	"context"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/signin/flow"
	"symbolon/internal/token"
)

// root is where everything of ours lives; no service may claim a path there.
const root = "/symbolon"

// Options is what the pages need; but for Directory, all of it is required.
type Options struct {
	Config   *config.Config
	Engine   *token.Engine
	Accounts *account.Directory
	Flow     *flow.Flow
	Records  Records
	// Directory asks an LDAP directory who somebody is; nil where there is none.
	Directory func(ctx context.Context, by account.By, name, password string) (int64, error)
	// Handed spells tokens just made as their service hands them out, with calls to try.
	Handed func(context.Context, token.Tokens) (Handed, error)
	// KeyCalls are calls to try an API key with.
	KeyCalls func(secret.Text) []Call
	// Keys are the signing keys of a service that are still in use.
	Keys func(service string) []KeyView
	Now  func() time.Time
	Log  *slog.Logger
}

// Handed is what a person gets to copy.
type Handed struct {
	Tokens []Token
	Calls  []Call
}

// Token is one text by its name on its service's wire. A zero Ends is no end.
type Token struct {
	Name string
	Text secret.Text
	Ends time.Time
}

// Call is a request as one line for a shell.
type Call struct{ Title, Line string }

// Site is the pages.
type Site struct {
	Options
	base    *url.URL
	origins *http.CrossOriginProtection
	forms   flow.Once
}

// New returns the pages, or what is wrong with the configuration.
func New(o Options) (*Site, error) {
	base, err := url.Parse(o.Config.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("reading base_url: %w", err)
	}
	origins := http.NewCrossOriginProtection()
	if err := origins.AddTrustedOrigin(base.Scheme + "://" + base.Host); err != nil {
		return nil, fmt.Errorf("reading base_url: %w", err)
	}
	return &Site{Options: o, base: base, origins: origins}, nil
}

// address is a full address of ours.
func (s *Site) address(path string) string { return strings.TrimSuffix(s.base.String(), "/") + path }

// Page is a page of ours around a main part that is safe to show.
func Page(title string, main template.HTML) httpio.Response {
	return (&Site{}).page(http.StatusOK, "framed", view{Title: title, Data: main})
}

// Failed is the answer for what a page could not be asked for: too large, too slow, broken.
func (s *Site) Failed(status int) httpio.Response {
	return s.problem(status, http.StatusText(status), "The request could not be read. Go back and try again.")
}

// NotFound is the answer for a path under ours where there is nothing.
func (s *Site) NotFound(*httpio.Request) httpio.Response {
	return s.problem(http.StatusNotFound, "There is nothing here", "Check the address, or begin at the start page.")
}

// by names who asks, for the audit log.
func by(r *httpio.Request, actor string) account.By {
	b := account.By{Actor: actor, Agent: r.Agent}
	if r.Addr.IsValid() {
		b.Addr = r.Addr.String()
	}
	return b
}

// caller is the signed-in person to the engine.
func caller(r *httpio.Request, id int64) token.Caller {
	b := by(r, "account")
	return token.Caller{Actor: b.Actor, Account: id, Addr: b.Addr, Agent: b.Agent}
}

// crossSite refuses what another site had this browser send.
func (s *Site) crossSite(r *httpio.Request) bool {
	return s.origins.Check(&http.Request{Method: r.Method, Header: r.Header, Host: s.base.Host, URL: &url.URL{Path: r.Path}}) != nil
}
