package edi

import (
	"context"
	"net/http"
	"strings"
	"unicode/utf8"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// SignIn asks who a directory's person is and returns the number of the account.
// Refusals are *token.Error: BadCredentials, the same for every reason, or TooMany; any
// other error means that nothing is known.
type SignIn func(ctx context.Context, by token.Caller, dn, password string) (int64, error)

const (
	noAuthorization = "No authorization header in request"
	notBasic        = "Invalid authorization scheme. Only Basic is supported: "
	badBasic        = "Malformed authorization header: "
	badLogin        = "Authentication failed for user: "
	signedIn        = "Login successful"
	notUTF8         = "not UTF-8"
)

// login is GET login/pasta: a DN and its password, in the header, for both tokens as
// cookies. Where the caller would go next (target) is not looked at.
func (h *handlers) login(ctx context.Context, r *httpio.Request) httpio.Response {
	dn, password, fault := basic(r.Header.Values("Authorization"))
	if fault != "" {
		return plain(http.StatusBadRequest, fault)
	}
	t, err := h.signedIn(ctx, r, dn, password)
	if err != nil {
		return h.refusedLogin(ctx, r, err, dn)
	}
	pasta, err := h.mintLegacy(ctx, h.engine, h.format.legacyOf(t.Subject), t)
	if err != nil {
		return h.refusedLogin(ctx, r, err, dn)
	}
	resp := plain(http.StatusOK, signedIn)
	if !pasta.IsZero() {
		resp.Header.Add("Set-Cookie", cookie("auth-token", pasta.Reveal()))
	}
	resp.Header.Add("Set-Cookie", cookie("edi-token", t.Access.Reveal()))
	return resp
}

func (h *handlers) signedIn(ctx context.Context, r *httpio.Request, dn, password string) (token.Tokens, error) {
	by := token.Caller{Actor: "account", Addr: r.Addr.String(), Agent: r.Agent}
	id, err := h.signIn(ctx, by, dn, password)
	if err != nil {
		return token.Tokens{}, err
	}
	by.Account = id
	return h.engine.Issue(ctx, by, token.IssueRequest{Service: h.service.Name, Kind: token.Session, Account: id})
}

func (h *handlers) refusedLogin(ctx context.Context, r *httpio.Request, err error, dn string) httpio.Response {
	refusal := h.judge(ctx, r, loginPasta, err, dn)
	resp := plain(refusal.status, refusal.msg)
	again(resp, err)
	return resp
}

// cookie is what the clients know: no end, no Secure, no HttpOnly. The old server puts
// the legacy token in quotes, which are no part of it; neither token needs them.
func cookie(name, value string) string { return name + "=" + value + "; Path=/; SameSite=lax" }

func plain(status int, text string) httpio.Response {
	return httpio.Response{Status: status, Header: header("text/plain; charset=utf-8"), Body: []byte(text)}
}

// basic reads DN:password, split at the first colon, or says what is wrong.
func basic(headers []string) (dn, password, fault string) {
	if len(headers) == 0 {
		return "", "", noAuthorization
	}
	b64, ok := strings.CutPrefix(headers[0], "Basic ")
	if !ok {
		return "", "", notBasic + headers[0]
	}
	text, err := strictBase64(strings.TrimSpace(b64))
	if err != nil {
		return "", "", badBasic + err.Error()
	}
	if !utf8.Valid(text) {
		return "", "", badBasic + notUTF8
	}
	dn, password, ok = strings.Cut(string(text), ":")
	if !ok {
		return "", "", badBasic + string(fewLegacyParts)
	}
	return dn, password, ""
}
