//go:build e2e

package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"symbolon/client"
	"symbolon/e2e/load"
	"symbolon/internal/secret"
)

const (
	pace  = 250 * time.Millisecond // between two steps of a worker, on the average
	slack = 2 * time.Second        // what would end so soon is not used any more
	api   = "/symbolon/api/v1"
)

// password is everybody's.
var password = base64.RawURLEncoding.EncodeToString(secret.Random(18))

// worker is one person with a program: a session, an API key and one grant at a time, in one dialect.
type worker struct {
	*caller
	id        int
	name      string
	wire      wire
	verifiers []*verifier

	account   int64
	session   string
	key       string
	keyID     int64
	keyEnds   time.Time
	held      held
	live      bool
	mourned   []*dead
	refreshes int
}

func personName(i int) string { return fmt.Sprintf("soak-%d", i) }

func newWorker(s *stage, i int, verifiers []*verifier) *worker {
	w := &worker{caller: newCaller(s, i), id: i, name: personName(i), wire: wires[i%len(wires)]}
	for _, v := range verifiers {
		if v.service == w.wire.service {
			w.verifiers = append(w.verifiers, v)
		}
	}
	return w
}

// populate makes the accounts, and signs the operator in.
func (s *stage) populate(workers int) error {
	if err := s.command("", "group", "add", "operators"); err != nil {
		return err
	}
	for i := range workers {
		if err := s.command(password+"\n", "account", "add", personName(i), "--password-stdin"); err != nil {
			return err
		}
	}
	if err := s.command(password+"\n", "account", "add", "boss", "--password-stdin", "--group", "operators"); err != nil {
		return err
	}
	s.boss, _ = newCaller(s, -1).signIn("boss")
	if s.boss == "" {
		return fmt.Errorf("the operator could not sign in")
	}
	return nil
}

// signIn begins a session of our own API, empty where that failed.
func (c *caller) signIn(name string) (session string, account int64) {
	req := load.Post(api+"/session", jsonType, asJSON(map[string]string{"name": name, "password": password}))
	a := c.insist(req)
	if !c.expect(a, req, "signing in", http.StatusCreated) {
		return "", 0
	}
	return member(a.body, "token"), number(a.body, "account")
}

func (w *worker) work() {
	for w.stage.running(w.stage.plan.over()) {
		w.step()
		if w.stage.rush.Load() == 0 {
			time.Sleep(pace/2 + time.Duration(w.rng.Int64N(int64(pace))))
		}
	}
}

// often is true once in n times on the average.
func (w *worker) often(n int) bool { return w.rng.IntN(n) == 0 }

func (w *worker) step() {
	switch {
	case !w.live:
		w.begin()
	case w.often(w.stage.plan.endEvery):
		w.end()
	case w.often(5):
		w.mourn()
	case w.often(20):
		w.documents()
	default:
		w.refresh()
	}
}

// begin makes what a grant hangs on where it is missing, and a grant.
func (w *worker) begin() {
	if w.session == "" {
		if w.session, w.account = w.signIn(w.name); w.session == "" {
			return
		}
	}
	if w.wire.byKey && time.Until(w.keyEnds) < w.stage.plan.access && !w.makeKey() {
		return
	}
	req := w.wire.begin(w.name, w.key)
	a := w.insist(req)
	if !w.expect(a, req, "beginning a grant", http.StatusOK) {
		return
	}
	w.held = w.wire.read(held{}, a.body)
	w.live = w.complete(a, req)
	if w.live {
		w.use()
	}
}

// makeKey makes an API key that ends with the longest life of anything here, so that its row is purged within the run.
func (w *worker) makeKey() bool {
	ends := time.Now().Add(w.stage.plan.cap).UTC().Truncate(time.Second)
	req := load.Post(api+"/keys", jsonType, asJSON(map[string]any{"name": "soak", "to": ends}), bearer(w.session))
	a := w.insist(req)
	if !w.expect(a, req, "making a key", http.StatusCreated) {
		return false
	}
	w.key, w.keyID, w.keyEnds = member(a.body, "key"), number(a.body, "id"), ends
	return true
}

// complete notes a finding where an answer lacks a token.
func (w *worker) complete(a answer, req []byte) bool {
	if w.held.access != "" && w.held.refresh != "" && w.held.grant != 0 {
		return true
	}
	w.stage.report.fail("%s: %s: the answer lacks a token", w.stage.name, named(req))
	return false
}

// refresh presents the refresh token. An answer that a crash swallowed must come again by the documented rules: with the
// same Idempotency-Key from any server at once, without one from the time on at which the crashed server is back.
func (w *worker) refresh() {
	_, whole := w.held.lives()
	if time.Until(whole) < slack {
		w.live = false
		return
	}
	retryKey := ""
	if w.id/len(wires)%2 == 1 {
		retryKey = base64.RawURLEncoding.EncodeToString(secret.Random(12))
	}
	lives := w.stage.lives()
	req := w.wire.renew(w.held, retryKey)
	a := w.ask(req)
	for a.lost {
		w.stage.report.count(w.stage.name + " refreshes asked for again")
		if w.wire.rotates && retryKey == "" {
			w.stage.await(a.node)
		}
		a = w.ask(req)
	}
	if time.Now().After(whole) {
		w.live = false
		return
	}
	if !w.expect(a, req, "refreshing what lives", http.StatusOK) {
		w.live = false
		return
	}
	generation := claimsOf(w.held.refresh).Generation
	w.held = w.wire.read(w.held, a.body)
	if w.live = w.complete(a, req); !w.live {
		return
	}
	if got := claimsOf(w.held.refresh).Generation; w.wire.rotates && got != generation+1 {
		w.stage.report.fail("%s: %s: generation %d after %d", w.stage.name, named(req), got, generation)
	}
	w.refreshes++
	switch {
	case w.refreshes%8 == 0:
		w.use()
	case w.wire.rotates && w.refreshes%8 == 4:
		w.replay(lives)
	}
}

// replay presents the token that was just used up: refused, and the grant lives on, as the next refresh shows. After a crash
// in between it may be given the pair again.
func (w *worker) replay(lives []int64) {
	old := w.held
	old.refresh = w.held.before
	req := w.wire.renew(old, "")
	a := w.insist(req)
	if w.stage.same(lives) {
		w.expect(a, req, "a used token, a moment later", http.StatusUnauthorized)
	}
}

// use presents the access token, new and seen before, and lets those who check it by themselves look at it.
func (w *worker) use() {
	ends, _ := w.held.lives()
	good := func(a answer, req []byte) {
		if time.Now().Before(ends) {
			w.expect(a, req, "using what lives", http.StatusOK)
		}
	}
	for range 2 {
		for _, req := range w.wire.uses(w.held) {
			good(w.insist(req), req)
		}
	}
	for _, v := range w.verifiers {
		lives := w.stage.lives()
		_, err := v.Verify(context.Background(), w.held.access)
		w.stage.report.count(w.stage.name + " " + v.name)
		if err != nil && w.stage.same(lives) && time.Now().Before(ends) {
			w.stage.report.fail("%s: %s refuses what lives: %v", w.stage.name, v.name, err)
		}
	}
}

// documents fetches what is public.
func (w *worker) documents() {
	for _, path := range []string{"/.well-known/jwks.json", "/symbolon/keys/samples/jwks.json", "/symbolon/keys/ecology.pem",
		"/symbolon/keys/ecology-legacy.crt", "/symbolon/status/0", "/readyz"} {
		req := load.Get(path)
		w.expect(w.insist(req), req, "a public document", http.StatusOK)
	}
}

// lives are the servers' present lives.
func (s *stage) lives() (all []int64) {
	for _, n := range s.nodes {
		all = append(all, n.life.Load())
	}
	return all
}

// same is whether every server has served since.
func (s *stage) same(lives []int64) bool {
	return slices.Equal(lives, s.lives()) && !slices.ContainsFunc(lives, func(life int64) bool { return life%2 == 1 })
}

// await returns once a server serves.
func (s *stage) await(node int) {
	for {
		if _, ok := s.nodes[node].up(); ok || s.broken.Load() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// number finds the first whole number called name at the top or one level down.
func number(body []byte, name string) int64 {
	_, rest, ok := strings.Cut(string(body), `"`+name+`":`)
	if !ok {
		return 0
	}
	digits := strings.TrimLeft(rest, " ")
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	n, err := strconv.ParseInt(digits[:max(end, 0)], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// verifier is a program elsewhere that checks tokens by itself.
type verifier struct {
	*client.Verifier
	name, service string
}

// newVerifiers makes one that follows the event stream, and two that go by lists alone. Each asks whichever server serves,
// as behind a balancer.
func (s *stage) newVerifiers() (all []*verifier, err error) {
	credential, err := os.ReadFile(filepath.Join(s.dir, "verifier.key"))
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		name   string
		config client.VerifierConfig
	}{
		{"a verifier with the stream", client.VerifierConfig{Service: "samples", Dialect: client.SESAR, EventsCredential: string(credential)}},
		{"a verifier with lists", client.VerifierConfig{Service: "samples", Dialect: client.SESAR}},
		{"EDI's verifier with lists", client.VerifierConfig{Service: "ecology", Dialect: client.EDI}},
	} {
		c.config.Server, c.config.HTTPClient = s.base, &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: s.dial}}
		v, err := client.NewVerifier(c.config)
		if err != nil {
			return nil, err
		}
		all = append(all, &verifier{v, c.name, c.config.Service})
	}
	return all, nil
}

func (s *stage) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	for _, n := range s.nodes {
		if _, ok := n.up(); ok {
			return new(net.Dialer).DialContext(ctx, network, n.addr)
		}
	}
	return nil, fmt.Errorf("no server serves")
}
