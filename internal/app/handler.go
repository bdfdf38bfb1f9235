package app

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
	"symbolon/internal/web/api"
)

// Handler is the whole service: every dialect under its own paths, and what is
// ours. Serve uses it; tests may do without a listener.
func (a *App) Handler() (http.Handler, error) {
	mux := http.NewServeMux()
	f := &front{mux: mux, owners: map[string]mount{}, fallbacks: map[string]bool{"/": true}, verify: map[string]http.Handler{}}
	taken := map[string]string{} // :: pattern → service
	for _, m := range a.mounts {
		adapter := a.adapter(m.failed)
		for _, r := range m.routes(a.Engine) {
			if other, ok := taken[r.Pattern]; ok {
				return nil, fmt.Errorf("services %s and %s both claim %s: give one of them another path", other, m.config.Name, r.Pattern)
			}
			taken[r.Pattern], f.owners[r.Pattern] = m.config.Name, m
			mux.Handle(r.Pattern, adapter.Handle(r.Handle))
		}
	}
	for _, m := range a.mounts {
		for _, p := range m.prefixes {
			if p != "" && p != "/" && taken[p+"/"] == "" {
				taken[p+"/"], f.fallbacks[p+"/"] = m.config.Name, true
				mux.Handle(p+"/", a.adapter(m.failed).Handle(answerOnly(m.notFound)))
			}
		}
	}
	a.serveStandIn(mux)
	for _, r := range a.openAPI().Routes() {
		mux.Handle(r.Pattern, a.adapter(api.Failed).Handle(r.Handle))
	}
	if err := a.servePages(mux, taken); err != nil {
		return nil, err
	}
	for _, r := range a.ownRoutes() {
		mux.Handle(r.Pattern, a.adapter(ownFailure).Handle(r.Handle))
	}
	mux.Handle(eventsPath, a.events())
	f.addGates(a)
	return f, nil
}

func (a *App) adapter(failed func(int) httpio.Response) *httpio.Adapter {
	return &httpio.Adapter{Log: a.log, Trusted: a.Config.ProxyPrefixes(), Errors: failed}
}

func answerOnly(f func(*httpio.Request) httpio.Response) httpio.Handler {
	return func(_ context.Context, r *httpio.Request) httpio.Response { return f(r) }
}

// ownRoutes are the paths that belong to no dialect.
func (a *App) ownRoutes() []httpio.Route {
	return []httpio.Route{
		{Pattern: "/healthz", Handle: reading(func(context.Context, *httpio.Request) httpio.Response { return text("ok\n") })},
		{Pattern: "/readyz", Handle: reading(a.readyz)},
		{Pattern: "/.well-known/jwks.json", Handle: reading(a.jwks)},
		{Pattern: "/symbolon/keys/{file}", Handle: reading(a.keyFile)},
		{Pattern: "/symbolon/keys/{service}/jwks.json", Handle: reading(a.serviceJWKS)},
		{Pattern: statusPath + "{list}", Handle: reading(a.statusList)},
		{Pattern: "/", Handle: answerOnly(func(*httpio.Request) httpio.Response { return ownFailure(http.StatusNotFound) })},
	}
}

// reading refuses every method but GET (and HEAD, which the adapter makes GET).
func reading(h httpio.Handler) httpio.Handler {
	return func(ctx context.Context, r *httpio.Request) httpio.Response {
		if r.Method != http.MethodGet {
			resp := ownFailure(http.StatusMethodNotAllowed)
			resp.Header.Set("Allow", "GET, HEAD")
			return resp
		}
		return h(ctx, r)
	}
}

// ownFailure is a problem of RFC 9457 with the status's own words.
func ownFailure(status int) httpio.Response {
	return httpio.Response{Status: status, Header: http.Header{"Content-Type": {"application/problem+json"}},
		Body: httpio.JSON(struct {
			Title  string `json:"title"`
			Status int    `json:"status"`
		}{http.StatusText(status), status})}
}

func text(s string) httpio.Response {
	return httpio.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(s)}
}

// readyz is 200 while this server vouches for tokens, else 503 with the reason. Further lines name what is wrong with the
// servers on its database.
func (a *App) readyz(context.Context, *httpio.Request) httpio.Response {
	notes, bad := a.nodeNotes()
	first := "ready"
	if bad {
		first = "not ready"
	}
	if err := a.Engine.Fresh(); err != nil {
		first, bad = "not ready: "+err.Error(), true
	}
	resp := text(strings.Join(append([]string{first}, notes...), "\n") + "\n")
	if bad {
		resp.Status = http.StatusServiceUnavailable
		resp.Header.Set("Retry-After", "1")
	}
	return resp
}

func (a *App) mount(service string) *mount {
	i := slices.IndexFunc(a.mounts, func(m mount) bool { return m.config.Name == service })
	if i < 0 {
		return nil
	}
	return &a.mounts[i]
}

// Companions are the tokens that a dialect hands out beside the engine's own,
// by their names on its wire.
func (a *App) Companions(ctx context.Context, service string, t token.Tokens) (map[string]string, error) {
	return a.mount(service).companions(ctx, t)
}
