package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/token"
)

func (a *API) applications() {
	op := func(id, method, path, summary, text string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagApps}, Summary: summary, Description: text, Errors: errs}
	}
	declare(a, op("list-applications", http.MethodGet, "/applications", "List my application tokens", "", http.StatusUnprocessableEntity), a.listApplications)
	making := op("make-application", http.MethodPost, "/applications", "Make an application token",
		"For accounts of type application, in services that have such tokens. Takes a session.", http.StatusNotFound)
	making.DefaultStatus = http.StatusCreated
	declare(a, making, a.makeApplication)
	declare(a, op("end-application", http.MethodDelete, "/applications/{id}", "End an application token", "", http.StatusNotFound), a.endApplication)
}

func (a *API) listApplications(ctx context.Context, v *visitor, in *pageIn) (*answer[page[tokenInfo]], error) {
	return a.list(ctx, v.caller(), v.ID, Selection{Kind: string(token.Application), State: in.State, Paging: in.Paging})
}

func (a *API) makeApplication(ctx context.Context, v *visitor, in *body[wanted]) (*answer[made], error) {
	if err := v.inSession(); err != nil {
		return nil, err
	}
	if !a.hasApplications(in.Body.Service) {
		return nil, refuse(http.StatusNotFound, "there is no such service with application tokens")
	}
	t, err := a.Engine.IssueApplication(ctx, v.caller(), token.ApplicationRequest{Service: in.Body.Service, Account: v.ID, Label: in.Body.Name})
	if err != nil {
		return nil, err
	}
	return a.handOut(ctx, t)
}

func (a *API) hasApplications(service string) bool {
	for _, c := range a.Config.Services {
		if c.Name == service {
			return c.ItemPath != nil
		}
	}
	return false
}

func (a *API) endApplication(ctx context.Context, v *visitor, in *ByID) (*none, error) {
	return a.end(ctx, v, in.ID, token.Application)
}
