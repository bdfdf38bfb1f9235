package edi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/jws"
	"symbolon/internal/strictjson"
	"symbolon/internal/token"
)

// reason is a fault of a token in the words that the wire has for it.
type reason string

// Error returns the words.
func (r reason) Error() string { return string(r) }

// Faults of the edi-token's claims.
const (
	badPayload  reason = "Invalid payload string"
	badIAT      reason = "Issued At claim (iat) must be an integer."
	badNBF      reason = "Not Before claim (nbf) must be an integer."
	badEXP      reason = "Expiration Time claim (exp) must be an integer."
	noIAT       reason = `Token is missing the "iat" claim`
	noEXP       reason = `Token is missing the "exp" claim`
	badIssuer   reason = "Invalid issuer"
	badAudience reason = "Invalid audience"
	badSubject  reason = "Subject must be a string"
	noSubject   reason = "EdiTokenClaims.__init__() missing 1 required positional argument: 'sub'"
	noGrant     reason = "Token has no grant"
	badClaim    reason = "Invalid payload string: a claim has the wrong type"
	notText     reason = "Invalid token type. Token must be a <class 'bytes'>"
	notYet      reason = "The token is not yet valid (nbf)"
	fromFuture  reason = "The token is not yet valid (iat)"
)

// Faults of the legacy token.
const (
	fewLegacyParts     reason = "not enough values to unpack (expected 2, got 1)"
	manyLegacyParts    reason = "too many values to unpack (expected 2)"
	badPadding         reason = "Incorrect padding"
	badLegacySignature reason = "Invalid signature"
	badLegacyText      reason = "Invalid token text"
	foreignLegacy      reason = "Token belongs to another user"
	endedLegacy        reason = "Token has been revoked"
)

// formFaults words what is wrong with a token before its claims are read.
var formFaults = []struct {
	err    error
	reason reason
}{
	{jws.ErrHeaderEncoding, "Invalid header padding"},
	{jws.ErrPayloadEncoding, "Invalid payload padding"},
	{jws.ErrSignatureEncoding, "Invalid crypto padding"},
	{jws.ErrCritical, "Unsupported critical extension"},
	{jws.ErrType, "Invalid header string: typ must be a string"},
	{jws.ErrKID, "Key ID header parameter must be a string"},
	{jws.ErrAlg, "The specified alg value is not allowed"},
	{jws.ErrSignature, "Signature verification failed"},
	{token.ErrNotBefore, notYet},
	{token.ErrIssuedAt, fromFuture},
}

// codeFaults words the refusals that have no finer cause.
var codeFaults = map[token.Code]reason{ // :: code → words
	token.Malformed:      "Invalid token",
	token.BadCredentials: "Invalid token",
	token.Expired:        "Signature has expired",
	token.Revoked:        "Token has been revoked",
	token.Reused:         "Token has been revoked",
	token.WrongKind:      "Token cannot be refreshed",
	token.Forbidden:      "Token has been revoked",
	token.NotFound:       "Token has been revoked",
	token.Conflict:       "Token has been revoked",
}

// reasonOf says in the wire's words why the engine refused an edi-token.
func reasonOf(err error, text string) reason {
	switch {
	case errors.Is(err, jws.ErrSegments) && strings.Count(text, ".") < 2:
		return "Not enough segments"
	case errors.Is(err, jws.ErrSegments):
		return "Invalid payload padding"
	case errors.Is(err, jws.ErrHeaderJSON):
		return reason("Invalid header string: " + headerFault(text))
	}
	for _, f := range formFaults {
		if errors.Is(err, f.err) {
			return f.reason
		}
	}
	var own reason
	if errors.As(err, &own) {
		return own
	}
	return codeFaults[token.CodeOf(err)]
}

// headerFault words what is wrong with a header that is base64url and no JSON object.
func headerFault(text string) string {
	segment, _, _ := strings.Cut(text, ".")
	header, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return "not base64url"
	}
	_, err = strictjson.ParseObject(header, strictjson.Limits{})
	if errors.Is(err, strictjson.ErrNotObject) {
		return "must be a json object"
	}
	return jsonFault(header, err)
}

// The calls by their names on the wire.
const (
	refreshToken  = "refreshToken"
	getTokenByKey = "getTokenByKey"
	getToken      = "getToken"
	whoAmI        = "whoami"
	loginPasta    = "login/pasta"
	verify        = "verify"
)

// Whole messages.
const (
	invalidKey     = "Invalid API key"
	unauthorized   = "Unauthorized: Authentication token is missing or invalid"
	badEDIToken    = "Attempted to refresh invalid edi-token: "
	badPastaToken  = "Attempted to refresh invalid pasta-token: "
	accessDenied   = "Access denied: You do not have permission to use this resource"
	wrongTokenKey  = "Access denied: Invalid request"
	noSuchProfile  = "Not found: Invalid request"
	tooMany        = "Too many requests: please try again later"
	unavailableMsg = "Service unavailable: please try again later"
)

// refusal is one status and message. For refreshToken the reason follows the
// message, for loginPasta who asked.
type refusal struct {
	status int
	msg    string
}

// refusals is the table from the engine's codes to this wire; a call's other codes are
// its refusal of code 0. An unknown error counts as Unavailable.
var refusals = map[string]map[token.Code]refusal{ // :: call → code → refusal
	refreshToken:  {0: {http.StatusUnauthorized, badEDIToken}},
	getTokenByKey: {0: {http.StatusUnauthorized, invalidKey}},
	getToken: {
		0:              {http.StatusForbidden, wrongTokenKey},
		token.NotFound: {http.StatusNotFound, noSuchProfile},
	},
	whoAmI:     {0: {http.StatusUnauthorized, unauthorized}},
	loginPasta: {0: {http.StatusUnauthorized, badLogin}},
	verify: {
		0:               {http.StatusUnauthorized, unauthorized},
		token.Forbidden: {http.StatusForbidden, accessDenied},
	},
}

// refusalOf returns the status and whole message for an engine error of a call; text is
// the token that was refused, or the user, where the call has one.
func refusalOf(call string, err error, text string) refusal {
	code := token.CodeOf(err)
	switch code {
	case token.TooMany:
		return refusal{http.StatusTooManyRequests, tooMany}
	case token.Unavailable:
		return refusal{http.StatusServiceUnavailable, unavailableMsg}
	}
	r, ok := refusals[call][code]
	if !ok {
		r = refusals[call][0]
	}
	switch call {
	case refreshToken:
		r.msg += string(reasonOf(err, text))
	case loginPasta:
		r.msg += text
	}
	return r
}

// retryAfter is the header of 429 and 503: whole seconds, at least one.
func retryAfter(err error) string {
	var e *token.Error
	if errors.As(err, &e) && e.RetryAfter > time.Second {
		return strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10)
	}
	return "1"
}

// Failed is the answer of this wire to what never reached a handler: 400, 408, 413, 500, 503.
func (d *Dialect) Failed(status int) httpio.Response {
	msg := map[int]string{
		http.StatusBadRequest:            "Bad request: The request could not be read",
		http.StatusRequestTimeout:        "Bad request: The request body came too slowly",
		http.StatusRequestEntityTooLarge: "Bad request: The request body is too large",
		http.StatusServiceUnavailable:    unavailableMsg,
	}[status]
	if msg == "" {
		msg = fmt.Sprintf("%d %s", status, http.StatusText(status))
	}
	resp := httpio.Response{Status: status, Header: header(jsonType), Body: httpio.ASCIIJSON(httpio.Object{member("msg", msg)})}
	if status == http.StatusServiceUnavailable {
		resp.Header.Set("Retry-After", "1")
	}
	return resp
}
