package itempath

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Engine is what the wire needs of package token's. Its methods may be called at once
// from many goroutines, and their errors are those of that package.
type Engine interface {
	Issue(ctx context.Context, by token.Caller, req token.IssueRequest) (token.Tokens, error)
	// Refresh must not touch a store unless the token's account has changed.
	Refresh(ctx context.Context, by token.Caller, req token.RefreshRequest) (token.Tokens, error)
	IssueApplication(ctx context.Context, by token.Caller, req token.ApplicationRequest) (token.Tokens, error)
	// Introspect checks a token and reads its present account; NotFound says that
	// the token is good and its account gone.
	Introspect(ctx context.Context, service, text string, kinds ...token.Kind) (token.Claims, token.Subject, error)
}

var _ Engine = (*token.Engine)(nil)

// Door proves who someone is by name and password. It may be called at once from many
// goroutines, and takes the same time whatever is wrong.
type Door interface {
	// SignIn returns the account's number. Refusals are *token.Error with
	// BadCredentials (one answer for every cause), TooMany or Unavailable.
	SignIn(ctx context.Context, by token.Caller, name, password string) (int64, error)
}

// People is the accounts as this service numbers them. Its changes are durable and in
// force when it returns: a deactivated user's tokens, and the application tokens of
// who is no application any more, have ended. Refusals are *token.Error: NotFound, or
// Malformed and Conflict with a text for the client as their reason. Whether the
// caller is an admin has been checked.
type People interface {
	// List returns all who are not deleted, by name.
	List(ctx context.Context) ([]Person, error)
	// Get returns one by the service's own id.
	Get(ctx context.Context, id string) (Person, error)
	Add(ctx context.Context, by token.Caller, n NewPerson) (Person, error)
	Change(ctx context.Context, by token.Caller, id string, c Change) (Person, error)
}

// Person is one user.
type Person struct {
	ID          string // the service's own id
	Name        string
	Email       string
	Application bool // of type application
	Active      bool
	Pending     bool     // has no way to sign in yet
	Groups      []string // names
}

// NewPerson is a user to be made, active. Email and Password may be empty.
type NewPerson struct {
	Name, Email, Password string
	Application           bool
}

// Change is what should become different about a user; nil fields stay.
type Change struct {
	Application *bool
	Active      *bool
}

// handlers are a Dialect at work on an engine.
type handlers struct {
	*Dialect
	engine Engine
}

// methods are the handlers of one path, by method in upper case.
type methods map[string]httpio.Handler

// Routes returns the paths of this mount over an engine that knows its Service. Each
// takes every method, and answers OPTIONS and 405 itself.
func (d *Dialect) Routes(e Engine) []httpio.Route {
	h := &handlers{Dialect: d, engine: e}
	routes := []httpio.Route{
		d.route("users/login", methods{"POST": h.login}),
		d.route("users/refresh", methods{"GET": h.refresh, "POST": h.refresh}),
		d.route("users/application-token", methods{"POST": h.application}),
		d.route("users", methods{"GET": h.list, "POST": h.create}),
		d.route("users/{id}", methods{"GET": h.get, "POST": h.update}),
	}
	if d.dev {
		routes = append(routes, d.route("stations", methods{"GET": h.stations}))
	}
	return routes
}

func (d *Dialect) route(path string, m methods) httpio.Route {
	return httpio.Route{Pattern: d.prefix + "/" + path, Handle: func(ctx context.Context, r *httpio.Request) httpio.Response {
		if h, ok := m[r.Method]; ok {
			return h(ctx, r)
		}
		resp := httpio.Response{Status: http.StatusOK, Header: http.Header{}}
		if r.Method != http.MethodOptions {
			resp = message(http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed))
		}
		resp.Header.Set("Allow", m.allow())
		return resp
	}}
}

// allow lists what Flask lists: HEAD with GET, and OPTIONS, which it answers itself.
func (m methods) allow() string {
	names := append(slices.Collect(maps.Keys(m)), http.MethodOptions)
	if m[http.MethodGet] != nil {
		names = append(names, http.MethodHead)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// NotFound answers every other path under the prefix; one with a final slash too many
// is among them, as in Flask.
func (d *Dialect) NotFound(*httpio.Request) httpio.Response {
	return message(http.StatusNotFound, http.StatusText(http.StatusNotFound))
}
