package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strconv"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/httpio"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// keys is what the page of API keys shows.
type keys struct {
	Rows     []row
	Groups   []account.Group // that the person may act for
	Services []section       // that take keys
	Form     string
	Today    string
	Year     string // a year from today
}

const day = "2006-01-02"

func (s *Site) keysPage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	return s.showKeys(ctx, r, v, http.StatusOK, "")
}

func (s *Site) showKeys(ctx context.Context, r *httpio.Request, v *visitor, status int, problem string) httpio.Response {
	grants, err := s.grants(ctx, r, v, token.APIKey)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	today := s.Now().UTC()
	k := keys{Form: rand.Text(), Today: today.Format(day), Year: today.AddDate(1, 0, -1).Format(day)}
	if k.Groups, err = s.ownedGroups(ctx, v); err != nil {
		return s.failed(ctx, r, v, err)
	}
	for _, g := range grants {
		k.Rows = append(k.Rows, s.row(g))
	}
	for _, c := range s.Config.Services {
		if s.Engine.TakesKeys(c.Name) {
			k.Services = append(k.Services, s.section(c))
		}
	}
	return s.page(status, "api-keys", view{Title: "API keys", Section: "keys", Visitor: v, Notice: notice(r), Problem: problem, Data: k})
}

// newKey makes a key and shows it, this once. The first and the last day are whole days of
// UTC.
func (s *Site) newKey(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	form, err := httpio.Form(r, "name", "from", "to", "group", "form")
	if err != nil {
		return s.Failed(http.StatusBadRequest)
	}
	req := token.KeyRequest{Account: v.Account.ID, Label: form.Get("name")}
	from, err := time.Parse(day, form.Get("from"))
	to, errTo := time.Parse(day, form.Get("to"))
	if err != nil || errTo != nil {
		return s.showKeys(ctx, r, v, http.StatusConflict, "A day is written like 2026-12-31.")
	}
	req.To = to.AddDate(0, 0, 1)
	if from.After(s.Now()) {
		req.From = from
	}
	if req.Group, err = s.actingFor(ctx, v, form.Get("group")); err != nil {
		return s.failed(ctx, r, v, err)
	}
	if !s.forms.Spend(form.Get("form"), s.Now(), formLife) {
		return s.showKeys(ctx, r, v, http.StatusConflict, "This form has made its key already, and a key is shown only once. If you did not save it, make another and revoke the first.")
	}
	text, g, err := s.Engine.MakeKey(ctx, caller(r, v.Account.ID), req)
	if err != nil {
		if down(err) {
			return s.unavailable(ctx, r, err)
		}
		return s.showKeys(ctx, r, v, http.StatusConflict, words(err))
	}
	return s.showKey(v, text, g, "Save this key now", nil)
}

// actingFor returns the number of a group of the person's, 0 for the person. A group of
// others is an error: a key for the wrong one would be worse.
func (s *Site) actingFor(ctx context.Context, v *visitor, name string) (int64, error) {
	if name == "" {
		return 0, nil
	}
	own, err := s.ownedGroups(ctx, v)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(own, func(g account.Group) bool { return g.Name == name })
	if i < 0 {
		return 0, token.Refuse(token.Forbidden, "you own no group called %q", name)
	}
	return own[i].ID, nil
}

func (s *Site) showKey(v *visitor, text secret.Text, g token.Grant, title string, ended []int64) httpio.Response {
	page := shown{Title: title, Row: s.row(g), Ended: ended, Back: root + "/api-keys",
		Texts: []secretText{{"API key " + g.Label, text.Reveal(), until(g.ExpiresAt)}}}
	for _, c := range s.KeyCalls(text) {
		page.Calls = append(page.Calls, curl(c))
	}
	return s.page(http.StatusCreated, "shown", view{Title: title, Section: "keys", Visitor: v, Data: page})
}

// rotation is the form for a new secret in place of an old one.
type rotation struct {
	Row      row
	Form     string
	Overlaps []overlap
}

// overlap is how long the old one goes on beside the new one.
type overlap struct {
	Value time.Duration
	Label string
}

var overlaps = []overlap{{24 * time.Hour, "a day"}, {7 * 24 * time.Hour, "a week"}, {time.Hour, "an hour"}, {0, "not at all: it may be in wrong hands"}}

func (s *Site) rotatePage(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	g, ok, err := s.own(ctx, r, v)
	switch {
	case err != nil:
		return s.failed(ctx, r, v, err)
	case !ok || !s.row(g).Rotates:
		return s.NotFound(r)
	}
	return s.page(http.StatusOK, "rotate", view{Title: "Rotate " + s.row(g).Name, Section: menuOf(g), Visitor: v,
		Data: rotation{Row: s.row(g), Form: rand.Text(), Overlaps: overlaps}})
}

// rotates reports whether the grant has one secret that can be replaced by another.
func rotates(g token.Grant) bool { return g.Kind == token.APIKey || g.Kind == token.Application }

// menuOf is the entry of the menu under which the grant is listed.
func menuOf(g token.Grant) string {
	if g.Kind == token.APIKey {
		return "keys"
	}
	return "tokens"
}

// rotate makes the new secret and gives the old one its end.
func (s *Site) rotate(ctx context.Context, r *httpio.Request, v *visitor) httpio.Response {
	g, ok, err := s.own(ctx, r, v)
	form, errForm := httpio.Form(r, "overlap", "form")
	switch {
	case err != nil:
		return s.failed(ctx, r, v, err)
	case !ok || !rotates(g):
		return s.NotFound(r)
	case errForm != nil:
		return s.Failed(http.StatusBadRequest)
	}
	i := slices.IndexFunc(overlaps, func(o overlap) bool { return o.Value.String() == form.Get("overlap") })
	if i < 0 {
		return s.Failed(http.StatusBadRequest)
	}
	if !s.forms.Spend(form.Get("form"), s.Now(), formLife) {
		return s.page(http.StatusConflict, "problem", view{Title: "That was sent before", Visitor: v,
			Data: "This form has done its work already, and what it made is shown only once. If you did not save it, rotate the new one."})
	}
	if g.Kind == token.Application {
		return s.rotateApplication(ctx, r, v, g, overlaps[i].Value)
	}
	text, made, err := s.Engine.RotateKey(ctx, caller(r, v.Account.ID), g.ID, overlaps[i].Value)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	return s.showKey(v, text, made, "Save the new key now", nil)
}

func (s *Site) rotateApplication(ctx context.Context, r *httpio.Request, v *visitor, g token.Grant, overlap time.Duration) httpio.Response {
	t, err := s.Engine.RotateApplication(ctx, caller(r, v.Account.ID), g.ID, overlap)
	if err != nil {
		return s.failed(ctx, r, v, err)
	}
	return s.showTokens(ctx, r, v, t, "Save the new application token now")
}

// pathOf is where something is done with a grant.
func pathOf(g token.Grant, verb string) string {
	return root + "/tokens/" + strconv.FormatInt(g.ID, 10) + "/" + verb
}
