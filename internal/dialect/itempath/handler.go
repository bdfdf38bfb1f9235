package itempath

import (
	"context"
	"net/http"
	"strconv"
	"time"
	"unicode"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// login is POST users/login. Whatever is wrong with name, password or account is one
// answer.
func (h *handlers) login(ctx context.Context, r *httpio.Request) httpio.Response {
	o, fault := object(r, "username", "password")
	if fault.status != 0 {
		return h.refuse(fault)
	}
	name, fault := stringIn(o, "username", true)
	if fault.status != 0 {
		return h.refuse(fault)
	}
	password, fault := stringIn(o, "password", true)
	if fault.status != 0 {
		return h.refuse(fault)
	}
	account, err := h.door.SignIn(ctx, caller(r, "account", 0), name, password)
	if err != nil {
		return h.refused(ctx, r, callLogin, err, "")
	}
	t, err := h.engine.Issue(ctx, caller(r, "account", account),
		token.IssueRequest{Service: h.service.Name, Kind: token.Session, Account: account, Label: "sign-in"})
	if err != nil {
		return h.refused(ctx, r, callLogin, err, "")
	}
	return answer(http.StatusOK, h.signedIn(t))
}

// signedIn is the union of the three answers that ItemPath documents, and our extras.
func (h *handlers) signedIn(t token.Tokens) httpio.Object {
	return httpio.Object{
		member("login", true), member("accessToken", t.Access.Reveal()), member("refreshToken", t.Refresh.Reveal()),
		member("username", t.Subject.Name), member("id", number(t.Subject.ID)),
		member("isAdmin", strconv.FormatBool(t.Subject.InGroup(h.own.AdminGroup))),
		member("accessExpiryDate", wireDate(t.Expires)), member("refreshExpiryDate", wireDate(t.Cap)),
		member("viewId", 1), member("timeZone", nil),
		member("accessExpiresAt", stamp(t.Expires)), member("refreshExpiresAt", stamp(t.Cap)), expiresIn(t),
	}
}

func expiresIn(t token.Tokens) httpio.Field {
	return member("expiresIn", int64(t.Expires.Sub(t.Issued)/time.Second))
}

// refresh is POST or GET users/refresh. The refresh token stays the same, and is not
// repeated: a client that keeps what it gets must not lose it.
func (h *handlers) refresh(ctx context.Context, r *httpio.Request) httpio.Response {
	text, fault := bearer(r.Header)
	if fault.status != 0 {
		return h.refuse(fault)
	}
	t, err := h.engine.Refresh(ctx, caller(r, "token", 0), token.RefreshRequest{Service: h.service.Name, Token: text})
	if err != nil {
		return h.refused(ctx, r, callRefresh, err, text)
	}
	name := t.Subject.Name
	if t.Claims != nil {
		name = t.Claims.Login
	}
	return answer(http.StatusOK, httpio.Object{
		member("accessToken", t.Access.Reveal()), member("accessExpiryDate", wireDate(t.Expires)),
		member("username", name), member("id", number(t.Subject.ID)),
		member("accessExpiresAt", stamp(t.Expires)), expiresIn(t),
	})
}

// application is POST users/application-token, with a refresh token. A body is not
// needed; its name labels the new token.
func (h *handlers) application(ctx context.Context, r *httpio.Request) httpio.Response {
	text, fault := bearer(r.Header)
	if fault.status != 0 {
		return h.refuse(fault)
	}
	label, fault := labelIn(r)
	if fault.status != 0 {
		return h.refuse(fault)
	}
	t, err := h.engine.IssueApplication(ctx, caller(r, "token", 0),
		token.ApplicationRequest{Service: h.service.Name, Token: text, Label: label})
	if err != nil {
		return h.refused(ctx, r, callApplication, err, text)
	}
	return answer(http.StatusOK, httpio.Object{member("token", t.Access.Reveal())})
}

const maxLabel = 100 // characters

func labelIn(r *httpio.Request) (string, refusal) {
	const unnamed = "application token"
	if len(r.Body) == 0 {
		return unnamed, refusal{}
	}
	o, fault := object(r, "name")
	if fault.status != 0 {
		return "", fault
	}
	name, fault := stringIn(o, "name", false)
	if fault.status != 0 {
		return "", fault
	}
	if name == "" {
		return unnamed, refusal{}
	}
	n := 0
	for _, c := range name {
		n++
		if n > maxLabel || !unicode.IsPrint(c) {
			return "", badRequest("name must be at most 100 printable characters")
		}
	}
	return name, refusal{}
}

// stations is GET stations, for development: ItemPath's own example of a resource.
func (h *handlers) stations(ctx context.Context, r *httpio.Request) httpio.Response {
	text, fault := bearer(r.Header)
	if fault.status != 0 {
		return h.refuse(fault)
	}
	_, sub, err := h.engine.Introspect(ctx, h.service.Name, text, token.Access)
	if err != nil {
		return h.refused(ctx, r, callAccess, err, text)
	}
	return answer(http.StatusOK, httpio.Object{
		member("stations", []any{httpio.Object{member("id", 1), member("name", "Demo station")}}),
		member("username", sub.Name), member("id", number(sub.ID)),
	})
}
