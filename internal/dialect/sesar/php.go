package sesar

import (
	"context"
	"net/http"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// refreshPHP is refresh_token.php: one good refresh token for a new pair. An
// Authorization header is not looked at: clients send stale ones along.
func (a *api) refreshPHP(ctx context.Context, r *httpio.Request) httpio.Response {
	text, refusal := textField(r, "refresh")
	if refusal != nil {
		return *refusal
	}
	t, err := a.refresh(ctx, r, text)
	if err != nil {
		return a.refused(ctx, r, refreshErrors, err)
	}
	resp := jsonAnswer(200, httpio.Object{
		{Name: "access", Value: t.Access.Reveal()},
		{Name: "refresh", Value: t.Refresh.Reveal()},
	})
	resp.Lost = t.Lost
	return resp
}

func (a *api) refresh(ctx context.Context, r *httpio.Request, text string) (token.Tokens, error) {
	return a.engine.Refresh(ctx, caller(r), token.RefreshRequest{Service: a.service.Name, Token: text, RetryKey: retryKey(r)})
}

// credentials is credentials_service_v2.php: whose access token is this. A body is
// not looked at, so user name and password get the 401 that SESAR gives them today.
func (a *api) credentials(ctx context.Context, r *httpio.Request) httpio.Response {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		resp := xmlAnswer(405, "<results><valid>no</valid><error>Method not allowed</error></results>")
		resp.Header.Set("Allow", "GET, HEAD, POST")
		return resp
	}
	text, err := httpio.Bearer(r.Header)
	if err != nil {
		return a.refused(ctx, r, credentialErrors, token.Refuse(token.BadCredentials, "%w", err))
	}
	_, sub, err := a.engine.Introspect(ctx, a.service.Name, text, token.Access)
	if err != nil {
		return a.refused(ctx, r, credentialErrors, err)
	}
	return xmlAnswer(200, userCodes(sub.Attrs["user_codes"]))
}

// userCodes lists the codes under both names that clients look for.
func userCodes(attr string) string {
	var users, sesar strings.Builder
	for code := range strings.SplitSeq(attr, ",") {
		if code = httpio.XMLText(strings.TrimSpace(code)); code != "" {
			users.WriteString("<user_code>" + code + "</user_code>")
			sesar.WriteString("<sesar_code>" + code + "</sesar_code>")
		}
	}
	return "<results><valid>yes</valid><user_codes>" + users.String() + "</user_codes><sesar_codes>" +
		sesar.String() + "</sesar_codes></results>"
}
