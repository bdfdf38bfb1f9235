package app

import (
	"strings"
	"testing"
	"time"

	"symbolon/internal/token"
)

// exchange gives ada's key for both tokens of ecology.
func (e *env) exchange(key string) (edi, pasta string) {
	e.t.Helper()
	w := e.json("POST", "/auth/v1/key", "key", key)
	wantCode(e.t, w, 200)
	all := texts(e.t, w)
	return all["edi-token"], all["pasta-token"]
}

// endElsewhere ends all of ada's, in what might be another process.
func (e *env) endElsewhere() {
	e.t.Helper()
	_, err := e.beside().Engine.Revoke(e.t.Context(), token.Operator(), token.RevokeRequest{Account: e.ada.ID, Reason: "test"})
	if err != nil {
		e.t.Fatal(err)
	}
}

// A legacy token names a person. One from a key that was made after a cut-off elsewhere is good, even where nobody had told
// this process of the cut-off.
func TestTokensAfterACutOffElsewhere(t *testing.T) {
	for name, begin := range map[string]func(*env) (edi, pasta string){
		"a key made here": func(e *env) (string, string) { return e.exchange(e.apiKey()) },
		"a key made elsewhere": func(e *env) (string, string) {
			key, _, err := e.beside().Engine.MakeKey(e.t.Context(), token.Operator(), token.KeyRequest{Account: e.ada.ID, Label: "test", To: e.now().AddDate(1, 0, 0)})
			if err != nil {
				e.t.Fatal(err)
			}
			return e.exchange(key.Reveal())
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, nil)
			e.exchange(e.apiKey())
			e.endElsewhere()
			e.silence(20 * time.Millisecond)
			edi, pasta := begin(e)
			e.advance(time.Second)
			wantCode(t, e.ediRefresh(pasta, edi), 200)
		})
	}
}

// A legacy token that was refreshed where nobody had heard of a cut-off yet has ended with it all the same, though its end,
// in whole minutes, is later.
func TestRefreshedBeforeACutOffWasHeardOf(t *testing.T) {
	e := newEnv(t, nil)
	edi, pasta := e.exchange(e.apiKey())
	e.advance(time.Minute - time.Duration(start.Second())*time.Second - 10*time.Millisecond)
	e.endElsewhere()
	e.silence(3 * time.Second / 2)
	w := e.ediRefresh(pasta, edi)
	wantCode(t, w, 200)
	late := texts(t, w)["pasta-token"]
	if late == pasta {
		t.Fatal("the same token again: the test shows nothing")
	}
	e.advance(time.Second)
	edi, _ = e.exchange(e.apiKey())
	w = e.ediRefresh(late, edi)
	wantCode(t, w, 401)
	if !strings.Contains(w.Body.String(), "Token has been revoked") {
		t.Errorf("refused for another reason: %s", w.Body)
	}
}
