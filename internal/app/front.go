package app

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strings"

	"symbolon/internal/config"
	"symbolon/internal/gateway"
)

// front gives each request to whom it belongs: the questions of other proxies to their service's gate, what is ours
// or a dialect's to the mux, and the rest of a protected prefix to the gate before the server behind. It looks at the
// target as it was sent, before the mux would tidy it up.
type front struct {
	mux       *http.ServeMux
	owners    map[string]mount        // :: pattern of the mux → the mount whose path it is
	fallbacks map[string]bool         // :: pattern of the mux → answers what nobody else does
	verify    map[string]http.Handler // :: service → its gate
	protected []protected             // longest prefix first
}

// protected is one prefix that leads to a server behind.
type protected struct {
	prefix string
	gate   http.Handler
}

// addGates makes the gates of all services.
func (f *front) addGates(a *App) {
	scheme, _, _ := strings.Cut(a.Config.BaseURL, ":")
	for _, m := range a.mounts {
		name := m.config.Name
		gate := gateway.New(m.config, gateway.Options{Dialect: m.gate, Engine: a.Engine, Now: a.now,
			Log: a.log.With("service", name), Scheme: scheme})
		f.verify[name] = a.adapter(m.failed).Pass(gateway.Prefix+name, gate.Verify)
		for _, prefix := range m.config.Protect {
			f.protected = append(f.protected, protected{prefix, a.adapter(m.failed).Pass("upstream of "+name, gate.Pass)})
		}
	}
	slices.SortStableFunc(f.protected, func(x, y protected) int { return cmp.Compare(len(y.prefix), len(x.prefix)) })
}

// ServeHTTP answers or hands on.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if rest, ok := strings.CutPrefix(r.RequestURI, gateway.Prefix); ok {
		name, _, _ := strings.Cut(rest, "/")
		name, _, _ = strings.Cut(name, "?")
		if gate := f.verify[name]; gate != nil {
			gate.ServeHTTP(w, r)
			return
		}
	}
	if gate := f.behind(r); gate != nil {
		gate.ServeHTTP(w, r)
		return
	}
	f.mux.ServeHTTP(w, r)
}

// behind returns the gate before the server that a path belongs to, or nil. A path that leads there only when it has
// been tidied up is the gate's too, which refuses it: the mux would send the client on.
func (f *front) behind(r *http.Request) http.Handler {
	asked := r.URL.Path
	if len(f.protected) == 0 || config.Reserved(asked) || f.ours(r) {
		return nil
	}
	tidy := path.Clean(asked)
	i := slices.IndexFunc(f.protected, func(p protected) bool { return config.Covers(p.prefix, asked) || config.Covers(p.prefix, tidy) })
	if i < 0 {
		return nil
	}
	return f.protected[i].gate
}

// ours reports whether the mux has more for a path than words for what is not there.
func (f *front) ours(r *http.Request) bool {
	_, pattern := f.mux.Handler(r)
	if f.fallbacks[pattern] {
		return false
	}
	owner, ok := f.owners[pattern]
	return !ok || owner.owns == nil || owner.owns(r.URL.Path)
}
