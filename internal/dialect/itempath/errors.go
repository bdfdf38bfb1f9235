package itempath

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/jws"
	"symbolon/internal/strictjson"
	"symbolon/internal/token"
)

// The groups of calls that answer alike.
const (
	callLogin       = "login"
	callRefresh     = "refresh"
	callApplication = "application-token"
	callAccess      = "access" // whatever takes an access or application token
	callPeople      = "people" // what is done in the users resource after that
	callGate        = "gate"   // what stands behind the service
)

// refusal is one status and message; tail adds what depends on the error, or on the
// token that was refused.
type refusal struct {
	status int
	msg    string
	tail   func(err error, text string) string
}

const (
	invalidLogin    = "Invalid username or password"
	onlyApplication = "Only application users can create application tokens"
	onlyAdmins      = "Admin privileges required"
	onlyUnshared    = "Application token required"
	tooMany         = "Too many requests, try again later"
)

var (
	malformed    = refusal{http.StatusUnprocessableEntity, "", words}
	expired      = refusal{status: http.StatusUnauthorized, msg: "Token has expired"}
	revoked      = refusal{status: http.StatusUnauthorized, msg: "Token has been revoked"}
	userGone     = refusal{http.StatusUnauthorized, "Error loading the user ", identityIn}
	refreshOnly  = refusal{status: http.StatusUnprocessableEntity, msg: "Only refresh tokens are allowed"}
	accessOnly   = refusal{status: http.StatusUnprocessableEntity, msg: "Only non-refresh tokens are allowed"}
	noPerson     = refusal{status: http.StatusNotFound, msg: "User not found"}
	badPerson    = refusal{http.StatusBadRequest, "", reasonIn}
	personExists = refusal{http.StatusConflict, "", reasonIn}
)

// refusals is the table from the engine's codes to this wire; a call's other codes are
// its refusal of code 0. TooMany, Unavailable and unknown errors are the same everywhere.
var refusals = map[string]map[token.Code]refusal{ // :: call → code → refusal
	callLogin: {0: {status: http.StatusNotFound, msg: invalidLogin}},
	callRefresh: {0: revoked, token.Malformed: malformed, token.Expired: expired, token.NotFound: userGone,
		token.WrongKind: refreshOnly},
	callApplication: {0: revoked, token.Malformed: malformed, token.Expired: expired, token.NotFound: userGone,
		token.WrongKind: refreshOnly, token.Forbidden: {status: http.StatusForbidden, msg: onlyApplication}},
	callAccess: {0: revoked, token.Malformed: malformed, token.Expired: expired, token.NotFound: userGone,
		token.WrongKind: accessOnly},
	callGate: {0: revoked, token.Malformed: malformed, token.Expired: expired, token.NotFound: userGone,
		token.WrongKind: accessOnly, token.Forbidden: {status: http.StatusForbidden, msg: "Access denied"}},
	callPeople: {0: {status: http.StatusForbidden, msg: onlyAdmins}, token.NotFound: noPerson,
		token.Malformed: badPerson, token.Conflict: personExists},
}

// refusalOf returns what an engine error of a call is on the wire; text is the token it
// is about, if any.
func refusalOf(call string, err error, text string) refusal {
	code := token.CodeOf(err)
	switch code {
	case token.TooMany:
		return refusal{status: http.StatusTooManyRequests, msg: tooMany}
	case token.Unavailable:
		return refusal{status: http.StatusServiceUnavailable, msg: http.StatusText(http.StatusServiceUnavailable)}
	}
	r, ok := refusals[call][code]
	if !ok {
		r = refusals[call][0]
	}
	if r.tail != nil {
		r.msg += r.tail(err, text)
	}
	return r
}

// status puts the configured statuses in the place of ItemPath's own.
func (d *Dialect) status(r refusal) int {
	switch {
	case r.status == http.StatusUnprocessableEntity:
		return d.own.InvalidTokenStatus
	case r.msg == invalidLogin:
		return d.own.LoginFailureStatus
	}
	return r.status
}

// formFaults words what is wrong with a token before its claims are read.
var formFaults = []struct {
	err   error
	words string
}{
	{jws.ErrTooLong, "Token is too long"},
	{jws.ErrSegments, "Invalid payload padding"},
	{jws.ErrHeaderEncoding, "Invalid header padding"},
	{jws.ErrPayloadEncoding, "Invalid payload padding"},
	{jws.ErrSignatureEncoding, "Invalid crypto padding"},
	{jws.ErrCritical, "Unsupported critical extension"},
	{jws.ErrType, "Invalid header string: typ must be a string"},
	{jws.ErrKID, "Key ID header parameter must be a string"},
	{jws.ErrAlg, "The specified alg value is not allowed"},
	{jws.ErrSignature, "Signature verification failed"},
	{token.ErrNotBefore, "The token is not yet valid (nbf)"},
	{token.ErrIssuedAt, "The token is not yet valid (iat)"},
}

// words says in the wire's words why a token is malformed.
func words(err error, text string) string {
	switch {
	case errors.Is(err, jws.ErrSegments) && strings.Count(text, ".") < 2:
		return "Not enough segments"
	case errors.Is(err, jws.ErrHeaderJSON):
		return headerFault(text)
	case errors.Is(err, jws.ErrPayloadEncoding) && strings.Contains(text, ".."),
		errors.Is(err, jws.ErrAlg), errors.Is(err, jws.ErrSignature):
		// The library reads the payload before it looks at algorithm and signature.
		if fault := payloadFault(text); fault != "" {
			return fault
		}
	}
	for _, f := range formFaults {
		if errors.Is(err, f.err) {
			return f.words
		}
	}
	if own := reason(""); errors.As(err, &own) {
		return string(own)
	}
	return "Invalid token"
}

// segment decodes one part of a token that jws has decoded before.
func segment(text string, n int) []byte {
	parts := strings.Split(text, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(parts[min(n, len(parts)-1)])
	if err != nil {
		return nil
	}
	return decoded
}

func headerFault(text string) string {
	head := segment(text, 0)
	o, err := strictjson.ParseObject(head, strictjson.Limits{Depth: 8, Members: 256})
	if err == nil {
		err = o.OddCase("alg", "typ", "kid", "crit", "b64")
	}
	return "Invalid header string: " + jsonFault(head, err)
}

func payloadFault(text string) string {
	_, fault := payloadObject(segment(text, 1))
	return string(fault)
}

// identityIn returns whom a token names whose signature has been checked.
func identityIn(_ error, text string) string {
	o, fault := payloadObject(segment(text, 1))
	if fault != "" {
		return ""
	}
	return (&reader{object: o}).identity()
}

// reasonIn returns the text that an error of People has for the client.
func reasonIn(err error, _ string) string {
	var e *token.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return token.CodeOf(err).String()
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
	resp := message(status, http.StatusText(status))
	if status == http.StatusServiceUnavailable {
		resp.Header.Set("Retry-After", "1")
	}
	return resp
}
