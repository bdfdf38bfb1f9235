package itempath

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

func member(name string, value any) httpio.Field { return httpio.Field{Name: name, Value: value} }

// answer is a body as Flask writes it: compact, ASCII, a final newline. 401 also says
// how to do better, which no known client minds (RFC 6750 §3).
func answer(status int, body httpio.Object) httpio.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	return httpio.Response{Status: status, Header: h, Body: append(httpio.ASCII(httpio.JSON(body)), '\n')}
}

func message(status int, msg string) httpio.Response {
	return answer(status, httpio.Object{member("msg", msg)})
}

func (d *Dialect) refuse(r refusal) httpio.Response { return message(d.status(r), r.msg) }

// refused answers for an engine error and logs its reason; text is the token it is about.
func (h *handlers) refused(ctx context.Context, r *httpio.Request, call string, err error, text string) httpio.Response {
	code := token.CodeOf(err)
	level := slog.LevelInfo
	if code == token.Unavailable {
		level = slog.LevelError
	}
	h.log.Log(ctx, level, "refused", "call", call, "code", code.String(), "reason", err.Error(), "request_id", r.ID)
	resp := h.refuse(refusalOf(call, err, text))
	if code == token.Unavailable || code == token.TooMany {
		resp.Header.Set("Retry-After", retryAfter(err))
	}
	return resp
}

// caller is the client, acting for an account where one is known.
func caller(r *httpio.Request, actor string, account int64) token.Caller {
	by := token.Caller{Actor: actor, Account: account, Agent: r.Agent}
	if r.Addr.IsValid() {
		by.Addr = r.Addr.String()
	}
	return by
}

// wireDate is how ItemPath writes an instant, here always in UTC; stamp is the same
// instant without doubt.
func wireDate(t time.Time) string { return t.UTC().Format("01/02/2006, 15:04:05") }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
