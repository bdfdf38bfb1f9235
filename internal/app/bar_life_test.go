package app

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/config"
	"symbolon/internal/token"
)

// opaque: an API key counts whole and exact, for its holder alone.
func opaque(t *testing.T) {
	e := newEnv(t, nil)
	key := e.apiKey()
	texts := []string{"", key + key, key + "A", "A" + key, key + "=", " " + key, key + " ", key + "\n", strings.ToUpper(key), strings.ToLower(key),
		strings.Repeat("A", 27), strings.Repeat(key, 1000), "%", "' OR '1'='1"}
	for i := range key {
		texts = append(texts, key[:i], key[i+1:], key[:i]+"_"+key[i+1:])
	}
	for _, text := range texts {
		if text != key {
			wantCode(t, e.json("POST", "/auth/v1/key", "key", text), 401)
		}
	}
	wantCode(t, e.json("POST", "/auth/v1/key", "key", key), 200)
	if raw, err := base64.RawURLEncoding.DecodeString(key); err != nil || len(raw)*8 < 128 {
		t.Errorf("the key has %d bytes (%v)", len(raw), err)
	}
	for i := range serviceKey {
		for _, text := range []string{serviceKey[:i], serviceKey[i+1:], strings.ToUpper(serviceKey[:i+1]) + serviceKey[i+1:]} {
			if text != serviceKey {
				wantCode(t, e.json("POST", "/auth/v1/token/"+e.ada.Subjects["ecology"], "key", text), 403)
			}
		}
	}
}

func parallel(t *testing.T) {
	e := newEnv(t, nil)
	old := e.issue("samples", e.ada.ID).Refresh.Reveal()
	for range 10 {
		var wg sync.WaitGroup
		answers := make([]*httptest.ResponseRecorder, 32)
		for i := range answers {
			wg.Go(func() { answers[i] = e.refresh(old) })
		}
		wg.Wait()
		next := ""
		for _, w := range answers {
			switch {
			case w.Code == 200 && next == "":
				next = texts(t, w)["refresh"]
			case w.Code != 401:
				t.Fatalf("a second answer of %d: %s", w.Code, w.Body)
			}
		}
		if next == "" {
			t.Fatal("nobody won")
		}
		old = next
	}
}

func reuse(t *testing.T) {
	e := newEnv(t, nil)
	first := e.issue("samples", e.ada.ID).Refresh.Reveal()
	second := texts(t, e.refresh(first))
	wantCode(t, e.refresh(first), 401)
	wantCode(t, e.bearer("GET", "/api/auth/user/", second["access"]), 200)
	e.advance(61 * time.Second)
	if err := e.app.Close(); err != nil {
		t.Fatal(err)
	}
	e.app = e.open(e.app.Config)
	e.serve()
	wantCode(t, e.refresh(first), 401)
	wantCode(t, e.bearer("GET", "/api/auth/user/", second["access"]), 401)
	wantCode(t, e.bearer("GET", "/webservices/credentials_service_v2.php", second["access"]), 401)
	wantCode(t, e.refresh(second["refresh"]), 401)
}

func foreignRefresh(t *testing.T) {
	e := newEnv(t, func(c *config.Config) {
		museum := c.Services[0]
		sesar := *museum.Sesar
		sesar.JSONPath = ""
		museum.Name, museum.Path, museum.Audience, museum.Sesar = "museum", "/museum", "", &sesar
		c.Services = append(c.Services, museum)
	})
	pair := e.issue("samples", e.ada.ID)
	wantCode(t, e.json("POST", "/museum/refresh_token.php", "refresh", pair.Refresh.Reveal()), 401)
	e.advance(2 * time.Minute)
	wantCode(t, e.refresh(pair.Refresh.Reveal()), 200)
}

// absoluteEnd: refreshing for weeks does not pass the cap by a second.
func absoluteEnd(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.Services[0].Cap = 40 * config.Day })
	refresh := e.issue("samples", e.ada.ID).Refresh.Reveal()
	edi, pasta := e.ediPair("ecology")
	ca, caRefresh := e.pairOf("collections", e.ada.ID)
	_, item := e.pairOf("warehouse", e.ada.ID)
	const day = 24 * time.Hour
	ends := map[string]time.Time{"samples": start.Add(40 * day), "ecology": start.Add(30 * day),
		"collections": start.Add(7 * day), "warehouse": start.Add(30 * day)}
	for e.now().Before(ends["samples"].Add(-5 * time.Hour)) {
		e.advance(5 * time.Hour)
		pair := texts(t, e.refresh(refresh))
		refresh = pair["refresh"]
		notPast(t, ends["samples"], pair["access"], pair["refresh"])
		if w := e.ediRefresh(pasta, edi); e.now().Before(ends["ecology"]) {
			both := texts(t, w)
			edi, pasta = both["edi-token"], both["pasta-token"]
			notPast(t, ends["ecology"], edi)
		} else {
			wantCode(t, w, 401)
		}
		if w := e.caRefresh("", caRefresh); e.now().Before(ends["collections"]) {
			notPast(t, ends["collections"], between(t, w.Body.String(), `"jwt":"`, `"`))
		} else {
			wantCode(t, w, 401)
		}
		if w := e.bearer("POST", "/api/users/refresh", item); e.now().Before(ends["warehouse"]) {
			notPast(t, ends["warehouse"], texts(t, w)["accessToken"])
		} else {
			wantCode(t, w, 401)
		}
	}
	wantCode(t, e.caRefresh("", ca), 401)
	e.advance(5 * time.Hour)
	wantCode(t, e.refresh(refresh), 401)
}

func notPast(t *testing.T, end time.Time, tokens ...string) {
	t.Helper()
	for _, text := range tokens {
		var c struct{ Exp int64 }
		_, payload, _ := parts(t, text)
		if err := json.Unmarshal([]byte(payload), &c); err != nil || time.Unix(c.Exp, 0).After(end) {
			t.Fatalf("exp %d past %d (%v)", c.Exp, end.Unix(), err)
		}
	}
}

// asksAgain: what has been taken from an account since is missed at the next refresh.
func asksAgain(t *testing.T) {
	application := account.Application
	for _, tc := range []struct {
		name string
		lose func(t *testing.T, e *env)
	}{
		{"disabled", func(t *testing.T, e *env) { endAccount(t, e, account.Disabled) }},
		{"disabled and enabled", func(t *testing.T, e *env) {
			endAccount(t, e, account.Disabled)
			if _, err := e.app.Accounts.Enable(t.Context(), operator, "ada"); err != nil {
				t.Fatal(err)
			}
		}},
		{"deleted", func(t *testing.T, e *env) { endAccount(t, e, account.Deleted) }},
		{"left the group", func(t *testing.T, e *env) { e.set("ada", account.Change{RemoveGroups: []string{"collectors"}}) }},
		{"group deleted", func(t *testing.T, e *env) {
			if err := e.app.Accounts.DeleteGroup(t.Context(), operator, "collectors"); err != nil {
				t.Fatal(err)
			}
		}},
		{"of another type", func(t *testing.T, e *env) { e.set("ada", account.Change{Type: &application}) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEnv(t, func(c *config.Config) {
				for i := range c.Services {
					c.Services[i].Allow = config.Allow{Groups: []string{"collectors"}, Types: []string{"person"}}
				}
			})
			if _, err := e.app.Accounts.AddGroup(t.Context(), operator, "collectors", ""); err != nil {
				t.Fatal(err)
			}
			e.set("ada", account.Change{AddGroups: []string{"collectors"}})
			pair, key := e.issue("samples", e.ada.ID), e.apiKey()
			edi, pasta := e.ediPair("ecology")
			refreshed := texts(t, e.refresh(pair.Refresh.Reveal()))
			edi = texts(t, e.ediRefresh(pasta, edi))["edi-token"]
			caAccess, caRefresh := e.pairOf("collections", e.ada.ID)
			itemRefresh := second(e.pairOf("warehouse", e.ada.ID))
			e.advance(time.Second)
			tc.lose(t, e)
			e.advance(time.Second)
			wantCode(t, e.refresh(refreshed["refresh"]), 401)
			wantCode(t, e.ediRefresh(pasta, edi), 401)
			wantCode(t, e.ediRefresh(nil, edi), 401)
			wantCode(t, e.bearer("POST", "/api/auth/token/", key), 401)
			wantCode(t, e.json("POST", "/auth/v1/key", "key", key), 401)
			wantCode(t, e.caRefresh("", caRefresh), 500)
			wantCode(t, e.caRefresh("", caAccess), 500)
			wantCode(t, e.bearer("GET", "/api/users/refresh", itemRefresh), 401)
		})
	}
}

func endAccount(t *testing.T, e *env, status string) {
	t.Helper()
	if _, err := e.app.Engine.EndAccount(t.Context(), token.Operator(), e.ada.ID, status, "test"); err != nil {
		t.Fatal(err)
	}
}

// massRevocation: after the answer nothing of the account passes anywhere, and
// what belongs to others does.
func massRevocation(t *testing.T) {
	e := newEnv(t, nil)
	bob := e.account(account.New{Name: "bob", Type: account.Person})
	other := e.issue("samples", bob.ID)
	held := map[string][]string{} // :: consumer → tokens it would take
	for _, k := range kinds {
		for name := range strings.SplitSeq(k.good, ", ") {
			// Those of the other tests' services are not here, and the operator's secret is nobody's.
			if name != "" && name != "edi service key" && name != "pasta-token" {
				held[name] = append(held[name], k.make(e))
			}
		}
	}
	pastas := []string{kinds[5].make(e), kinds[7].make(e)}
	e.advance(time.Second)
	e.revokeEverybody()
	for _, c := range consumers {
		for _, text := range held[c.name] {
			if w := c.use(e, text); !c.ends(w) {
				t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
			}
		}
	}
	e.advance(time.Second)
	edi, _ := e.ediPair("ecology")
	for _, text := range pastas {
		wantCode(t, e.ediRefresh(text, edi), 401)
	}
	wantCode(t, e.bearer("GET", "/api/auth/user/", other.Access.Reveal()), 200)
	wantCode(t, e.refresh(other.Refresh.Reveal()), 200)
}

// deletedAndPurged: nothing of a deleted account comes back, not its name either.
func deletedAndPurged(t *testing.T) {
	e := newEnv(t, nil)
	pair, key := e.issue("samples", e.ada.ID), e.apiKey()
	edi, _ := e.ediPair("ecology")
	ca, item := second(e.pairOf("collections", e.ada.ID)), second(e.pairOf("warehouse", e.ada.ID))
	machine := e.applicationToken("/api", "warehouse", e.robot())
	endAccount(t, e, account.Deleted)
	if _, err := e.app.Engine.EndAccount(t.Context(), token.Operator(), e.robot(), account.Deleted, "test"); err != nil {
		t.Fatal(err)
	}
	for _, days := range []int{0, 20, 400} {
		e.advance(time.Duration(days) * 24 * time.Hour)
		for cursor, removed := int64(0), -1; removed != 0; {
			var err error
			cursor, removed, err = e.app.Store.Purge(t.Context(), token.PurgeVerb{Now: e.now(), Cursor: cursor, Batch: 100, Retention: token.Retention{AuditKeep: time.Hour}})
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.app.Accounts.Add(t.Context(), operator, account.New{Name: "Ada", Type: account.Person}); !errors.Is(err, account.ErrConflict) {
			t.Errorf("day %d: got %v, want a conflict", days, err)
		}
		if err := e.app.Close(); err != nil {
			t.Fatal(err)
		}
		e.app = e.open(e.app.Config)
		e.serve()
		wantCode(t, e.refresh(pair.Refresh.Reveal()), 401)
		wantCode(t, e.bearer("GET", "/api/auth/user/", pair.Access.Reveal()), 401)
		wantCode(t, e.ediRefresh(nil, edi), 401)
		wantCode(t, e.json("POST", "/auth/v1/key", "key", key), 401)
		wantCode(t, e.caRefresh("", ca), map[bool]int{true: 401, false: 500}[days > 0])
		wantCode(t, e.bearer("GET", "/api/users/refresh", item), 401)
		wantCode(t, e.bearer("GET", "/api/stations", machine), 401)
	}
	bob := e.account(account.New{Name: "bob", Type: account.Person})
	if bob.ID == e.ada.ID || bob.Subjects["samples"] == e.ada.Subjects["samples"] {
		t.Errorf("bob got ada's number: %+v", bob)
	}
}
