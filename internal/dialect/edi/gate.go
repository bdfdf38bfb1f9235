package edi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// The two cookies of PASTA.
const (
	ediCookie    = "edi-token"
	legacyCookie = "auth-token"
)

// Places returns the parameter for API keys and both cookies.
func (d *Dialect) Places() httpio.Places {
	return httpio.Places{Params: []string{"key"}, Cookies: []string{ediCookie, legacyCookie}}
}

// Credential returns the bearer token, else the edi-token's cookie, else the API key in ?key=, else, where the
// configuration wants that, the legacy token's cookie.
func (d *Dialect) Credential(ctx context.Context, r *httpio.Request) (httpio.Credential, error) {
	text, err := httpio.Bearer(r.Header)
	if errors.Is(err, httpio.ErrNoHeader) {
		text, err = httpio.CookieOnce(r.Header, ediCookie)
	}
	if err != nil {
		return httpio.Credential{}, &token.Error{Code: token.BadCredentials, Err: err}
	}
	key := r.Query.Get("key")
	switch {
	case text != "":
		return httpio.Credential{Text: text}, nil
	case key != "":
		return httpio.Credential{Text: key, Key: true}, nil
	case d.format.edi.LegacyAlone:
		return d.legacyCredential(ctx, r)
	}
	return httpio.Credential{}, errNoToken
}

var errNoToken = token.Refuse(token.BadCredentials, "no token")

// legacyCredential opens a legacy token that comes without an edi-token. It names a person: by the id of the
// person's first identity, as the old server made it.
func (d *Dialect) legacyCredential(ctx context.Context, r *httpio.Request) (httpio.Credential, error) {
	text, err := httpio.CookieOnce(r.Header, legacyCookie)
	if err != nil {
		return httpio.Credential{}, &token.Error{Code: token.BadCredentials, Err: err}
	}
	if text == "" {
		return httpio.Credential{}, errNoToken
	}
	c := httpio.Credential{Text: text}
	t, err := d.legacy.open(ctx, text)
	var fault reason
	switch {
	case errors.As(err, &fault):
		return c, &token.Error{Code: token.Malformed, Err: err}
	case err != nil:
		return c, &token.Error{Code: token.Unavailable, Err: err}
	case t.uid == publicUID:
		return c, token.Refuse(token.BadCredentials, "a legacy token of nobody")
	}
	c.Person = &httpio.Person{ID: EDIID(t.uid), Name: t.uid, Ends: t.ends,
		CutOff: func(at, heard time.Time) bool { return d.legacy.cutOff(t.ends, at, heard) }}
	return c, nil
}

// Refusal answers a request that may not pass, in the form of the wire.
func (d *Dialect) Refusal(r *httpio.Request, err error, text string) httpio.Response {
	refusal := refusalOf(verify, err, text)
	resp := answer(r, verify, refusal.status, refusal.msg)
	again(resp, err)
	return resp
}

// Lend puts both tokens of PASTA into cookies, where its services look for them. The legacy token ends
// with the other, in the next whole minute: so short a one here counts as minted before any cut-off.
func (d *Dialect) Lend(ctx context.Context, t token.Tokens, h http.Header) error {
	httpio.AddCookie(h, ediCookie, t.Access.Reveal())
	who := d.format.legacyOf(t.Subject)
	if !who.usable() {
		return nil
	}
	who.ends = roundUp(t.Expires)
	pasta, err := d.legacy.mint(ctx, who)
	if err == nil {
		httpio.AddCookie(h, legacyCookie, pasta.Reveal())
	}
	return err
}
