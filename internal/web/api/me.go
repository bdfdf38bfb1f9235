package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

// Records are the lines of the audit log, newest first.
type Records interface {
	Audit(context.Context, audit.Filter) ([]audit.Event, error)
}

// meInfo is the account that asks, and by what it does.
type meInfo struct {
	Account accountInfo `json:"account"`
	Admin   bool        `json:"admin" doc:"Whether it may use the operations below /admin."`
	Via     tokenInfo   `json:"via" doc:"The session or API key of this request."`
}

// profile is what a person changes about itself.
type profile struct {
	Display *string `json:"display,omitempty" doc:"Name as people write it."`
	Email   *string `json:"email,omitempty" doc:"Empty for none; never used to find an account."`
}

// export is everything that is held about an account. No secret is kept, so none is in it.
type export struct {
	Exported time.Time   `json:"exported"`
	Account  accountInfo `json:"account"`
	Groups   []groupInfo `json:"groups_owned"`
	Tokens   []tokenInfo `json:"tokens"`
	History  []eventInfo `json:"history"`
}

// maxExport bounds one answer.
const maxExport = 100_000

func (a *API) me() {
	op := func(id, method, path, summary, text string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagMe}, Summary: summary, Description: text, Errors: errs}
	}
	declare(a, op("get-me", http.MethodGet, "/me", "Who am I", ""), a.getMe)
	declare(a, op("change-me", http.MethodPatch, "/me", "Change my name or e-mail address", "What is left out stays.",
		http.StatusUnprocessableEntity), a.changeMe)
	declare(a, op("delete-me", http.MethodDelete, "/me", "Delete my account",
		"Everything of it ends at once and cannot be brought back. Its sign-in name must be repeated. Takes a session."), a.deleteMe)
	declare(a, op("list-my-history", http.MethodGet, "/me/history", "What happened to my account", ""), a.myHistory)
	declare(a, op("export-me", http.MethodGet, "/me/export", "Everything held about me",
		"In one answer; of more than 100,000 tokens or lines, the newest."), a.exportMe)
}

func (a *API) getMe(_ context.Context, v *visitor, _ *none) (*answer[meInfo], error) {
	return say(meInfo{Account: accountOf(v.Account), Admin: v.admin, Via: a.tokenOf(v.by)}), nil
}

func (a *API) changeMe(ctx context.Context, v *visitor, in *body[profile]) (*answer[accountInfo], error) {
	changed, err := a.Accounts.Set(ctx, v.signs(), v.Name, account.Change{Display: in.Body.Display, Email: in.Body.Email})
	if err != nil {
		return nil, err
	}
	return say(accountOf(changed)), nil
}

type deletion struct {
	Name string `query:"name" required:"true" doc:"The sign-in name of the account, so that no other is deleted by mistake."`
}

func (a *API) deleteMe(ctx context.Context, v *visitor, in *deletion) (*none, error) {
	if err := v.inSession(); err != nil {
		return nil, err
	}
	if account.Key(in.Name) != account.Key(v.Name) {
		return nil, refuse(http.StatusUnprocessableEntity, "nothing was deleted: this is not the name of your account")
	}
	_, err := a.Engine.EndAccount(ctx, v.caller(), v.ID, account.Deleted, "deleted by the person")
	return nil, err
}

func (a *API) myHistory(ctx context.Context, v *visitor, in *Paging) (*answer[page[eventInfo]], error) {
	return a.history(ctx, audit.Filter{Account: v.ID}, *in)
}

// history is one page of what a filter selects.
func (a *API) history(ctx context.Context, f audit.Filter, p Paging) (*answer[page[eventInfo]], error) {
	f.Before, f.Limit = p.before(), p.Limit+1
	events, err := a.Records.Audit(ctx, f)
	if err != nil {
		return nil, err
	}
	var next *string
	if len(events) > p.Limit {
		events = events[:p.Limit]
		next = cursorAt(events[p.Limit-1].ID)
	}
	return say(page[eventInfo]{every(events, eventOf), next}), nil
}

func (a *API) exportMe(ctx context.Context, v *visitor, _ *none) (*answer[export], error) {
	grants, err := a.Engine.List(ctx, v.caller(), token.Filter{Account: v.ID, Limit: maxExport})
	if err != nil {
		return nil, err
	}
	events, err := a.Records.Audit(ctx, audit.Filter{Account: v.ID, Limit: maxExport})
	if err != nil {
		return nil, err
	}
	groups, err := a.owned(ctx, v)
	if err != nil {
		return nil, err
	}
	return say(export{Exported: utc(a.Now()), Account: accountOf(v.Account), Groups: every(groups, groupOf),
		Tokens: every(grants, a.tokenOf), History: every(events, eventOf)}), nil
}
