package web

import (
	"context"
	"errors"
	"net/http"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/secret"
)

// resetPage shows the form for whoever has a link. Looking at it uses nothing up: programs
// that follow links in mails must not.
func (s *Site) resetPage(ctx context.Context, r *httpio.Request) httpio.Response {
	return s.showReset(ctx, r, http.StatusOK, "")
}

func (s *Site) showReset(ctx context.Context, r *httpio.Request, status int, problem string) httpio.Response {
	a, err := s.Accounts.ResetAccount(ctx, secret.New(r.PathValue("secret")))
	if err != nil {
		return s.noReset(ctx, r, err)
	}
	return s.page(status, "reset", view{Title: "Choose a new password", Problem: problem, Data: a.Name})
}

func (s *Site) noReset(ctx context.Context, r *httpio.Request, err error) httpio.Response {
	if !errors.Is(err, account.ErrNotFound) {
		return s.unavailable(ctx, r, err)
	}
	return s.problem(http.StatusNotFound, "This link is not good any more",
		"It was used, is older than 24 hours, or a newer one was made. Ask the people who run this service for another.")
}

// reset sets the password, once.
func (s *Site) reset(ctx context.Context, r *httpio.Request) httpio.Response {
	form, err := httpio.Form(r, "new", "again")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	if form.Get("new") != form.Get("again") {
		return s.showReset(ctx, r, http.StatusConflict, "The two passwords are not the same.")
	}
	_, err = s.Accounts.ResetPassword(ctx, by(r, "account"), secret.New(r.PathValue("secret")), form.Get("new"))
	var refused *account.Error
	switch {
	case err == nil:
		return see(root + "/sign-in?done=password-set")
	case errors.As(err, &refused) && refused.Kind == account.Invalid:
		return s.showReset(ctx, r, http.StatusConflict, sentence(refused.Text))
	}
	return s.noReset(ctx, r, err)
}
