package sesar

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// table says what each of the engine's codes is on one group of endpoints.
type table struct {
	rows  map[token.Code]row
	other row // for codes without a row
}

type row struct {
	status int
	kind   string
	body   string
}

func jsonRow(status int, body string) row { return row{status, "application/json", body} }

func xmlRow(status int, text string) row {
	return row{status, "application/xml", "<results><valid>no</valid><error>" + text + "</error></results>"}
}

var (
	unavailable = jsonRow(503, `{"detail":"Service temporarily unavailable, try again later.","code":"service_unavailable"}`)
	throttled   = jsonRow(429, `{"detail":"Request was throttled."}`)
	badToken    = jsonRow(401, `{"detail":"Token is invalid or expired","code":"token_not_valid"}`)
	blacklisted = jsonRow(401, `{"detail":"Token is blacklisted","code":"token_not_valid"}`)
	badBearer   = jsonRow(401, `{"detail":"Given token not valid for any token type","code":"token_not_valid",`+
		`"messages":[{"token_class":"AccessToken","token_type":"access","message":"Token is invalid or expired"}]}`)
	notAccess = jsonRow(401, `{"detail":"Given token not valid for any token type","code":"token_not_valid",`+
		`"messages":[{"token_class":"AccessToken","token_type":"access","message":"Token has wrong type"}]}`)
	noUser = jsonRow(401, `{"detail":"User not found","code":"user_not_found"}`)
)

// The tables. refreshErrors says one thing of every bad token: what was wrong with
// it is in the log.
var (
	refreshErrors = table{
		rows:  map[token.Code]row{token.TooMany: throttled, token.Unavailable: unavailable},
		other: badToken,
	}
	refreshJSONErrors = table{
		rows:  map[token.Code]row{token.TooMany: throttled, token.Unavailable: unavailable},
		other: jsonRow(401, `{"error":"Invalid or expired refresh token."}`),
	}
	blacklistErrors = table{
		rows: map[token.Code]row{
			token.Revoked:     blacklisted,
			token.Reused:      blacklisted,
			token.WrongKind:   jsonRow(401, `{"detail":"Token has wrong type","code":"token_not_valid"}`),
			token.TooMany:     throttled,
			token.Unavailable: unavailable,
		},
		other: badToken,
	}
	mintErrors = table{
		rows: map[token.Code]row{
			token.Forbidden:   jsonRow(401, `{"errors":{"permissions":"You do not have permission to generate a jwt."}}`),
			token.NotFound:    noUser,
			token.TooMany:     throttled,
			token.Unavailable: unavailable,
		},
		other: badBearer,
	}
	bearerErrors = table{
		rows: map[token.Code]row{
			token.WrongKind:   notAccess,
			token.NotFound:    noUser,
			token.Forbidden:   jsonRow(403, `{"detail":"You do not have permission to perform this action."}`),
			token.TooMany:     throttled,
			token.Unavailable: unavailable,
		},
		other: badBearer,
	}
	credentialErrors = table{
		rows: map[token.Code]row{
			token.TooMany:     xmlRow(429, "Too many requests, try again later"),
			token.Unavailable: xmlRow(503, "Service temporarily unavailable, try again later"),
		},
		other: xmlRow(401, "Invalid login, username not known or password not matched"),
	}
)

// answer renders an error of the engine; one that is not the engine's own is 503.
func (t table) answer(err error) httpio.Response {
	line, ok := t.rows[token.CodeOf(err)]
	if !ok {
		line = t.other
	}
	resp := answer(line.status, line.kind, []byte(line.body))
	if line.status == http.StatusServiceUnavailable || line.status == http.StatusTooManyRequests {
		resp.Header.Set("Retry-After", retryAfter(err))
	}
	return resp
}

// retryAfter is in whole seconds, at least one.
func retryAfter(err error) string {
	wait := time.Second
	if e := (*token.Error)(nil); errors.As(err, &e) {
		wait = max(wait, e.RetryAfter)
	}
	return strconv.Itoa(int(math.Ceil(wait.Seconds())))
}

// headerError answers an Authorization header that holds no token at all.
func headerError(err error) httpio.Response {
	if errors.Is(err, httpio.ErrNoHeader) {
		return jsonAnswer(401, detail("Authentication credentials were not provided."))
	}
	return jsonAnswer(401, httpio.Object{
		{Name: "detail", Value: "Authorization header must contain two space-delimited values"},
		{Name: "code", Value: "bad_authorization_header"},
	})
}

// Failed answers for the adapter where no handler ran or finished: 400, 408, 413,
// 500 and 503, always as JSON, since it is not told the path.
func (d *Dialect) Failed(status int) httpio.Response {
	switch status {
	case http.StatusBadRequest:
		return jsonAnswer(status, detail("Malformed request."))
	case http.StatusRequestTimeout:
		return jsonAnswer(status, detail("The request body came too slowly."))
	case http.StatusRequestEntityTooLarge:
		return jsonAnswer(status, detail("The request body is too large."))
	case http.StatusServiceUnavailable:
		return refreshErrors.answer(token.Refuse(token.Unavailable, "the adapter"))
	}
	return jsonAnswer(status, detail("A server error occurred."))
}
