package api

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// problem is the body of every answer that is not a success.
type problem struct {
	Title  string  `json:"title" doc:"The status in words."`
	Status int     `json:"status" doc:"The HTTP status once more."`
	Detail string  `json:"detail,omitempty" doc:"What is wrong and what to do, for people."`
	Errors []fault `json:"errors,omitempty" doc:"What is wrong with single fields."`
}

// fault is one field that is not as it must be. It never repeats what was sent.
type fault struct {
	Location string `json:"location,omitempty" doc:"Where, such as body.name or query.limit."`
	Message  string `json:"message" doc:"What is wrong."`
}

// The types of bodies; the first is that of RFC 9457 §3.
const (
	problemKind = "application/problem+json"
	jsonKind    = "application/json"
)

// Error returns the detail.
func (p *problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status.
func (p *problem) GetStatus() int { return p.Status }

// ContentType is that of RFC 9457 §3, whatever huma would send.
func (p *problem) ContentType(string) string { return problemKind }

func newProblem(status int, detail string) *problem {
	return &problem{Title: http.StatusText(status), Status: status, Detail: detail}
}

// problemOf is how huma says what is wrong with a request.
func problemOf(status int, detail string, errs ...error) huma.StatusError {
	p := newProblem(status, detail)
	for _, err := range errs {
		var d huma.ErrorDetailer
		if errors.As(err, &d) {
			p.Errors = append(p.Errors, fault{d.ErrorDetail().Location, d.ErrorDetail().Message})
		}
	}
	return p
}

// huma is set up by its package variables: our form of problems, members of objects with
// their exact case, and lists that are never null.
func init() {
	huma.NewError = problemOf
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
}

// Failed is the problem for a request that could not be read, or for which there is nothing.
func Failed(status int) httpio.Response { return problemResponse(newProblem(status, hints[status])) }

var hints = map[int]string{
	http.StatusNotFound:              "There is no such operation; /symbolon/docs/api lists them.",
	http.StatusMethodNotAllowed:      "The path has other methods; the header Allow lists them.",
	http.StatusRequestEntityTooLarge: "The body is larger than 1 MiB.",
	http.StatusRequestTimeout:        "The body came too slowly.",
	http.StatusBadRequest:            "The request could not be read: check the query string and the body.",
	http.StatusInternalServerError:   "Something went wrong here; the log says what, under the X-Request-Id of this answer.",
}

func problemResponse(p *problem) httpio.Response {
	return httpio.Response{Status: p.Status, Header: http.Header{"Content-Type": {problemKind}}, Body: httpio.JSON(p)}
}

// statuses are what the engine's codes are called here.
var statuses = map[token.Code]int{ // :: code → HTTP status
	token.Malformed:      http.StatusUnprocessableEntity,
	token.BadCredentials: http.StatusForbidden,
	token.Expired:        http.StatusConflict,
	token.Revoked:        http.StatusConflict,
	token.Reused:         http.StatusConflict,
	token.WrongKind:      http.StatusConflict,
	token.Forbidden:      http.StatusForbidden,
	token.NotFound:       http.StatusNotFound,
	token.Conflict:       http.StatusConflict,
	token.TooMany:        http.StatusTooManyRequests,
	token.Unavailable:    http.StatusServiceUnavailable,
}

// kinds are what the accounts' refusals are called here.
var kinds = map[account.Kind]int{ // :: kind → HTTP status
	account.NotFound:       http.StatusNotFound,
	account.Conflict:       http.StatusConflict,
	account.Invalid:        http.StatusUnprocessableEntity,
	account.BadCredentials: http.StatusForbidden,
	account.TooMany:        http.StatusTooManyRequests,
	account.Busy:           http.StatusServiceUnavailable,
}

// refusal is the problem for an error of a verb. A failure of ours is logged and said to be
// one, with nothing of its text.
func (a *API) refusal(ctx context.Context, err error) error {
	var p *problem
	var acc *account.Error
	var tok *token.Error
	switch {
	case errors.As(err, &p):
		return err
	case errors.As(err, &acc):
		return later(problemOf(kinds[acc.Kind], acc.Error()), acc.RetryAfter)
	case errors.As(err, &tok) && tok.Refusal():
		return later(problemOf(statuses[tok.Code], reasonOf(err)), tok.RetryAfter)
	}
	a.Log.ErrorContext(ctx, "answering the API failed", "err", err, "request_id", requestID(ctx))
	wait := time.Second
	if tok != nil {
		wait = max(wait, tok.RetryAfter)
	}
	return later(problemOf(http.StatusServiceUnavailable, "The server cannot reach its own records at the moment. Nothing was changed."), wait)
}

// later says when to try again; 0 says nothing.
func later(err error, wait time.Duration) error {
	if wait <= 0 {
		return err
	}
	seconds := strconv.Itoa(int(math.Ceil(wait.Seconds())))
	return huma.ErrorWithHeaders(err, http.Header{"Retry-After": {seconds}})
}

// reasonOf is the engine's own for a refusal, without its code.
func reasonOf(err error) string {
	var tok *token.Error
	if errors.As(err, &tok) && tok.Err != nil {
		return tok.Err.Error()
	}
	return err.Error()
}

func refuse(status int, detail string) error { return newProblem(status, detail) }
