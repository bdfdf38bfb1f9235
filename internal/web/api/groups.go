package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"symbolon/internal/account"
)

// membership is one account in one group.
type membership struct {
	Group string `path:"group" maxLength:"64" doc:"Name of a group that you own."`
	Name  string `path:"name" maxLength:"64" doc:"Sign-in name of the member."`
}

func (a *API) groups() {
	op := func(id, method, path, summary string, errs ...int) huma.Operation {
		return huma.Operation{OperationID: id, Method: method, Path: path, Tags: []string{tagGroups}, Summary: summary, Errors: errs}
	}
	declare(a, op("list-groups", http.MethodGet, "/groups", "The groups that I own, with their members"), a.listGroups)
	declare(a, op("add-member", http.MethodPut, "/groups/{group}/members/{name}", "Put an account into a group of mine", http.StatusNotFound), a.addMember)
	declare(a, op("remove-member", http.MethodDelete, "/groups/{group}/members/{name}", "Take an account out of a group of mine", http.StatusNotFound), a.removeMember)
}

// owned are the groups of the visitor's.
func (a *API) owned(ctx context.Context, v *visitor) ([]account.Group, error) {
	groups, err := a.Accounts.ListGroups(ctx)
	return slices.DeleteFunc(groups, func(g account.Group) bool { return !v.owns(g) }), err
}

func (a *API) listGroups(ctx context.Context, v *visitor, _ *none) (*answer[list[groupInfo]], error) {
	groups, err := a.owned(ctx, v)
	if err != nil {
		return nil, err
	}
	return say(list[groupInfo]{every(groups, groupOf)}), nil
}

func (a *API) addMember(ctx context.Context, v *visitor, in *membership) (*none, error) {
	return a.changeGroup(ctx, v, in, a.Accounts.AddMember)
}

func (a *API) removeMember(ctx context.Context, v *visitor, in *membership) (*none, error) {
	return a.changeGroup(ctx, v, in, a.Accounts.RemoveMember)
}

func (a *API) changeGroup(ctx context.Context, v *visitor, in *membership, change func(context.Context, account.By, string, string) error) (*none, error) {
	own, err := a.owned(ctx, v)
	if err != nil {
		return nil, err
	}
	g, ok := named(own, in.Group)
	if !ok {
		return nil, refuse(http.StatusNotFound, fmt.Sprintf("you own no group called %q", in.Group))
	}
	return nil, change(ctx, v.signs(), g.Name, in.Name)
}
