package web

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// down reports whether err is a failure of ours rather than a refusal.
func down(err error) bool {
	var refused *account.Error
	if errors.As(err, &refused) {
		return refused.Kind == account.Busy
	}
	return token.CodeOf(err) == token.Unavailable
}

// words tells a person why something was refused; "" where that is not for people.
func words(err error) string {
	var acc *account.Error
	if errors.As(err, &acc) {
		return sentence(acc.Text)
	}
	var tok *token.Error
	if errors.As(err, &tok) && tok.Err != nil {
		return sentence(tok.Err.Error())
	}
	return ""
}

// sentence begins with a capital and ends with a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first := text[:1]
	if first >= "a" && first <= "z" {
		first = string(first[0] - 'a' + 'A')
	}
	text = first + text[1:]
	if last := text[len(text)-1]; last != '.' && last != '!' && last != '?' {
		text += "."
	}
	return text
}

// failed is the page for an error of a verb; v may be nil.
func (s *Site) failed(ctx context.Context, r *httpio.Request, v *visitor, err error) httpio.Response {
	if down(err) {
		return s.unavailable(ctx, r, err)
	}
	s.Log.InfoContext(ctx, "refused", "reason", err.Error(), "request_id", r.ID)
	status, title := http.StatusConflict, "That was not done"
	switch {
	case token.CodeOf(err) == token.NotFound || errors.Is(err, account.ErrNotFound):
		status, title = http.StatusNotFound, "There is nothing here"
	case token.CodeOf(err) == token.Forbidden:
		status = http.StatusForbidden
	}
	return s.page(status, "problem", view{Title: title, Visitor: v, Data: words(err)})
}

// unavailable is the page for a failure of ours. What failed is in the log.
func (s *Site) unavailable(ctx context.Context, r *httpio.Request, err error) httpio.Response {
	s.Log.ErrorContext(ctx, "answering a page failed", "err", err, "request_id", r.ID)
	resp := s.problem(http.StatusServiceUnavailable, "Not available just now",
		"The service cannot reach its own records at the moment. Nothing was changed. Try again in a minute.")
	resp.Header.Set("Retry-After", retryAfter(err))
	return resp
}

func retryAfter(err error) string {
	wait := time.Second
	var acc *account.Error
	var tok *token.Error
	switch {
	case errors.As(err, &acc) && acc.RetryAfter > 0:
		wait = acc.RetryAfter
	case errors.As(err, &tok) && tok.RetryAfter > 0:
		wait = tok.RetryAfter
	}
	return strconv.Itoa(int(math.Ceil(wait.Seconds())))
}
