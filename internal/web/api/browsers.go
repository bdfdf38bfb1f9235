package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/token"
)

func (a *API) browsers() {
	op := func(id, method, path, summary, text string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagBrowser}, Summary: summary, Description: text, Errors: errs}
	}
	declare(a, op("list-browsers", http.MethodGet, "/browsers", "List my browsers and sessions", "", http.StatusUnprocessableEntity), a.listBrowsers)
	declare(a, op("end-browsers", http.MethodDelete, "/browsers", "Sign all others out", "All but the session that asks."), a.endBrowsers)
	declare(a, op("end-browser", http.MethodDelete, "/browsers/{id}", "Sign one out", "", http.StatusNotFound), a.endBrowser)
}

func (a *API) listBrowsers(ctx context.Context, v *visitor, in *pageIn) (*answer[page[tokenInfo]], error) {
	return a.list(ctx, v.caller(), v.ID, Selection{Kind: string(token.Browser), State: in.State, Paging: in.Paging})
}

func (a *API) endBrowsers(ctx context.Context, v *visitor, _ *none) (*answer[swept], error) {
	ended, err := a.Engine.Revoke(ctx, v.caller(), token.RevokeRequest{Account: v.ID, Kinds: []token.GrantKind{token.Browser},
		Except: v.by.ID, Reason: "signed out from another browser"})
	if err != nil {
		return nil, err
	}
	return say(swept{Ended: len(ended.Grants), Bound: a.ownBound()}), nil
}

func (a *API) endBrowser(ctx context.Context, v *visitor, in *ByID) (*none, error) {
	return a.end(ctx, v, in.ID, token.Browser)
}
