package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/keyring"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// beside opens the same data as a command does, in what might be another process.
func (e *env) beside() *App {
	e.t.Helper()
	a, err := Open(e.t.Context(), Options{Config: e.app.Config, Now: e.now, Log: slog.New(slog.DiscardHandler), Keys: true, Hasher: cheap()})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { a.Close() })
	return a
}

// tend lets the keys be looked after.
func (e *env) tend() {
	e.t.Helper()
	if err := e.app.tendKeys(e.t.Context(), e.now()); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) checks(service, access string) error {
	_, err := e.app.Engine.Verify(e.t.Context(), service, access, token.Access)
	return err
}

// TestNextKeyIsPublishedLongBeforeItSigns: longer than anybody may keep the keys.
func TestNextKeyIsPublishedLongBeforeItSigns(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.KeyRotation = config.Duration(4 * time.Hour) })
	old := e.kid("samples")
	e.advance(2 * time.Hour)
	e.tend()
	body := e.do("GET", "/symbolon/keys/samples/jwks.json", "")
	if got := body.Header().Get("Cache-Control"); got != "public, max-age=300" {
		t.Errorf("Cache-Control %q", got)
	}
	if n := strings.Count(body.Body.String(), `"kid"`); n != 4 {
		t.Errorf("%d keys are published, want both of the service and both of the lists", n)
	}
	e.advance(2*time.Hour - time.Second)
	e.tend()
	if e.kid("samples") != old {
		t.Error("the next key signs too soon")
	}
	before := e.issue("samples", e.ada.ID)
	e.advance(time.Second)
	e.tend()
	e.advance(time.Second)
	next := e.kid("samples")
	if next == old || !strings.Contains(body.Body.String(), `"`+next+`"`) {
		t.Errorf("%s signs, was it published?", next)
	}
	if err := e.checks("samples", before.Access.Reveal()); err != nil {
		t.Errorf("a token of the old key: %v", err)
	}
	wantCode(t, e.refresh(before.Refresh.Reveal()), 200)
	e.advance(29 * time.Hour)
	e.tend()
	if again := e.do("GET", "/symbolon/keys/samples/jwks.json", "").Body.String(); strings.Contains(again, `"`+old+`"`) {
		t.Error("the old key is published though its last token has ended")
	}
}

// TestExpiredIsToldAfterARotation: who comes back after a day hears that the token has expired, and so refreshes.
func TestExpiredIsToldAfterARotation(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.KeyRotation = config.Duration(4 * time.Hour) })
	ca, itempath := e.issue("collections", e.ada.ID), e.issue("warehouse", e.ada.ID)
	for range 12 {
		e.advance(2 * time.Hour)
		e.tend()
	}
	w := e.json("POST", "/service/Auth", "query", `{ validate(jwt: "`+ca.Access.Reveal()+`") { id } }`)
	if w.Code != 401 || !strings.Contains(w.Body.String(), `"expiredToken":true`) {
		t.Errorf("collections: %d %s", w.Code, w.Body)
	}
	if w := e.bearer("GET", "/api/stations", itempath.Access.Reveal()); w.Code != 401 || !strings.Contains(w.Body.String(), "Token has expired") {
		t.Errorf("warehouse: %d %s", w.Code, w.Body)
	}
	wantCode(t, e.json("POST", "/service/Auth", "query", `{ refresh(token: "`+ca.Refresh.Reveal()+`") { jwt } }`), 200)
	wantCode(t, e.bearer("POST", "/api/users/refresh", itempath.Refresh.Reveal()), 200)
}

// TestShortRotationsAreNotKeptLong: for development alone.
func TestShortRotationsAreNotKeptLong(t *testing.T) {
	e := newEnv(t, func(c *config.Config) { c.KeyRotation = config.Duration(40 * time.Second) })
	if got := e.do("GET", "/.well-known/jwks.json", "").Header().Get("Cache-Control"); got != "public, max-age=5" {
		t.Errorf("Cache-Control %q", got)
	}
}

// TestRemovedKeyIsDead: a command beside the server removes a key that was stolen.
func TestRemovedKeyIsDead(t *testing.T) {
	e := newEnv(t, nil)
	for _, service := range []string{"samples", "ecology", "collections", "warehouse"} {
		tokens := e.issue(service, e.ada.ID)
		if err := e.checks(service, tokens.Access.Reveal()); err != nil {
			t.Fatal(err)
		}
		command := e.beside()
		_, kid, err := command.Keys.Signer(service, keyring.Access, e.now())
		if err != nil {
			t.Fatal(err)
		}
		key, err := command.Keys.Find(kid)
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Keys.Remove(t.Context(), keyring.Act{By: "operator", At: e.now()}, key.ID); err != nil {
			t.Fatal(err)
		}
		e.advance(time.Second)
		if err := e.checks(service, tokens.Access.Reveal()); token.CodeOf(err) != token.Malformed {
			t.Errorf("%s: a token of the removed key: %v", service, err)
		}
		if body := e.do("GET", "/.well-known/jwks.json", "").Body.String(); strings.Contains(body, kid) {
			t.Errorf("%s: the removed key is published", service)
		}
		if err := e.checks(service, e.issue(service, e.ada.ID).Access.Reveal()); err != nil {
			t.Errorf("%s: a token of the new key: %v", service, err)
		}
		if service == "samples" {
			wantCode(t, e.refresh(tokens.Refresh.Reveal()), 200)
		}
	}
}

// TestRemovedRefreshKey ends every pair.
func TestRemovedRefreshKey(t *testing.T) {
	e := newEnv(t, nil)
	tokens := e.issue("samples", e.ada.ID)
	for _, k := range e.app.Keys.List() {
		if k.Service == "samples" && k.Purpose == keyring.Refresh {
			if err := e.app.Keys.Remove(t.Context(), keyring.Act{By: "operator", At: e.now()}, k.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantCode(t, e.refresh(tokens.Refresh.Reveal()), 401)
	if err := e.checks("samples", tokens.Access.Reveal()); err != nil {
		t.Errorf("the access token is not the refresh key's: %v", err)
	}
}

// blindKeys is keys that cannot be read any more.
type blindKeys struct{ engineKeys }

func (blindKeys) Reload(context.Context) error { return errors.New("unreadable") }

// TestUnreadKeysAreNotBelieved: a server that hears of a change and cannot read it stops vouching.
func TestUnreadKeysAreNotBelieved(t *testing.T) {
	e := newEnv(t, nil)
	tokens := e.issue("samples", e.ada.ID)
	engine := token.New(token.Options{Store: e.app.Store, Keys: engineKeys{e.app.Keys}, Services: e.app.services(), Now: e.now,
		Log: slog.New(slog.DiscardHandler)})
	if err := engine.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	blind := token.New(token.Options{Store: e.app.Store, Keys: blindKeys{engineKeys{e.app.Keys}}, Services: e.app.services(), Now: e.now,
		Log: slog.New(slog.DiscardHandler)})
	if err := blind.Start(t.Context()); err == nil {
		t.Fatal("a server without its keys starts")
	}
	if _, err := blind.Verify(t.Context(), "samples", tokens.Access.Reveal(), token.Access); token.CodeOf(err) != token.Unavailable {
		t.Errorf("it vouches: %v", err)
	}
}

// TestRepeatedAnswerIsTheSameAfterARotation: the pair that was lost is minted with the keys of its time.
func TestRepeatedAnswerIsTheSameAfterARotation(t *testing.T) {
	e := newEnv(t, func(c *config.Config) {
		c.KeyRotation = config.Duration(2 * time.Second)
		c.Services[0].Replay = "same"
	})
	e.silence(500 * time.Millisecond)
	tokens := e.issue("samples", e.ada.ID)
	first := e.refresh(tokens.Refresh.Reveal())
	wantCode(t, first, 200)
	old := e.kid("samples")
	for range 8 {
		e.advance(time.Second)
		e.tend()
	}
	if e.kid("samples") == old {
		t.Fatal("the key did not change")
	}
	again := e.refresh(tokens.Refresh.Reveal())
	if again.Code != 200 || again.Body.String() != first.Body.String() {
		t.Errorf("%d: %s, was %s", again.Code, again.Body, first.Body)
	}
}

// TestMasterKeyChanges stops the command after each of its steps and starts the server then.
func TestMasterKeyChanges(t *testing.T) {
	conf := small(t)
	mustOpen(t, conf)
	file := filepath.Join(conf.Data, "master.key")
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			return ""
		}
		return string(text)
	}
	old := read(file)
	if _, err := nextMaster(file); err != nil { // the first step alone
		t.Fatal(err)
	}
	mustOpen(t, conf)
	next := read(NextMaster(file))
	if next == "" || next == old {
		t.Fatal("no new master key")
	}
	a, err := Open(t.Context(), Options{Config: conf, Now: time.Now, Log: slog.New(slog.DiscardHandler), Keys: true})
	if err != nil {
		t.Fatal(err)
	}
	master, err := nextMaster(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := a.Keys.Rewrap(t.Context(), keyring.Act{By: "operator", At: time.Now()}, master) // the second
	if err != nil || n != 4 {
		t.Fatalf("%d keys, %v", n, err)
	}
	mustOpen(t, conf)
	if err := os.Link(file, file+".old"); err != nil { // half of the third
		t.Fatal(err)
	}
	done, err := a.RewrapMaster(t.Context(), keyring.Act{By: "operator", At: time.Now()})
	if err != nil || done.Keys != 4 {
		t.Fatalf("%+v, %v", done, err)
	}
	if read(file) != next || read(file+".old") != old || read(NextMaster(file)) != "" {
		t.Error("the files are not in their places")
	}
	mustOpen(t, conf)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	wantText(t, openAt(t, conf, true), `^the master key file .*/master\.key is missing`)
	a.Close()
}

func TestMasterKeyInAVariableNeedsTheNextOne(t *testing.T) {
	e := newEnv(t, nil)
	text, err := os.ReadFile(e.app.Config.MasterKeyPath())
	if err != nil {
		t.Fatal(err)
	}
	e.app.Config.MasterKey = secret.New(strings.TrimSpace(string(text)))
	_, err = e.app.RewrapMaster(t.Context(), keyring.Act{By: "operator", At: e.now()})
	wantText(t, err, `^the master key is in SYMBOLON_MASTER_KEY: set SYMBOLON_MASTER_KEY_NEXT`)
	e.app.Config.NextMasterKey = secret.New("bmV4dA==")
	_, err = e.app.RewrapMaster(t.Context(), keyring.Act{By: "operator", At: e.now()})
	wantText(t, err, `^SYMBOLON_MASTER_KEY_NEXT: .*4 bytes`)
	e.app.Config.NextMasterKey = secret.New("bmV4dG5leHRuZXh0bmV4dG5leHRuZXh0bmV4dG5leHQ=")
	done, err := e.app.RewrapMaster(t.Context(), keyring.Act{By: "operator", At: e.now()})
	if err != nil || done.Keys == 0 || done.File != "" {
		t.Errorf("%+v, %v", done, err)
	}
	e.app.Config.MasterKey, e.app.Config.NextMasterKey = e.app.Config.NextMasterKey, secret.New("")
	e.beside()
}
