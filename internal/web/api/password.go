package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/account"
)

// passwords are the old one and the new one.
type passwords struct {
	Old string `json:"old" minLength:"1" maxLength:"1024" format:"password" doc:"The one of now."`
	New string `json:"new" minLength:"8" maxLength:"1024" format:"password" doc:"At least 8 characters, not a common password."`
}

// identity names one way to sign in.
type identity struct {
	Provider string `query:"provider" required:"true" maxLength:"32" doc:"Such as orcid."`
	Subject  string `query:"subject" required:"true" maxLength:"255" doc:"The provider's name for you, as in your list of identities."`
}

// resetInfo is a link with which somebody sets a password.
type resetInfo struct {
	Link    string    `json:"link" doc:"Good once. It is shown this once: hand it to its person, and to nobody else."`
	Expires time.Time `json:"expires"`
}

func (a *API) passwords() {
	op := func(id, method, path, summary, text string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagMe}, Summary: summary, Description: text, Errors: errs}
	}
	declare(a, op("change-password", http.MethodPost, "/me/password", "Change my password",
		"Signs out all browsers and sessions but this one; tokens and keys stay. Takes a session. An account without a password sets its first one on the pages.",
		http.StatusConflict, http.StatusTooManyRequests), a.changePassword)
	declare(a, op("remove-identity", http.MethodDelete, "/me/identities", "Remove a way to sign in",
		"Never the last one. To add one, sign in with it on the pages. Takes a session.",
		http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity), a.removeIdentity)
	reset := adminOp("admin-reset-password", http.MethodPost, "/admin/accounts/{id}/reset-password", "A link for setting a new password",
		"Ends an earlier link of the account. The password stays until the link is used. Takes a session.", http.StatusNotFound, http.StatusConflict)
	reset.DefaultStatus = http.StatusCreated
	declare(a, reset, a.resetPassword)
}

func (a *API) changePassword(ctx context.Context, v *visitor, in *body[passwords]) (*none, error) {
	if err := v.inSession(); err != nil {
		return nil, err
	}
	if !v.HasPassword {
		return nil, refuse(http.StatusConflict, "the account has no password; set its first one on the pages")
	}
	err := a.Accounts.ChangePassword(ctx, v.signs(), v.ID, in.Body.Old, in.Body.New, v.by.ID)
	if errors.Is(err, account.ErrBadCredentials) {
		return nil, refuse(http.StatusForbidden, "nothing was changed: the old password is not right")
	}
	return nil, err
}

func (a *API) removeIdentity(ctx context.Context, v *visitor, in *identity) (*none, error) {
	if err := v.inSession(); err != nil {
		return nil, err
	}
	return nil, a.Accounts.Unlink(ctx, v.signs(), v.ID, in.Provider, in.Subject)
}

func (a *API) resetPassword(ctx context.Context, v *visitor, in *ByID) (*answer[resetInfo], error) {
	if err := v.inSession(); err != nil {
		return nil, err
	}
	acc, err := a.Accounts.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if acc.Status != account.Active {
		return nil, refuse(http.StatusConflict, "the account is disabled; enable it first")
	}
	text, ends, err := a.Accounts.ResetLink(ctx, v.signs(), acc.Name)
	if err != nil {
		return nil, err
	}
	link := strings.TrimSuffix(a.Config.BaseURL, "/") + "/symbolon/reset/" + text.Reveal()
	return say(resetInfo{Link: link, Expires: utc(ends)}), nil
}
