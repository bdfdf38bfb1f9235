package sesar

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

func TestWrongKindAtRefresh(t *testing.T) {
	e := newEnv(t, nil)
	p := e.pair()
	want(t, e.refreshPHP(p.Access.Reveal()), 401, genericBody)
	body := `{"refresh":"` + p.Access.Reveal() + `"}`
	want(t, e.Do("POST", "/api/auth/token/refresh/", body, asJSON), 401, `{"error":"Invalid or expired refresh token."}`)
	want(t, e.Do("POST", "/api/auth/token/blacklist/", body, asJSON), 401, `{"detail":"Token has wrong type","code":"token_not_valid"}`)
	e.mustRefresh(p.Refresh.Reveal())
}

// TestReplayAtOnce is the order of calls of a client whose own tests replay the old
// token on purpose and then go on with the new pair.
func TestReplayAtOnce(t *testing.T) {
	e := newEnv(t, nil)
	first := e.pair().Refresh.Reveal()
	access, second := e.mustRefresh(first)
	want(t, e.refreshPHP(first), 401, genericBody)
	if !e.valid(access) {
		t.Error("the replay ended the new access token")
	}
	_, third := e.mustRefresh(second)
	want(t, e.refreshPHP(second), 401, genericBody)
	e.mustRefresh(third)
}

func TestReplayLate(t *testing.T) {
	e := newEnv(t, nil)
	first := e.pair().Refresh.Reveal()
	access, second := e.mustRefresh(first)
	e.Advance(61 * time.Second)
	want(t, e.refreshPHP(first), 401, genericBody)
	want(t, e.refreshPHP(second), 401, genericBody)
	if e.valid(access) {
		t.Error("the access token outlived its pair")
	}
}

func TestReplayGivesSame(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Replay = "same" })
	first := e.pair().Refresh.Reveal()
	w := e.refreshPHP(first)
	e.Advance(30 * time.Second)
	want(t, e.refreshPHP(first), 200, w.Body.String())
}

// TestLostAnswer: an answer that did not arrive is given again, minutes later.
func TestLostAnswer(t *testing.T) {
	e := newEnv(t, nil)
	first := e.pair().Refresh.Reveal()
	for path, before := range map[string]string{"/webservices/refresh_token.php": first, "/api/auth/token/refresh/{$}": ""} {
		if before == "" {
			_, before = e.mustRefresh(e.pair().Refresh.Reveal())
		}
		r := &httpio.Request{Method: "POST", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"refresh":"` + before + `"}`)}
		lost := e.routes[path](t.Context(), r)
		if lost.Status != 200 || lost.Lost == nil {
			t.Fatalf("%s: %d %s", path, lost.Status, lost.Body)
		}
		lost.Lost(t.Context())
		e.Advance(5 * time.Minute)
		again := e.routes[path](t.Context(), r)
		if again.Status != 200 || string(again.Body) != string(lost.Body) {
			t.Errorf("%s: got %d %s, want the lost answer %s", path, again.Status, again.Body, lost.Body)
		}
	}
}

func TestLifetimes(t *testing.T) {
	e := newEnv(t, nil)
	access, refresh := e.mustRefresh(e.pair().Refresh.Reveal())
	e.Advance(24*time.Hour - time.Second)
	if !e.valid(access) {
		t.Error("the access token ended within its day")
	}
	e.Advance(time.Second)
	if e.valid(access) {
		t.Error("an access token at its exp is expired")
	}
	for range 4 {
		e.Advance(20 * 24 * time.Hour)
		_, refresh = e.mustRefresh(refresh)
	}
	e.Advance(30 * 24 * time.Hour)
	want(t, e.refreshPHP(refresh), 401, genericBody)
}

func TestCap(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Cap = 40 * config.Day })
	_, refresh := e.mustRefresh(e.pair().Refresh.Reveal())
	e.Advance(25 * 24 * time.Hour)
	_, refresh = e.mustRefresh(refresh)
	e.Advance(15 * 24 * time.Hour)
	want(t, e.refreshPHP(refresh), 401, genericBody)
}

// TestSixthPair: the pair with the earliest end makes room, and a rotated pair
// counts once.
func TestSixthPair(t *testing.T) {
	e := newEnv(t, nil)
	var access, refresh []string
	for range 5 {
		p := e.pair()
		access, refresh = append(access, p.Access.Reveal()), append(refresh, p.Refresh.Reveal())
		e.Advance(time.Minute)
	}
	session := e.issue(token.Session)
	access[0], refresh[0] = e.mustRefresh(refresh[0])
	key, _ := e.apiKey()
	if w := e.Do("POST", "/api/auth/token/", "", bearer(key)); w.Code != 200 {
		t.Fatalf("minting: %d %s", w.Code, w.Body)
	}
	for i := range access {
		if got, want := e.valid(access[i]), i != 1; got != want {
			t.Errorf("pair %d: access token good %v, want %v", i+1, got, want)
		}
	}
	want(t, e.refreshPHP(refresh[1]), 401, genericBody)
	if !e.valid(session.Access.Reveal()) {
		t.Error("a pair pushed out a sign-in")
	}
}

func TestRevokeAll(t *testing.T) {
	e := newEnv(t, nil)
	other := e.account("other")
	strange, err := e.Engine.Issue(t.Context(), token.Operator(), token.IssueRequest{Service: "samples", Kind: token.Pair, Account: other})
	if err != nil {
		t.Fatal(err)
	}
	mine := []token.Tokens{e.pair(), e.pair(), e.issue(token.Session)}
	want(t, e.Do("DELETE", "/api/auth/token/blacklist-all/", "", bearer(mine[0].Access.Reveal())), 200,
		`{"message":"All 3 token(s) have been revoked."}`)
	for i, p := range mine {
		if e.valid(p.Access.Reveal()) {
			t.Errorf("access token %d is still good", i)
		}
		want(t, e.refreshPHP(p.Refresh.Reveal()), 401, genericBody)
	}
	if !e.valid(strange.Access.Reveal()) {
		t.Error("another account's pair ended too")
	}
}

// TestRevokeAllUnderASharedKey: whoever verifies our tokens elsewhere with the same secret could make one of anybody,
// so an access token is no permission to end anything.
func TestRevokeAllUnderASharedKey(t *testing.T) {
	e := newEnv(t, func(c *config.Service) { c.Sesar.AccessKeyFile = "held-elsewhere.pem" })
	p := e.pair()
	want(t, e.Do("DELETE", "/api/auth/token/blacklist-all/", "", bearer(p.Access.Reveal())), 403,
		`{"detail":"You do not have permission to perform this action."}`)
	if !e.valid(p.Access.Reveal()) {
		t.Error("the pair ended")
	}
	want(t, e.Do("POST", "/api/auth/token/blacklist/", `{"refresh":"`+p.Refresh.Reveal()+`"}`, asJSON), 200, `{}`)
}

// TestParallelRefresh: of many at once one wins, and nothing forks.
func TestParallelRefresh(t *testing.T) {
	e := newEnv(t, nil)
	first := e.pair().Refresh.Reveal()
	var wg sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		wg.Go(func() {
			w := e.refreshPHP(first)
			answers[i] = fmt.Sprint(w.Code, " ", w.Body)
		})
	}
	wg.Wait()
	won := ""
	for _, a := range answers {
		switch {
		case a == "401 "+genericBody:
		case won == "" && strings.HasPrefix(a, `200 {"access"`):
			won = a[len("200 "):]
		default:
			t.Errorf("unexpected answer %s", a)
		}
	}
	_, refresh := tokensIn(t, won)
	e.mustRefresh(refresh)
}

// TestRefreshJSONRows is the JSON API's own reading of its field: no text is no token.
func TestRefreshJSONRows(t *testing.T) {
	e := newEnv(t, nil)
	const needed, invalid = `{"error":"Refresh token is required."}`, `{"error":"Invalid or expired refresh token."}`
	for _, c := range []struct {
		name, kind, body string
		status           int
		want             string
	}{
		{"empty", "application/json", ``, 400, needed},
		{"absent", "application/json", `{}`, 400, needed},
		{"null", "application/json", `{"refresh":null}`, 400, needed},
		{"blank", "application/json", `{"refresh":" "}`, 400, needed},
		{"number", "application/json", `{"refresh":7}`, 400, needed},
		{"list", "application/json", `{"refresh":["a"]}`, 400, needed},
		{"text", "application/json", `{"refresh":"a"}`, 401, invalid},
		{"form", "application/x-www-form-urlencoded", `refresh=a`, 401, invalid},
		{"form without it", "application/x-www-form-urlencoded", `token=a`, 400, needed},
		{"twice", "application/json", `{"refresh":"a","refresh":"b"}`, 400, `{"detail":"JSON parse error - member name appears twice at byte 15"}`},
		{"plain text", "text/plain", `a`, 415, `{"detail":"Unsupported media type \"text/plain\" in request."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			want(t, at(t, e).Do("POST", "/api/auth/token/refresh/", c.body, "Content-Type: "+c.kind), c.status, c.want)
		})
	}
}

// TestHostileTokens presents what must never pass wherever a token is taken.
func TestHostileTokens(t *testing.T) {
	e := newEnv(t, nil)
	p := e.pair()
	encode := base64.RawURLEncoding.EncodeToString
	var hostile []string
	for _, good := range []string{p.Access.Reveal(), p.Refresh.Reveal()} {
		part := strings.Split(good, ".")
		for _, header := range []string{
			`{"alg":"none","typ":"JWT"}`, `{"alg":"None"}`, `{"alg":""}`, `{}`, `{"alg":"HS512"}`, `{"alg":"HS256","ALG":"none"}`,
			`{"alg":"HS256","alg":"none"}`, `{"alg":"HS256","crit":[]}`, `{"alg":"HS256","b64":false}`, `{"alg":"HS256","kid":7}`,
			`{"alg":"ES256","jku":"http://127.0.0.1:1/jwks.json"}`,
		} {
			hostile = append(hostile, encode([]byte(header))+"."+part[1]+".", encode([]byte(header))+"."+part[1]+"."+part[2])
		}
		hostile = append(hostile, part[0]+"."+part[1], part[0]+"."+part[1]+".", good+".", good+"=", "."+good, part[0]+".."+part[2],
			part[0]+"."+encode([]byte(`{"gid":1}`))+"."+part[2], good[:len(good)-1], strings.ToUpper(good))
	}
	for _, text := range hostile {
		want(t, e.refreshPHP(text), 401, genericBody)
		want(t, e.Do("POST", "/api/auth/token/refresh/", `{"refresh":"`+text+`"}`, asJSON), 401, `{"error":"Invalid or expired refresh token."}`)
		want(t, e.Do("POST", "/api/auth/token/blacklist/", `{"refresh":"`+text+`"}`, asJSON), 401, genericBody)
		want(t, e.Do("GET", "/webservices/credentials_service_v2.php", "", bearer(text)), 401, invalidLogin)
		want(t, e.Do("GET", "/api/auth/user/", "", bearer(text)), 401, badBearerBody)
		want(t, e.Do("POST", "/api/auth/token/", "", bearer(text)), 401, badBearerBody)
		if t.Failed() {
			t.Fatalf("with the token %q", text)
		}
	}
	e.mustRefresh(p.Refresh.Reveal())
}
