package api

import (
	"context"
	"net/http"
	"time"

	"symbolon/internal/audit"
)

// inquiry is which lines of the audit log are wanted.
type inquiry struct {
	Account int64     `query:"account" minimum:"1" doc:"About this account only."`
	Token   int64     `query:"token" minimum:"1" doc:"About this token, key or browser only."`
	Kind    string    `query:"kind" maxLength:"64" doc:"Of this kind only, such as grant_revoked."`
	Since   time.Time `query:"since" doc:"Not before."`
	Until   time.Time `query:"until" doc:"Before."`
	Paging
}

func (a *API) adminRecords() {
	declare(a, adminOp("admin-list-history", http.MethodGet, "/admin/history", "Who did what", "", http.StatusUnprocessableEntity), a.adminHistory)
	declare(a, adminOp("admin-list-activity", http.MethodGet, "/admin/activity", "What was done, by hour and service",
		"At least as often as it says; hours without anything are left out. At most 400 days.", http.StatusUnprocessableEntity), a.adminActivity)
}

func (a *API) adminHistory(ctx context.Context, _ *visitor, in *inquiry) (*answer[page[eventInfo]], error) {
	f := audit.Filter{Account: in.Account, Grant: in.Token, Since: in.Since, Until: in.Until}
	if in.Kind != "" {
		f.Kinds = []audit.Kind{audit.Kind(in.Kind)}
	}
	return a.history(ctx, f, in.Paging)
}
