package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/account"
	"symbolon/internal/token"
)

// credentials are what a session is begun with.
type credentials struct {
	Name     string `json:"name" minLength:"1" maxLength:"255" example:"ada" doc:"Sign-in name."`
	Password string `json:"password" minLength:"1" maxLength:"1024" format:"password" doc:"Sent in the body alone; it stands in no address and no log."`
	Where    string `json:"where,omitempty" enum:"here,directory" doc:"Whose password it is: that of the account here, or that of the LDAP directory. Left out, it is the one of this server, or the directory's where the server has none."`
}

// sessionInfo is a session with its secret.
type sessionInfo struct {
	ID      int64     `json:"id" doc:"Number of the session; it is in the list of browsers."`
	Token   string    `json:"token" doc:"The session token, to be sent as Bearer. It is shown this once."`
	Expires time.Time `json:"expires" doc:"End unless it is used before; each use moves it on."`
	Cap     time.Time `json:"cap" doc:"End whether it is used or not."`
	Account int64     `json:"account" doc:"Number of the account."`
}

func (a *API) session() {
	open(a, huma.Operation{OperationID: "sign-in", Method: http.MethodPost, Path: "/session", Tags: []string{tagSession},
		Summary: "Begin a session", DefaultStatus: http.StatusCreated,
		Description: "After ten failures in a row a name may be tried once a minute from one address.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}}, a.signIn)
	declare(a, huma.Operation{OperationID: "sign-out", Method: http.MethodDelete, Path: "/session", Tags: []string{tagSession},
		Summary: "End the session that asks"}, a.signOut)
}

func (a *API) signIn(ctx context.Context, in *body[credentials]) (*answer[sessionInfo], error) {
	how, ask := a.door(in.Body.Where)
	if ask == nil {
		return nil, refuse(http.StatusForbidden, "signing in this way is turned off here; take a session from the pages' other ways, or an API key")
	}
	r := asking(ctx)
	id, err := ask(ctx, account.By{Actor: "account", Addr: addr(r), Agent: r.Agent}, in.Body.Name, in.Body.Password)
	if errors.Is(err, account.ErrBadCredentials) {
		return nil, unknown("name and password do not belong together")
	}
	if err != nil {
		return nil, err
	}
	by := callerOf(r, "account")
	by.Account = id
	g, text, err := a.Engine.OpenBrowser(ctx, by, id, how)
	if err != nil {
		return nil, err
	}
	return say(sessionInfo{ID: g.ID, Token: text.Reveal(), Expires: utc(g.ExpiresAt), Cap: utc(g.Cap), Account: id}), nil
}

// door chooses who says whether the password is right. Both are never asked in turn: that
// would show the one the passwords meant for the other.
func (a *API) door(where string) (how string, ask func(context.Context, account.By, string, string) (int64, error)) {
	here := a.Config.SignIn.Password
	switch {
	case a.Directory != nil && (where == "directory" || where == "" && !here):
		return "ldap", a.Directory
	case here && where != "directory":
		return "password", a.Accounts.SignIn
	}
	return "", nil
}

func (a *API) signOut(ctx context.Context, v *visitor, _ *none) (*none, error) {
	if v.by.Kind != token.Browser {
		return nil, refuse(http.StatusForbidden, "an API key is no session; end it with DELETE /keys/{id}")
	}
	_, err := a.Engine.Revoke(ctx, v.caller(), token.RevokeRequest{Grant: v.by.ID, Reason: "signed out"})
	return nil, err
}
