package collectiveaccess

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"symbolon/internal/graphql"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

const jsonType = "application/json"

// header is what every answer of the endpoint carries (contract §1.4), no-store added.
func header() http.Header {
	return http.Header{
		"Content-Type":                 {jsonType},
		"Access-Control-Allow-Origin":  {"*"},
		"Access-Control-Allow-Methods": {"POST, GET, OPTIONS, DELETE, PUT"},
		"Access-Control-Max-Age":       {"1000"},
		"Access-Control-Allow-Headers": {"x-requested-with, Content-Type, origin, authorization, accept, client-security-token"},
		"Cache-Control":                {"no-store, no-cache, must-revalidate"},
		"Expires":                      {"Mon, 26 Jul 1997 05:00:00 GMT"},
	}
}

// row is what one of the engine's codes is on this wire, where a field's resolver was refused.
type row struct {
	status  int
	message string
	expired bool // marks the error as expiredToken
}

// rows is the table from codes to the wire; all other codes are masked, as the old service masks every exception.
// A login that is refused for another reason is no error at all, see login.
var (
	rows = map[token.Code]row{ // :: code → row
		token.Expired:     {http.StatusUnauthorized, graphql.Internal, true},
		token.TooMany:     {http.StatusTooManyRequests, "Too many failed sign-ins: try again later", false},
		token.Unavailable: {http.StatusServiceUnavailable, "Service temporarily unavailable: try again later", false},
	}
	masked = row{http.StatusInternalServerError, graphql.Internal, false}
)

func rowOf(err error) row {
	if r, ok := rows[token.CodeOf(err)]; ok {
		return r
	}
	return masked
}

// errorObject lays an error out in the shape of the style (contract §3.2).
func errorObject(style graphql.Style, e *graphql.Error) *graphql.Object {
	message, category := e.Message, "graphql"
	var expired bool
	if e.Cause != nil {
		r := rowOf(e.Cause)
		message, category, expired = r.message, "internal", r.expired
	}
	o := object("message", message)
	add := func(key string, v any) { o.Keys, o.Values = append(o.Keys, key), append(o.Values, v) }
	if style == graphql.V14 {
		add("extensions", object("category", category))
	}
	if e.Locations != nil {
		var places []any
		for _, at := range e.Locations {
			places = append(places, object("line", at.Line, "column", at.Column))
		}
		add("locations", places)
	}
	if e.Path != nil {
		add("path", e.Path)
	}
	if expired {
		add("expiredToken", true)
	}
	return o
}

// statusOf is 200 without errors. Otherwise the first error decides between 401 and 500, unless one of them says
// that the same request may succeed later.
func statusOf(errs []*graphql.Error) (status int, retry time.Duration) {
	if len(errs) == 0 {
		return http.StatusOK, 0
	}
	for _, e := range errs {
		if s := errorStatus(e); s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable {
			status, retry = max(status, s), max(retry, retryAfter(e.Cause))
		}
	}
	if status == 0 {
		status = errorStatus(errs[0])
	}
	return status, retry
}

func errorStatus(e *graphql.Error) int {
	if e.Cause == nil {
		return masked.status
	}
	return rowOf(e.Cause).status
}

// retryAfter is at least one second.
func retryAfter(err error) time.Duration {
	var e *token.Error
	if errors.As(err, &e) {
		return max(time.Second, e.RetryAfter)
	}
	return time.Second
}

// respond sends the envelope of a result.
func (d *Dialect) respond(r *httpio.Request, result graphql.Result) httpio.Response {
	status, retry := statusOf(result.Errors)
	envelope := object("ok", len(result.Errors) == 0)
	if len(result.Errors) > 0 {
		var list []any
		for _, e := range result.Errors {
			list = append(list, errorObject(d.style, e))
		}
		envelope.Keys, envelope.Values = append(envelope.Keys, "errors"), append(envelope.Values, list)
	}
	if result.Data != nil {
		envelope.Keys, envelope.Values = append(envelope.Keys, "data"), append(envelope.Values, result.Data)
	}
	return d.send(r, status, retry, encode(envelope))
}

// send adds Retry-After where there is a wait, and looks at ?pretty, a whole number above 0.
func (d *Dialect) send(r *httpio.Request, status int, retry time.Duration, body []byte) httpio.Response {
	if n, err := strconv.Atoi(r.Query.Get("pretty")); err == nil && n > 0 {
		body = indented(body)
	}
	resp := httpio.Response{Status: status, Header: header(), Body: body}
	if retry > 0 {
		resp.Header.Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	}
	return resp
}

// Failed answers for the adapter where no handler ran or finished: 400, 408, 413, 500 and 503.
func (d *Dialect) Failed(status int) httpio.Response {
	message := graphql.Internal
	switch status {
	case http.StatusBadRequest:
		message = "The request could not be read"
	case http.StatusRequestTimeout:
		message = "The request body came too slowly"
	case http.StatusRequestEntityTooLarge:
		message = "The request body is too large"
	case http.StatusServiceUnavailable:
		message = rows[token.Unavailable].message
	}
	resp := httpio.Response{Status: status, Header: header(), Body: encode(object("ok", false, "errors", []any{object("message", message)}))}
	if status == http.StatusServiceUnavailable {
		resp.Header.Set("Retry-After", "1")
	}
	return resp
}
