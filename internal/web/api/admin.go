package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/account"
	"symbolon/internal/token"
)

// search is which accounts are wanted.
type search struct {
	Text  string `query:"q" required:"true" minLength:"1" maxLength:"255" doc:"A number, a sign-in name or its beginning, an e-mail address, a subject at any provider (an ORCID iD also as a link) or an id in any service."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most accounts of the answer."`
}

// revision is what an admin changes about an account.
type revision struct {
	ByID
	Body change
}

type change struct {
	Display      *string           `json:"display,omitempty" doc:"Name as people write it."`
	Email        *string           `json:"email,omitempty" doc:"Empty for none."`
	Type         *string           `json:"type,omitempty" enum:"person,application" doc:"Application tokens are for accounts of type application."`
	Attributes   map[string]string `json:"attributes,omitempty" doc:"New values by SERVICE.KEY; an empty one removes."`
	AddGroups    []string          `json:"add_groups,omitempty" maxItems:"100" doc:"Names of groups to be put into."`
	RemoveGroups []string          `json:"remove_groups,omitempty" maxItems:"100" doc:"Names of groups to be taken out of."`
}

// closing says why an account is disabled.
type closing struct {
	ByID
	Body *why
}

type why struct {
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"For the audit log and the owner of the tokens."`
}

func adminOp(id, method, path, summary, text string, errs ...int) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagAdmin}, Summary: summary, Description: text, Errors: errs}
}

func (a *API) adminAccounts() {
	declare(a, adminOp("admin-find-accounts", http.MethodGet, "/admin/accounts", "Find accounts",
		"The exact ones first, then by name. Deleted ones are found by their number and their whole name alone.",
		http.StatusUnprocessableEntity), a.findAccounts)
	declare(a, adminOp("admin-get-account", http.MethodGet, "/admin/accounts/{id}", "One account", "", http.StatusNotFound), a.getAccount)
	declare(a, adminOp("admin-change-account", http.MethodPatch, "/admin/accounts/{id}", "Change an account",
		"What is left out stays. What tokens say of the account changes with their next refresh; what it may no longer use ends within the bound.",
		http.StatusNotFound), a.changeAccount)
	declare(a, adminOp("admin-disable-account", http.MethodPost, "/admin/accounts/{id}/disable", "Disable an account",
		"All its tokens, keys and browsers end at once, for good.", http.StatusNotFound), a.disableAccount)
	declare(a, adminOp("admin-enable-account", http.MethodPost, "/admin/accounts/{id}/enable", "Make a disabled account active again",
		"What ended stays ended.", http.StatusNotFound), a.enableAccount)
}

func (a *API) findAccounts(ctx context.Context, _ *visitor, in *search) (*answer[list[accountInfo]], error) {
	found, err := a.Accounts.Find(ctx, in.Text, in.Limit)
	if err != nil {
		return nil, err
	}
	return say(list[accountInfo]{every(found, accountOf)}), nil
}

func (a *API) getAccount(ctx context.Context, _ *visitor, in *ByID) (*answer[accountInfo], error) {
	acc, err := a.Accounts.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return say(accountOf(acc)), nil
}

func (a *API) changeAccount(ctx context.Context, v *visitor, in *revision) (*answer[accountInfo], error) {
	acc, err := a.Accounts.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	c := account.Change{Display: in.Body.Display, Email: in.Body.Email, Type: in.Body.Type, Attrs: in.Body.Attributes,
		AddGroups: in.Body.AddGroups, RemoveGroups: in.Body.RemoveGroups}
	changed, err := a.Accounts.Set(ctx, v.signs(), acc.Name, c)
	var refused *account.Error
	if errors.As(err, &refused) && refused.Kind == account.NotFound { // the account is there: it is a group
		return nil, refuse(http.StatusUnprocessableEntity, refused.Error())
	}
	if err != nil {
		return nil, err
	}
	if err := a.Engine.CatchUp(ctx); err != nil {
		return nil, err
	}
	return say(accountOf(changed)), nil
}

func (a *API) disableAccount(ctx context.Context, v *visitor, in *closing) (*answer[accountInfo], error) {
	acc, err := a.Accounts.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	reason := "disabled by an admin"
	if in.Body != nil && in.Body.Reason != "" {
		reason = in.Body.Reason
	}
	if _, err := a.Engine.EndAccount(ctx, v.operator(), acc.ID, account.Disabled, reason); err != nil {
		return nil, err
	}
	return a.getAccount(ctx, v, &in.ByID)
}

func (a *API) enableAccount(ctx context.Context, v *visitor, in *ByID) (*answer[accountInfo], error) {
	acc, err := a.Accounts.ByID(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	enabled, err := a.Accounts.Enable(ctx, v.signs(), acc.Name)
	if err != nil {
		return nil, err
	}
	return say(accountOf(enabled)), nil
}

// theirs are the tokens of one account.
type theirs struct {
	ByID
	Selection
}

func (a *API) adminTokens() {
	declare(a, adminOp("admin-list-tokens", http.MethodGet, "/admin/accounts/{id}/tokens", "List an account's tokens", "",
		http.StatusNotFound), a.adminListTokens)
	declare(a, adminOp("admin-end-tokens", http.MethodDelete, "/admin/accounts/{id}/tokens", "End all of an account's tokens, keys and browsers",
		"", http.StatusNotFound), a.adminEndTokens)
	declare(a, adminOp("admin-get-token", http.MethodGet, "/admin/tokens/{id}", "One token of anybody's", "", http.StatusNotFound), a.adminGetToken)
	declare(a, adminOp("admin-end-token", http.MethodDelete, "/admin/tokens/{id}", "End one token of anybody's",
		"A service key that is ended stays so until the configuration has another secret.", http.StatusNotFound), a.adminEndToken)
}

func (a *API) adminListTokens(ctx context.Context, v *visitor, in *theirs) (*answer[page[tokenInfo]], error) {
	if _, err := a.Accounts.ByID(ctx, in.ID); err != nil {
		return nil, err
	}
	return a.list(ctx, v.operator(), in.ID, in.Selection)
}

func (a *API) adminEndTokens(ctx context.Context, v *visitor, in *ByID) (*answer[swept], error) {
	if _, err := a.Accounts.ByID(ctx, in.ID); err != nil {
		return nil, err
	}
	ended, err := a.Engine.Revoke(ctx, v.operator(), token.RevokeRequest{Account: in.ID, Reason: "all revoked by an admin"})
	if err != nil {
		return nil, err
	}
	return say(swept{Ended: len(ended.Grants), Bound: a.boundOf("", token.Application)}), nil
}

func (a *API) adminGetToken(ctx context.Context, v *visitor, in *ByID) (*answer[tokenInfo], error) {
	g, err := a.find(ctx, v.operator(), 0, in.ID)
	if err != nil {
		return nil, err
	}
	return say(a.tokenOf(g)), nil
}

func (a *API) adminEndToken(ctx context.Context, v *visitor, in *ByID) (*none, error) {
	g, err := a.find(ctx, v.operator(), 0, in.ID)
	if err != nil {
		return nil, err
	}
	_, err = a.Engine.Revoke(ctx, v.operator(), token.RevokeRequest{Grant: g.ID, Reason: "revoked by an admin"})
	return nil, err
}
