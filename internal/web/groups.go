package web

import (
	"context"
	"net/http"
	"slices"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
)

// addMember puts an account into a group of the person's.
func (s *Site) addMember(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	return s.changeGroup(ctx, r, v, func(group, member string) error {
		return s.Accounts.AddMember(ctx, by(r, actor(v)), group, member)
	})
}

// removeMember takes one out.
func (s *Site) removeMember(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	return s.changeGroup(ctx, r, v, func(group, member string) error {
		return s.Accounts.RemoveMember(ctx, by(r, actor(v)), group, member)
	})
}

func (s *Site) changeGroup(ctx context.Context, r *httpio.Request, v *visitor, change func(group, member string) error) httpio.Response {
	form, err := httpio.Form(r, "group", "member")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	own, err := s.ownedGroups(ctx, v)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	mine := func(g account.Group) bool { return account.Key(g.Name) == account.Key(form.Get("group")) }
	if !slices.ContainsFunc(own, mine) {
		return s.NotFound(r)
	}
	if err := change(form.Get("group"), form.Get("member")); err != nil {
		return s.profileProblem(ctx, r, v, err, "")
	}
	return see(root + "/profile?done=saved")
}
