// Package gateway stands before servers that know nothing of Symbolon. It decides, for one service,
// whether a request may go on to the server behind, and tells that server who asks: by answering the
// question of another proxy (forward-auth), or by being the proxy.
//
// Both ways ask the same decision. It needs the wire of a dialect for where its users put tokens and
// how a refusal looks, and the engine for everything else, and reads no store for a token whose account
// this process has met.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// Dialect is what one wire adds to a decision. Its methods may be called at once.
type Dialect interface {
	// Places are where the wire's users put tokens, besides the Authorization header.
	Places() httpio.Places
	// Credential returns what a request presents. The request's Query holds the parameters of
	// Places alone. An error is a *token.Error that Refusal can word; nothing presented is one too.
	Credential(context.Context, *httpio.Request) (httpio.Credential, error)
	// Refusal words an error of Credential or of the engine; text is the token it is about.
	Refusal(r *httpio.Request, err error, text string) httpio.Response
	// Lend puts tokens minted for the server behind where that server looks for them.
	Lend(ctx context.Context, t token.Tokens, h http.Header) error
	// Failed words a status that no engine error stands for: 400, 500, 502, 504.
	Failed(status int) httpio.Response
}

// Engine is the verbs that a decision needs. All may be called at once, and their errors are those of
// package token.
type Engine interface {
	Identify(ctx context.Context, service, text string) (token.Holder, error)
	IdentifyKey(ctx context.Context, service string, key secret.Text) (token.Holder, error)
	IdentifyNamed(ctx context.Context, service, id, name string, until time.Time, cutOff func(at, heard time.Time) bool) (token.Holder, error)
	Lend(service string, h token.Holder, life time.Duration) (token.Tokens, error)
}

var _ Engine = (*token.Engine)(nil)

// Options are what a Gate needs beside its configuration. All are required.
type Options struct {
	Dialect Dialect
	Engine  Engine
	Now     func() time.Time
	Log     *slog.Logger
	// Scheme is that of the public origin, http or https, for the server behind.
	Scheme string
}

// Gate decides for one service. It is safe for concurrent use.
type Gate struct {
	service string
	dialect Dialect
	engine  Engine
	now     func() time.Time
	log     *slog.Logger
	scheme  string
	places  httpio.Places

	rules   []rule
	headers headers
	lending string // pass, mint or none
	loan    time.Duration
	proxy   *upstream // nil without a server behind
}

// New makes the gate of a configured service, which must have passed its check.
func New(c config.Service, o Options) *Gate {
	g := &Gate{
		service: c.Name, dialect: o.Dialect, engine: o.Engine, now: o.Now, log: o.Log, scheme: o.Scheme,
		places: o.Dialect.Places(), rules: newRules(c.Rules), headers: newHeaders(c.HeaderNames()),
		lending: c.UpstreamToken, loan: time.Duration(c.UpstreamTokenLifetime),
	}
	if c.Upstream != "" {
		g.proxy = newUpstream(c.Upstream, time.Duration(c.UpstreamTimeout))
	}
	return g
}

// verdict says that a request may go on.
type verdict struct {
	holder     *token.Holder // nil for nobody
	credential httpio.Credential
}

// decide lets a request go on, or says as a *token.Error why not. What is presented where nothing is
// asked for is looked at all the same, and counts as nothing if it is not good.
func (g *Gate) decide(ctx context.Context, r *httpio.Request, asked rule) (verdict, error) {
	v, err := g.identify(ctx, r)
	if asked.anonymous {
		if err != nil {
			return verdict{}, nil
		}
		return v, nil
	}
	if err == nil {
		err = asked.check(v.holder, g.now())
	}
	return v, err
}

// identify says who presents something good.
func (g *Gate) identify(ctx context.Context, r *httpio.Request) (verdict, error) {
	c, err := g.dialect.Credential(ctx, r)
	if err != nil {
		return verdict{}, err
	}
	v := verdict{credential: c}
	var h token.Holder
	switch p := c.Person; {
	case c.Key:
		h, err = g.engine.IdentifyKey(ctx, g.service, secret.New(c.Text))
	case p != nil:
		h, err = g.engine.IdentifyNamed(ctx, g.service, p.ID, p.Name, p.Ends, p.CutOff)
	default:
		h, err = g.engine.Identify(ctx, g.service, c.Text)
	}
	v.holder = &h
	return v, err
}

// aim makes r the request that a target asks for, with the parameters that may hold a token.
func (g *Gate) aim(r *httpio.Request, t target) error {
	var query url.Values
	for _, name := range g.places.Params {
		value, err := httpio.Param(t.query, name)
		if err != nil {
			return token.Refuse(token.Malformed, "parameter %s: %w", name, err)
		}
		if value != "" {
			if query == nil {
				query = url.Values{}
			}
			query.Set(name, value)
		}
	}
	r.Path, r.Query = t.path, query
	return nil
}

// refused logs why, and answers in the dialect's words, with a challenge to who could do better.
func (g *Gate) refused(ctx context.Context, r *httpio.Request, err error, credential httpio.Credential) httpio.Response {
	level := slog.LevelInfo
	code := token.CodeOf(err)
	if code == token.Unavailable {
		level = slog.LevelError
	}
	g.log.LogAttrs(ctx, level, "refused at the gateway", slog.String("code", code.String()),
		slog.String("reason", err.Error()), slog.String("request_id", r.ID))
	text := credential.Text
	if credential.Key {
		text = ""
	}
	resp := g.dialect.Refusal(r, err, text)
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	switch {
	case resp.Status == http.StatusUnauthorized && credential.Text == "":
		g.challenge(resp.Header, "")
	case resp.Status == http.StatusUnauthorized:
		g.challenge(resp.Header, "invalid_token")
	case resp.Status == http.StatusForbidden:
		g.challenge(resp.Header, "insufficient_scope")
	}
	return resp
}

// challenge is WWW-Authenticate of RFC 6750 §3, unless the dialect has one of its own.
func (g *Gate) challenge(h http.Header, fault string) {
	if h.Get("WWW-Authenticate") != "" {
		return
	}
	text := `Bearer realm="` + g.service + `"`
	if fault != "" {
		text += `, error="` + fault + `"`
	}
	h.Set("WWW-Authenticate", text)
}

// onward makes the headers of a request that are not the client's to say: who asks, Authorization, and the
// Cookie header without tokens; then, in the last two, the token that is to go on.
func (g *Gate) onward(ctx context.Context, in http.Header, v verdict) (http.Header, error) {
	out := http.Header{}
	if cookies := in["Cookie"]; cookies != nil {
		out["Cookie"] = cookies
		g.places.StripHeader(out)
	}
	g.headers.set(out, v.holder)
	switch {
	case v.holder == nil:
	case g.lending == "mint":
		t, err := g.engine.Lend(g.service, *v.holder, g.loan)
		if err != nil {
			return nil, err
		}
		return out, g.dialect.Lend(ctx, t, out)
	case g.lending == "pass" && !v.credential.Key:
		g.keep(in, out, v.credential.Text)
	}
	return out, nil
}

// keep puts a verified token back where it was; one from the query goes into the Authorization header.
func (g *Gate) keep(in, out http.Header, text string) {
	if strings.Contains(in.Get("Authorization"), text) {
		out.Set("Authorization", "Bearer "+text)
		return
	}
	for _, name := range g.places.Cookies {
		if value, err := httpio.CookieOnce(in, name); err == nil && value == text {
			httpio.AddCookie(out, name, text)
			return
		}
	}
	out.Set("Authorization", "Bearer "+text)
}
