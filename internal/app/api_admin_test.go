package app

import (
	"context"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"symbolon/internal/account"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// Whoever is no admin learns nothing of others, by session or by key.
func TestAPIAdminsOnly(t *testing.T) {
	o := newOurs(t)
	key := ours{o.env, o.key("job")["key"].(string)}
	n := 0
	for _, op := range operations(o.document()) {
		if !strings.HasPrefix(op.path, "/admin/") {
			continue
		}
		n++
		o.refused(o.ask(op.method, op.at(), nil), 403, "admin group")
		o.refused(key.ask(op.method, op.at(), nil), 403, "admin group")
	}
	if n < 10 {
		t.Errorf("%d operations for admins", n)
	}
}

// An admin who is taken out of the group is none at once.
func TestAPIAdminNoMore(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	key := ours{o.env, admin.key("job")["key"].(string)}
	for _, who := range []ours{admin, key} {
		who.get("/admin/services")
	}
	o.set("boss", account.Change{RemoveGroups: []string{"admins"}})
	for _, who := range []ours{admin, key} {
		who.refused(who.ask("GET", "/admin/services", nil), 403, "admin group")
	}
}

func TestAPIAdminFinds(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	if _, err := o.app.Accounts.Add(t.Context(), operator, account.New{Name: "eve", Type: account.Person,
		Identities: []account.Identity{{Provider: "orcid", Subject: "0000-0002-1825-0097"}}}); err != nil {
		t.Fatal(err)
	}
	for q, want := range map[string]string{"ada": "ada", "AD": "ada", fmt.Sprint(o.ada.ID): "ada", "ADA@example.org": "ada",
		"https://orcid.org/0000-0002-1825-0097": "eve", o.ada.Subjects["ecology"]: "ada", "nobody": ""} {
		if got := pick(admin.get("/admin/accounts?q="+q), "name"); got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
	admin.refused(admin.ask("GET", "/admin/accounts?q=%20", nil), 422, "give a name")
	admin.refused(admin.ask("GET", "/admin/accounts", nil), 422, "query.q")
	if got := admin.get(fmt.Sprintf("/admin/accounts/%d", o.ada.ID)); got["name"] != "ada" || got["has_password"] != true {
		t.Errorf("ada: %v", got)
	}
	admin.refused(admin.ask("GET", "/admin/accounts/999", nil), 404, "no account")
}

func TestAPIAdminChanges(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	ada := fmt.Sprintf("/admin/accounts/%d", o.ada.ID)
	w := admin.ask("PATCH", ada, thing{"email": "new@example.org", "type": "application", "add_groups": []string{"admins"},
		"attributes": thing{"collections.can_use_graphql_services": "1"}})
	wantCode(t, w, 200)
	got := read(t, w)
	if got["email"] != "new@example.org" || got["type"] != "application" || fmt.Sprint(got["groups"]) != "[admins]" ||
		got["display"] != "Ada Example" || fmt.Sprint(got["attributes"]) != "map[collections.can_use_graphql_services:1]" {
		t.Errorf("changed: %v", got)
	}
	w = admin.ask("PATCH", ada, thing{"remove_groups": []string{"admins"}, "attributes": thing{"collections.can_use_graphql_services": ""}})
	wantCode(t, w, 200)
	if got := read(t, w); len(got["groups"].([]any)) != 0 || len(got["attributes"].(thing)) != 0 {
		t.Errorf("changed back: %v", got)
	}
	admin.refused(admin.ask("PATCH", ada, thing{"type": "robot"}), 422, "body.type")
	admin.refused(admin.ask("PATCH", ada, thing{"add_groups": []string{"none"}}), 422, "none")
	admin.refused(admin.ask("PATCH", ada, thing{"email": "x"}), 422, "x")
	admin.refused(admin.ask("PATCH", ada, thing{"password": "a new password"}), 422, "unexpected property")
	admin.refused(admin.ask("PATCH", "/admin/accounts/999", thing{"email": "x@example.org"}), 404, "no account")
	line := items(admin.get(fmt.Sprintf("/admin/history?account=%d&kind=account_changed&limit=1", o.ada.ID)))[0]
	if want := fmt.Sprintf("account %d", o.accountNumber("boss")); line["actor"] != want {
		t.Errorf("the actor is %v, want %s", line["actor"], want)
	}
}

func (e *env) accountNumber(name string) int64 {
	e.t.Helper()
	a, err := e.app.Accounts.Get(e.t.Context(), name)
	if err != nil {
		e.t.Fatal(err)
	}
	return a.ID
}

func TestAPIAdminDisables(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	access := o.pair("samples", "laptop")["texts"].(thing)["access"].(string)
	ada := fmt.Sprintf("/admin/accounts/%d", o.ada.ID)
	w := admin.ask("POST", ada+"/disable", thing{"reason": "left the institute"})
	wantCode(t, w, 200)
	if got := read(t, w); got["status"] != "disabled" {
		t.Errorf("disabled: %v", got)
	}
	wantCode(t, o.ask("GET", "/me", nil), 401)
	wantCode(t, o.env.bearer("GET", "/api/auth/user/", access), 401)
	if got := pick(admin.get(ada+"/tokens?kind=pair"), "reason"); got != "left the institute" {
		t.Errorf("reason: %s", got)
	}
	w = admin.ask("POST", ada+"/enable", nil)
	wantCode(t, w, 200)
	if got := read(t, w); got["status"] != "active" {
		t.Errorf("enabled: %v", got)
	}
	wantCode(t, o.env.bearer("GET", "/api/auth/user/", access), 401)
	o.session("ada", adaPassword)
	wantCode(t, admin.ask("POST", ada+"/disable", nil), 200)
	for _, verb := range []string{"disable", "enable"} {
		admin.refused(admin.ask("POST", "/admin/accounts/999/"+verb, nil), 404, "no account")
	}
}

func TestAPIAdminEndsTokens(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	pair := o.pair("samples", "laptop")
	o.key("job")
	list := fmt.Sprintf("/admin/accounts/%d/tokens", o.ada.ID)
	if got := pick(admin.get(list), "name"); got != "job laptop" {
		t.Errorf("list: %s", got)
	}
	one := fmt.Sprintf("/admin/tokens/%d", id(pair))
	if got := admin.get(one); got["account"] != float64(o.ada.ID) || got["state"] != "live" {
		t.Errorf("token: %v", got)
	}
	wantCode(t, admin.ask("DELETE", one, nil), 204)
	if got := admin.get(one); got["reason"] != "revoked by an admin" {
		t.Errorf("ended: %v", got)
	}
	w := admin.ask("DELETE", list, nil)
	wantCode(t, w, 200)
	if got := read(t, w)["ended"]; got != 2.0 {
		t.Errorf("%v ended, want the key and the session", got)
	}
	wantCode(t, o.ask("GET", "/me", nil), 401)
	wantCode(t, admin.ask("GET", "/me", nil), 200)
	for _, method := range []string{"GET", "DELETE"} {
		wantCode(t, admin.ask(method, "/admin/tokens/999999", nil), 404)
		wantCode(t, admin.ask(method, "/admin/accounts/999/tokens", nil), 404)
	}
}

func TestAPIAdminServices(t *testing.T) {
	o := newOurs(t)
	services := items(o.admin().get("/admin/services"))
	samples := services[0]
	if samples["access_lifetime_seconds"] != 86400.0 || samples["replay"] != "refuse" || samples["service"].(thing)["name"] != "samples" {
		t.Errorf("samples: %v", samples)
	}
	for i, want := range []string{"access ES256 true, refresh HS256 false", "access ES256 true, legacy RSA-MD5 true", "access HS256 false, refresh HS256 false",
		"access HS256 false, refresh HS256 false"} {
		var got []string
		for _, x := range services[i]["keys"].([]any) {
			k := x.(thing)
			block, _ := pem.Decode([]byte(k["public_pem"].(string)))
			got = append(got, fmt.Sprintf("%v %v %t", k["purpose"], k["alg"], block != nil && block.Type == "PUBLIC KEY"))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("keys of %v: %v", services[i]["service"].(thing)["name"], got)
		}
	}
	if text := fmt.Sprint(services); strings.Contains(text, "PRIVATE") || strings.Contains(text, serviceKey) {
		t.Error("a secret is among the settings")
	}
}

func TestAPIAdminHistory(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	made := o.pair("samples", "laptop")
	o.advance(3600e9)
	wantCode(t, o.ask("DELETE", fmt.Sprintf("/tokens/%d", id(made)), nil), 204)
	for query, want := range map[string]string{
		fmt.Sprintf("token=%d", id(made)): "grant_revoked grant_issued",
		"kind=grant_revoked":              "grant_revoked",
		"since=2026-03-04T06:00:00Z":      "grant_revoked",
		fmt.Sprintf("account=%d&until=2026-03-04T06:00:00Z&limit=1", o.ada.ID): "grant_issued",
		"kind=none": "",
	} {
		if got := pick(admin.get("/admin/history?"+query), "kind"); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	first := admin.get("/admin/history?limit=1")
	second := admin.get("/admin/history?limit=1&cursor=" + first["next"].(string))
	if items(first)[0]["id"].(float64) != items(second)[0]["id"].(float64)+1 {
		t.Errorf("pages %v, %v", first, second)
	}
	admin.refused(admin.ask("GET", "/admin/history?since=yesterday", nil), 422, "query.since")
}

func TestAPIAdminResetsPassword(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	path := fmt.Sprintf("/admin/accounts/%d/reset-password", o.ada.ID)
	link := func() string { return admin.make(path, nil)["link"].(string) }
	first, second := link(), link()
	const next = "a quite new and long one"
	use := func(link string) error {
		text, ok := strings.CutPrefix(link, "http://127.0.0.1:8080/symbolon/reset/")
		if !ok {
			t.Fatalf("the link is %s", link)
		}
		_, err := o.app.Accounts.ResetPassword(t.Context(), operator, secret.New(text), next)
		return err
	}
	o.session("ada", adaPassword)
	if use(first) == nil || use(second) != nil || use(second) == nil {
		t.Error("not the last link alone, once")
	}
	wantCode(t, o.ask("GET", "/me", nil), 401)
	o.session("ada", next)
	for _, text := range []string{first[len(first)-43:], second[len(second)-43:]} {
		if strings.Contains(o.log.String(), text) {
			t.Error("the log holds a link")
		}
	}
	wantCode(t, admin.ask("POST", fmt.Sprintf("/admin/accounts/%d/disable", o.ada.ID), nil), 200)
	admin.refused(admin.ask("POST", path, nil), 409, "disabled")
	admin.refused(admin.ask("POST", "/admin/accounts/999/reset-password", nil), 404, "no account")
	key := ours{o.env, admin.key("job")["key"].(string)}
	key.refused(key.ask("POST", path, nil), 403, "sign in")
}

func TestAPIAdminActivity(t *testing.T) {
	o := newOurs(t)
	admin := o.admin()
	one := o.pair("samples", "laptop")
	wantCode(t, o.refresh(one["texts"].(thing)["refresh"].(string)), 200)
	o.advance(2 * 3600e9)
	wantCode(t, o.ask("DELETE", fmt.Sprintf("/tokens/%d", id(o.pair("samples", "x"))), nil), 204)
	wantCode(t, o.ask("POST", "/tokens", thing{"service": "ecology", "name": "y"}), 201)
	o.stopKeeping()
	o.advance(60e9)
	rows := func(query string) string {
		var all []string
		for _, x := range items(admin.get("/admin/activity" + query)) {
			all = append(all, fmt.Sprintf("%v %v %v %v %v %v", x["hour"], x["service"], x["issued"], x["refreshed"], x["refused"], x["revoked"]))
		}
		return strings.Join(all, "\n")
	}
	const early, late = "2026-03-04T05:00:00Z samples 1 1 0 0", "2026-03-04T07:00:00Z samples 1 0 0 1"
	if got := rows("?service=samples"); got != late+"\n"+early {
		t.Errorf("samples:\n%s", got)
	}
	if got := rows("?service=samples&since=2026-03-04T06:00:00Z"); got != late {
		t.Errorf("late:\n%s", got)
	}
	if got := rows("?service=samples&until=2026-03-04T06:00:00Z"); got != early {
		t.Errorf("early:\n%s", got)
	}
	if got := rows(""); !strings.Contains(got, "2026-03-04T07:00:00Z ecology 1 0 0 0") || !strings.HasPrefix(got, "2026-03-04T07") {
		t.Errorf("all:\n%s", got)
	}
	admin.refused(admin.ask("GET", "/admin/activity?since=2020-01-01T00:00:00Z", nil), 422, "at most 400 days")
}

// stopKeeping writes what a server that stops has counted.
func (e *env) stopKeeping() {
	e.t.Helper()
	keeper, err := e.app.Engine.Keep(e.t.Context(), token.Retention{})
	if err != nil {
		e.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(e.t.Context())
	stop()
	keeper.Run(ctx)
}
