package app

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/keyring"
	"symbolon/internal/secret"
	"symbolon/internal/signin/flow"
	"symbolon/internal/token"
	"symbolon/internal/web"
)

// newFlow puts the way to the providers and back together.
func (a *App) newFlow() *flow.Flow {
	f := &flow.Flow{Seal: flow.Seal{MAC: a.Keys.MAC, Now: a.now},
		Cookies: httpio.Cookies{Plain: strings.HasPrefix(a.Config.BaseURL, "http://")}}
	for _, p := range a.Providers {
		f.Providers = append(f.Providers, p)
	}
	return f
}

// pages puts the pages together.
func (a *App) pages() (*web.Site, error) {
	o := web.Options{Config: a.Config, Engine: a.Engine, Accounts: a.Accounts, Flow: a.flow, Records: a.Store,
		Handed: a.handed, KeyCalls: a.keyCalls, Keys: a.keyViews, Now: a.now, Log: a.log}
	if a.ldap != nil {
		o.Directory = door{a}.SignInDirectory
	}
	return web.New(o)
}

// servePages mounts them below /symbolon/. In development the root leads there too, unless
// a service or what is behind one has it.
func (a *App) servePages(mux *http.ServeMux, taken map[string]string) error {
	site, err := a.pages()
	if err != nil {
		return err
	}
	adapter := a.adapter(site.Failed)
	for _, r := range site.Routes() {
		mux.Handle(r.Pattern, adapter.Handle(r.Handle))
	}
	mux.Handle("/symbolon/", adapter.Handle(answerOnly(func(r *httpio.Request) httpio.Response {
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			return site.NotFound(r)
		}
		return ownFailure(http.StatusNotFound)
	})))
	behind := slices.ContainsFunc(a.Config.Services, func(s config.Service) bool { return s.Upstream != "" })
	if a.Config.Dev && taken["/{$}"] == "" && !behind {
		mux.Handle("/{$}", http.RedirectHandler("/symbolon/", http.StatusSeeOther))
	}
	return nil
}

// handed spells tokens as their service's clients know them, with calls to try.
func (a *App) handed(ctx context.Context, t token.Tokens) (web.Handed, error) {
	texts, err := a.wireTexts(ctx, t)
	if err != nil {
		return web.Handed{}, err
	}
	var h web.Handed
	named := map[string]string{}
	for _, x := range texts {
		h.Tokens = append(h.Tokens, web.Token(x))
		named[x.Name] = x.Text.Reveal()
	}
	m := a.mount(t.Grant.Service)
	access, refresh := t.Access.Reveal(), t.Refresh.Reveal()
	var calls []Call
	switch {
	case m.config.EDI != nil:
		calls = []Call{RefreshEcology(named["pasta-token"], access)}
	case m.config.Sesar != nil:
		calls = []Call{UseSamples(access), RefreshSamples(refresh)}
	case m.config.CollectiveAccess != nil:
		calls = []Call{RefreshCollections(refresh)}
	case refresh == "":
		calls = []Call{UseWarehouse(access)}
	default:
		calls = []Call{UseWarehouse(access), RefreshWarehouse(refresh)}
	}
	h.Calls = a.lines(m.config.Path, calls)
	return h, nil
}

// keyCalls exchange the key at each service that takes keys.
func (a *App) keyCalls(key secret.Text) (all []web.Call) {
	for _, m := range a.mounts {
		if m.config.EDI != nil {
			all = append(all, a.lines(m.config.Path, []Call{ExchangeKey(key.Reveal())})...)
		}
	}
	return all
}

// devPaths are where the services of the calls are mounted by --dev.
var devPaths = []string{"/webservices", "/auth", "/service", "/api"}

// lines are the calls for a shell, at this server's address and the service's path.
func (a *App) lines(path string, calls []Call) (all []web.Call) {
	for _, c := range calls {
		for _, dev := range devPaths {
			if rest, ok := strings.CutPrefix(c.Path, dev+"/"); ok && dev != "/service" {
				c.Path = strings.TrimSuffix(path, "/") + "/" + rest
				break
			} else if ok {
				c.Path = strings.TrimSuffix(path, "/") + c.Path
				break
			}
		}
		all = append(all, web.Call{Title: c.Title, Line: c.Curl(a.Config.BaseURL)})
	}
	return all
}

// keyViews are the service's signing keys that are still in use.
func (a *App) keyViews(service string) (all []web.KeyView) {
	for _, k := range a.Keys.List() {
		if k.Service == service && k.State != keyring.StateGone {
			since := k.SignFrom
			if since.IsZero() {
				since = k.CreatedAt
			}
			all = append(all, web.KeyView{ID: k.KID, Purpose: string(k.Purpose), Alg: k.Alg, State: k.State, Since: since, Pinned: k.Pinned})
		}
	}
	return all
}
