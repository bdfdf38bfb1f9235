//go:build e2e

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"symbolon/e2e/load"
)

// dead is something that was ended, which nobody may accept any more.
type dead struct {
	how      string
	requests []past
	ended    []int // statuses that say so
	at       time.Time
	access   string
	refused  []bool // :: server → it has refused it, or has itself ended it
}

// past is a request with what was ended, and until when it would have been good. Refused later it proves nothing, and is
// refused in other words once its key is gone.
type past struct {
	request []byte
	until   time.Time
}

func pasts(until time.Time, requests ...[]byte) (all []past) {
	for _, req := range requests {
		all = append(all, past{req, until})
	}
	return all
}

// maxMourned is how many of a worker's dead are tried again and again.
const maxMourned = 24

// ending is one way to end something. It returns the server that answered, below 0 for a command.
type ending struct {
	name  string
	fits  func(w *worker) bool
	do    func(w *worker) (node int, ok bool)
	login bool // the session ends too
}

func always(*worker) bool       { return true }
func byKey(w *worker) bool      { return w.wire.byKey }
func rotating(w *worker) bool   { return w.wire.rotates }
func hasBefore(w *worker) bool  { return w.wire.rotates && w.held.before != "" }
func (w *worker) grant() string { return fmt.Sprint(w.held.grant) }

var endings = []ending{
	{name: "blacklist", fits: rotating, do: func(w *worker) (int, bool) {
		return w.ends(load.Post("/api/auth/token/blacklist/", jsonType, asJSON(map[string]string{"refresh": w.held.refresh})), http.StatusOK)
	}},
	{name: "blacklist-all", fits: rotating, do: func(w *worker) (int, bool) {
		if access, _ := w.held.lives(); time.Until(access) < slack {
			return 0, false
		}
		return w.ends(load.Post("/api/auth/token/blacklist-all/", jsonType, "", bearer(w.held.access)), http.StatusOK)
	}},
	{name: "an ancestor", fits: hasBefore, do: func(w *worker) (int, bool) {
		old := w.held
		old.refresh = old.before
		if w.refresh(); !w.live || w.held.before == old.refresh {
			return 0, false
		}
		return w.ends(w.wire.renew(old, ""), http.StatusUnauthorized)
	}},
	{name: "our own API", fits: always, do: func(w *worker) (int, bool) {
		return w.ends(remove(api+"/tokens/"+w.grant(), w.session), http.StatusNoContent)
	}},
	{name: "all of the person", fits: always, do: func(w *worker) (int, bool) {
		return w.ends(load.Post(api+"/tokens/revoke-all", jsonType, "{}", bearer(w.session)), http.StatusOK)
	}},
	{name: "its API key", fits: byKey, do: func(w *worker) (int, bool) {
		return w.ends(remove(fmt.Sprintf("%s/keys/%d", api, w.keyID), w.session), http.StatusNoContent)
	}},
	{name: "a command", fits: always, do: func(w *worker) (int, bool) {
		if err := w.stage.command("", "token", "revoke", "--grant", w.grant()); err != nil {
			w.stage.report.fail("%s: %v", w.stage.name, err)
			return 0, false
		}
		return -1, true
	}},
	{name: "disabling the account", fits: always, do: func(w *worker) (int, bool) { return w.admin("disable") }, login: true},
}

func remove(path, session string) []byte {
	return fmt.Appendf(nil, "DELETE %s HTTP/1.1\r\nHost: tokens.localhost\r\n%s\r\n\r\n", path, bearer(session))
}

// admin is what an operator does to the account.
func (w *worker) admin(verb string) (int, bool) {
	return w.ends(load.Post(fmt.Sprintf("%s/admin/accounts/%d/%s", api, w.account, verb), jsonType, "{}", bearer(w.stage.boss)), http.StatusOK)
}

// ends sends what ends something. Where the answer was lost it asks again, and may then hear that it has ended already.
func (w *worker) ends(req []byte, want int) (node int, ok bool) {
	a, wants := w.ask(req), []int{want}
	for a.lost {
		a, wants = w.ask(req), append(wants, http.StatusUnauthorized)
	}
	return a.node, w.expect(a, req, "ending something", wants...)
}

// end ends what the worker holds in one of the ways, and checks that the server which said so means it.
func (w *worker) end() {
	e := endings[w.rng.IntN(len(endings))]
	if _, whole := w.held.lives(); !e.fits(w) || time.Until(whole) < 2*slack {
		return
	}
	node, ok := e.do(w)
	if !ok {
		w.live = false
		return
	}
	w.stage.report.count(w.stage.name + " ended by " + e.name)
	w.bury(e, node)
	if e.login {
		if _, ok := w.admin("enable"); !ok {
			w.stage.report.fail("%s: enabling an account failed", w.stage.name)
		}
	}
}

// bury notes what has ended and tries it at once.
func (w *worker) bury(e ending, node int) {
	d := &dead{how: e.name, ended: w.wire.ended, at: time.Now(), access: w.held.access, refused: make([]bool, len(w.stage.nodes))}
	access, whole := w.held.lives()
	d.requests = append(pasts(access, w.wire.uses(w.held)...), past{w.wire.renew(w.held, ""), whole})
	all := []*dead{d}
	// The grant of EDI's tokens by key is the key's own, so whatever ends the grant ends the key.
	keyEnded := e.login || e.name == "all of the person" || e.name == "its API key" || w.wire.service == "ecology"
	if keyEnded && w.key != "" {
		all = append(all, &dead{how: "the key, by " + e.name, ended: []int{http.StatusUnauthorized}, at: d.at, refused: make([]bool, len(w.stage.nodes)),
			requests: pasts(w.keyEnds, w.wire.begin(w.name, w.key), load.Get(api+"/tokens", bearer(w.key)))})
		w.key, w.keyEnds = "", time.Time{}
	}
	if e.login {
		all = append(all, &dead{how: "the session, by " + e.name, ended: []int{http.StatusUnauthorized}, at: d.at, refused: make([]bool, len(w.stage.nodes)),
			requests: pasts(d.at.Add(12*time.Hour), load.Get(api+"/tokens", bearer(w.session)))})
		w.session = ""
	}
	w.live = false
	for _, d := range all {
		if node >= 0 {
			d.refused[node] = true
			for _, p := range d.requests {
				w.judge(d, node, p, w.insistAt(node, p.request), time.Now())
			}
		}
		if w.mourned = append(w.mourned, d); len(w.mourned) > maxMourned {
			w.mourned = slices.Delete(w.mourned, 0, 1)
		}
	}
}

// mourn presents something that has ended to some server, and its access token to those who check by themselves.
func (w *worker) mourn() {
	w.mourned = slices.DeleteFunc(w.mourned, func(d *dead) bool {
		return !slices.ContainsFunc(d.requests, func(p past) bool { return time.Now().Before(p.until) })
	})
	if len(w.mourned) == 0 {
		return
	}
	d := w.mourned[w.rng.IntN(len(w.mourned))]
	p := d.requests[w.rng.IntN(len(d.requests))]
	asked := time.Now()
	if a, sent := w.tryOnce(w.rng.IntN(len(w.stage.nodes)), p.request); sent && !a.lost {
		w.judge(d, a.node, p, a, asked)
	}
	if d.access == "" || time.Since(d.at) < statusTTL+slack {
		return
	}
	for _, v := range w.verifiers {
		if _, err := v.Verify(context.Background(), d.access); err == nil {
			w.stage.report.fail("%s: %s accepts what was ended by %s %s ago", w.stage.name, v.name, d.how, time.Since(d.at).Round(time.Millisecond))
		}
	}
}

// judge notes a finding where a server accepts what has ended: always where it knew, and from the bound on where it did not.
func (w *worker) judge(d *dead, node int, p past, a answer, asked time.Time) {
	late := time.Now().After(p.until)
	if !late {
		w.stage.report.count(w.stage.name + " dead ones presented")
	}
	switch {
	case a.failed || late && a.status != http.StatusOK:
	case slices.Contains(d.ended, a.status):
		d.refused[node] = true
	case a.status != http.StatusOK:
		w.expect(a, p.request, "presenting what was ended by "+d.how, d.ended...)
	case d.refused[node] || asked.Sub(d.at) > bound:
		w.stage.report.fail("%s: %s: server %d ACCEPTS what was ended by %s %s ago", w.stage.name, named(p.request), node, d.how,
			asked.Sub(d.at).Round(time.Millisecond))
	}
}
