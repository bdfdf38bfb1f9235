package app

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"symbolon/internal/dialect/edi"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Handler is the whole service: every dialect under its own paths, and what is
// ours. Serve uses it; tests may do without a listener.
func (a *App) Handler() (http.Handler, error) {
	mux := http.NewServeMux()
	taken := map[string]string{} // :: pattern → service
	for _, m := range a.mounts {
		adapter := a.adapter(m.failed)
		for _, r := range m.routes(a.Engine) {
			if other, ok := taken[r.Pattern]; ok {
				return nil, fmt.Errorf("services %s and %s both claim %s: give one of them another path", other, m.config.Name, r.Pattern)
			}
			taken[r.Pattern] = m.config.Name
			mux.Handle(r.Pattern, adapter.Handle(r.Handle))
		}
	}
	for _, m := range a.mounts {
		for _, p := range m.prefixes {
			if p != "" && p != "/" && taken[p+"/"] == "" {
				taken[p+"/"] = m.config.Name
				mux.Handle(p+"/", a.adapter(m.failed).Handle(answerOnly(m.notFound)))
			}
		}
	}
	for _, r := range a.ownRoutes() {
		mux.Handle(r.Pattern, a.adapter(ownFailure).Handle(r.Handle))
	}
	return mux, nil
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

// readyz is 200 while this server vouches for tokens, else 503 with the reason.
func (a *App) readyz(context.Context, *httpio.Request) httpio.Response {
	if err := a.Engine.Fresh(); err != nil {
		resp := text("not ready: " + err.Error() + "\n")
		resp.Status = http.StatusServiceUnavailable
		resp.Header.Set("Retry-After", "1")
		return resp
	}
	return text("ready\n")
}

// publicly lets a public document be kept for five minutes.
func publicly(kind string, body []byte) httpio.Response {
	return httpio.Response{Status: http.StatusOK, Body: body, Header: http.Header{
		"Content-Type": {kind}, "Cache-Control": {"public, max-age=300"}}}
}

func (a *App) jwks(context.Context, *httpio.Request) httpio.Response {
	return publicly("application/jwk-set+json", a.Keys.JWKS())
}

// keyFile serves a service's public keys as files: SERVICE.pem for the access
// tokens, SERVICE-legacy.crt for EDI's legacy token.
func (a *App) keyFile(ctx context.Context, r *httpio.Request) httpio.Response {
	file := r.PathValue("file")
	if name, ok := strings.CutSuffix(file, "-legacy.crt"); ok {
		return a.legacyCertificate(ctx, name)
	}
	name, ok := strings.CutSuffix(file, ".pem")
	if !ok || a.mount(name) == nil {
		return ownFailure(http.StatusNotFound)
	}
	var out []byte
	for _, k := range a.Keys.Public(name) {
		der, err := x509.MarshalPKIXPublicKey(k.Key)
		if err != nil || k.Alg != "ES256" {
			continue
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	if out == nil {
		return ownFailure(http.StatusNotFound)
	}
	return publicly("application/x-pem-file", out)
}

func (a *App) mount(service string) *mount {
	i := slices.IndexFunc(a.mounts, func(m mount) bool { return m.config.Name == service })
	if i < 0 {
		return nil
	}
	return &a.mounts[i]
}

func (a *App) legacyCertificate(ctx context.Context, service string) httpio.Response {
	m := a.mount(service)
	if m == nil || m.config.EDI == nil {
		return ownFailure(http.StatusNotFound)
	}
	body, err := a.certificate(ctx, m)
	if err != nil {
		a.log.ErrorContext(ctx, "publishing the legacy certificate failed", "service", service, "err", err)
		resp := ownFailure(http.StatusServiceUnavailable)
		resp.Header.Set("Retry-After", "1")
		return resp
	}
	return publicly("application/x-x509-ca-cert", body)
}

func (a *App) certificate(ctx context.Context, m *mount) ([]byte, error) {
	if file := m.config.EDI.LegacyCertFile; file != "" {
		return os.ReadFile(file)
	}
	key, err := a.Keys.Legacy(ctx, m.config.Name)
	if err != nil {
		return nil, err
	}
	if made, ok := a.certificates.Load(key); ok { // signing is dear, and this is open to everybody
		return made.([]byte), nil
	}
	made, err := edi.Certificate(key)
	if err == nil {
		a.certificates.Store(key, made)
	}
	return made, err
}

// Companions are the tokens that a dialect hands out beside the engine's own,
// by their names on its wire.
func (a *App) Companions(ctx context.Context, service string, t token.Tokens) (map[string]string, error) {
	return a.mount(service).companions(ctx, t)
}
