package app

import (
	"strings"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/token"
)

// TestJoinedOverTheWires: what bob's programs hold goes on when his account becomes ada's.
func TestJoinedOverTheWires(t *testing.T) {
	e := newSignIn(t)
	ada, bob := e.ada, e.account(account.New{Name: "bob", Type: account.Person, Password: adaPassword, Email: "bob@example.org"})
	e.ada = bob
	pair, key := e.issue("samples", bob.ID), e.apiKey()
	edi, pasta := e.ediPair("ecology")
	_, caAccess, caRefresh := e.caLogin("bob", adaPassword)
	_, item := e.itemLogin("bob", adaPassword)
	e.ada = ada
	e.advance(time.Minute)
	if err := e.app.Accounts.Join(t.Context(), operator, ada.ID, bob.ID); err != nil {
		t.Fatal(err)
	}
	e.advance(time.Minute)

	wantCode(t, e.bearer("GET", "/webservices/credentials_service_v2.php", pair.Access.Reveal()), 200)
	wantCode(t, e.refresh(pair.Refresh.Reveal()), 200)
	w := e.ediRefresh(pasta, edi)
	wantCode(t, w, 200)
	wantCode(t, e.ediRefresh(nil, texts(t, w)["edi-token"]), 200)
	wantCode(t, e.json("POST", "/auth/v1/key", "key", key), 200)
	w = e.bearer("GET", "/service/whoami", caAccess)
	wantCode(t, w, 200)
	if !strings.Contains(w.Body.String(), `"ada"`) {
		t.Errorf("the token of bob is of %s", w.Body)
	}
	wantCode(t, e.caRefresh("", caRefresh), 200)
	wantCode(t, e.bearer("GET", "/api/stations", item["accessToken"]), 200)
	w = e.bearer("POST", "/api/users/refresh", item["refreshToken"])
	wantCode(t, w, 200)
	if got := texts(t, w)["username"]; got != "ada" {
		t.Errorf("the refreshed token is of %q", got)
	}
	admin := first(e.pairOf("warehouse", e.boss()))
	w = e.bearer("GET", "/api/users/"+bob.Subjects["warehouse"], admin)
	wantCode(t, w, 200)
	if !strings.Contains(w.Body.String(), `"username":"ada"`) {
		t.Errorf("bob's number is %s", w.Body)
	}
	for _, name := range []string{"ada", "bob", "Bob"} { // either name, one password
		w, _ = e.itemLogin(name, adaPassword)
		wantCode(t, w, 200)
	}
	if _, err := e.app.Engine.Revoke(t.Context(), token.Operator(), token.RevokeRequest{Account: ada.ID, Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, e.bearer("GET", "/webservices/credentials_service_v2.php", pair.Access.Reveal()), 401)
	wantCode(t, e.bearer("GET", "/service/whoami", caAccess), 401)
	wantCode(t, e.bearer("GET", "/api/stations", item["accessToken"]), 401)
	wantCode(t, e.ediRefresh(pasta, edi), 401)
}
