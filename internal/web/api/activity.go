package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"symbolon/internal/token"
)

// window is which hours are wanted.
type window struct {
	Since   time.Time `query:"since" doc:"Beginning, to the full hour; left out, a day before the end."`
	Until   time.Time `query:"until" doc:"End; left out, now."`
	Service string    `query:"service" maxLength:"32" doc:"Of this service only."`
}

// activityInfo is one hour of one service.
type activityInfo struct {
	Hour      time.Time `json:"hour" doc:"Its beginning."`
	Service   string    `json:"service" doc:"Empty for API keys, browsers and sign-ins."`
	Issued    int64     `json:"issued"`
	Refreshed int64     `json:"refreshed"`
	Refused   int64     `json:"refused"`
	Revoked   int64     `json:"revoked"`
}

func (a *API) adminActivity(ctx context.Context, v *visitor, in *window) (*answer[list[activityInfo]], error) {
	until := in.Until
	if until.IsZero() {
		until = a.Now()
	}
	since := in.Since
	if since.IsZero() {
		since = until.Add(-24 * time.Hour)
	}
	counts, err := a.Engine.Activity(ctx, v.operator(), since, until)
	if err != nil {
		return nil, err
	}
	return say(list[activityInfo]{Items: hours(counts, in.Service)}), nil
}

// hours gathers the counts of each hour and service, newest first; service "" is any.
func hours(counts []token.Activity, service string) []activityInfo {
	type place struct {
		hour    int64
		service string
	}
	found := map[place]*activityInfo{}
	for _, c := range counts {
		at := place{c.Hour.Unix(), c.Service}
		if service != "" && c.Service != service {
			continue
		}
		if found[at] == nil {
			found[at] = &activityInfo{Hour: utc(c.Hour), Service: c.Service}
		}
		found[at].count(c)
	}
	items := make([]activityInfo, 0, len(found))
	for _, x := range found {
		items = append(items, *x)
	}
	slices.SortFunc(items, func(x, y activityInfo) int {
		return cmp.Or(y.Hour.Compare(x.Hour), cmp.Compare(x.Service, y.Service))
	})
	return items
}

func (x *activityInfo) count(c token.Activity) {
	switch c.Deed {
	case token.DeedIssued:
		x.Issued += c.Count
	case token.DeedRefreshed:
		x.Refreshed += c.Count
	case token.DeedRefused:
		x.Refused += c.Count
	case token.DeedRevoked:
		x.Revoked += c.Count
	}
}
