package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// visitor is who asks, and by what.
type visitor struct {
	account.Account
	by    token.Grant // the session or the API key
	key   secret.Text // what it presented
	admin bool
	asks  *httpio.Request
}

// keyLength is that of an API key's text; a session token is longer.
const keyLength = 27

type visitorKey struct{}

type requestKey struct{}

func withVisitor(ctx context.Context, v *visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// asking returns the request of an operation that needs no sign-in.
func asking(ctx context.Context) *httpio.Request { return ctx.Value(requestKey{}).(*httpio.Request) }

func requestID(ctx context.Context) string { return asking(ctx).ID }

// known lets nobody through whom no session token or API key vouches for, before anything
// else of the request is looked at.
func (a *API) known(ctx huma.Context, next func(huma.Context)) {
	x := ctx.(*exchange)
	v, err := a.visitor(x.ctx, x.r)
	if err == nil && admins(x.op) && !v.admin {
		err = refuse(http.StatusForbidden, "this is for members of the admin group")
	}
	if err != nil {
		x.fail(a.refusal(x.ctx, err))
		return
	}
	x.ctx = withVisitor(x.ctx, v)
	next(x)
}

// fail answers with a problem, as huma answers for an operation that returned one.
func (x *exchange) fail(err error) {
	var p *problem
	var h huma.HeadersError
	errors.As(err, &p)
	x.resp = problemResponse(p)
	if errors.As(err, &h) {
		for name, values := range h.GetHeaders() {
			x.resp.Header[name] = values
		}
	}
}

// unknown is the answer for a bearer that vouches for nobody, whatever the reason.
func unknown(detail string) error {
	return huma.ErrorWithHeaders(newProblem(http.StatusUnauthorized, detail),
		http.Header{"Www-Authenticate": {`Bearer realm="symbolon"`}})
}

const (
	noBearer  = "send the header Authorization: Bearer with a session token or an API key"
	badBearer = "the session token or API key is not one of ours, has ended or was revoked"
)

func (a *API) visitor(ctx context.Context, r *httpio.Request) (*visitor, error) {
	text, err := httpio.Bearer(r.Header)
	if err != nil {
		return nil, unknown(noBearer)
	}
	presented := secret.New(text)
	g, err := a.grant(ctx, callerOf(r, "account"), presented)
	switch code := token.CodeOf(err); {
	case code == token.Unavailable:
		return nil, err
	case err != nil:
		return nil, unknown(badBearer)
	case g.Group != 0:
		return nil, refuse(http.StatusForbidden, "an API key that acts for a group says nothing of an account; use a session or a key of your own")
	}
	acc, err := a.Accounts.ByID(ctx, g.Account)
	switch {
	case errors.Is(err, account.ErrNotFound):
		return nil, unknown(badBearer)
	case err != nil:
		return nil, err
	case acc.Status != account.Active:
		return nil, unknown(badBearer)
	}
	return &visitor{Account: acc, by: g, key: presented, admin: a.isAdmin(acc), asks: r}, nil
}

// grant tells the two kinds of secret apart by their length; both are looked up by hash.
func (a *API) grant(ctx context.Context, by token.Caller, s secret.Text) (token.Grant, error) {
	if len(s.Reveal()) == keyLength {
		return a.Engine.KeyHolder(ctx, by, s)
	}
	return a.Engine.Browser(ctx, by, s)
}

func (a *API) isAdmin(acc account.Account) bool {
	return a.Config.SignIn.AdminGroup != "" && slices.Contains(acc.Groups, a.Config.SignIn.AdminGroup)
}

// caller is the visitor to the engine.
func (v *visitor) caller() token.Caller {
	c := callerOf(v.asks, "account")
	c.Account = v.ID
	if v.by.Kind == token.APIKey {
		c.Actor = "key"
	}
	return c
}

// callerOf is a request to the engine, of nobody in particular.
func callerOf(r *httpio.Request, actor string) token.Caller {
	return token.Caller{Actor: actor, Addr: addr(r), Agent: r.Agent}
}

// operator is an admin to the engine: it may do what an operator may, under its own name.
func (v *visitor) operator() token.Caller {
	c := callerOf(v.asks, v.actor())
	c.Operator = true
	return c
}

// signs is the visitor to the accounts, for the audit log.
func (v *visitor) signs() account.By {
	return account.By{Actor: v.actor(), Addr: addr(v.asks), Agent: v.asks.Agent}
}

func (v *visitor) actor() string { return fmt.Sprintf("account %d", v.ID) }

func addr(r *httpio.Request) string {
	if !r.Addr.IsValid() {
		return ""
	}
	return r.Addr.String()
}

// inSession refuses an API key: what would outlive the key, or its account, takes a person.
func (v *visitor) inSession() error {
	if v.by.Kind != token.Browser {
		return refuse(http.StatusForbidden, "an API key cannot do this; sign in for a session token")
	}
	return nil
}
