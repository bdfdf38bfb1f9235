package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Middleware lets through only requests with a good access token in the Authorization header (RFC 6750 §2.1); tokens in
// forms, queries and cookies are not looked at. The handler finds the token's claims by FromContext. With allow, a
// request whose claims it does not like gets 403; nil allows all.
//
// Refusals are those of RFC 6750 §3, with WWW-Authenticate and a few words of plain text: 401 without a token or with
// one that is not good, 400 for a header that is no Bearer token's, 403 as above, and 503 with Retry-After while it
// cannot be known whether tokens were revoked.
func Middleware(v *Verifier, allow func(*http.Request, *Claims) bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			claims, refusal := v.admit(r)
			if refusal == nil && allow != nil && !allow(r, claims) {
				refusal = &answer{http.StatusForbidden, "insufficient_scope", "the token does not allow this"}
			}
			if refusal != nil {
				refusal.write(w, v.service)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, claims)))
		})
	}
}

type claimsKey struct{}

// FromContext returns the claims of the token that a request came with; nil outside a handler behind Middleware. They
// must not be changed.
func FromContext(ctx context.Context) *Claims {
	c, _ := ctx.Value(claimsKey{}).(*Claims)
	return c
}

// answer is one refusal; code is empty where the request said nothing wrong.
type answer struct {
	status      int
	code, words string
}

// admit looks at the request's token.
func (v *Verifier) admit(r *http.Request) (*Claims, *answer) {
	token, refusal := bearer(r.Header)
	if refusal != nil {
		return nil, refusal
	}
	claims, err := v.Verify(r.Context(), token)
	switch {
	case errors.Is(err, ErrUnavailable):
		return nil, &answer{http.StatusServiceUnavailable, "", "tokens cannot be checked at the moment, try again later"}
	case errors.Is(err, ErrExpired):
		return nil, &answer{http.StatusUnauthorized, "invalid_token", "the token has expired"}
	case errors.Is(err, ErrRevoked):
		return nil, &answer{http.StatusUnauthorized, "invalid_token", "the token was revoked"}
	case err != nil: // why is nobody's business who sends such
		return nil, &answer{http.StatusUnauthorized, "invalid_token", "the token is not valid here"}
	}
	return claims, nil
}

// bearer returns the one token of the one Authorization header. The scheme is matched without case (RFC 9110 §11.1).
func bearer(h http.Header) (string, *answer) {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return "", &answer{http.StatusUnauthorized, "", "an access token is needed"}
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || strings.EqualFold(scheme, "Bearer") && (token == "" || strings.ContainsAny(token, " \t,")) {
		return "", &answer{http.StatusBadRequest, "invalid_request", "one Authorization header with Bearer and one token is needed"}
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &answer{http.StatusUnauthorized, "", "an access token is needed"}
	}
	return token, nil
}

func (a *answer) write(w http.ResponseWriter, realm string) {
	challenge := fmt.Sprintf("Bearer realm=%q", realm)
	if a.code != "" {
		challenge += fmt.Sprintf(", error=%q, error_description=%q", a.code, a.words)
	}
	if a.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	} else {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, a.words, a.status)
}
