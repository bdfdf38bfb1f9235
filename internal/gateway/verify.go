package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// Prefix is where the questions of other proxies arrive: Prefix and the name of the service, and where the
// proxy appends the target of the request, that behind it.
const Prefix = "/symbolon/verify/"

// Verify answers another proxy whether a request may go on: 200 with the identity headers, all of them, or
// 401 or 403 in the dialect's words. It reads no body, and hands nothing on.
func (g *Gate) Verify(r *http.Request, req *httpio.Request) (httpio.Response, http.Handler) {
	return g.answer(r.Context(), req), nil
}

func (g *Gate) answer(ctx context.Context, req *httpio.Request) httpio.Response {
	method, t, err := g.forwarded(req)
	if err != nil {
		return g.no(g.refused(ctx, req, err, httpio.Credential{}))
	}
	asked, err := g.rule(method, t.path)
	if err != nil {
		return g.no(g.refused(ctx, req, err, httpio.Credential{}))
	}
	if err := g.aim(req, t); err != nil {
		return g.no(g.refused(ctx, req, err, httpio.Credential{}))
	}
	v, err := g.decide(ctx, req, asked)
	if err != nil {
		return g.no(g.refused(ctx, req, err, v.credential))
	}
	h, err := g.yes(ctx, req.Header, v)
	if err != nil {
		return g.no(g.refused(ctx, req, err, v.credential))
	}
	return httpio.Response{Status: http.StatusOK, Header: h}
}

// yes tells the proxy what to put into the request: the identity headers, and where the token does not go on
// as it came, Authorization and Cookie too.
func (g *Gate) yes(ctx context.Context, in http.Header, v verdict) (http.Header, error) {
	if g.lending == "pass" {
		h := make(http.Header, len(g.headers.names))
		g.headers.set(h, v.holder)
		return h, nil
	}
	h, err := g.onward(ctx, in, v)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"Authorization", "Cookie"} {
		h.Set(name, h.Get(name))
	}
	return h, nil
}

// no turns a refusal into one that every proxy passes on: 401 and 403 as they are, what may pass with time as
// it is, anything else as 401. The identity headers are there, and empty.
func (g *Gate) no(resp httpio.Response) httpio.Response {
	switch resp.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable:
	default:
		resp.Status = http.StatusUnauthorized
		g.challenge(resp.Header, "invalid_token")
	}
	g.headers.set(resp.Header, nil)
	return resp
}

var (
	errTwoTargets = errors.New("the headers that tell the path or the method do not agree")
	errBadTarget  = errors.New("the target of the request could be read in two ways")
)

// forwarded says what the proxy asks about. A target behind the service's name was put there by the proxy. Headers
// are believed of listed peers only, and where they agree: a client may send those that its proxy does not.
func (g *Gate) forwarded(req *httpio.Request) (method string, t target, err error) {
	method = req.Method
	uri := strings.TrimPrefix(req.Target, Prefix+g.service)
	if !strings.HasPrefix(uri, "/") {
		if !req.Trusted {
			return "", target{}, nil
		}
		uri, err = agreed(req.Header, "X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url")
		if err == nil {
			method, err = agreed(req.Header, "X-Forwarded-Method", "X-Original-Method")
		}
		if err != nil {
			return "", target{}, token.Refuse(token.Forbidden, "%w", err)
		}
		if uri == "" {
			return "", target{}, nil
		}
	}
	t, err = parseTarget(originForm(uri))
	if err != nil {
		return "", target{}, token.Refuse(token.Forbidden, "%w: %w", errBadTarget, err)
	}
	if method = strings.ToUpper(method); method == http.MethodHead {
		method = http.MethodGet
	}
	return method, t, nil
}

// agreed returns the one value of some headers, "" when there is none.
func agreed(h http.Header, names ...string) (string, error) {
	value := ""
	for _, name := range names {
		for _, v := range h.Values(name) {
			if v == "" {
				continue
			}
			if value != "" && v != value {
				return "", errTwoTargets
			}
			value = v
		}
	}
	return value, nil
}

// originForm cuts scheme and host off a whole URL, as some proxies send it.
func originForm(uri string) string {
	for _, scheme := range []string{"http://", "https://"} {
		if rest, ok := strings.CutPrefix(uri, scheme); ok {
			if i := strings.IndexAny(rest, "/?#"); i >= 0 && rest[i] == '/' {
				return rest[i:]
			}
			return ""
		}
	}
	return uri
}
