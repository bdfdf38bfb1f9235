package sesar

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

const (
	defaultLabel = "API"
	maxLabel     = 100 // characters
)

// mint makes a pair for whoever holds an API key, or is signed in with the browser. An
// access token is no permission here: no token makes one that outlives it.
func (a *api) mint(ctx context.Context, r *httpio.Request) httpio.Response {
	req := token.IssueRequest{Service: a.service.Name, Kind: token.Pair}
	refusal := a.permission(r, &req)
	if refusal == nil {
		req.Label, refusal = pairLabel(r)
	}
	if refusal != nil {
		return *refusal
	}
	t, err := a.engine.Issue(ctx, caller(r), req)
	if err != nil {
		return a.refused(ctx, r, mintErrors, err)
	}
	return jsonAnswer(200, pair(t))
}

// permission sets the API key or the browser. An Authorization header is what counts, if
// there is one.
func (a *api) permission(r *httpio.Request, req *token.IssueRequest) (refusal *httpio.Response) {
	key, err := httpio.Bearer(r.Header)
	if err == nil {
		req.Key = secret.New(key)
		return nil
	}
	if len(r.Header.Values("Authorization")) == 0 {
		if req.Browser, refusal = a.pages.browser(r); refusal != nil || !req.Browser.IsZero() {
			return refusal
		}
	}
	resp := headerError(err)
	return &resp
}

// pairLabel is the optional field name.
func pairLabel(r *httpio.Request) (string, *httpio.Response) {
	value, given, refusal := readField(r, "name")
	if refusal != nil || !given {
		return defaultLabel, refusal
	}
	label, refusal := charField(value, "name")
	switch {
	case refusal != nil:
		return "", refusal
	case !utf8.ValidString(label):
		return "", fieldError("name", "Not a valid string.")
	case strings.ContainsFunc(label, func(c rune) bool { return !unicode.IsPrint(c) }):
		return "", fieldError("name", "Only printable characters are allowed.")
	case utf8.RuneCountInString(label) > maxLabel:
		return "", fieldError("name", fmt.Sprintf("Ensure this field has no more than %d characters.", maxLabel))
	}
	return label, nil
}

func pair(t token.Tokens) httpio.Object {
	return httpio.Object{
		{Name: "refresh", Value: t.Refresh.Reveal()},
		{Name: "access", Value: t.Access.Reveal()},
	}
}

// refreshJSON is the JSON API's own refresh, with its own texts and the pair in data.
func (a *api) refreshJSON(ctx context.Context, r *httpio.Request) httpio.Response {
	value, _, refusal := readField(r, "refresh")
	if refusal != nil {
		return *refusal
	}
	text, _ := value.(string)
	if text = strings.TrimSpace(text); text == "" {
		return jsonAnswer(400, httpio.Object{{Name: "error", Value: "Refresh token is required."}})
	}
	t, err := a.refresh(ctx, r, text)
	if err != nil {
		return a.refused(ctx, r, refreshJSONErrors, err)
	}
	resp := jsonAnswer(200, httpio.Object{{Name: "data", Value: pair(t)}})
	resp.Lost = t.Lost
	return resp
}

// blacklist ends the pair of a refresh token; holding it is the permission.
func (a *api) blacklist(ctx context.Context, r *httpio.Request) httpio.Response {
	text, refusal := textField(r, "refresh")
	if refusal != nil {
		return *refusal
	}
	_, err := a.engine.Revoke(ctx, caller(r), token.RevokeRequest{Service: a.service.Name, Token: text, Reason: "blacklist"})
	if err != nil {
		return a.refused(ctx, r, blacklistErrors, err)
	}
	return jsonAnswer(200, httpio.Object{})
}

// bearer returns the account behind the request's access token, or the answer to give.
func (a *api) bearer(ctx context.Context, r *httpio.Request) (token.Subject, *httpio.Response) {
	text, err := httpio.Bearer(r.Header)
	if err != nil {
		resp := headerError(err)
		return token.Subject{}, &resp
	}
	_, sub, err := a.engine.Introspect(ctx, a.service.Name, text, token.Access)
	if err != nil {
		resp := a.refused(ctx, r, bearerErrors, err)
		return token.Subject{}, &resp
	}
	return sub, nil
}

// blacklistAll ends every sign-in and pair that the bearer has in this service,
// the one it came with among them. API keys stay: they belong to no service. Where
// others hold the key of access tokens, one of these is no permission to end anything.
func (a *api) blacklistAll(ctx context.Context, r *httpio.Request) httpio.Response {
	sub, refusal := a.bearer(ctx, r)
	if refusal != nil {
		return *refusal
	}
	if a.keyShared {
		return a.refused(ctx, r, bearerErrors, token.Refuse(token.Forbidden, "an access token whose key is held elsewhere ends nothing"))
	}
	by := caller(r)
	by.Account = sub.Account
	ended, err := a.engine.Revoke(ctx, by, token.RevokeRequest{
		Account: sub.Account, Service: a.service.Name,
		Kinds: []token.GrantKind{token.Session, token.Pair}, Reason: "blacklist-all",
	})
	if err != nil {
		return a.refused(ctx, r, bearerErrors, err)
	}
	return jsonAnswer(200, httpio.Object{
		{Name: "message", Value: fmt.Sprintf("All %d token(s) have been revoked.", len(ended.Grants))},
	})
}

// user says who the bearer is.
func (a *api) user(ctx context.Context, r *httpio.Request) httpio.Response {
	sub, refusal := a.bearer(ctx, r)
	if refusal != nil {
		return *refusal
	}
	return jsonAnswer(200, httpio.Object{{Name: "data", Value: httpio.Object{
		{Name: "user", Value: a.person(sub)},
		{Name: "jwt_connection", Value: nil},
	}}})
}

func (a *api) person(sub token.Subject) httpio.Object {
	label := sub.Display
	if label == "" {
		label = sub.Name
	}
	first, last := splitName(label)
	orcid := identity(sub, "orcid")
	uri := orcid
	if orcid != nil {
		uri = "https://orcid.org/" + orcid.(string)
	}
	status := "approved"
	if a.service.Admit(sub) != nil {
		status = "denied"
	}
	return httpio.Object{
		{Name: "individual", Value: httpio.Object{
			{Name: "label", Value: label}, {Name: "fname", Value: first}, {Name: "lname", Value: last},
			{Name: "individual_uri", Value: uri},
		}},
		{Name: "email", Value: orNull(sub.Email)},
		{Name: "orcid", Value: orcid},
		{Name: "upload_permission_status", Value: status},
	}
}

// splitName cuts at the last space; a single word is the last name.
func splitName(name string) (first, last string) {
	i := strings.LastIndexByte(name, ' ')
	if i < 0 {
		return "", name
	}
	return strings.TrimSpace(name[:i]), name[i+1:]
}

// identity returns the subject's oldest identity of a provider, or nil.
func identity(sub token.Subject, provider string) any {
	for _, i := range sub.Identities {
		if i.Provider == provider {
			return i.Subject
		}
	}
	return nil
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
