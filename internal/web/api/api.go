// Package api is the API of this server itself: what a person does on the pages, and an
// admin for everybody, as JSON. Each operation is declared once, with the types of what it
// takes and gives; from these come the checks, the OpenAPI 3.1 document and the reference
// page. It reaches state only through the engine and the accounts, and knows no cookie.
package api

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// Root is the path under which all operations lie; a part of every address.
const Root = "/symbolon/api/v1"

// Options is what the API needs; but for Directory, all of it is required.
type Options struct {
	Config   *config.Config
	Engine   *token.Engine
	Accounts *account.Directory
	Records  Records
	// Directory asks an LDAP directory who somebody is; nil where there is none.
	Directory func(ctx context.Context, by account.By, name, password string) (int64, error)
	// Handed spells tokens just made by their names on their service's wire.
	Handed func(context.Context, token.Tokens) ([]Text, error)
	// Keys are a service's signing keys in every state, without their secrets.
	Keys func(service string) []Key
	// Page is an answer with a page of ours around the reference.
	Page func(title string, main template.HTML) httpio.Response
	Now  func() time.Time
	Log  *slog.Logger
}

// Text is one token by its name on its service's wire. A zero Ends is no end.
type Text struct {
	Name string
	Text secret.Text
	Ends time.Time
}

// API is the operations. It is read-only once made.
type API struct {
	Options
	huma  huma.API
	paths map[string]map[string]httpio.Handler // :: pattern → method → operation
	ops   []*huma.Operation                    // in the order of declaration
	// published is made when it is first asked for: it would be a third of the work of every start.
	published func() (published, error)
}

// New returns the API.
func New(o Options) *API {
	a := &API{Options: o, paths: map[string]map[string]httpio.Handler{}}
	a.published = sync.OnceValues(a.publish)
	a.huma = huma.NewAPI(description(o.Config.BaseURL), a)
	a.session()
	a.me()
	a.passwords()
	a.groups()
	a.tokens()
	a.keys()
	a.applications()
	a.rotations()
	a.browsers()
	a.services()
	a.adminAccounts()
	a.adminTokens()
	a.adminServices()
	a.adminRecords()
	return a
}

// Routes are the paths of the API and of its reference page. Each answers every method.
func (a *API) Routes() []httpio.Route {
	routes := []httpio.Route{
		{Pattern: Root + "/", Handle: func(context.Context, *httpio.Request) httpio.Response { return Failed(http.StatusNotFound) }},
		{Pattern: Root + "/openapi.json", Handle: byMethod(map[string]httpio.Handler{http.MethodGet: a.document})},
		{Pattern: "/symbolon/docs/api", Handle: byMethod(map[string]httpio.Handler{http.MethodGet: a.reference})},
	}
	for pattern, methods := range a.paths {
		routes = append(routes, httpio.Route{Pattern: pattern, Handle: byMethod(methods)})
	}
	return routes
}

// byMethod answers 405 with the methods there are.
func byMethod(methods map[string]httpio.Handler) httpio.Handler {
	var names []string
	for m := range methods {
		names = append(names, m)
		if m == http.MethodGet {
			names = append(names, http.MethodHead)
		}
	}
	slices.Sort(names)
	allow := strings.Join(names, ", ")
	return func(ctx context.Context, r *httpio.Request) httpio.Response {
		h, ok := methods[r.Method]
		if !ok {
			resp := Failed(http.StatusMethodNotAllowed)
			resp.Header.Set("Allow", allow)
			return resp
		}
		return h(ctx, r)
	}
}
