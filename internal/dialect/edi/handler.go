package edi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// handlers are a Dialect at work on an engine.
type handlers struct {
	*Dialect
	engine Engine
}

const (
	invalidJSON  = "Bad request: Invalid JSON in request body: "
	missingField = "Bad request: Missing field in JSON in request body: "
	wrongField   = "Bad request: Field in JSON in request body is not a string: "
	badRequest   = "Bad request: Invalid request"
	created      = "Token created successfully"
	refreshed    = "PASTA and EDI tokens refreshed successfully"
)

// judge finds the answer to an engine error and logs its reason; text is what it is about.
func (h *handlers) judge(ctx context.Context, r *httpio.Request, call string, err error, text string) refusal {
	code := token.CodeOf(err)
	level := slog.LevelInfo
	if code == token.Unavailable {
		level = slog.LevelError
	}
	h.log.Log(ctx, level, "refused", "call", call, "code", code.String(), "reason", err.Error(), "request_id", r.ID)
	return refusalOf(call, err, text)
}

// refused answers for an engine error; text is the token it is about.
func (h *handlers) refused(ctx context.Context, r *httpio.Request, call string, err error, text string, fields ...httpio.Field) httpio.Response {
	refusal := h.judge(ctx, r, call, err, text)
	if refusal.status >= http.StatusInternalServerError {
		fields = nil
	}
	resp := answer(r, call, refusal.status, refusal.msg, fields...)
	again(resp, err)
	return resp
}

// again says when to ask again, where asking again can help.
func again(resp httpio.Response, err error) {
	if code := token.CodeOf(err); code == token.Unavailable || code == token.TooMany {
		resp.Header.Set("Retry-After", retryAfter(err))
	}
}

// refresh is POST v1/token/refresh: the edi-token is judged first and alone decides
// whether there is a session; the legacy token must then belong to the same person.
func (h *handlers) refresh(ctx context.Context, r *httpio.Request) httpio.Response {
	pasta, edi, msg := refreshFields(r)
	if msg != "" {
		return answer(r, refreshToken, http.StatusBadRequest, msg)
	}
	text, ok := edi.(string)
	if !ok {
		return h.refused(ctx, r, refreshToken, &token.Error{Code: token.Malformed, Err: notText}, "")
	}
	t, err := h.engine.Refresh(ctx, caller(r, "token"), token.RefreshRequest{Service: h.service.Name, Token: text, Accept: []token.Kind{token.Access}})
	if err != nil {
		return h.refused(ctx, r, refreshToken, err, text)
	}
	renewed, err := h.renew(ctx, pasta, t)
	var fault reason
	switch {
	case errors.As(err, &fault):
		h.log.InfoContext(ctx, "refused", "call", refreshToken, "reason", "pasta-token: "+string(fault), "grant", t.Grant.ID, "request_id", r.ID)
		return answer(r, refreshToken, http.StatusUnauthorized, badPastaToken+string(fault))
	case err != nil:
		return h.refused(ctx, r, refreshToken, err, text)
	}
	return answer(r, refreshToken, http.StatusOK, refreshed, pastaField(renewed), ediField(t))
}

// caller is whoever sent the request, by what he holds.
func caller(r *httpio.Request, actor string) token.Caller {
	by := token.Caller{Actor: actor, Agent: r.Agent}
	if r.Addr.IsValid() {
		by.Addr = r.Addr.String()
	}
	return by
}

// refreshFields reads both members, or says what is wrong with the request.
func refreshFields(r *httpio.Request) (pasta, edi any, msg string) {
	o, fault := object(r, "pasta-token", "edi-token")
	if fault != "" {
		return nil, nil, invalidJSON + fault
	}
	pasta, ok := o.Get("pasta-token")
	if !ok {
		return nil, nil, missingField + "'pasta-token'"
	}
	edi, ok = o.Get("edi-token")
	if !ok {
		return nil, nil, missingField + "'edi-token'"
	}
	if _, ok := pasta.(string); !ok && pasta != nil {
		return nil, nil, wrongField + "'pasta-token'"
	}
	return pasta, edi, ""
}

// renew gives a legacy token a new end. A fault of the old one is a reason; null stays null.
func (h *handlers) renew(ctx context.Context, pasta any, t token.Tokens) (secret.Text, error) {
	text, ok := pasta.(string)
	if !ok {
		return secret.Text{}, nil
	}
	old, err := h.legacy.open(ctx, text)
	if err != nil {
		return secret.Text{}, err
	}
	if !slices.Contains(h.uidsBeside(t), old.uid) {
		return secret.Text{}, foreignLegacy
	}
	at, heard, err := h.engine.CutOff(h.service.Name, old.uid)
	if err != nil {
		return secret.Text{}, err
	}
	if h.legacy.cutOff(old.ends, at, heard) {
		return secret.Text{}, endedLegacy
	}
	return h.mintLegacy(ctx, h.engine, old, t)
}

// uidsBeside lists whom the legacy token may name: whom the edi-token names, or the
// present account when the engine had to read that.
func (h *handlers) uidsBeside(t token.Tokens) []string {
	if t.Claims != nil {
		return t.Claims.Wire.(*wire).uids
	}
	return h.format.uids(t.Subject)
}

func pastaField(t secret.Text) httpio.Field { return member("pasta-token", orNull(t.Reveal())) }

func ediField(t token.Tokens) httpio.Field { return member("edi-token", t.Access.Reveal()) }

// exchange is POST v1/key: an API key for both tokens. One text covers all that can be
// wrong with a key.
func (h *handlers) exchange(ctx context.Context, r *httpio.Request) httpio.Response {
	o, fault := object(r, "key")
	if fault != "" {
		return answer(r, getTokenByKey, http.StatusBadRequest, invalidJSON+fault)
	}
	v, ok := o.Get("key")
	if !ok {
		return answer(r, getTokenByKey, http.StatusBadRequest, missingField+"'key'")
	}
	key, ok := v.(string)
	if !ok {
		return answer(r, getTokenByKey, http.StatusBadRequest, wrongField+"'key'")
	}
	t, err := h.engine.Exchange(ctx, caller(r, "key"), h.service.Name, secret.New(key))
	if err != nil {
		return h.refused(ctx, r, getTokenByKey, err, "")
	}
	pasta, err := h.mintLegacy(ctx, h.engine, h.format.legacyOf(t.Subject), t)
	if err != nil {
		return h.refused(ctx, r, getTokenByKey, err, "")
	}
	return answer(r, getTokenByKey, http.StatusOK, created, pastaField(pasta), ediField(t))
}

// mintFor is POST v1/token/{edi_id}: a token for any profile, by the operator's secret.
func (h *handlers) mintFor(ctx context.Context, r *httpio.Request) httpio.Response {
	o, fault := object(r, "key")
	if fault != "" {
		return answer(r, getToken, http.StatusBadRequest, badRequest)
	}
	v, _ := o.Get("key")
	key, ok := v.(string)
	if !ok {
		return answer(r, getToken, http.StatusBadRequest, badRequest)
	}
	id := r.PathValue("edi_id")
	t, err := h.engine.ExchangeFor(ctx, caller(r, "key"), h.service.Name, secret.New(key), id)
	if err != nil {
		return h.refused(ctx, r, getToken, err, "", member("edi_id", id))
	}
	return answer(r, getToken, http.StatusOK, created, member("edi_id", id), ediField(t))
}

// whoami is GET v1/whoami, ours and for development: what the caller's token says.
func (h *handlers) whoami(ctx context.Context, r *httpio.Request) httpio.Response {
	text, err := httpio.Bearer(r.Header)
	if errors.Is(err, httpio.ErrNoHeader) {
		text, err = r.Cookie("edi-token"), nil
	}
	var c token.Claims
	if err != nil {
		err = &token.Error{Code: token.Malformed, Err: err}
	} else {
		c, err = h.engine.Verify(ctx, h.service.Name, text, token.Access)
	}
	if err != nil {
		return h.refused(ctx, r, whoAmI, err, text)
	}
	w := c.Wire.(*wire)
	return answer(r, whoAmI, http.StatusOK, "Token is valid", member("edi_id", c.Subject), member("cn", w.cn),
		member("idpName", orNull(w.idpName)), member("idpUid", orNull(w.idpUID)), member("principals", w.principals),
		member("issued", c.IssuedAt.UTC().Format(time.RFC3339)), member("expires", c.Expires.UTC().Format(time.RFC3339)))
}
